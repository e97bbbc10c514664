import { BinaryKind } from '../../assembly/tape/dense.ts';
import type { OpAttributes } from '../../src/ops/attributes.ts';
import { BATCH, type Shape } from '../../src/ops/tensor.ts';
import { ulpOf } from '../math/functions.ts';
import { kinds, type Sizes, sizeOf, sources, sumTo } from '../reference/broadcast.ts';
import { make, type Numbers, uniform } from '../reference/numbers.ts';
import { COLUMNS, ELEMENTS, ROWS, type Rows, type Size, tensor, type Variant } from './row.ts';

interface Pattern {
  readonly a: (columns: number) => Shape;
  readonly b: (columns: number) => Shape;
}

/** How the shapes of two operands meet. */
const PATTERNS = {
  'one shape': { a: (c) => [BATCH, c], b: (c) => [BATCH, c] },
  'a row': { a: (c) => [BATCH, c], b: (c) => [c] },
  'a column': { a: (c) => [BATCH, c], b: () => [BATCH, 1] },
  'a number': { a: (c) => [BATCH, c], b: () => [] },
  'of a row': { a: (c) => [c], b: (c) => [BATCH, c] },
  'of a column': { a: () => [BATCH, 1], b: (c) => [BATCH, c] },
  'of a number': { a: () => [], b: (c) => [BATCH, c] },
  'each with each': { a: (c) => [BATCH, c, 1], b: () => [BATCH, 1, 3] },
  'every other dimension': { a: (c) => [BATCH, 1, 3, 1, c], b: () => [2, 1, 2, 1] },
} satisfies Record<string, Pattern>;

type Binary = OpAttributes['binary'];

/** Where operands and exponents may lie, and what is far enough from a pole. */
const RANGES: Partial<Record<BinaryKind, readonly [a: number, b: number, to: number, reach: number]>> = {
  [BinaryKind.Divide]: [-2, 0.5, 2, 0.5],
  [BinaryKind.Power]: [0.25, -2, 2, 0.25],
};

/** Kinds whose operands are small integers, so that some are equal or 0. */
const INTEGERS: ReadonlySet<BinaryKind> = new Set([
  BinaryKind.Greater,
  BinaryKind.GreaterEqual,
  BinaryKind.Equal,
  BinaryKind.Step,
]);
const CONDITIONS: ReadonlySet<BinaryKind> = new Set([BinaryKind.Mask, BinaryKind.Unmask]);

const patternOf = new Map<Binary, Pattern>();

function variant(name: string, kind: BinaryKind, pattern: keyof typeof PATTERNS): Variant<'binary'> {
  const attributes = { kind };
  patternOf.set(attributes, PATTERNS[pattern]);
  return { name: `${name}, ${pattern}`, attributes, reach: RANGES[kind]?.[3] ?? 1 };
}

const NAMES: Readonly<Record<Exclude<keyof typeof BinaryKind, 'First'>, BinaryKind>> = {
  Add: BinaryKind.Add,
  Subtract: BinaryKind.Subtract,
  Multiply: BinaryKind.Multiply,
  Divide: BinaryKind.Divide,
  Minimum: BinaryKind.Minimum,
  Maximum: BinaryKind.Maximum,
  Power: BinaryKind.Power,
  Greater: BinaryKind.Greater,
  GreaterEqual: BinaryKind.GreaterEqual,
  Equal: BinaryKind.Equal,
  Step: BinaryKind.Step,
  Mask: BinaryKind.Mask,
  Unmask: BinaryKind.Unmask,
};

const others = Object.keys(PATTERNS).slice(1) as (keyof typeof PATTERNS)[];

function shapes(attributes: Binary, { rows, columns }: Size): { a: Sizes; b: Sizes; y: Sizes } {
  const { a, b } = patternOf.get(attributes)!;
  const known = (shape: Shape): Sizes => shape.map((d) => (d === BATCH ? rows : d));
  const [x, z] = [known(a(columns)), known(b(columns))];
  const rank = Math.max(x.length, z.length);
  const at = (sizes: Sizes, i: number): number => sizes[i - rank + sizes.length] ?? 1;
  return { a: x, b: z, y: make(rank, (i) => (at(x, i) === 1 ? at(z, i) : at(x, i))) };
}

/** Terms of the gradients, each with the error that its own operations make, in units of itself. */
function terms({ kind }: Binary, a: Numbers, b: Numbers, dy: Numbers) {
  const { da, db } = kinds[kind];
  const own = (i: number): readonly [number, number] => {
    if (kind === BinaryKind.Multiply) return [1, 1];
    // dy / b; y, y / b and a product
    if (kind === BinaryKind.Divide) return [1, 3];
    if (kind === BinaryKind.Power) {
      // the exponent b - 1, the power (0.52 ULP), two products; a power, log a, two products
      return [Math.abs(Math.log(a[i]!) * (b[i]! - 1)) + 3.1, 3.1 + 2 * ulpOf('log')];
    }
    return [0, 0];
  };
  return {
    values: [da, db].map((d) => make(dy.length, (i) => (d ? dy[i]! * d(a[i]!, b[i]!) : 0))),
    units: [0, 1].map((side) => make(dy.length, (i) => own(i)[side]!)),
  };
}

