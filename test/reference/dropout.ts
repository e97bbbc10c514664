import { make, type Numbers } from './numbers.ts';
import { bits32, keyOf } from './random.ts';

/** y = x / (1 - rate) where the bits of (seed, step, stream, i) reach rate · 2^32, else 0. */
export function dropout(x: Numbers, rate: number, seed: bigint, step: number, stream: number): number[] {
  const key = keyOf(seed, step, stream);
  const p = Math.fround(rate);
  const threshold = Math.floor(p * 2 ** 32);
  return make(x.length, (i) => (bits32(key, i) >= threshold ? x[i]! / (1 - p) : 0));
}

/** dx = dy · mask / (1 - rate): dropout of the gradient with the same mask. */
export function dropoutGradient(
  dy: Numbers,
  rate: number,
  seed: bigint,
  step: number,
  stream: number,
): number[] {
  return dropout(dy, rate, seed, step, stream);
}
