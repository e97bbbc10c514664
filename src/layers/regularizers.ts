import { knownKeys, number, show } from '../checks.ts';
import { UsageError } from '../errors.ts';

/** A penalty on a parameter w: l1 · sum|w| + l2 · sum w², added to the loss (elastic net where both are set). */
export interface Regularizer {
  readonly l1: number;
  readonly l2: number;
}

/** l1 · sum|w|; the gradient at 0 is 0. Strength at least 0, default 0.01. */
export function l1(strength = 0.01): Regularizer {
  return { l1: number(strength, 'l1: strength', { min: 0 }), l2: 0 };
}

/** l2 · sum w², whose gradient is 2 · l2 · w. Strength at least 0, default 0.01. */
export function l2(strength = 0.01): Regularizer {
  return { l1: 0, l2: number(strength, 'l2: strength', { min: 0 }) };
}

/** Elastic net (Zou & Hastie 2005): both penalties, each at least 0. Defaults 0.01. */
export function l1l2(options: { l1?: number | undefined; l2?: number | undefined } = {}): Regularizer {
  knownKeys(options, ['l1', 'l2'], 'l1l2');
  return {
    l1: number(options.l1 ?? 0.01, 'l1l2: l1', { min: 0 }),
    l2: number(options.l2 ?? 0.01, 'l1l2: l2', { min: 0 }),
  };
}

/** A penalty as an option, checked; undefined: none. */
export function regularizer(value: unknown, what: string): Regularizer | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null) {
    throw new UsageError(`${what} must be l1(), l2() or l1l2(), got ${show(value)}`);
  }
  knownKeys(value, ['l1', 'l2'], what);
  const { l1 = 0, l2 = 0 } = value as Partial<Regularizer>;
  return { l1: number(l1, `${what}: l1`, { min: 0 }), l2: number(l2, `${what}: l2`, { min: 0 }) };
}
