// What the tests of all rows try an operation with.
import { sizeOf } from '../../src/ops/tensor.ts';
import { f32 } from '../kernels/machine.ts';
import { generator, make, type Numbers } from '../reference/numbers.ts';
import type { Operand, Size } from './row.ts';
import { resultOf } from './run.ts';
import type { Case } from './table.ts';

export const SIZES: readonly Size[] = [
  { rows: 1, columns: 1, inner: 1 },
  { rows: 3, columns: 5, inner: 1 },
  { rows: 7, columns: 16, inner: 3 },
  { rows: 33, columns: 10, inner: 20 },
  { rows: 64, columns: 67, inner: 33 },
];

export const valuesOf = (operands: readonly Operand[]): readonly Numbers[] =>
  operands.map(({ values }) => values);

/** Operands of the gradient: the first may come from a function of another one. */
export function gradientOperands({ row, variant }: Case, size: Size, seed: number) {
  const operands = row.operands(size, variant.attributes, generator(seed));
  const through = row.through?.(variant.attributes);
  if (!through) return { operands, inputs: valuesOf(operands) };
  const [first, ...others] = operands as [Operand, ...Operand[]];
  const before = f32(make(first.values.length, (i) => through.inverse(first.values[i]!)));
  const inputs = [make(before.length, (i) => through.forward(before[i]!)), ...valuesOf(others)];
  return { operands: [{ ...first, values: before }, ...others], inputs };
}

export function upstream(
  one: Case,
  operands: readonly Operand[],
  { rows }: Size,
  seed: number,
): Float32Array {
  const random = generator(seed);
  return f32(make(sizeOf(resultOf(one, operands).shape, rows), () => 2 * random() - 1));
}
