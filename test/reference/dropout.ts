import type { DropoutAttributes } from '../../src/ops/attributes.ts';
import { make, type Numbers } from './numbers.ts';
import { bits32, keyOf } from './random.ts';

/** Klambauer et al. 2017: the limit of SELU, -lambda · alpha. */
const LIMIT = -1.0507009873554805 * 1.6732632423543772;

/** What is kept is multiplied by the first and gets the second added; the rest becomes the third. */
export function factors({ rate, alpha }: DropoutAttributes): readonly [number, number, number] {
  const p = Math.fround(rate);
  const q = 1 - p;
  if (!alpha) return [1 / q, 0, 0];
  const a = (q + LIMIT ** 2 * q * p) ** -0.5;
  return alpha === 'value' ? [a, -a * p * LIMIT, a * LIMIT - a * p * LIMIT] : [a, 0, 0];
}

/** Kept where the bits of (seed, step, stream, i) reach rate · 2^32; shared: i counts rows and channels only. */
export function dropout(
  x: Numbers,
  attributes: DropoutAttributes,
  seed: bigint,
  step: number,
  [positions, channels]: readonly [number, number],
): number[] {
  const { rate, stream, shared } = attributes;
  const key = keyOf(seed, step, stream);
  const threshold = Math.floor(Math.fround(rate) * 2 ** 32);
  const [scale, offset, other] = factors(attributes);
  return make(x.length, (i) => {
    const row = Math.floor(i / (positions * channels));
    const index = shared ? row * channels + (i % channels) : i;
    return bits32(key, index) >= threshold ? x[i]! * scale + offset : other;
  });
}

/** dx = dy where x was kept, times the same factor, else 0. */
export function dropoutGradient(
  dy: Numbers,
  attributes: DropoutAttributes,
  seed: bigint,
  step: number,
  size: readonly [number, number],
): number[] {
  const own = attributes.alpha ? { ...attributes, alpha: 'gradient' as const } : attributes;
  return dropout(dy, own, seed, step, size);
}
