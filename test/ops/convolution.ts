import { type Padding, windows } from '../../src/layers/windows.ts';
import type { ConvolutionAttributes, PoolAttributes } from '../../src/ops/attributes.ts';
import { isMinimal, isMinimalFilter } from '../../src/ops/minimal.ts';
import { BATCH, type Shape } from '../../src/ops/tensor.ts';
import * as twin from '../reference/convolution.ts';
import { filterMagnitude, forwardMagnitude, inputMagnitude } from '../reference/minimal.ts';
import { make, type Numbers, uniform } from '../reference/numbers.ts';
import { type RowOf, type Rows, type Size, tensor, type VariantOf } from './row.ts';

export interface Geometry {
  readonly name: string;
  readonly image: readonly number[];
  readonly taps: readonly number[];
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  readonly padding?: Padding;
  readonly groups?: number;
  /** Channels and filters of a group are multiples of it: enough of them for minimal filtering. */
  readonly unit?: 4;
}

const ONES = [1, 1, 1];

export function windowsOf({ image, taps, strides, dilations, padding = 'valid', groups = 1 }: Geometry) {
  const shape = [BATCH, ...image, 1];
  const ones = ONES.slice(3 - image.length);
  const where = windows(shape, taps, strides ?? ones, dilations ?? ones, padding, 'test');
  const [a = 1, b = 1, c = 1] = [...new Array<number>(3 - image.length).fill(1), ...(dilations ?? ones)];
  return { ...where, dilations: [a, b, c], groups } as const satisfies ConvolutionAttributes;
}

export const GEOMETRIES: readonly Geometry[] = [
  { name: '3x3', image: [5, 6], taps: [3, 3] },
  { name: '3x3 same', image: [4, 7], taps: [3, 3], padding: 'same' },
  { name: '2x4 same, stride 2x3', image: [5, 8], taps: [2, 4], strides: [2, 3], padding: 'same' },
  { name: '3x2, stride 2, gaps', image: [6, 5], taps: [3, 2], strides: [2, 2] },
  { name: '2x3, dilation 2x3', image: [5, 8], taps: [2, 3], dilations: [2, 3], padding: 'same' },
  { name: '1x1', image: [3, 3], taps: [1, 1] },
  { name: '1x1, stride 2', image: [4, 5], taps: [1, 1], strides: [2, 2] },
  { name: '3x3, groups', image: [4, 4], taps: [3, 3], padding: 'same', groups: 2 },
  { name: 'wider than the image', image: [2, 2], taps: [5, 5], padding: 'same' },
  { name: '1-D causal, dilation 2', image: [9], taps: [3], dilations: [2], padding: 'causal' },
  { name: '3x3 same, by fours', image: [5, 6], taps: [3, 3], padding: 'same', unit: 4 },
  { name: '3x3 same, by fours, tiles in a row', image: [3, 14], taps: [3, 3], padding: 'same', unit: 4 },
  { name: '3x3, by fours, groups', image: [4, 7], taps: [3, 3], groups: 2, unit: 4 },
  { name: '3-D', image: [3, 4, 3], taps: [2, 3, 2], strides: [1, 2, 1], padding: 'same' },
];

const variants = GEOMETRIES.map((geometry) => ({ name: geometry.name, attributes: windowsOf(geometry) }));

const geometryOf = (attributes: ConvolutionAttributes): Geometry => {
  const { name } = variants.find((variant) => variant.attributes === attributes)!;
  return GEOMETRIES.find((geometry) => geometry.name === name)!;
};

/** Filters and channels from the size: few, since positions and taps come on top. */
function sizeOf(attributes: ConvolutionAttributes, { rows, columns, inner }: Size): twin.ConvolutionSize {
  const { groups } = attributes;
  const { unit } = geometryOf(attributes);
  const [channels, filters] = unit
    ? [unit * (((inner - 1) % 5) + 1), unit * (((columns - 1) % 5) + 1)]
    : [Math.min(inner, 9), Math.min(columns, 19)];
  return { ...attributes, batch: rows, channels: groups * channels, filters: groups * filters };
}

interface Shapes {
  readonly image: Shape;
  readonly kernel: Shape;
  readonly result: Shape;
}

function shapesOf(attributes: ConvolutionAttributes, size: Size): Shapes {
  const dimensions = geometryOf(attributes).image.length;
  const { channels, filters, groups, image, grid, taps } = sizeOf(attributes, size);
  const last = (list: readonly number[]): readonly number[] => list.slice(3 - dimensions);
  return {
    image: [BATCH, ...last(image), channels],
    kernel: [...last(taps), channels / groups, filters],
    result: [BATCH, ...last(grid), filters],
  };
}