/** The operands as y reads them. */
function spread([a, b]: readonly Numbers[], sizes: { a: Sizes; b: Sizes; y: Sizes }): [number[], number[]] {
  return [sources(sizes.a, sizes.y).map((i) => a![i]!), sources(sizes.b, sizes.y).map((i) => b![i]!)];
}

const sides = (attributes: Binary): readonly ('a' | 'b')[] => {
  const { da, db } = kinds[attributes.kind];
  return [...(da ? (['a'] as const) : []), ...(db ? (['b'] as const) : [])];
};

export const arithmetic: Rows<'binary' | 'expand' | 'clip'> = {
  binary: {
    variants: [
      ...Object.entries(NAMES).map(([name, kind]) => variant(name, kind, 'one shape')),
      ...others.map((pattern) => variant('Divide', BinaryKind.Divide, pattern)),
      variant('Power', BinaryKind.Power, 'every other dimension'),
      // where a meets three b some are too near to a tie for a difference
      { ...variant('Maximum', BinaryKind.Maximum, 'each with each'), smooth: false },
    ],
    operands: (size, attributes, random) => {
      const { kind } = attributes;
      const { a, b } = patternOf.get(attributes)!;
      const [lowA, lowB, to] = RANGES[kind] ?? [-2, -2, 2];
      const integers = (n: number): Float32Array =>
        Float32Array.from(make(n, () => Math.floor(random() * 3)));
      const fill = (low: number) => (n: number) =>
        INTEGERS.has(kind) ? integers(n) : uniform(random, n, low, to);
      const wanted = sides(attributes);
      return [
        tensor(a(size.columns), size.rows, fill(lowA), wanted.includes('a')),
        tensor(
          b(size.columns),
          size.rows,
          CONDITIONS.has(kind) ? integers : fill(lowB),
          wanted.includes('b'),
        ),
      ];
    },
    forward: (inputs, attributes, size) => {
      const [a, b] = spread(inputs, shapes(attributes, size));
      return a.map((x, i) => kinds[attributes.kind].f(x, b[i]!));
    },
    // every operation is rounded once, but for the power, 0.52 ULP
    forwardBound: (inputs, attributes, size) => {
      if (attributes.kind !== BinaryKind.Power) return 'exact';
      const [a, b] = spread(inputs, shapes(attributes, size));
      return a.map((x, i) => 1.1 * x ** b[i]!);
    },
    gradient: {
      twin: (inputs, attributes, dy, size) => {
        const sizes = shapes(attributes, size);
        const { values } = terms(attributes, ...spread(inputs, sizes), dy);
        return sides(attributes).map((side) => sumTo(values[side === 'a' ? 0 : 1]!, sizes[side], sizes.y));
      },
      // a sum of n terms that are off by their units each
      bound: (inputs, attributes, dy, size) => {
        const sizes = shapes(attributes, size);
        const { values, units } = terms(attributes, ...spread(inputs, sizes), dy);
        return sides(attributes).map((side) => {
          const i = side === 'a' ? 0 : 1;
          const count = sizeOf(sizes.y) / sizeOf(sizes[side]);
          return sumTo(
            values[i]!.map((value, n) => Math.abs(value) * (units[i]![n]! + count - 1)),
            sizes[side],
            sizes.y,
          );
        });
      },
    },
    tails: [ROWS, COLUMNS],
  },

  expand: {
    variants: [
      { name: 'columns', attributes: { shape: [BATCH, 2, 5] } },
      { name: 'the batch', attributes: { shape: [BATCH, 1, 5] } },
    ],
    operands: (size, { shape }, random) => [
      tensor(shape[1] === 2 ? [BATCH, 1, 5] : [5], size.rows, (n) => uniform(random, n)),
    ],
    forward: ([x], { shape }, { rows }) => {
      const own = shape[1] === 2 ? [rows, 1, 5] : [5];
      return sources(own, [rows, ...shape.slice(1)]).map((i) => x![i]!);
    },
    forwardBound: () => 'exact',
    gradient: {
      twin: (_, { shape }, dy, { rows }) => [
        sumTo(dy, shape[1] === 2 ? [rows, 1, 5] : [5], [rows, ...shape.slice(1)]),
      ],
      bound: (_, { shape }, dy, { rows }) => {
        const count = shape[1] === 2 ? 2 : rows;
        const magnitudes = Array.from(dy, (d) => Math.abs(d) * (count - 1));
        return [sumTo(magnitudes, shape[1] === 2 ? [rows, 1, 5] : [5], [rows, ...shape.slice(1)])];
      },
    },
    tails: [ROWS],
  },

  clip: {
    variants: [{ name: 'between', attributes: {} }],
    operands: (size, _, random) => [
      tensor([BATCH, size.columns], size.rows, (n) => uniform(random, n, -2, 2, [-0.75, 1.25])),
      tensor([], 1, () => Float32Array.of(-0.75), false),
      tensor([], 1, () => Float32Array.of(1.25), false),
    ],
    forward: ([x, low, high]) => Array.from(x!, (v) => Math.min(Math.max(v, low![0]!), high![0]!)),
    forwardBound: () => 'exact',
    gradient: {
      twin: ([x, low, high], _, dy) => [
        Array.from(x!, (v, i) => (v >= low![0]! && v <= high![0]! ? dy[i]! : 0)),
      ],
      bound: () => ['exact'],
    },
    tails: [ELEMENTS],
  },
};
