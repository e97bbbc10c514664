import type { OpAttributes } from '../../src/ops/attributes.ts';
import { BATCH, type Shape } from '../../src/ops/tensor.ts';
import { embedding, embeddingGradient } from '../reference/embedding.ts';
import { make, type Numbers, uniform } from '../reference/numbers.ts';
import { COLUMNS, type Operand, ROWS, type Rows, type Size, tensor } from './row.ts';

/** Entries of the axis, and integers that name them: some twice, one never. */
const ENTRIES = 6;
const PLACES = Int32Array.of(4, 0, 3, 3, 5, 1, 4);

const indices: Operand = { shape: [PLACES.length], values: PLACES, wanted: false };

type Take = OpAttributes['take'];

/** x [batch, 6, columns], or [batch, columns, 6]. */
const whole = ({ axis }: Take, columns: number): Shape =>
  axis === 1 ? [BATCH, ENTRIES, columns] : [BATCH, columns, ENTRIES];

/** As tables one after the other, each [entries, inner]. */
function tables({ axis }: Take, { rows, columns }: Size): { count: number; inner: number } {
  return axis === 1 ? { count: rows, inner: columns } : { count: rows * columns, inner: 1 };
}

function each(x: Numbers, count: number, one: (part: Numbers) => number[]): number[] {
  const size = x.length / count;
  return make(count, (i) => one(make(size, (n) => x[i * size + n]!))).flat();
}

const scatter = (dy: Numbers, attributes: Take, size: Size): number[] => {
  const { count, inner } = tables(attributes, size);
  return each(dy, count, (part) => embeddingGradient(part, PLACES, ENTRIES, inner));
};

/** At most two terms: one addition. */
const sumBound = (dy: Numbers, attributes: Take, size: Size): number[] =>
  scatter(Array.from(dy, Math.abs), attributes, size);

export const take: Rows<'take' | 'takeGrad'> = {
  take: {
    variants: [
      { name: 'rows', attributes: { axis: 1 } },
      { name: 'columns', attributes: { axis: 2 } },
    ],
    operands: (size, attributes, random) => [
      tensor(whole(attributes, size.columns), size.rows, (n) => uniform(random, n)),
      indices,
    ],
    forward: ([x], attributes, size) => {
      const { count, inner } = tables(attributes, size);
      return each(x!, count, (part) => embedding(PLACES, part, inner));
    },
    forwardBound: () => 'exact',
    gradient: {
      twin: (_, attributes, dy, size) => [scatter(dy, attributes, size)],
      bound: (_, attributes, dy, size) => [sumBound(dy, attributes, size)],
    },
    tails: [ROWS, COLUMNS],
  },

  takeGrad: {
    variants: [
      { name: 'rows', attributes: { axis: 1, size: ENTRIES } },
      { name: 'columns', attributes: { axis: 2, size: ENTRIES } },
    ],
    operands: (size, { axis }, random) => {
      const shape = whole({ axis }, size.columns).map((d, i) => (i === axis ? PLACES.length : d));
      return [tensor(shape, size.rows, (n) => uniform(random, n), false), indices];
    },
    forward: ([dy], attributes, size) => scatter(dy!, attributes, size),
    forwardBound: ([dy], attributes, size) => sumBound(dy!, attributes, size),
    gradient: 'none',
    tails: [ROWS, COLUMNS],
  },
};
