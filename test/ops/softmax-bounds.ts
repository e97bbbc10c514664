import { ulpOf } from '../math/functions.ts';
import { logSumExp, softmax } from '../reference/activations.ts';
import { make, type Numbers, sum } from '../reference/numbers.ts';

/** Rounding errors of softmax and its relatives, in units of u = 2^-24, row by row as assembly/kernels/softmax.ts does. */
const EXP = 2 * ulpOf('exp');
const LOG = 2 * ulpOf('log');

/** What the kernels know of a row: its largest element, total = sum e^(x - max) and the relative error of that. */
export interface RowErrors {
  readonly max: number;
  /** log of the total. */
  readonly log: number;
  readonly total: number;
  /** Of log(total) + max as they stand: log, its argument. */
  readonly norm: number;
}

/** e^(x - max): the rounded difference passes |x - max| on, then exp. */
export function expError(x: number, max: number): number {
  return max - x + EXP;
}

export function rowErrors(x: Numbers, from: number, columns: number): RowErrors {
  const max = Math.max(...make(columns, (n) => x[from + n]!));
  const log = logSumExp(x, from, columns) - max;
  const weight = (n: number): number => Math.exp(x[from + n]! - max - log);
  // each term by its share in the sum, then columns - 1 additions
  const total = sum(columns, (n) => weight(n) * expError(x[from + n]!, max)) + columns - 1;
  return { max, log, total, norm: total + LOG * Math.abs(log) };
}

/** y = e^(x - max) · (1 / total): the reciprocal and the product. */
export function softmaxBound(x: Numbers, columns: number): number[] {
  const y = softmax(x, columns, false);
  return perRow(x.length, columns, (from) => {
    const { max, total } = rowErrors(x, from, columns);
    return (i) => y[i]! * (expError(x[i]!, max) + total + 2);
  });
}

/** y = (x - max) - log(total) */
export function logSoftmaxBound(x: Numbers, columns: number): number[] {
  const y = softmax(x, columns, true);
  return perRow(x.length, columns, (from) => {
    const { max, norm } = rowErrors(x, from, columns);
    return (i) => max - x[i]! + norm + Math.abs(y[i]!);
  });
}

/** dx = y (dy - s), s = sum(dy y), y off by `error`. */
export function softmaxGradientBound(dy: Numbers, y: Numbers, columns: number, error: Numbers): number[] {
  return perRow(dy.length, columns, (from) => {
    const s = sum(columns, (n) => dy[from + n]! * y[from + n]!);
    const sError = sum(columns, (n) => Math.abs(dy[from + n]!) * (columns * y[from + n]! + error[from + n]!));
    return (i) => {
      const difference = Math.abs(dy[i]! - s);
      return error[i]! * difference + y[i]! * (sError + 2 * difference);
    };
  });
}

/** dx = dy - e^y s, s = sum(dy), y off by `error`. */
export function logSoftmaxGradientBound(dy: Numbers, y: Numbers, columns: number, error: Numbers): number[] {
  return perRow(dy.length, columns, (from) => {
    const s = Math.abs(sum(columns, (n) => dy[from + n]!));
    const sError = (columns - 1) * sum(columns, (n) => Math.abs(dy[from + n]!));
    // the product, then the difference
    return (i) => Math.exp(y[i]!) * ((error[i]! + EXP + 2) * s + sError) + Math.abs(dy[i]!);
  });
}

/** A value for each element, by a function made for its row, which begins at `from`. */
export function perRow(
  count: number,
  columns: number,
  of: (from: number) => (i: number) => number,
): number[] {
  const values: number[] = [];
  for (let from = 0; from < count; from += columns) {
    const value = of(from);
    for (let n = 0; n < columns; n++) values.push(value(from + n));
  }
  return values;
}
