import { normalCdf } from './activations.ts';
import { make, type Numbers } from './numbers.ts';
import { keyOf, uniform } from './random.ts';

/** The x with Phi(x) = u, by bisection. */
export function quantile(u: number): number {
  let [low, high] = [-9, 9];
  for (let i = 0; i < 64; i++) {
    const x = (low + high) / 2;
    if (normalCdf(x) < u) low = x;
    else high = x;
  }
  return (low + high) / 2;
}

/** Standard normal numbers of (seed, step, stream, i). */
export function normals(count: number, seed: bigint, step: number, stream: number): number[] {
  const key = keyOf(seed, step, stream);
  return make(count, (i) => quantile(uniform(key, i)));
}

export function noise(x: Numbers, n: Numbers, deviation: number, product: boolean): number[] {
  return make(x.length, (i) => (product ? x[i]! * (1 + deviation * n[i]!) : x[i]! + deviation * n[i]!));
}
