import type { Reduction } from './losses.ts';

/** Loss (penalties included) and metrics by name; of validation data as `val_loss`, … */
export interface Logs {
  readonly loss: number;
  readonly [name: string]: number;
}

/** What the sums of an epoch are: the loss, then the metrics, then numbers of steps. */
export interface Reported {
  /** Of the metrics. */
  readonly names: readonly string[];
  /** Of the losses. */
  readonly reduction: Reduction;
  /** For sums over the steps that a mask leaves, where the number of these is; the others are sums over rows. */
  readonly steps: ReadonlyMap<number, number>;
}

/**
 * Values from the sums over `rows` rows. Where no step counts, a metric is 0.
 */
export function logsOf(sums: ArrayLike<number>, rows: number, { names, reduction, steps }: Reported): Logs {
  const mean = (slot: number): number => {
    const counted = steps.get(slot);
    const count = counted === undefined ? rows : sums[counted]!;
    return count === 0 ? 0 : sums[slot]! / count;
  };
  const means = Object.fromEntries(names.map((name, i) => [name, mean(i + 1)]));
  return { loss: reduction === 'sum' ? sums[0]! : sums[0]! / rows, ...means };
}
