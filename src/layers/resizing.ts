import { integer, knownKeys, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import { resamplingOps } from '../ops/resampling.ts';
import { showShape } from '../ops/tensor.ts';
import { type LayerOptions, layerName } from './options.ts';
import { type CallableLayer, callable } from './symbolic.ts';
import { imageOnly, type Sizes, sizesOption, triple } from './windows.ts';

/**
 * Before and after each dimension: one number for all, or for each dimension a number or a pair [before, after]; in 1-D
 * also just a pair.
 */
export type Sides = number | readonly (number | readonly [number, number])[];

export interface ZeroPaddingOptions extends LayerOptions {
  /** Zeros before and after each dimension. Default 1. */
  padding?: Sides;
}

export interface CroppingOptions extends LayerOptions {
  /** What is cut off before and after each dimension. Default 1 in 1-D and 3-D, 0 in 2-D, as in Keras. */
  cropping?: Sides;
}

export interface UpSamplingOptions extends LayerOptions {
  /** Results for each step, pixel or voxel of the input. Default 2. */
  size?: Sizes;
}

export interface UpSampling2dOptions extends UpSamplingOptions {
  /**
   * 'nearest', or 'bilinear': between the nearest four, pixels being squares with their value in the center (PyTorch's
   * align_corners=False). Default 'nearest'.
   */
  interpolation?: 'nearest' | 'bilinear';
}

/** A pair for each dimension. */
function sidesOption(value: unknown, dimensions: number, what: string): readonly (readonly number[])[] {
  const pair = (side: unknown): readonly number[] => {
    const [before, after] = Array.isArray(side) && side.length === 2 ? side : [side, side];
    return [integer(before, what, 0), integer(after, what, 0)];
  };
  if (!Array.isArray(value)) return Array.from({ length: dimensions }, () => pair(value));
  if (dimensions === 1 && value.length === 2) return [pair(value)];
  if (value.length !== dimensions) {
    const pairs = Array.from({ length: dimensions }, () => '[before, after]').join(', ');
    throw new UsageError(`${what} must be a number or [${pairs}], got ${show(value)}`);
  }
  return value.map(pair);
}

/** `sign` 1: zeros around the image, -1: a part of it. */
function padLayer(
  type: string,
  option: 'padding' | 'cropping',
  sides: readonly (readonly number[])[],
  sign: 1 | -1,
  options: LayerOptions,
): CallableLayer {
  return callable({
    type,
    name: layerName(options, type),
    config: { [option]: sides },
    parameters: imageOnly(sides.length, type),
    trace([x], { graph }) {
      const image = x.shape.slice(1, -1);
      const grid = image.map((d, i) => d + sign * (sides[i]![0]! + sides[i]![1]!));
      if (grid.some((d) => d < 1)) {
        throw new UsageError(
          `layer '${graph.layer}': cropping ${sides.map(show).join(', ')} leaves nothing of its input ${showShape(x.shape)}`,
        );
      }
      const before = sides.map(([first]) => sign * first!);
      const attributes = { image: triple(image, 1), grid: triple(grid, 1), before: triple(before, 0) };
      return graph.add(resamplingOps.pad, [x], attributes);
    },
  });
}

function zeroPadding(type: string, dimensions: number, options: ZeroPaddingOptions): CallableLayer {
  knownKeys(options, ['name', 'padding'], type);
  const sides = sidesOption(options.padding ?? 1, dimensions, `${type}: padding`);
  return padLayer(type, 'padding', sides, 1, options);
}

function cropping(
  type: string,
  dimensions: number,
  options: CroppingOptions,
  fallback: number,
): CallableLayer {
  knownKeys(options, ['name', 'cropping'], type);
  const sides = sidesOption(options.cropping ?? fallback, dimensions, `${type}: cropping`);
  return padLayer(type, 'cropping', sides, -1, options);
}

/** Zeros before and after the steps: [batch, steps, channels] to [batch, before + steps + after, channels]. */
export function zeroPadding1d(options: ZeroPaddingOptions = {}): CallableLayer {
  return zeroPadding('zeroPadding1d', 1, options);
}

/** Zeros around images, [batch, height, width, channels]; padding [[top, bottom], [left, right]]. */
export function zeroPadding2d(options: ZeroPaddingOptions = {}): CallableLayer {
  return zeroPadding('zeroPadding2d', 2, options);
}

/** Zeros around volumes, [batch, depth, height, width, channels]. */
export function zeroPadding3d(options: ZeroPaddingOptions = {}): CallableLayer {
  return zeroPadding('zeroPadding3d', 3, options);
}

/** Without the first and last steps: [batch, steps, channels] to [batch, fewer steps, channels]. */
export function cropping1d(options: CroppingOptions = {}): CallableLayer {
  return cropping('cropping1d', 1, options, 1);
}

/** Without the edges of images, [batch, height, width, channels]; cropping [[top, bottom], [left, right]]. */
export function cropping2d(options: CroppingOptions = {}): CallableLayer {
  return cropping('cropping2d', 2, options, 0);
}

/** Without the edges of volumes, [batch, depth, height, width, channels]. */
export function cropping3d(options: CroppingOptions = {}): CallableLayer {
  return cropping('cropping3d', 3, options, 1);
}

function upSampling(type: string, dimensions: number, options: UpSampling2dOptions): CallableLayer {
  const planar = dimensions === 2;
  knownKeys(options, ['name', 'size', ...(planar ? ['interpolation'] : [])], type);
  const size = sizesOption(options.size ?? 2, dimensions, `${type}: size`);
  const interpolation = options.interpolation ?? 'nearest';
  if (!['nearest', 'bilinear'].includes(interpolation)) {
    throw new UsageError(
      `${type}: interpolation must be 'nearest' or 'bilinear', got ${show(interpolation)}`,
    );
  }
  return callable({
    type,
    name: layerName(options, type),
    config: planar ? { size, interpolation } : { size },
    parameters: imageOnly(dimensions, type),
    trace([x], { graph }) {
      const image = x.shape.slice(1, -1);
      const grid = image.map((d, i) => d * size[i]!);
      const linear = interpolation === 'bilinear';
      return graph.add(resamplingOps.resample, [x], {
        image: triple(image, 1),
        grid: triple(grid, 1),
        linear,
      });
    },
  });
}

/** Each step `size` times: [batch, steps, channels] to [batch, steps · size, channels]. */
export function upSampling1d(options: UpSamplingOptions = {}): CallableLayer {
  return upSampling('upSampling1d', 1, options);
}

/** Larger images: [batch, height, width, channels] to [batch, height · size, width · size, channels]. */
export function upSampling2d(options: UpSampling2dOptions = {}): CallableLayer {
  return upSampling('upSampling2d', 2, options);
}

/** Each voxel `size` times in each dimension, [batch, depth, height, width, channels]. */
export function upSampling3d(options: UpSamplingOptions = {}): CallableLayer {
  return upSampling('upSampling3d', 3, options);
}
