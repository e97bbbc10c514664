import { BATCH } from '../../src/ops/tensor.ts';
import * as twins from '../reference/merge.ts';
import { make, type Numbers, uniform } from '../reference/numbers.ts';
import { COLUMNS, ELEMENTS, matrix, ROWS, type Rows, type Size, tensor } from './row.ts';

const magnitudes = (x: Numbers): number[] => make(x.length, (i) => Math.abs(x[i]!));

/** Numbers that lie together in each part, `inner` for an entry of the axis. */
const widths = ({ columns }: Size, inner: number): number[] => [columns * inner, 2 * inner, inner];

/** Three parts that are put together along axis 1. */
const parts = (inner: readonly number[], size: Size, random: () => number) =>
  [size.columns, 2, 1].map((n) => tensor([BATCH, n, ...inner], size.rows, (count) => uniform(random, count)));

export const merge: Rows<'concatenate' | 'slice' | 'maximum' | 'maximumGrad' | 'rowDot' | 'scaleRows'> = {
  concatenate: {
    variants: [
      { name: 'columns', attributes: { axis: 1 } },
      // [batch, 3, …]: the middle axis is that of three positions
      { name: 'last of three', attributes: { axis: 2 } },
    ],
    operands: (size, { axis }, random) =>
      axis === 1
        ? parts([3], size, random)
        : [size.columns, 2, 1].map((n) =>
            tensor([BATCH, 3, n], size.rows, (count) => uniform(random, count)),
          ),
    forward: (inputs, { axis }, size) => twins.concatenate(inputs, widths(size, axis === 1 ? 3 : 1)),
    forwardBound: () => 'exact',
    gradient: {
      twin: (_, { axis }, dy, size) => {
        const [a, b, c] = widths(size, axis === 1 ? 3 : 1) as [number, number, number];
        const stride = a + b + c;
        return [
          twins.columns(dy, stride, 0, a),
          twins.columns(dy, stride, a, b),
          twins.columns(dy, stride, a + b, c),
        ];
      },
      bound: () => ['exact', 'exact', 'exact'],
    },
    tails: [ROWS, COLUMNS],
  },

  slice: {
    variants: [{ name: 'middle', attributes: { axis: 1, from: 2, size: 5 } }],
    operands: (size, _, random) => [tensor([BATCH, 7 + size.columns], size.rows, (n) => uniform(random, n))],
    forward: ([x], { from, size }, { columns }) => twins.columns(x!, 7 + columns, from, size),
    forwardBound: () => 'exact',
    gradient: {
      twin: (_, { from, size }, dy, { rows, columns }) => [twins.between(dy, rows, 7 + columns, from, size)],
      bound: () => ['exact'],
    },
    tails: [ROWS, COLUMNS],
  },

  maximum: {
    variants: [{ name: 'two', attributes: {} }],
    operands: (size, _, random) => [matrix(size, random), matrix(size, random)],
    forward: ([a, b]) => twins.maximum(a!, b!),
    forwardBound: () => 'exact',
    gradient: {
      twin: ([a, b], _, dy) => [twins.maximumGradient(dy, a!, b!), twins.maximumGradient(dy, b!, a!)],
      bound: () => ['exact', 'exact'],
    },
    tails: [ELEMENTS],
  },

  maximumGrad: {
    variants: [{ name: 'with ties', attributes: {} }],
    operands: (size, _, random) => {
      const [dy, a, b] = [1, 2, 3].map(() => matrix(size, random, -2, 2, false));
      for (let i = 0; i < a!.values.length; i += 3) b!.values[i] = a!.values[i]!;
      return [dy!, a!, b!];
    },
    forward: ([dy, a, b]) => twins.maximumGradient(dy!, a!, b!),
    forwardBound: () => 'exact',
    gradient: 'none',
    tails: [ELEMENTS],
  },

  rowDot: {
    variants: [{ name: 'rows', attributes: {} }],
    operands: (size, _, random) => [matrix(size, random), matrix(size, random)],
    forward: ([a, b], _, { columns }) => twins.rowDot(a!, b!, columns),
    // a sum of as many products
    forwardBound: ([a, b], _, { columns }) =>
      twins.rowDot(magnitudes(a!), magnitudes(b!), columns).map((total) => total * columns),
    gradient: {
      twin: ([a, b], _, dy) => [twins.scaleRows(b!, dy), twins.scaleRows(a!, dy)],
      bound: () => ['exact', 'exact'],
    },
    tails: [ROWS, COLUMNS],
  },

  scaleRows: {
    variants: [{ name: 'rows', attributes: {} }],
    operands: (size, _, random) => [
      matrix(size, random),
      tensor([BATCH, 1], size.rows, (n) => uniform(random, n)),
    ],
    forward: ([x, scale]) => twins.scaleRows(x!, scale!),
    forwardBound: () => 'exact',
    gradient: {
      twin: ([x, scale], _, dy, { columns }) => [twins.scaleRows(dy, scale!), twins.rowDot(dy, x!, columns)],
      bound: ([x], _, dy, { columns }) => [
        'exact',
        twins.rowDot(magnitudes(dy), magnitudes(x!), columns).map((total) => total * columns),
      ],
    },
    tails: [ROWS, COLUMNS],
  },
};
