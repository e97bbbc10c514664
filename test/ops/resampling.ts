import type { OpAttributes, ResampleAttributes, Triple } from '../../src/ops/attributes.ts';
import { BATCH } from '../../src/ops/tensor.ts';
import { volume } from '../reference/convolution.ts';
import { make, type Numbers, uniform } from '../reference/numbers.ts';
import * as twin from '../reference/resampling.ts';
import { distinct, magnitudes } from './convolution.ts';
import { type Operand, type Rows, type Size, tensor } from './row.ts';

interface Sizes {
  readonly image: Triple;
  readonly grid: Triple;
}

const CHANNELS = (n: number): Size => ({ rows: (n % 3) + 1, columns: (n % 11) + 1, inner: 1 });

function operand(
  size: Triple,
  { rows, columns }: Size,
  fill: (n: number) => Float32Array,
  wanted = true,
): Operand {
  // one or two dimensions where the others are 1
  const spatial = size[0] > 1 ? size : size[1] > 1 ? size.slice(1) : size.slice(2);
  return tensor([BATCH, ...spatial, columns], rows, fill, wanted);
}

const PADS: readonly { name: string; attributes: OpAttributes['pad'] }[] = [
  { name: '1-D', attributes: { image: [1, 1, 5], grid: [1, 1, 9], before: [0, 0, 1] } },
  { name: '2-D', attributes: { image: [1, 3, 4], grid: [1, 6, 7], before: [0, 2, 3] } },
  { name: '3-D', attributes: { image: [2, 3, 2], grid: [3, 4, 4], before: [1, 0, 1] } },
  { name: 'a part', attributes: { image: [1, 5, 7], grid: [1, 2, 4], before: [0, -1, -3] } },
  { name: 'a part, and zeros', attributes: { image: [1, 4, 5], grid: [1, 6, 2], before: [0, 1, -2] } },
];

const NEAREST: readonly (Sizes & { name: string })[] = [
  { name: '1-D, twice', image: [1, 1, 5], grid: [1, 1, 10] },
  { name: '2x3', image: [1, 3, 4], grid: [1, 6, 12] },
  { name: '3-D', image: [2, 3, 2], grid: [4, 3, 6] },
];

const WINDOWS: readonly (Sizes & { name: string })[] = [
  { name: 'of one size', image: [1, 6, 8], grid: [1, 3, 2] },
  { name: 'that overlap', image: [1, 5, 7], grid: [1, 3, 4] },
  { name: '1-D to one', image: [1, 1, 7], grid: [1, 1, 1] },
  { name: '3-D', image: [3, 4, 5], grid: [2, 3, 2] },
  { name: 'some growing', image: [1, 3, 4], grid: [1, 5, 2] },
];

const LINEAR: readonly (Sizes & { name: string })[] = [
  { name: 'twice', image: [1, 3, 4], grid: [1, 6, 8] },
  { name: '3x1', image: [1, 4, 3], grid: [1, 12, 3] },
  { name: 'of one pixel', image: [1, 1, 2], grid: [1, 1, 8] },
  { name: 'to other sizes', image: [1, 5, 7], grid: [1, 7, 3] },
];

const resamples = [
  ...NEAREST.map(({ name, ...sizes }) => ({
    name: `nearest ${name}`,
    attributes: { ...sizes, linear: false },
  })),
  ...WINDOWS.map(({ name, ...sizes }) => ({
    name: `means ${name}`,
    attributes: { ...sizes, linear: false },
  })),
  ...LINEAR.map(({ name, ...sizes }) => ({ name: `linear ${name}`, attributes: { ...sizes, linear: true } })),
];

function apply(x: Numbers, attributes: ResampleAttributes, { rows, columns }: Size, back: boolean): number[] {
  const { image, grid } = attributes;
  const y = make(rows * columns * volume(back ? image : grid), () => 0);
  twin.parts(attributes, rows, columns, (i, o, w) => {
    if (back) y[i]! += w * x[o]!;
    else y[o]! += w * x[i]!;
  });
  return y;
}

/**
 * A term: three weights, each rounded once as a mean's, and three products; then the sum. A linear weight r or 1 - r is off
 * by at most 2 u, whatever its size. A copy is exact: one term, and all weights 1.
 */
