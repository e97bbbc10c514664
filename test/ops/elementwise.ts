import type { DropoutAttributes } from '../../src/ops/attributes.ts';
import { BATCH } from '../../src/ops/tensor.ts';
import { SEED } from '../kernels/machine.ts';
import * as dropouts from '../reference/dropout.ts';
import * as twins from '../reference/elementwise.ts';
import { make, type Numbers, uniform } from '../reference/numbers.ts';
import { COLUMNS, ELEMENTS, matrix, ROWS, type Rows, tensor } from './row.ts';

const times = (x: Numbers, factor: number): number[] => make(x.length, (i) => Math.abs(x[i]!) * factor);
const magnitudes = (x: Numbers): number[] => times(x, 1);

/** A sum of `rows` terms. */
function sumBound(dy: Numbers, columns: number): number[] {
  return times(twins.sumRows(magnitudes(dy), columns), dy.length / columns - 1);
}

/** Of x in the test of dropout: it is [batch, positions, columns]. */
const POSITIONS = 2;

/** Constants rounded once, a product and a sum: scale, offset and other are off by half a unit each, the two roundings. */
function dropoutBound(x: Numbers, attributes: DropoutAttributes): number[] {
  const [scale, offset, other] = dropouts.factors(attributes);
  return make(x.length, (i) => 3 * Math.abs(x[i]!) * scale + 2 * Math.abs(offset) + Math.abs(other));
}

export const elementwise: Rows<'biasAdd' | 'affine' | 'sumRows' | 'dropout'> = {
  biasAdd: {
    variants: [{ name: 'rows', attributes: {} }],
    operands: (size, _, random) => [
      matrix(size, random),
      tensor([size.columns], 1, (n) => uniform(random, n)),
    ],
    forward: ([x, bias]) => twins.biasAdd(x!, bias!),
    forwardBound: () => 'exact',
    gradient: {
      twin: (_, __, dy, { columns }) => twins.biasAddGradient(dy, columns),
      bound: (_, __, dy, { columns }) => ['exact', sumBound(dy, columns)],
    },
    tails: [ROWS, COLUMNS],
  },

  affine: {
    variants: [{ name: 'scaled', attributes: { scale: 1.7, offset: -0.3 } }],
    operands: (size, _, random) => [matrix(size, random)],
    forward: ([x], { scale, offset }) => twins.affine(x!, Math.fround(scale), Math.fround(offset)),
    // a product, then a sum
    forwardBound: ([x], { scale, offset }) =>
      make(x!.length, (i) => 2 * Math.abs(x![i]! * scale) + Math.abs(offset)),
    gradient: {
      twin: (_, { scale }, dy) => [twins.affineGradient(dy, Math.fround(scale))],
      bound: () => ['exact'],
    },
    tails: [ELEMENTS],
  },

  sumRows: {
    variants: [{ name: 'columns', attributes: {} }],
    operands: (size, _, random) => [matrix(size, random, -2, 2, false)],
    forward: ([x], _, { columns }) => twins.sumRows(x!, columns),
    forwardBound: ([x], _, { columns }) => sumBound(x!, columns),
    gradient: 'none',
    tails: [ROWS, COLUMNS],
  },

  dropout: {
    variants: [
      { name: 'half', attributes: { rate: 0.5, stream: 3 } },
      { name: 'third', attributes: { rate: 0.3, stream: 0 } },
      { name: 'never', attributes: { rate: 0, stream: 1 } },
      { name: 'almost always', attributes: { rate: 0.99, stream: 70000 } },
      { name: 'whole channels', attributes: { rate: 0.4, stream: 5, shared: true } },
      { name: 'for SELU', attributes: { rate: 0.2, stream: 6, alpha: 'value' } },
    ],
    operands: ({ rows, columns }, _, random) => [
      tensor([BATCH, POSITIONS, columns], rows, (n) => uniform(random, n)),
    ],
    forward: ([x], attributes, { columns }) =>
      dropouts.dropout(x!, attributes, BigInt(SEED), 0, [POSITIONS, columns]),
    forwardBound: ([x], attributes) => dropoutBound(x!, attributes),
    gradient: {
      twin: (_, attributes, dy, { columns }) => [
        dropouts.dropoutGradient(dy, attributes, BigInt(SEED), 0, [POSITIONS, columns]),
      ],
      bound: (_, attributes, dy) => [dropoutBound(dy, attributes)],
    },
    tails: [ELEMENTS, COLUMNS],
  },
};
