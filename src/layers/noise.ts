import { knownKeys, number } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { DropoutAttributes } from '../ops/attributes.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import { noiseOps } from '../ops/noise.ts';
import { BATCH, showShape } from '../ops/tensor.ts';
import { type LayerOptions, layerName } from './options.ts';
import { type CallableLayer, callable } from './symbolic.ts';

/** A kind of dropout; `dimensions` of its input without the batch, or any. */
function dropoutLayer(
  type: string,
  rate: number,
  options: LayerOptions,
  kind: Pick<DropoutAttributes, 'shared' | 'alpha'>,
  dimensions?: number,
): CallableLayer {
  knownKeys(options, ['name'], type);
  number(rate, `${type}: rate`, { min: 0, below: 1 });
  return callable({
    type,
    name: layerName(options, type),
    config: { rate },
    passesMask: true,
    parameters([shape], layer) {
      if (dimensions === undefined || shape.length === dimensions) return [];
      const wanted = ['time', 'height, width', 'depth, height, width'][dimensions - 2];
      throw new UsageError(
        `layer '${layer}': ${type} needs [batch, ${wanted}, channels], got ${showShape([BATCH, ...shape])}`,
      );
    },
    trace: ([x], { graph, training, stream }) =>
      training && rate > 0 ? graph.add(elementwiseOps.dropout, [x], { rate, stream, ...kind }) : x,
  });
}

/**
 * Drops whole channels (Tompson et al. 2015): x and y [batch, time, channels]; while training, each channel of a row is 0
 * at all times with probability `rate`, the others are divided by 1 - rate.
 * @param rate From 0 to below 1.
 * @throws UsageError on a rate out of range; on an input of other dimensions when it is applied.
 */
export function spatialDropout1d(rate: number, options: LayerOptions = {}): CallableLayer {
  return dropoutLayer('spatialDropout1d', rate, options, { shared: true }, 2);
}

/** The same of images, [batch, height, width, channels]. */
export function spatialDropout2d(rate: number, options: LayerOptions = {}): CallableLayer {
  return dropoutLayer('spatialDropout2d', rate, options, { shared: true }, 3);
}

/** The same of volumes, [batch, depth, height, width, channels]. */
export function spatialDropout3d(rate: number, options: LayerOptions = {}): CallableLayer {
  return dropoutLayer('spatialDropout3d', rate, options, { shared: true }, 4);
}

/**
 * Dropout that keeps the mean and variance of what SELU makes (Klambauer et al. 2017, section "New dropout technique"):
 * what is dropped becomes -1.758, the limit of SELU, and all is scaled and shifted. Only while training.
 * @param rate From 0 to below 1.
 * @throws UsageError on a rate out of range.
 */
export function alphaDropout(rate: number, options: LayerOptions = {}): CallableLayer {
  return dropoutLayer('alphaDropout', rate, options, { alpha: 'value' });
}

function gaussian(
  type: string,
  config: Readonly<Record<string, number>>,
  deviation: number,
  product: boolean,
  options: LayerOptions,
): CallableLayer {
  return callable({
    type,
    name: layerName(options, type),
    config,
    passesMask: true,
    trace: ([x], { graph, training, stream }) =>
      training && deviation > 0 ? graph.add(noiseOps.noise, [x], { deviation, product, stream }) : x,
  });
}

/**
 * Adds normal noise of mean 0 while training: y = x + stddev · n, an augmentation of real-valued inputs.
 * @param stddev Its standard deviation, at least 0.
 * @throws UsageError on a negative standard deviation.
 */
export function gaussianNoise(stddev: number, options: LayerOptions = {}): CallableLayer {
  knownKeys(options, ['name'], 'gaussianNoise');
  number(stddev, 'gaussianNoise: stddev', { min: 0 });
  return gaussian('gaussianNoise', { stddev }, stddev, false, options);
}

/**
 * Multiplies by normal noise of mean 1 while training: y = x · (1 + sqrt(rate / (1 - rate)) · n), the variance of dropout
 * at that rate (Srivastava et al. 2014, section 10).
 * @param rate From 0 to below 1.
 * @throws UsageError on a rate out of range.
 */
export function gaussianDropout(rate: number, options: LayerOptions = {}): CallableLayer {
  knownKeys(options, ['name'], 'gaussianDropout');
  number(rate, 'gaussianDropout: rate', { min: 0, below: 1 });
  return gaussian('gaussianDropout', { rate }, Math.sqrt(rate / (1 - rate)), true, options);
}
