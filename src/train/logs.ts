import type { Reduction } from './losses.ts';

/** Loss and metrics by name. */
export type Logs = Readonly<Record<string, number>>;

/** Values from the sums over `rows` rows; slot 0 is the loss. */
export function logsOf(
  sums: ArrayLike<number>,
  names: readonly string[],
  rows: number,
  reduction: Reduction,
): Logs {
  return Object.fromEntries(
    names.map((name, slot) => [name, slot === 0 && reduction === 'sum' ? sums[0]! : sums[slot]! / rows]),
  );
}
