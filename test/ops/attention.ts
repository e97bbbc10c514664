import type { AttentionAttributes } from '../../src/ops/attributes.ts';
import { BATCH } from '../../src/ops/tensor.ts';
import { SEED } from '../kernels/machine.ts';
import * as twins from '../reference/attention.ts';
import { make, type Numbers, uniform } from '../reference/numbers.ts';
import { type Operand, type Rows, type Size, tensor } from './row.ts';

const plain = {
  ...{ heads: 2, keyHeads: 2, causal: false, alibi: false, packed: true },
  ...{ mask: false, positions: false, rate: 0, stream: 7 },
};

const packedVariants = [
  { name: 'packed, causal, grouped', attributes: { ...plain, heads: 4, causal: true } },
  {
    name: 'packed, alibi, mask, one key head',
    attributes: { ...plain, heads: 3, keyHeads: 1, alibi: true, mask: true },
  },
  {
    name: 'packed, causal, alibi, dropout',
    attributes: { ...plain, causal: true, alibi: true, rate: 0.25 },
  },
];

const variants = [
  ...packedVariants,
  { name: 'cross, mask', attributes: { ...plain, packed: false, mask: true } },
  { name: 'cross, causal', attributes: { ...plain, packed: false, keyHeads: 1, causal: true } },
  {
    name: 'cross, causal, alibi, mask',
    attributes: { ...plain, packed: false, causal: true, alibi: true, mask: true },
  },
  { name: 'cache', attributes: { ...plain, packed: false, causal: true, positions: true } },
];

/** A sum of exponentials comes to 0 where scores differ by pi i: a change of 1/4 of q or k moves them by less than 1. */
const REACH = 0.25;

const smooth = <V extends object>(all: readonly V[]) => all.map((variant) => ({ ...variant, reach: REACH }));

/** Packed: columns are positions, inner the size of a head. Else inner are the queries. */
function shapeOf({ rows, columns, inner }: Size, a: AttentionAttributes): twins.AttentionShape {
  const { heads, keyHeads, causal, alibi } = a;
  const common = { batch: rows, heads, keyHeads, causal, alibi, keys: columns };
  if (a.packed)
    return { ...common, queries: columns, size: Math.min(Math.max(inner, 1), rows > 16 ? 5 : 67) };
  return { ...common, queries: Math.max(inner, 1), size: rows > 16 ? 4 : 9 };
}

/** The parts of the columns of x, each as a tensor of its own. */
function split(x: Numbers, ...widths: number[]): number[][] {
  const columns = widths.reduce((a, b) => a + b);
  let from = 0;
  return widths.map((width) => {
    const at = from;
    from += width;
    return make((x.length / columns) * width, (i) => x[Math.floor(i / width) * columns + at + (i % width)]!);
  });
}

function join(parts: readonly number[][], rows: number): number[] {
  const widths = parts.map((part) => part.length / rows);
  return make(rows, (r) =>
    parts.flatMap((part, n) => part.slice(r * widths[n]!, (r + 1) * widths[n]!)),
  ).flat();
}

function operandsOf(inputs: readonly Numbers[], a: AttentionAttributes, size: Size): twins.AttentionOperands {
  const shape = shapeOf(size, a);
  const rest = [...inputs];
  const wide = a.keyHeads * shape.size;
  const first = rest.shift()!;
  const [q, k, v] = a.packed
    ? split(first, a.heads * shape.size, wide, wide)
    : [first, ...split(rest.shift()!, wide, wide)];
  return {
    ...{ q: q!, k: k!, v: v! },
    mask: a.mask ? rest.shift() : undefined,
    positions: a.positions ? rest.shift() : undefined,
    dropped: twins.droppedOf(shape, a.rate, BigInt(SEED), a.stream),
  };
}

