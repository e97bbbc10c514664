import { knownKeys } from '../checks.ts';
import { resamplingOps } from '../ops/resampling.ts';
import type { Tensor } from '../ops/tensor.ts';
import { type LayerOptions, layerName } from './options.ts';
import { type CallableLayer, callable } from './symbolic.ts';
import { imageOnly, type Sizes, sizesOption, triple } from './windows.ts';

function adaptiveLayer(
  type: string,
  dimensions: number,
  mean: boolean,
  outputSize: Sizes,
  options: LayerOptions,
): CallableLayer {
  knownKeys(options, ['name'], type);
  const size = sizesOption(outputSize, dimensions, `${type}: outputSize`);
  return callable({
    type,
    name: layerName(options, type),
    config: { outputSize: size },
    parameters: imageOnly(dimensions, type),
    trace([x], { graph }): Tensor {
      const sizes = { image: triple(x.shape.slice(1, -1), 1), grid: triple(size, 1) };
      return mean
        ? graph.add(resamplingOps.resample, [x], { ...sizes, linear: false })
        : graph.add(resamplingOps.adaptiveMaximum, [x], sizes);
    },
  });
}

/**
 * Means of windows that are chosen so that `outputSize` of them cover all steps: window i of n steps is from
 * floor(i · n / outputSize) to ceil((i + 1) · n / outputSize), as in PyTorch. [batch, steps, channels] to [batch, outputSize,
 * channels].
 * @throws UsageError on a size below 1; when the model is made, on an input of another rank.
 */
export function adaptiveAveragePooling1d(outputSize: Sizes, options: LayerOptions = {}): CallableLayer {
  return adaptiveLayer('adaptiveAveragePooling1d', 1, true, outputSize, options);
}

/** The same over images, [batch, height, width, channels] to [batch, …outputSize, channels]. */
export function adaptiveAveragePooling2d(outputSize: Sizes, options: LayerOptions = {}): CallableLayer {
  return adaptiveLayer('adaptiveAveragePooling2d', 2, true, outputSize, options);
}

/** The same over volumes, [batch, depth, height, width, channels] to [batch, …outputSize, channels]. */
export function adaptiveAveragePooling3d(outputSize: Sizes, options: LayerOptions = {}): CallableLayer {
  return adaptiveLayer('adaptiveAveragePooling3d', 3, true, outputSize, options);
}

/** The largest of each of the same windows over time; of equal ones the first gets the gradient. */
export function adaptiveMaxPooling1d(outputSize: Sizes, options: LayerOptions = {}): CallableLayer {
  return adaptiveLayer('adaptiveMaxPooling1d', 1, false, outputSize, options);
}

/** The largest of each of the same windows of images; of equal ones the first gets the gradient. */
export function adaptiveMaxPooling2d(outputSize: Sizes, options: LayerOptions = {}): CallableLayer {
  return adaptiveLayer('adaptiveMaxPooling2d', 2, false, outputSize, options);
}

/** The largest of each of the same windows of volumes; of equal ones the first gets the gradient. */
export function adaptiveMaxPooling3d(outputSize: Sizes, options: LayerOptions = {}): CallableLayer {
  return adaptiveLayer('adaptiveMaxPooling3d', 3, false, outputSize, options);
}
