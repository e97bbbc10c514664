import { LossForm } from '../../assembly/tape/training.ts';
import { logSumExp, sigmoid, softmax, softplus } from './activations.ts';
import { make, type Numbers, sum } from './numbers.ts';

/** Losses of the rows, each row `columns` wide, times `scale`. */

/** sum (x - t)² */
export function meanSquaredError(x: Numbers, t: Numbers, columns: number, scale: number): number[] {
  return make(x.length / columns, (r) =>
    sum(columns, (n) => scale * (x[r * columns + n]! - t[r * columns + n]!) ** 2),
  );
}

/** 2 (x - t) */
export function meanSquaredErrorGradient(x: Numbers, t: Numbers, scale: number): number[] {
  return make(x.length, (i) => 2 * scale * (x[i]! - t[i]!));
}

export interface BinaryForm {
  readonly form: LossForm;
  readonly zeroClipped: boolean;
  readonly low: number;
  readonly high: number;
}

export function clipped(p: number, { low, high }: BinaryForm): number {
  return Math.min(Math.max(p, Math.fround(low)), Math.fround(high));
}

/** On logits softplus(x) - x t; on probabilities -(t log q + (1 - t) log(1 - q)), q = the clipped x. */
export function binaryCrossEntropy(
  x: Numbers,
  t: Numbers,
  columns: number,
  form: BinaryForm,
  scale: number,
): number[] {
  const loss = (p: number, y: number): number => {
    if (form.form === LossForm.Logits) return softplus(p) - p * y;
    const q = clipped(p, form);
    return -(y * Math.log(q) + (1 - y) * Math.log1p(-q));
  };
  return make(x.length / columns, (r) =>
    sum(columns, (n) => scale * loss(x[r * columns + n]!, t[r * columns + n]!)),
  );
}

/** sigmoid(x) - t; of a probability (q - t) / (q (1 - q)); of a probability's logit q - t; where clipped also 0 */
export function binaryCrossEntropyGradient(
  x: Numbers,
  t: Numbers,
  form: BinaryForm,
  scale: number,
): number[] {
  return make(x.length, (i) => {
    if (form.form === LossForm.Logits) return scale * (sigmoid(x[i]!) - t[i]!);
    const q = clipped(x[i]!, form);
    if (form.zeroClipped && q !== x[i]) return 0;
    const d = q - t[i]!;
    return scale * (form.form === LossForm.Probabilities ? d / (q * (1 - q)) : d);
  });
}

/** Classes as one-hot rows. */
export function oneHot(classes: Numbers, columns: number): number[] {
  return make(classes.length * columns, (i) => (classes[Math.floor(i / columns)] === i % columns ? 1 : 0));
}

/** sum t (log(sum e^x) - x); t one-hot or any weights */
export function softmaxCrossEntropy(x: Numbers, t: Numbers, columns: number, scale: number): number[] {
  return make(x.length / columns, (r) => {
    const norm = logSumExp(x, r * columns, columns);
    return sum(columns, (n) => scale * t[r * columns + n]! * (norm - x[r * columns + n]!));
  });
}

/** softmax(x) · sum t - t */
export function softmaxCrossEntropyGradient(
  x: Numbers,
  t: Numbers,
  columns: number,
  scale: number,
): number[] {
  const y = softmax(x, columns, false);
  const masses = make(x.length / columns, (r) => sum(columns, (n) => t[r * columns + n]!));
  return make(x.length, (i) => scale * (y[i]! * masses[Math.floor(i / columns)]! - t[i]!));
}