function inputs(size: Size, a: AttentionAttributes, random: () => number): readonly Operand[] {
  const { batch, heads, keyHeads, size: head, queries, keys } = shapeOf(size, a);
  const of = (length: number, width: number): Operand =>
    tensor([BATCH, length, width * head], batch, (n) => uniform(random, n));
  const operands = a.packed ? [of(keys, heads + 2 * keyHeads)] : [of(queries, heads), of(keys, 2 * keyHeads)];
  if (a.mask) {
    // now and then nothing is seen
    const shown = make(batch, () => (random() < 0.1 ? 0 : 0.7));
    const values = (n: number) =>
      Float32Array.from({ length: n }, (_, i) => Number(random() < shown[Math.floor(i / keys)]!));
    operands.push(tensor([BATCH, keys], batch, values, false));
  }
  if (a.positions) {
    const last = make(batch, () => Math.floor(random() * keys));
    const values = (n: number) =>
      Int32Array.from({ length: n }, (_, i) => last[Math.floor(i / queries)]! - queries + 1 + (i % queries));
    operands.push(tensor([BATCH, queries], batch, values, false));
  }
  return operands;
}

/** The gradients of the inputs, as they lie there. */
function gradients(values: readonly Numbers[], a: AttentionAttributes, dy: Numbers, size: Size) {
  const shape = shapeOf(size, a);
  const operands = operandsOf(values, a, size);
  const { y, logSum } = twins.attention(operands, shape);
  return laidOut(twins.attentionGradient(operands, shape, dy, y, logSum), a, shape);
}

function laidOut(
  { dq, dk, dv }: ReturnType<typeof twins.attentionGradient>,
  a: AttentionAttributes,
  { batch, queries, keys }: twins.AttentionShape,
) {
  const all = (kind: 'value' | 'error'): number[][] =>
    a.packed
      ? [join([dq[kind], dk[kind], dv[kind]], batch * keys)]
      : [dq[kind].slice(0, batch * queries * dq[kind].length), join([dk[kind], dv[kind]], batch * keys)];
  return { value: all('value'), error: all('error') };
}

/** dy, y and the logarithms of the sums, rounded, then the inputs. */
function backward(values: readonly Numbers[], a: AttentionAttributes, size: Size) {
  const [dy, y, logSum, ...rest] = values as [Numbers, Numbers, Numbers, ...Numbers[]];
  const given = (x: Numbers) => ({ value: Array.from(x), error: make(x.length, () => 0) });
  const shape = shapeOf(size, a);
  return laidOut(
    twins.attentionGradient(operandsOf(rest, a, size), shape, dy, given(y), given(logSum)),
    a,
    shape,
  );
}

const tails = [
  (n: number): Size => ({ rows: 2, columns: Math.max(n, 1), inner: 5 }),
  (n: number): Size => ({ rows: 1, columns: 9, inner: Math.max(n, 1) }),
];

const ROTARY = [
  { name: '', attributes: { heads: 2, inverse: false } },
  { name: 'inverse', attributes: { heads: 1, inverse: true } },
];

/** Heads of an even size, and one more that is not turned. */
function rotarySize({ rows, columns, inner }: Size, heads: number) {
  const size = 2 * Math.ceil(columns / 2);
  return { batch: rows, time: Math.max(inner, 1), heads, size, columns: (heads + 1) * size };
}

function turned(values: readonly Numbers[], { heads }: { heads: number }, size: Size, inverse: boolean) {
  const { batch, time, ...rest } = rotarySize(size, heads);
  return twins.rotary(values[0]!, values[1]!, { rows: batch * time, ...rest }, inverse);
}

const PLACES = 3;
const placeOf = (i: number): number => (i + 2 * Math.floor(i / PLACES)) % PLACES;

type Names = 'attention' | 'attentionGrad' | 'rotary' | 'positional' | 'positionalGrad' | 'cache';