export const magnitudes = (x: Numbers): number[] => make(x.length, (i) => Math.abs(x[i]!));
export const times = (x: Numbers, factor: number): number[] => make(x.length, (i) => x[i]! * factor);
const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);

/** Products in a sum of each of the three. */
function lengths({ taps, grid, channels, filters, groups, batch }: twin.ConvolutionSize) {
  return {
    forward: (product(taps) * channels) / groups,
    input: (product(taps) * filters) / groups,
    filter: batch * product(grid),
  };
}

/**
 * Bounds of the three. Sums of products: |error| <= gamma(n) of the sum of the magnitudes, n products (Higham 2002, eq.
 * 3.5). By minimal filtering the sums run over channels or tiles, and each of the transformations, done along columns and
 * lines, rounds a term at most so often, its rounded factors included: B four times, A five, or four of dy, G four, or five of
 * dU.
 */
export const bounds = {
  forward(x: Numbers, w: Numbers, size: twin.ConvolutionSize): number[] {
    const { channels, filters, groups } = size;
    if (isMinimal(size, channels / groups, filters / groups)) {
      return times(forwardMagnitude(x, w, size), channels / groups + 2 * (4 + 4 + 5));
    }
    return times(twin.convolution(magnitudes(x), magnitudes(w), size), lengths(size).forward);
  },
  input(dy: Numbers, w: Numbers, size: twin.ConvolutionSize): number[] {
    const { channels, filters, groups } = size;
    if (isMinimal(size, filters / groups, channels / groups)) {
      return times(inputMagnitude(dy, w, size), filters / groups + 2 * (4 + 4 + 5));
    }
    return times(twin.convolutionInput(magnitudes(dy), magnitudes(w), size), lengths(size).input);
  },
  filter(x: Numbers, dy: Numbers, size: twin.ConvolutionSize): number[] {
    const { channels, filters, groups, batch, grid } = size;
    if (isMinimalFilter(size, channels / groups, filters / groups)) {
      const tiles = batch * Math.ceil(grid[1] / 4) * Math.ceil(grid[2] / 4);
      return times(filterMagnitude(x, dy, size), tiles + 2 * (4 + 4 + 5));
    }
    return times(twin.convolutionFilter(magnitudes(x), magnitudes(dy), size), lengths(size).filter);
  },
};

const from1 = (n: number): number => Math.max(n, 1);

/** Every count of channels and filters up to 9 and 19, in 68 of their pairs. */
const MIXED = (n: number): Size => ({ rows: 1, columns: (n % 19) + 1, inner: (n % 9) + 1 });

/** Rows of a convolution and its two gradients: of depthwise ones, too. */
export function rowsOf<Attributes>(
  variants: readonly VariantOf<Attributes>[],
  sizeOf: (attributes: Attributes, size: Size) => twin.ConvolutionSize,
  shapesOf: (attributes: Attributes, size: Size) => Shapes,
  tail: (n: number) => Size,
): { readonly [Role in 'forward' | 'input' | 'filter']: RowOf<Attributes> } {
  const operandsOf =
    (first: keyof Shapes, second: keyof Shapes, wanted: boolean): RowOf<Attributes>['operands'] =>
    (size, attributes, random) => {
      const shapes = shapesOf(attributes, size);
      return [first, second].map((role) => {
        const rows = role === 'kernel' ? 1 : size.rows;
        return tensor(shapes[role], rows, (n) => uniform(random, n), wanted);
      });
    };
  return {
    forward: {
      variants,
      operands: operandsOf('image', 'kernel', true),
      forward: ([x, w], attributes, size) => twin.convolution(x!, w!, sizeOf(attributes, size)),
      forwardBound: ([x, w], attributes, size) => bounds.forward(x!, w!, sizeOf(attributes, size)),
      linear: true,
      gradient: {
        twin: ([x, w], attributes, dy, size) => {
          const s = sizeOf(attributes, size);
          return [twin.convolutionInput(dy, w!, s), twin.convolutionFilter(x!, dy, s)];
        },
        bound: ([x, w], attributes, dy, size) => {
          const s = sizeOf(attributes, size);
          return [bounds.input(dy, w!, s), bounds.filter(x!, dy, s)];
        },
      },
      tails: [tail],
    },

    input: {
      variants,
      operands: operandsOf('result', 'kernel', true),
      forward: ([dy, w], attributes, size) => twin.convolutionInput(dy!, w!, sizeOf(attributes, size)),
      forwardBound: ([dy, w], attributes, size) => bounds.input(dy!, w!, sizeOf(attributes, size)),
      linear: true,
      gradient: {
        twin: ([dy, w], attributes, dx, size) => {
          const s = sizeOf(attributes, size);
          return [twin.convolution(dx, w!, s), twin.convolutionFilter(dx, dy!, s)];
        },
        bound: ([dy, w], attributes, dx, size) => {
          const s = sizeOf(attributes, size);
          return [bounds.forward(dx, w!, s), bounds.filter(dx, dy!, s)];
        },
      },
      tails: [tail],
    },

    filter: {
      variants,
      operands: operandsOf('image', 'result', false),
      forward: ([x, dy], attributes, size) => twin.convolutionFilter(x!, dy!, sizeOf(attributes, size)),
      forwardBound: ([x, dy], attributes, size) => bounds.filter(x!, dy!, sizeOf(attributes, size)),
      gradient: 'none',
      tails: [tail],
    },
  };
}

