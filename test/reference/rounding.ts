import type { Numbers } from './numbers.ts';

/**
 * Bounds of rounding errors, in units of u = 2^-24: one float32 operation has a relative error of at most 1. A result of
 * n such operations in a row is off by at most gamma(n) = n / (1 - n u) (Higham 2002, Accuracy and Stability of Numerical
 * Algorithms, lemma 3.1), a sum of n terms by gamma(n - 1) of the sum of their magnitudes in whatever order, fused
 * or not (ibid., section 4.2). The tests write n for gamma(n) and allow for the difference here: n u < 1e-4 for them all.
 */
const U = 2 ** -24 * 1.0001;

/**
 * The largest error of `got` as a share of its bound: at most 1 where all is well. 'exact': the value rounded once, so
 * that nothing else is allowed. Infinity for a wrong length or a NaN.
 */
export function shareOfBound(got: Numbers, want: Numbers, bound: Numbers | 'exact'): number {
  if (got.length !== want.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < want.length; i++) {
    const error = Math.abs(got[i]! - (bound === 'exact' ? Math.fround(want[i]!) : want[i]!));
    if (Number.isNaN(error)) return Infinity;
    if (error > 0) worst = Math.max(worst, error / (bound === 'exact' ? 0 : U * bound[i]!));
  }
  return worst;
}
