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

/** A number of rows needs a place. */
const SOME_ROWS = (n: number): Size => ROWS(Math.max(n, 1));

/** Places, number and rows, 0 behind them, as the words of the result: see DistinctRows. */
function distinctWords(readers: readonly Numbers[], batch: number): Int32Array {
  const indices = readers.flatMap((reader) => Array.from(reader));
  const { places, rows } = twins.distinctRows(indices);
  const words = new Int32Array(2 * indices.length + batch);
  words.set([...places, rows.length, ...rows]);
  return words;
}

const asFloats = (words: Int32Array): number[] => Array.from(new Float32Array(words.buffer));

/** Integers that are all different, so that no row of the result is left unset. */
function permutation(count: number, random: () => number): Int32Array {
  const keys = make(count, () => random());
  return Int32Array.from(make(count, (i) => i).sort((a, b) => keys[a]! - keys[b]!));
}

type EmbeddingRow = 'embedding' | 'embeddingGrad' | 'distinctRows' | 'embeddingRowsGrad';

export const embedding: Rows<EmbeddingRow> = {
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
    // used twice: what the second one brings goes on top
    operands: (size, _, random) => {
      const dy = () => tensor([BATCH, size.inner, size.columns], size.rows, (n) => uniform(random, n), false);
      return [dy(), indices(size, random), dy(), indices(size, random)];
    },
    forward: (inputs, { rows }, { columns }) => {
      const { dy, where } = joined(inputs);
      return twins.embeddingGradient(dy, where, rows, columns);
    },
    forwardBound: (inputs, { rows }, { columns }) => {
      const { dy, where } = joined(inputs);
      return sumBound(dy, where, rows, columns);
    },
    gradient: 'none',
    tails: [ROWS, COLUMNS],
  },

  distinctRows: {
    variants: [
      { name: 'few', attributes: { rows: TABLE } },
      { name: 'many', attributes: { rows: 1000 } },
    ],
    operands: (size, { rows }, random) =>
      make(2, (reader) => {
        const some = (n: number): Int32Array => Int32Array.from(make(n, () => Math.floor(random() * rows)));
        return tensor([BATCH, size.inner + reader], size.rows, some, false);
      }),
    forward: (readers, _, { rows }) => asFloats(distinctWords(readers, rows)),
    forwardBound: () => 'exact',
    gradient: 'none',
    tails: [SOME_ROWS, (n) => ({ rows: 2, columns: 1, inner: n + 1 })],
  },

  embeddingRowsGrad: {
    variants: [{ name: 'two readers', attributes: {} }],
    operands: (size, _, random) => {
      const places = [size.inner, 2];
      const all = permutation(size.rows * (size.inner + 2), random);
      const rows = { shape: [BATCH, 2 * (size.inner + 2) + 1], values: distinctWords([all], size.rows) };
      const dys = places.map((n) =>
        tensor([BATCH, n, size.columns], size.rows, (count) => uniform(random, count), false),
      );
      return [{ ...rows, wanted: false }, ...dys];
    },
    forward: ([words, ...dys], _, { columns }) => {
      const dy = dys.flatMap((one) => Array.from(one));
      const count = dy.length / columns;
      return twins.embeddingGradient(dy, Array.from(words!).slice(0, count), count, columns);
    },
    forwardBound: () => 'exact',
    gradient: 'none',
    tails: [SOME_ROWS, COLUMNS],
  },
};

/** Two uses of a table, one after the other. */
function joined(inputs: readonly Numbers[]): { dy: number[]; where: number[] } {
  const of = (parity: number): number[] =>
    inputs.flatMap((input, i) => (i % 2 === parity ? Array.from(input) : []));
  return { dy: of(0), where: of(1) };
}