const rows = rowsOf(variants, sizeOf, shapesOf, MIXED);

export const convolution: Rows<'convolution' | 'convolutionInput' | 'convolutionFilter'> = {
  convolution: rows.forward,
  convolutionInput: rows.input,
  convolutionFilter: rows.filter,
};

const POOLS: readonly (Geometry & { readonly mean: boolean })[] = [false, true].flatMap((mean) => [
  { name: `${mean ? 'mean' : 'max'} 2x2`, image: [4, 6], taps: [2, 2], strides: [2, 2], mean },
  { name: `${mean ? 'mean' : 'max'} 2x2, odd image`, image: [5, 7], taps: [2, 2], strides: [2, 2], mean },
  {
    name: `${mean ? 'mean' : 'max'} 3x2 same`,
    image: [5, 4],
    taps: [3, 2],
    strides: [2, 1],
    padding: 'same',
    mean,
  },
  { name: `${mean ? 'mean' : 'max'} overlapping`, image: [7], taps: [3], mean },
  { name: `${mean ? 'mean' : 'max'} 3-D`, image: [3, 4, 5], taps: [2, 2, 3], strides: [1, 2, 2], mean },
]);

const poolVariants = POOLS.map((geometry) => {
  const { dilations: _, groups: __, ...where } = windowsOf(geometry);
  return { name: geometry.name, attributes: { ...where, mean: geometry.mean } };
});

function poolShapes(attributes: PoolAttributes, { columns }: Size): { image: Shape; result: Shape } {
  const { name } = poolVariants.find((variant) => variant.attributes === attributes)!;
  const first = 3 - POOLS.find((g) => g.name === name)!.image.length;
  return {
    image: [BATCH, ...attributes.image.slice(first), columns],
    result: [BATCH, ...attributes.grid.slice(first), columns],
  };
}

/** Values far enough apart for a central difference not to change which one is the largest. */
export function distinct(random: () => number, count: number): Float32Array {
  const values = Float32Array.from({ length: count }, (_, i) => (i - count / 2) / 16);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
  return values;
}

export const pooling: Rows<'pool' | 'poolGrad'> = {
  pool: {
    variants: poolVariants.map((variant) => ({ ...variant, reach: 1 / 16 })),
    operands: (size, attributes, random) => [
      tensor(poolShapes(attributes, size).image, size.rows, (n) => distinct(random, n)),
    ],
    forward: ([x], attributes, { rows, columns }) => twin.pool(x!, attributes, rows, columns),
    // of a mean: the sum, and its factor rounded twice
    forwardBound: ([x], attributes, { rows, columns }) =>
      attributes.mean
        ? times(twin.pool(magnitudes(x!), attributes, rows, columns), product(attributes.taps) + 2)
        : 'exact',
    linear: true,
    gradient: {
      twin: ([x], attributes, dy, { rows, columns }) => [
        twin.poolGradient(x!, dy, attributes, rows, columns),
      ],
      bound: ([x], attributes, dy, { rows, columns }) => [
        times(twin.poolGradient(x!, magnitudes(dy), attributes, rows, columns), product(attributes.taps) + 3),
      ],
    },
    tails: [(n) => ({ rows: 2, columns: from1(n), inner: 1 })],
  },

  poolGrad: {
    variants: poolVariants,
    operands: (size, attributes, random) => {
      const { image, result } = poolShapes(attributes, size);
      // few different values: the first of several equal ones gets the gradient
      const ties = (n: number): Float32Array => uniform(random, n).map((v) => Math.round(v));
      return [
        tensor(image, size.rows, ties, false),
        tensor(result, size.rows, (n) => uniform(random, n), false),
      ];
    },
    forward: ([x, dy], attributes, { rows, columns }) =>
      twin.poolGradient(x!, dy!, attributes, rows, columns),
    forwardBound: ([x, dy], attributes, { rows, columns }) =>
      times(twin.poolGradient(x!, magnitudes(dy!), attributes, rows, columns), product(attributes.taps) + 3),
    gradient: 'none',
    tails: [(n) => ({ rows: 2, columns: from1(n), inner: 1 })],
  },
};