function bound(x: Numbers, attributes: ResampleAttributes, { rows, columns }: Size, back: boolean) {
  const { image, grid, linear } = attributes;
  if (!linear && !back && image.every((n, d) => grid[d]! % n === 0)) return 'exact' as const;
  const size = rows * columns * volume(back ? image : grid);
  const [sum, plain, terms] = [0, 0, 0].map(() => make(size, () => 0)) as [number[], number[], number[]];
  twin.parts(attributes, rows, columns, (i, o, w) => {
    const [from, to] = back ? [o, i] : [i, o];
    sum[to]! += w * Math.abs(x[from]!);
    plain[to]! += Math.abs(x[from]!);
    terms[to]!++;
  });
  return make(size, (i) => sum[i]! * (terms[i]! + 6) + (linear ? 6 * plain[i]! : 0));
}

const maxima = WINDOWS.map(({ name, ...attributes }) => ({ name, attributes }));

export const resampling: Rows<
  'pad' | 'resample' | 'resampleGrad' | 'adaptiveMaximum' | 'adaptiveMaximumGrad'
> = {
  pad: {
    variants: PADS,
    operands: (size, { image }, random) => [operand(image, size, (n) => uniform(random, n))],
    forward: ([x], attributes, { rows, columns }) => twin.pad(x!, attributes, rows, columns),
    forwardBound: () => 'exact',
    linear: true,
    gradient: {
      twin: (_, { image, grid, before }, dy, { rows, columns }) => {
        const [a, b, c] = before;
        return [twin.pad(dy, { image: grid, grid: image, before: [-a, -b, -c] }, rows, columns)];
      },
      bound: () => ['exact'],
    },
    tails: [CHANNELS],
  },

  resample: {
    variants: resamples,
    operands: (size, { image }, random) => [operand(image, size, (n) => uniform(random, n))],
    forward: ([x], attributes, size) => apply(x!, attributes, size, false),
    forwardBound: ([x], attributes, size) => bound(x!, attributes, size, false),
    linear: true,
    gradient: {
      twin: (_, attributes, dy, size) => [apply(dy, attributes, size, true)],
      bound: (_, attributes, dy, size) => [bound(dy, attributes, size, true)],
    },
    tails: [CHANNELS],
  },

  resampleGrad: {
    variants: resamples,
    operands: (size, { grid }, random) => [operand(grid, size, (n) => uniform(random, n))],
    forward: ([dy], attributes, size) => apply(dy!, attributes, size, true),
    forwardBound: ([dy], attributes, size) => bound(dy!, attributes, size, true),
    linear: true,
    gradient: {
      twin: (_, attributes, dx, size) => [apply(dx, attributes, size, false)],
      bound: (_, attributes, dx, size) => [bound(dx, attributes, size, false)],
    },
    tails: [CHANNELS],
  },

  adaptiveMaximum: {
    variants: maxima.map((variant) => ({ ...variant, reach: 1 / 16 })),
    operands: (size, { image }, random) => [operand(image, size, (n) => distinct(random, n))],
    forward: ([x], attributes, { rows, columns }) => twin.adaptiveMaximum(x!, attributes, rows, columns),
    forwardBound: () => 'exact',
    linear: true,
    gradient: {
      twin: ([x], attributes, dy, { rows, columns }) => [
        twin.adaptiveMaximumGradient(x!, dy, attributes, rows, columns),
      ],
      bound: ([x], attributes, dy, { rows, columns }) => [maximumBound(x!, dy, attributes, rows, columns)],
    },
    tails: [CHANNELS],
  },

  adaptiveMaximumGrad: {
    variants: maxima,
    operands: (size, { image, grid }, random) => {
      // few different values: the first of several equal ones gets the gradient
      const ties = (n: number): Float32Array => uniform(random, n).map((v) => Math.round(v));
      const x = operand(image, size, ties, false);
      const result = tensor(
        [BATCH, ...grid.slice(5 - x.shape.length), size.columns],
        size.rows,
        (n) => uniform(random, n),
        false,
      );
      return [x, result];
    },
    forward: ([x, dy], attributes, { rows, columns }) =>
      twin.adaptiveMaximumGradient(x!, dy!, attributes, rows, columns),
    forwardBound: ([x, dy], attributes, { rows, columns }) =>
      maximumBound(x!, dy!, attributes, rows, columns),
    gradient: 'none',
    tails: [CHANNELS],
  },
};

/** A sum of as many as windows overlap at a pixel: two in each dimension. */
function maximumBound(x: Numbers, dy: Numbers, attributes: Sizes, rows: number, columns: number): number[] {
  return twin.adaptiveMaximumGradient(x, magnitudes(dy), attributes, rows, columns).map((sum) => 8 * sum);
}