export const attention: Rows<Names> = {
  attention: {
    variants: smooth(variants),
    operands: inputs,
    forward: (values, a, size) => twins.attention(operandsOf(values, a, size), shapeOf(size, a)).y.value,
    forwardBound: (values, a, size) => twins.attention(operandsOf(values, a, size), shapeOf(size, a)).y.error,
    gradient: {
      twin: (...args) => gradients(...args).value,
      bound: (...args) => gradients(...args).error,
    },
    tails,
  },

  attentionGrad: {
    variants: packedVariants.slice(0, 2),
    operands: (size, a, random) => {
      const operands = inputs(size, a, random);
      const { batch, heads, queries, ...shape } = shapeOf(size, a);
      const values = operands.map((operand) => operand.values);
      const { y, logSum } = twins.attention(operandsOf(values, a, size), { batch, heads, queries, ...shape });
      const width = heads * shape.size;
      return [
        tensor([BATCH, queries, width], batch, (n) => uniform(random, n)),
        tensor([BATCH, queries, width], batch, () => Float32Array.from(y.value)),
        tensor([BATCH, heads * queries], batch, () => Float32Array.from(logSum.value)),
        ...operands,
      ];
    },
    forward: (values, a, size) => backward(values, a, size).value[0]!,
    forwardBound: (values, a, size) => backward(values, a, size).error[0]!,
    gradient: 'none',
    tails,
  },

  rotary: {
    variants: ROTARY,
    operands: (size, { heads, inverse }, random) => {
      const { batch, time, columns, size: head } = rotarySize(size, heads);
      const table = inverse ? [BATCH, time, head] : [time, head];
      return [
        tensor([BATCH, time, columns], batch, (n) => uniform(random, n)),
        tensor(table, batch, (n) => uniform(random, n, -1, 1), false),
      ];
    },
    forward: (values, a, size) => turned(values, a, size, a.inverse).value,
    forwardBound: (values, a, size) => turned(values, a, size, a.inverse).error,
    gradient: {
      twin: ([, table], a, dy, size) => [turned([dy, table!], a, size, !a.inverse).value],
      bound: ([, table], a, dy, size) => [turned([dy, table!], a, size, !a.inverse).error],
    },
    tails: [
      (n) => ({ rows: 2, columns: Math.max(n, 1), inner: 3 }),
      (n) => ({ rows: 3, columns: 5, inner: Math.max(n, 1) }),
    ],
  },

  positional: {
    variants: [{ name: '', attributes: {} }],
    operands: ({ rows, columns, inner }, _, random) => [
      tensor([BATCH, inner, columns], rows, (n) => uniform(random, n)),
      tensor([inner, columns], 1, (n) => uniform(random, n)),
    ],
    forward: ([x, table]) => make(x!.length, (i) => x![i]! + table![i % table!.length]!),
    forwardBound: () => 'exact',
    gradient: {
      twin: ([, table], _, dy) => [Array.from(dy), sumsOf(dy, table!.length, (x) => x)],
      bound: ([, table], _, dy, { rows }) => ['exact', sumsOf(dy, table!.length, (x) => rows * Math.abs(x))],
    },
    tails: [(n) => ({ rows: 3, columns: Math.max(n, 1), inner: 2 })],
  },

  positionalGrad: {
    variants: [{ name: '', attributes: {} }],
    operands: ({ rows, columns, inner }, _, random) => [
      tensor([BATCH, inner, columns], rows, (n) => uniform(random, n)),
    ],
    forward: ([dy], _, { columns, inner }) => sumsOf(dy!, columns * inner, (x) => x),
    forwardBound: ([dy], _, { rows, columns, inner }) =>
      sumsOf(dy!, columns * inner, (x) => rows * Math.abs(x)),
    gradient: 'none',
    tails: [(n) => ({ rows: 3, columns: Math.max(n, 1), inner: 2 })],
  },

  cache: {
    // all places are written, in another order for each row, so that no earlier value is left
    variants: [{ name: 'all positions', attributes: { capacity: PLACES } }],
    operands: ({ rows, columns }, _, random) => [
      tensor([BATCH, PLACES, columns], rows, (n) => uniform(random, n), false),
      tensor([BATCH, PLACES], rows, (n) => Int32Array.from({ length: n }, (_, i) => placeOf(i)), false),
    ],
    forward: ([x], _, { rows, columns }) => {
      const y = make(x!.length, () => 0);
      for (let i = 0; i < rows * PLACES; i++) {
        const to = (Math.floor(i / PLACES) * PLACES + placeOf(i)) * columns;
        for (let c = 0; c < columns; c++) y[to + c] = x![i * columns + c]!;
      }
      return y;
    },
    forwardBound: () => 'exact',
    gradient: 'none',
    tails: [(n) => ({ rows: 3, columns: Math.max(n, 1), inner: 1 })],
  },
};

function sumsOf(dy: Numbers, count: number, of: (x: number) => number): number[] {
  const sums = make(count, () => 0);
  for (let i = 0; i < dy.length; i++) sums[i % count] = sums[i % count]! + of(dy[i]!);
  return sums;
}
