import { type Digits, PIXELS, SIDE } from './digits-data.ts';
import { randomFrom } from './random.ts';

/** Largest turn in radians, change of size, and move in pixels. */
const TURN = 0.2;
const GROWTH = 0.1;
const MOVE = 2;

/** Each digit a little turned, grown or shrunk, and moved, as if written anew; other ones for each seed. */
export function distorted({ x, y }: Digits, seed: number): Digits {
  const random = randomFrom(seed);
  const between = (limit: number): number => limit * (2 * random() - 1);
  const data = new Uint8Array(x.data.length);
  const middle = (SIDE - 1) / 2;
  for (let image = 0; image < y.shape[0]; image++) {
    const pixels = x.data.subarray(image * PIXELS, (image + 1) * PIXELS);
    const [turn, size] = [between(TURN), 1 + between(GROWTH)];
    const [cos, sin] = [Math.cos(turn) / size, Math.sin(turn) / size];
    const [down, right] = [between(MOVE), between(MOVE)];
    for (let i = 0; i < PIXELS; i++) {
      const [row, column] = [Math.floor(i / SIDE) - middle - down, (i % SIDE) - middle - right];
      const from = [middle + cos * row - sin * column, middle + sin * row + cos * column] as const;
      data[image * PIXELS + i] = Math.round(pixelAt(pixels, ...from));
    }
  }
  return { x: { data, shape: x.shape }, y };
}

/** Between the four pixels around (bilinear); paper beyond the edge. */
function pixelAt(pixels: Uint8Array, row: number, column: number): number {
  const [top, left] = [Math.floor(row), Math.floor(column)];
  const at = (r: number, c: number): number =>
    r < 0 || r >= SIDE || c < 0 || c >= SIDE ? 0 : pixels[r * SIDE + c]!;
  const across = (r: number): number => at(r, left) + (column - left) * (at(r, left + 1) - at(r, left));
  return across(top) + (row - top) * (across(top + 1) - across(top));
}
