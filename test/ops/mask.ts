import { BATCH } from '../../src/ops/tensor.ts';
import { make, type Numbers } from '../reference/numbers.ts';
import { COLUMNS, type Operand, ROWS, type Rows, type Size, tensor } from './row.ts';

/** Rows [batch, 2]; most elements are the value, so that whole rows are, and some differ in one place alone. */
function steps({ rows, columns }: Size, value: number, random: () => number): Operand {
  const fill = (n: number): Float32Array =>
    Float32Array.from(make(n, () => (random() < 1 / columns ? 7 : value)));
  return tensor([BATCH, 2, columns], rows, fill, false);
}

function stepMask(x: Numbers, columns: number, value: number): number[] {
  return make(x.length / columns, (r) =>
    make(columns, (i) => x[r * columns + i]!).some((v) => v !== value) ? 1 : 0,
  );
}

export const mask: Rows<'stepMask'> = {
  stepMask: {
    variants: [
      { name: 'zero', attributes: { value: 0 } },
      { name: 'minus one', attributes: { value: -1 } },
    ],
    operands: (size, { value }, random) => [steps(size, value, random)],
    forward: ([x], { value }, { columns }) => stepMask(x!, columns, value),
    forwardBound: () => 'exact',
    gradient: 'none',
    tails: [ROWS, COLUMNS],
  },
};
