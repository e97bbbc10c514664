import type { DepthwiseAttributes } from '../../src/ops/attributes.ts';
import { BATCH } from '../../src/ops/tensor.ts';
import * as twin from '../reference/convolution.ts';
import { uniform } from '../reference/numbers.ts';
import { GEOMETRIES, type Geometry, lengths, magnitudes, times, windowsOf } from './convolution.ts';
import { type Rows, type Size, tensor } from './row.ts';

const MORE: readonly Geometry[] = [
  { name: '5x5 same', image: [3, 12], taps: [5, 5], padding: 'same' },
  {
    name: 'stride 2, dilation 3',
    image: [9, 14],
    taps: [2, 3],
    strides: [2, 2],
    dilations: [3, 3],
    padding: 'same',
  },
  {
    name: 'stride 4, dilation 2',
    image: [4, 17],
    taps: [1, 4],
    strides: [1, 4],
    dilations: [1, 2],
    padding: 'same',
  },
];

const geometries = [...GEOMETRIES.filter(({ groups }) => groups === undefined), ...MORE];

const variants = geometries.map((geometry) => {
  const { groups: _, ...where } = windowsOf(geometry);
  return { name: geometry.name, attributes: { ...where, multiplier: 1 }, dimensions: geometry.image.length };
});

const dimensionsOf = (attributes: DepthwiseAttributes): number =>
  variants.find((variant) => variant.attributes === attributes)!.dimensions;

/** 16, 4 and 3 channels at a time: every path, whatever more there are. */
const MOST = 23;

/** A convolution with a group for each channel. */
function sizeOf(attributes: DepthwiseAttributes, { rows, columns }: Size): twin.ConvolutionSize {
  const channels = Math.min(columns, MOST);
  return { ...attributes, batch: rows, channels, filters: channels, groups: channels };
}

function shapesOf(attributes: DepthwiseAttributes, size: Size) {
  const { channels } = sizeOf(attributes, size);
  const last = (list: readonly number[]): readonly number[] => list.slice(3 - dimensionsOf(attributes));
  return {
    image: [BATCH, ...last(attributes.image), channels],
    kernel: [...last(attributes.taps), channels, 1],
    result: [BATCH, ...last(attributes.grid), channels],
  };
}

const CHANNELS = (n: number): Size => ({ rows: (n % 3) + 1, columns: (n % MOST) + 1, inner: 1 });

/** Sums of products, as those of a convolution. */
export const depthwise: Rows<'depthwise' | 'depthwiseInput' | 'depthwiseFilter'> = {
  depthwise: {
    variants,
    operands: (size, attributes, random) => {
      const { image, kernel } = shapesOf(attributes, size);
      const fill = (n: number): Float32Array => uniform(random, n);
      return [tensor(image, size.rows, fill), tensor(kernel, 1, fill)];
    },
    forward: ([x, w], attributes, size) => twin.convolution(x!, w!, sizeOf(attributes, size)),
    forwardBound: ([x, w], attributes, size) => {
      const s = sizeOf(attributes, size);
      return times(twin.convolution(magnitudes(x!), magnitudes(w!), s), lengths(s).forward);
    },
    linear: true,
    gradient: {
      twin: ([x, w], attributes, dy, size) => {
        const s = sizeOf(attributes, size);
        return [twin.convolutionInput(dy, w!, s), twin.convolutionFilter(x!, dy, s)];
      },
      bound: ([x, w], attributes, dy, size) => {
        const s = sizeOf(attributes, size);
        return [
          times(twin.convolutionInput(magnitudes(dy), magnitudes(w!), s), lengths(s).input),
          times(twin.convolutionFilter(magnitudes(x!), magnitudes(dy), s), lengths(s).filter),
        ];
      },
    },
    tails: [CHANNELS],
  },

  depthwiseInput: {
    variants,
    operands: (size, attributes, random) => {
      const { result, kernel } = shapesOf(attributes, size);
      const fill = (n: number): Float32Array => uniform(random, n);
      return [tensor(result, size.rows, fill), tensor(kernel, 1, fill)];
    },
    forward: ([dy, w], attributes, size) => twin.convolutionInput(dy!, w!, sizeOf(attributes, size)),
    forwardBound: ([dy, w], attributes, size) => {
      const s = sizeOf(attributes, size);
      return times(twin.convolutionInput(magnitudes(dy!), magnitudes(w!), s), lengths(s).input);
    },
    linear: true,
    gradient: {
      twin: ([dy, w], attributes, dx, size) => {
        const s = sizeOf(attributes, size);
        return [twin.convolution(dx, w!, s), twin.convolutionFilter(dx, dy!, s)];
      },
      bound: ([dy, w], attributes, dx, size) => {
        const s = sizeOf(attributes, size);
        return [
          times(twin.convolution(magnitudes(dx), magnitudes(w!), s), lengths(s).forward),
          times(twin.convolutionFilter(magnitudes(dx), magnitudes(dy!), s), lengths(s).filter),
        ];
      },
    },
    tails: [CHANNELS],
  },

  depthwiseFilter: {
    variants,
    operands: (size, attributes, random) => {
      const { image, result } = shapesOf(attributes, size);
      const fill = (n: number): Float32Array => uniform(random, n);
      return [tensor(image, size.rows, fill, false), tensor(result, size.rows, fill, false)];
    },
    forward: ([x, dy], attributes, size) => twin.convolutionFilter(x!, dy!, sizeOf(attributes, size)),
    forwardBound: ([x, dy], attributes, size) => {
      const s = sizeOf(attributes, size);
      return times(twin.convolutionFilter(magnitudes(x!), magnitudes(dy!), s), lengths(s).filter);
    },
    gradient: 'none',
    tails: [CHANNELS],
  },
};
