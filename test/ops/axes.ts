import { ReduceKind } from '../../assembly/tape/dense.ts';
import type { OpAttributes } from '../../src/ops/attributes.ts';
import { BATCH, type Shape } from '../../src/ops/tensor.ts';
import { elementAt, placeOf, type Sizes, sizeOf, sources } from '../reference/broadcast.ts';
import { make, type Numbers, uniform } from '../reference/numbers.ts';
import { type Rows, type Size, tensor, type Variant } from './row.ts';

type Reduce = OpAttributes['reduce'];

const NAMES: Readonly<Record<keyof typeof ReduceKind, ReduceKind>> = {
  Sum: ReduceKind.Sum,
  Maximum: ReduceKind.Maximum,
  Minimum: ReduceKind.Minimum,
};

/** x [batch, 3, columns], reduced over one axis or two. */
const reduced = ({ rows, columns }: Size): Sizes => [rows, 3, columns];

const AXES = [
  ['the batch', 0, 1],
  ['the middle', 1, 2],
  ['the last', 2, 3],
  ['the last two', 1, 3],
] as const;

const reductions: readonly Variant<'reduce'>[] = AXES.flatMap(([where, from, to]) => [
  ...Object.entries(NAMES).map(([name, kind]) => ({
    name: `${name} over ${where}`,
    attributes: { kind, mean: false, from, to },
  })),
  ...(from === 0
    ? []
    : [{ name: `Mean over ${where}`, attributes: { kind: ReduceKind.Sum, mean: true, from, to } }]),
]);

/** The sizes with 1 for what was reduced, and how many elements that were. */
function parts({ from, to }: Reduce, size: Size): { x: Sizes; y: Sizes; count: number } {
  const x = reduced(size);
  const y = x.map((d, i) => (i >= from && i < to ? 1 : d));
  return { x, y, count: sizeOf(x) / sizeOf(y) };
}

function reduce(x: Numbers, attributes: Reduce, size: Size): number[] {
  const { x: sizes, y, count } = parts(attributes, size);
  const start =
    attributes.kind === ReduceKind.Sum ? 0 : attributes.kind === ReduceKind.Maximum ? -Infinity : Infinity;
  const result = make(sizeOf(y), () => start);
  sources(y, sizes).forEach((at, i) => {
    const [old, value] = [result[at]!, x[i]!];
    if (attributes.kind === ReduceKind.Sum) result[at] = old + value / (attributes.mean ? count : 1);
    else result[at] = attributes.kind === ReduceKind.Maximum ? Math.max(old, value) : Math.min(old, value);
  });
  return result;
}

/** From -2 to 2, no two of them near each other: where two are equal the extreme has a kink. */
function distinct(random: () => number, count: number): Float32Array {
  const values = Float32Array.from({ length: count }, (_, i) => (4 * (i + 0.5)) / count - 2);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
  return values;
}

const magnitudes = (x: Numbers): number[] => Array.from(x, Math.abs);

/** Permutations of [batch, 4, columns, 3], and of five axes. */
const PERMUTATIONS = [
  [0, 2, 1, 3],
  [0, 1, 3, 2],
  [0, 3, 2, 1],
  [0, 3, 1, 2],
  [0, 2, 3, 1],
  [0, 1, 2, 3],
  [0, 4, 3, 2, 1],
  [0, 3, 1, 4, 2],
] as const;

const permuted = (permutation: readonly number[], columns: number): Shape =>
  permutation.length === 5 ? [BATCH, 2, columns, 3, 2] : [BATCH, 4, columns, 3];

function permute(x: Numbers, sizes: Sizes, permutation: readonly number[]): number[] {
  const turned = permutation.map((axis) => sizes[axis]!);
  return make(x.length, (i) => {
    const place = placeOf(i, turned);
    return x[
      elementAt(
        sizes.map((_, axis) => place[permutation.indexOf(axis)]!),
        sizes,
      )
    ]!;
  });
}

const known = (shape: Shape, rows: number): Sizes => shape.map((d) => (d === BATCH ? rows : d));

const from1 = (n: number): number => Math.max(n, 1);
const tails = [
  (n: number): Size => ({ rows: from1(n), columns: 5, inner: 1 }),
  (n: number): Size => ({ rows: 3, columns: from1(n), inner: 1 }),
];

export const axes: Rows<'reduce' | 'transpose'> = {
  reduce: {
    variants: reductions,
    operands: (size, { kind }, random) => [
      tensor([BATCH, 3, size.columns], size.rows, (n) =>
        kind === ReduceKind.Sum ? uniform(random, n) : distinct(random, n),
      ),
    ],
    forward: ([x], attributes, size) => reduce(x!, attributes, size),
    // a sum of n terms; of a mean also 1 / n and the product with it
    forwardBound: ([x], attributes, size) => {
      if (attributes.kind !== ReduceKind.Sum) return 'exact';
      const operations = parts(attributes, size).count - 1 + (attributes.mean ? 2 : 0);
      return reduce(magnitudes(x!), attributes, size).map((total) => total * operations);
    },
    gradient: {
      twin: ([x], attributes, dy, size) => {
        const { x: sizes, y: small, count } = parts(attributes, size);
        const y = reduce(x!, attributes, size);
        const at = sources(small, sizes);
        if (attributes.kind === ReduceKind.Sum)
          return [at.map((n) => dy[n]! / (attributes.mean ? count : 1))];
        const ties = y.map(() => 0);
        at.forEach((n, i) => {
          if (x![i] === y[n]) ties[n]!++;
        });
        return [at.map((n, i) => (x![i] === y[n] ? dy[n]! / ties[n]! : 0))];
      },
      // 1 / n and the product with it
      bound: (_, attributes, dy, size) => {
        if (!attributes.mean) return ['exact'];
        const { x: sizes, y: small, count } = parts(attributes, size);
        return [sources(small, sizes).map((n) => (2 * Math.abs(dy[n]!)) / count)];
      },
    },
    tails,
  },

  transpose: {
    variants: PERMUTATIONS.map((permutation) => ({
      name: `to ${permutation.join(' ')}`,
      attributes: { permutation },
    })),
    operands: (size, { permutation }, random) => [
      tensor(permuted(permutation, size.columns), size.rows, (n) => uniform(random, n)),
    ],
    forward: ([x], { permutation }, { rows, columns }) =>
      permute(x!, known(permuted(permutation, columns), rows), permutation),
    forwardBound: () => 'exact',
    gradient: {
      twin: (_, { permutation }, dy, { rows, columns }) => {
        const sizes = known(permuted(permutation, columns), rows);
        const inverse = permutation.map((_, i) => permutation.indexOf(i));
        return [
          permute(
            dy,
            permutation.map((axis) => sizes[axis]!),
            inverse,
          ),
        ];
      },
      bound: () => ['exact'],
    },
    tails,
  },
};
