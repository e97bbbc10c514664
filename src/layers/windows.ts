import { integer, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { Triple, WindowAttributes } from '../ops/attributes.ts';
import { BATCH, type Shape, showShape } from '../ops/tensor.ts';
import type { Layer } from './layer.ts';

/** 'valid': windows inside the image only; 'same': as many as ceil(size / stride), zeros around; 'causal': zeros before. */
export type Padding = 'valid' | 'same' | 'causal';

/** One number for all dimensions, or one for each. */
export type Sizes = number | readonly number[];

export function paddingOption(value: unknown, what: string, causal = false): Padding {
  const known = causal ? ['valid', 'same', 'causal'] : ['valid', 'same'];
  if (typeof value === 'string' && known.includes(value)) return value as Padding;
  throw new UsageError(
    `${what}: padding must be ${known.map((k) => `'${k}'`).join(' or ')}, got ${show(value)}`,
  );
}

/** `dimensions` whole numbers of at least `least`. */
export function sizesOption(value: unknown, dimensions: number, what: string, least = 1): readonly number[] {
  if (!Array.isArray(value)) return new Array<number>(dimensions).fill(integer(value, what, least));
  if (value.length !== dimensions) {
    throw new UsageError(`${what} must be a number or a list of ${dimensions}, got ${show(value)}`);
  }
  return value.map((d) => integer(d, what, least));
}

/** Options of layers that convolve. */
export interface WindowOptions {
  /** Steps from one window to the next. Default 1. */
  strides?: Sizes;
  /** 'valid' (no padding), 'same' (zeros around; ceil(size / stride) results), in 1-D also 'causal' (zeros before). Default 'valid'. */
  padding?: Padding;
  /** Distance between the taps of a window. Default 1. */
  dilationRate?: Sizes;
}

/** The same, checked, with the size of the windows. */
export function windowOptions(
  kernelSize: unknown,
  options: WindowOptions,
  dimensions: number,
  type: string,
  causal = false,
) {
  const sizes = (value: unknown, name: string) => sizesOption(value, dimensions, `${type}: ${name}`);
  return {
    size: sizes(kernelSize, 'kernelSize'),
    strides: sizes(options.strides ?? 1, 'strides'),
    dilationRate: sizes(options.dilationRate ?? 1, 'dilationRate'),
    padding: paddingOption(options.padding ?? 'valid', type, causal),
  };
}

/** Throws unless a row of the input is `dimensions` spatial dimensions and the channels. */
export function checkImage(row: Shape, dimensions: number, layer: string, type: string): void {
  if (row.length === dimensions + 1) return;
  const names = ['depth', 'height', 'width'].slice(3 - dimensions);
  const wanted = dimensions === 1 ? 'steps' : names.join(', ');
  throw new UsageError(
    `layer '${layer}': ${type} needs an input of shape [batch, ${wanted}, channels], got ${showShape([BATCH, ...row])}`,
  );
}

/** Of a layer without parameters that takes such an input. */
export function imageOnly(dimensions: number, type: string): NonNullable<Layer['parameters']> {
  return ([row], layer) => {
    checkImage(row, dimensions, layer, type);
    return [];
  };
}

/** As many as the spatial dimensions, filled up in front. */
export function triple(list: readonly number[], filler: number): Triple {
  const [a, b, c] = [...new Array<number>(3 - list.length).fill(filler), ...list];
  return [a!, b!, c!];
}

/**
 * Where the windows lie. For 'same' the zeros are split evenly, an odd one comes last (as TensorFlow and Keras have it).
 * @param x [batch, …spatial, channels]
 */
export function windows(
  x: Shape,
  taps: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
  padding: Padding,
  layer: string,
): WindowAttributes {
  const image = x.slice(1, -1);
  const reach = taps.map((t, i) => (t - 1) * dilations[i]! + 1);
  const grid = image.map((size, i) => {
    if (padding !== 'valid') return Math.ceil(size / strides[i]!);
    if (size < reach[i]!) {
      throw new UsageError(
        `layer '${layer}': a window of ${reach.join(' x ')} does not fit into the input ${showShape([BATCH, ...x.slice(1)])}; ` +
          "use padding: 'same' or a smaller window",
      );
    }
    return Math.floor((size - reach[i]!) / strides[i]!) + 1;
  });
  const before = image.map((size, i) => {
    if (padding === 'causal') return reach[i]! - 1;
    if (padding === 'valid') return 0;
    return Math.floor(Math.max((grid[i]! - 1) * strides[i]! + reach[i]! - size, 0) / 2);
  });
  return {
    taps: triple(taps, 1),
    strides: triple(strides, 1),
    before: triple(before, 0),
    image: triple(image, 1),
    grid: triple(grid, 1),
  };
}
