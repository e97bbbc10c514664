import type { Reduction } from './losses.ts';

/** Loss (penalties included) and metrics by name; of validation data as `val_loss`, … */
export interface Logs {
  readonly loss: number;
  readonly [name: string]: number;
}

/** Values from the sums over `rows` rows: first the loss, then the metrics called `names`. */
export function logsOf(
  sums: ArrayLike<number>,
  names: readonly string[],
  rows: number,
  reduction: Reduction,
): Logs {
  const means = Object.fromEntries(names.map((name, i) => [name, sums[i + 1]! / rows]));
  return { loss: reduction === 'sum' ? sums[0]! : sums[0]! / rows, ...means };
}
