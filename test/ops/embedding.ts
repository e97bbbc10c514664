import { BATCH } from '../../src/ops/tensor.ts';
import * as twins from '../reference/embedding.ts';
import { make, type Numbers, uniform } from '../reference/numbers.ts';
import { COLUMNS, type Operand, ROWS, type Rows, type Size, tensor } from './row.ts';

/** Fewer than the places, so that some come often, and some never where there are few places. */
const TABLE = 11;

function indices({ rows, inner }: Size, random: () => number): Operand {
  const some = (n: number): Int32Array => Int32Array.from(make(n, () => Math.floor(random() * TABLE)));
  return tensor([BATCH, inner], rows, some, false);
}

/** A float32 sum of n terms: n - 1 additions of at most the sum of the magnitudes. */
function sumBound(dy: Numbers, where: Numbers, rows: number, columns: number): number[] {
  const ones = make(dy.length, () => 1);
  const counts = twins.embeddingGradient(ones, where, rows, columns);
  const magnitudes = make(dy.length, (i) => Math.abs(dy[i]!));
  return twins
    .embeddingGradient(magnitudes, where, rows, columns)
    .map((sum, i) => sum * Math.max(counts[i]! - 1, 0));
}

export const embedding: Rows<'embedding' | 'embeddingGrad'> = {
  embedding: {
    variants: [{ name: 'table', attributes: {} }],
    operands: (size, _, random) => [
      indices(size, random),
      tensor([TABLE, size.columns], 1, (n) => uniform(random, n)),
    ],
    forward: ([where, table], _, { columns }) => twins.embedding(where!, table!, columns),
    forwardBound: () => 'exact',
    gradient: {
      twin: ([where], _, dy, { columns }) => [twins.embeddingGradient(dy, where!, TABLE, columns)],
      bound: ([where], _, dy, { columns }) => [sumBound(dy, where!, TABLE, columns)],
    },
    tails: [ROWS, COLUMNS],
  },

  embeddingGrad: {
    variants: [{ name: 'table', attributes: { rows: TABLE } }],
    operands: (size, _, random) => [
      tensor([BATCH, size.inner, size.columns], size.rows, (n) => uniform(random, n), false),
      indices(size, random),
    ],
    forward: ([dy, where], { rows }, { columns }) => twins.embeddingGradient(dy!, where!, rows, columns),
    forwardBound: ([dy, where], { rows }, { columns }) => sumBound(dy!, where!, rows, columns),
    gradient: 'none',
    tails: [ROWS, COLUMNS],
  },
};
