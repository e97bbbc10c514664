import { BinaryKind } from '../../assembly/tape/dense.ts';
import { make, type Numbers } from './numbers.ts';

/** Sizes of a tensor, the batch included. */
export type Sizes = readonly number[];

export const sizeOf = (sizes: Sizes): number => sizes.reduce((a, b) => a * b, 1);

/** Of element i of a tensor of `sizes` the place along each axis. */
export function placeOf(i: number, sizes: Sizes): number[] {
  const place: number[] = [];
  let rest = i;
  for (const size of [...sizes].reverse()) {
    place.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return place;
}

/** Which element of a tensor of `sizes`, aligned at the last axis, stands at a place; an axis of 1 stands everywhere. */
export function elementAt(place: readonly number[], sizes: Sizes): number {
  const own = place.slice(place.length - sizes.length);
  return sizes.reduce((index, size, axis) => index * size + (size === 1 ? 0 : own[axis]!), 0);
}

/** For each element of y the element of an operand that it is made of. */
export function sources(operand: Sizes, y: Sizes): number[] {
  return make(sizeOf(y), (i) => elementAt(placeOf(i, y), operand));
}

/** Terms whose sum an element of a broadcast operand gets as its gradient. */
export function sumTo(terms: Numbers, operand: Sizes, y: Sizes): number[] {
  const sums = make(sizeOf(operand), () => 0);
  sources(operand, y).forEach((at, i) => {
    sums[at]! += terms[i]!;
  });
  return sums;
}

const step = (a: number, b: number): number => (a > b ? 1 : a === b ? 0.5 : 0);

interface Kind {
  readonly f: (a: number, b: number) => number;
  /** dy/da and dy/db; absent where there are none. */
  readonly da?: (a: number, b: number) => number;
  readonly db?: (a: number, b: number) => number;
}

/** Total by type: a kind without a twin does not compile. */
export const kinds: Readonly<Record<BinaryKind, Kind>> = {
  [BinaryKind.Add]: { f: (a, b) => a + b, da: () => 1, db: () => 1 },
  [BinaryKind.Subtract]: { f: (a, b) => a - b, da: () => 1, db: () => -1 },
  [BinaryKind.Multiply]: { f: (a, b) => a * b, da: (_, b) => b, db: (a) => a },
  [BinaryKind.Divide]: { f: (a, b) => a / b, da: (_, b) => 1 / b, db: (a, b) => -a / (b * b) },
  [BinaryKind.Minimum]: { f: Math.min, da: (a, b) => step(b, a), db: step },
  [BinaryKind.Maximum]: { f: Math.max, da: step, db: (a, b) => step(b, a) },
  [BinaryKind.Power]: {
    f: (a, b) => a ** b,
    da: (a, b) => (b === 0 ? 0 : b * a ** (b - 1)),
    db: (a, b) => (a === 0 ? 0 : a ** b * Math.log(a)),
  },
  [BinaryKind.Greater]: { f: (a, b) => Number(a > b) },
  [BinaryKind.GreaterEqual]: { f: (a, b) => Number(a >= b) },
  [BinaryKind.Equal]: { f: (a, b) => Number(a === b) },
  [BinaryKind.Step]: { f: step },
  [BinaryKind.Mask]: { f: (a, b) => (b === 0 ? 0 : a), da: (_, b) => (b === 0 ? 0 : 1) },
  [BinaryKind.Unmask]: { f: (a, b) => (b === 0 ? a : 0), da: (_, b) => (b === 0 ? 1 : 0) },
  [BinaryKind.First]: { f: (a) => a, da: () => 1, db: () => 0 },
};
