import { LossForm } from '../../assembly/tape/training.ts';
import { ulpOf } from '../math/functions.ts';
import { sigmoid, softplus } from '../reference/activations.ts';
import { type BinaryForm, clipped, softmaxCrossEntropyGradient } from '../reference/losses.ts';
import { make, type Numbers, sum } from '../reference/numbers.ts';
import { expError, perRow, rowErrors } from './softmax-bounds.ts';

/** Rounding errors of the losses, in units of u = 2^-24, operation by operation as assembly/kernels/loss.ts does them. */
const LOG = 2 * ulpOf('log');
const SIGMOID = 2 * ulpOf('sigmoid');
const SOFTPLUS = 2 * ulpOf('softplus');

/** The factor of a row's loss, and the product with it. */
const SCALED = 2;

/** A sum of positive terms: the difference, which the square doubles, the square, and columns - 1 additions. */
export function meanSquaredErrorBound(loss: Numbers, columns: number): number[] {
  return make(loss.length, (r) => loss[r]! * (3 + columns - 1 + SCALED));
}

export function meanSquaredErrorGradientBound(gradient: Numbers): number[] {
  return make(gradient.length, (i) => Math.abs(gradient[i]!) * (1 + SCALED));
}

export function binaryCrossEntropyBound(
  x: Numbers,
  t: Numbers,
  columns: number,
  form: BinaryForm,
  scale: number,
): number[] {
  /** One term: its magnitude, and its error. */
  const term = (p: number, y: number): [number, number] => {
    if (form.form === LossForm.Logits) {
      const value = softplus(p) - p * y;
      return [value, SOFTPLUS * softplus(p) + Math.abs(p * y) + value];
    }
    // t log q + (1 - t) log(1 - q): 1 - q is rounded, and 1 - t; then the products and the sum
    const q = clipped(p, form);
    const [a, b] = [-Math.log(q), -Math.log1p(-q)];
    const value = y * a + (1 - y) * b;
    return [value, y * a * (LOG + 1) + (1 - y) * (1 + b * (LOG + 2)) + value];
  };
  return make(x.length / columns, (r) =>
    sum(columns, (n) => {
      const [value, error] = term(x[r * columns + n]!, t[r * columns + n]!);
      return scale * (error + value * (columns - 1 + SCALED));
    }),
  );
}

/** In the sigmoid form x is the kernel's own, from a sigmoid. */
export function binaryCrossEntropyGradientBound(
  x: Numbers,
  t: Numbers,
  form: BinaryForm,
  scale: number,
): number[] {
  return make(x.length, (i) => {
    const p = form.form === LossForm.Logits ? sigmoid(x[i]!) : clipped(x[i]!, form);
    const d = Math.abs(p - t[i]!);
    // 1 - q, q (1 - q) and the quotient
    if (form.form === LossForm.Probabilities) return (scale * d * (1 + 3 + SCALED)) / (p * (1 - p));
    return scale * (SIGMOID * p + d * (1 + SCALED));
  });
}

/** sum t (norm - x), norm = log(total) + max */
export function softmaxCrossEntropyBound(x: Numbers, t: Numbers, columns: number, scale: number): number[] {
  return make(x.length / columns, (r) => {
    const from = r * columns;
    const { max, log, norm } = rowErrors(x, from, columns);
    const normError = norm + Math.abs(max + log);
    return sum(columns, (n) => {
      const value = max + log - x[from + n]!;
      // the difference, the product, columns - 1 additions
      return scale * t[from + n]! * (normError + value * (2 + columns - 1 + SCALED));
    });
  });
}

/** softmax · mass - t, mass = sum t: e^(x - max) · (scale · mass / total) - scale · t */
export function softmaxCrossEntropyGradientBound(
  x: Numbers,
  t: Numbers,
  columns: number,
  scale: number,
): number[] {
  const gradient = softmaxCrossEntropyGradient(x, t, columns, scale);
  return perRow(x.length, columns, (from) => {
    const { max, log, total } = rowErrors(x, from, columns);
    const mass = sum(columns, (n) => t[from + n]!);
    return (i) => {
      const y = Math.exp(x[i]! - max - log) * mass;
      // mass, its product with the factor (itself rounded), the quotient, the product with e^(x - max)
      const share = y * (expError(x[i]!, max) + total + columns - 1 + 4);
      return scale * (share + 2 * t[i]!) + Math.abs(gradient[i]!);
    };
  });
}
