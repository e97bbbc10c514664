import type { DepthwiseAttributes } from '../../src/ops/attributes.ts';
import { BATCH } from '../../src/ops/tensor.ts';
import type * as twin from '../reference/convolution.ts';
import { GEOMETRIES, type Geometry, rowsOf, windowsOf } from './convolution.ts';
import type { Rows, Size } from './row.ts';

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

const rows = rowsOf(variants, sizeOf, shapesOf, CHANNELS);

export const depthwise: Rows<'depthwise' | 'depthwiseInput' | 'depthwiseFilter'> = {
  depthwise: rows.forward,
  depthwiseInput: rows.input,
  depthwiseFilter: rows.filter,
};
