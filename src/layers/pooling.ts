import { Activation } from '../../assembly/tape/dense.ts';
import { knownKeys } from '../checks.ts';
import { activationOps } from '../ops/activations.ts';
import { poolingOps } from '../ops/pooling.ts';
import { sourceOps } from '../ops/sources.ts';
import { isOp, lastOf, type Shape, type Tensor } from '../ops/tensor.ts';
import { averageOfMasked, maximumOfMasked } from './masks.ts';
import { type LayerOptions, layerName } from './options.ts';
import { type CallableLayer, callable } from './symbolic.ts';
import {
  imageOnly,
  type Padding,
  paddingOption,
  type Sizes,
  sizesOption,
  triple,
  windows,
} from './windows.ts';

export interface PoolingOptions extends LayerOptions {
  /** Size of a window. Default 2. */
  poolSize?: Sizes;
  /** Steps from one window to the next. Default: poolSize. */
  strides?: Sizes;
  /** 'valid', or 'same': windows reach over the edge, where nothing counts. Default 'valid'. */
  padding?: Padding;
}

function poolingLayer(
  type: string,
  dimensions: number,
  mean: boolean,
  options: PoolingOptions,
): CallableLayer {
  knownKeys(options, ['name', 'poolSize', 'strides', 'padding'], type);
  const name = layerName(options, type);
  const poolSize = sizesOption(options.poolSize ?? 2, dimensions, `${type}: poolSize`);
  const strides = sizesOption(options.strides ?? poolSize, dimensions, `${type}: strides`);
  const padding = paddingOption(options.padding ?? 'valid', type);
  const ones = poolSize.map(() => 1);
  return callable({
    type,
    name,
    config: { poolSize, strides, padding },
    parameters: imageOnly(dimensions, type),
    trace: ([x], { graph }) => {
      const where = windows(x.shape, poolSize, strides, ones, padding, graph.layer);
      const pool = (of: Tensor) => graph.add(poolingOps.pool, [of], { ...where, mean }) as unknown as Tensor;
      // max(relu(z)) = relu(max(z)): a quarter of the work of relu, whose gradient then fuses with the product above
      if (!mean && isOp(x, 'activation') && x.attributes.kind === Activation.Relu) {
        return graph.add(activationOps.activation, [pool(x.inputs[0]!)], x.attributes) as unknown as Tensor;
      }
      return pool(x);
    },
  });
}

/** The largest of each window over time, per channel; of equal ones the first gets the gradient. */
export function maxPooling1d(options: PoolingOptions = {}): CallableLayer {
  return poolingLayer('maxPooling1d', 1, false, options);
}

/** The largest of each window of an image, per channel; of equal ones the first gets the gradient. */
export function maxPooling2d(options: PoolingOptions = {}): CallableLayer {
  return poolingLayer('maxPooling2d', 2, false, options);
}

/** The largest of each window of a volume, per channel; of equal ones the first gets the gradient. */
export function maxPooling3d(options: PoolingOptions = {}): CallableLayer {
  return poolingLayer('maxPooling3d', 3, false, options);
}

/** The mean of each window over time, per channel. */
export function averagePooling1d(options: PoolingOptions = {}): CallableLayer {
  return poolingLayer('averagePooling1d', 1, true, options);
}

/** The mean of each window of an image, per channel. */
export function averagePooling2d(options: PoolingOptions = {}): CallableLayer {
  return poolingLayer('averagePooling2d', 2, true, options);
}

/** The mean of each window of a volume, per channel. */
export function averagePooling3d(options: PoolingOptions = {}): CallableLayer {
  return poolingLayer('averagePooling3d', 3, true, options);
}

function globalLayer(type: string, dimensions: number, mean: boolean, options: LayerOptions): CallableLayer {
  knownKeys(options, ['name'], type);
  return callable({
    type,
    name: layerName(options, type),
    config: {},
    parameters: imageOnly(dimensions, type),
    trace([image], { graph }) {
      const mask = graph.masks.get(image);
      const masked = mean ? averageOfMasked : maximumOfMasked;
      const x = mask && dimensions === 1 ? masked(graph, image, mask) : image;
      const size: Shape = x.shape.slice(1, -1);
      const ones = size.map(() => 1);
      const where = windows(x.shape, size, ones, ones, 'valid', graph.layer);
      const y = graph.add(poolingOps.pool, [x], { ...where, taps: triple(size, 1), mean });
      return graph.add(sourceOps.reshape, [y as unknown as Tensor], { shape: [lastOf(x.shape)] });
    },
  });
}

/**
 * The largest of all steps, or of those that a mask leaves (0 where there are none): [batch, steps, channels] to
 * [batch, channels].
 */
export function globalMaxPooling1d(options: LayerOptions = {}): CallableLayer {
  return globalLayer('globalMaxPooling1d', 1, false, options);
}

/** The largest of all pixels: [batch, height, width, channels] to [batch, channels]. */
export function globalMaxPooling2d(options: LayerOptions = {}): CallableLayer {
  return globalLayer('globalMaxPooling2d', 2, false, options);
}

/** The largest of a volume: [batch, depth, height, width, channels] to [batch, channels]. */
export function globalMaxPooling3d(options: LayerOptions = {}): CallableLayer {
  return globalLayer('globalMaxPooling3d', 3, false, options);
}

/**
 * The mean of all steps, or of those that a mask leaves (0 where there are none): [batch, steps, channels] to
 * [batch, channels].
 */
export function globalAveragePooling1d(options: LayerOptions = {}): CallableLayer {
  return globalLayer('globalAveragePooling1d', 1, true, options);
}

/** The mean of all pixels: [batch, height, width, channels] to [batch, channels]. */
export function globalAveragePooling2d(options: LayerOptions = {}): CallableLayer {
  return globalLayer('globalAveragePooling2d', 2, true, options);
}

/** The mean of a volume: [batch, depth, height, width, channels] to [batch, channels]. */
export function globalAveragePooling3d(options: LayerOptions = {}): CallableLayer {
  return globalLayer('globalAveragePooling3d', 3, true, options);
}
