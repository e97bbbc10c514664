import { dimensions, integer, knownKeys, number } from '../checks.ts';
import { UsageError } from '../errors.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import { matmulOps } from '../ops/matmul.ts';
import { sourceOps } from '../ops/sources.ts';
import { lastOf, showShape, sizeOf, type Tensor } from '../ops/tensor.ts';
import {
  type ActivationConfig,
  type ActivationLike,
  activationConfig,
  applyActivation,
} from './activations.ts';
import { biasAndActivation, type KernelOptions, kernelConfig, kernelKeys, kernelsAndBias } from './kernel.ts';
import { type LayerOptions, layerName, written } from './options.ts';
import { type CallableLayer, callable } from './symbolic.ts';

export interface DenseOptions extends LayerOptions, KernelOptions {
  /** Multiplies the learning rate of the kernel, at least 0. Default 1. */
  kernelLearningRateScale?: number;
  /** Multiplies the learning rate of the bias, at least 0. Default 1. */
  biasLearningRateScale?: number;
}

/**
 * Fully connected: y = f(x · kernel + bias), over the last axis: x [batch, …, in], kernel [in, units], bias [units],
 * y [batch, …, units].
 * @param units Outputs, at least 1.
 * @throws UsageError on an unknown name or an option out of range.
 */
export function dense(units: number, options: DenseOptions = {}): CallableLayer {
  const what = 'dense';
  integer(units, `${what}: units`, 1);
  const scales = ['kernelLearningRateScale', 'biasLearningRateScale'] as const;
  knownKeys(options, ['name', ...kernelKeys(), ...scales], what);
  const name = layerName(options, what);
  const kernel = kernelConfig(options, what);
  const [kernelScale, biasScale] = scales.map((key) =>
    number(options[key] ?? 1, `${what}: ${key}`, { min: 0 }),
  ) as [number, number];
  return callable({
    type: 'dense',
    passesMask: true,
    name,
    config: written({
      units,
      ...kernel.json,
      kernelLearningRateScale: kernelScale,
      biasLearningRateScale: biasScale,
    }),
    parameters([shape], layer) {
      if (shape.length === 0) {
        throw new UsageError(
          `layer '${layer}': a row of its input is a single number, shape [batch]; dense needs [batch, inputs]: ` +
            'give inputShape: [1], or reshape([1]) before it',
        );
      }
      const fanIn = lastOf(shape);
      const sizes = { shape: [fanIn, units], fanIn, fanOut: units, learningRateScale: kernelScale };
      return kernelsAndBias(kernel, [sizes], units, biasScale);
    },
    trace([x], { graph, parameters: [weights, bias] }) {
      const y = graph.add(matmulOps.matmul, [x, weights!], { transposeA: false, transposeB: false });
      return biasAndActivation(graph, y as unknown as Tensor, bias, kernel);
    },
  });
}

/**
 * An activation as a layer of its own; x and y have the same shape.
 * @param kind A name, or an object with its option.
 * @throws UsageError on an unknown name or an option out of range.
 */
export function activation(kind: ActivationLike, options: LayerOptions = {}): CallableLayer {
  knownKeys(options, ['name'], 'activation');
  const config: ActivationConfig = activationConfig(kind, 'activation');
  return callable({
    type: 'activation',
    passesMask: true,
    name: layerName(options, 'activation'),
    config: { activation: config },
    trace: ([x], { graph }) => applyActivation(graph, x, config),
  });
}

/**
 * While training, sets each element to 0 with probability `rate` and scales the others by 1 / (1 - rate)
 * (Srivastava et al. 2014, inverted form); nothing otherwise. Which ones follows from the model's seed and the step.
 * @param rate At least 0, below 1.
 * @throws UsageError on a rate out of range.
 */
export function dropout(rate: number, options: LayerOptions = {}): CallableLayer {
  knownKeys(options, ['name'], 'dropout');
  number(rate, 'dropout: rate', { min: 0, below: 1 });
  return callable({
    type: 'dropout',
    passesMask: true,
    name: layerName(options, 'dropout'),
    config: { rate },
    trace: ([x], { graph, training, stream }) =>
      training && rate > 0 ? graph.add(elementwiseOps.dropout, [x], { rate, stream }) : x,
  });
}

/** All dimensions but the batch become one: x [batch, a, b, …], y [batch, a · b · …]. */
export function flatten(options: LayerOptions = {}): CallableLayer {
  knownKeys(options, ['name'], 'flatten');
  return callable({
    type: 'flatten',
    name: layerName(options, 'flatten'),
    config: {},
    trace: ([x], { graph }) => {
      const size = sizeOf(x.shape, 1);
      return x.shape.length === 2 ? x : graph.add(sourceOps.reshape, [x], { shape: [size] });
    },
  });
}

/**
 * The same elements in another shape, row-major.
 * @param shape Dimensions without the batch; one may be -1 and is found from the others.
 * @throws UsageError when the elements do not fill the shape; that is known when `sequential` gets the layer.
 */
export function reshape(shape: readonly number[], options: LayerOptions = {}): CallableLayer {
  knownKeys(options, ['name'], 'reshape');
  dimensions(shape, 'reshape: shape', -1);
  if (shape.filter((d) => d === -1).length > 1) throw new UsageError('reshape: only one dimension may be -1');
  return callable({
    type: 'reshape',
    name: layerName(options, 'reshape'),
    config: { shape: [...shape] },
    trace: ([x], { graph }) => {
      const size = sizeOf(x.shape, 1);
      const known = shape.reduce((a, d) => (d === -1 ? a : a * d), 1);
      const complete = shape.map((d) => (d === -1 ? size / known : d));
      if (!complete.every(Number.isInteger)) {
        throw new UsageError(
          `layer '${graph.layer}': a row of its input ${showShape(x.shape)} has ${size} numbers; ` +
            `they do not fill the shape [batch, ${shape.join(', ')}]`,
        );
      }
      return graph.add(sourceOps.reshape, [x], { shape: complete });
    },
  });
}

/**
 * y = x · scale + offset, e.g. `rescaling(1 / 255)` for bytes of an image. Default offset 0.
 * @throws UsageError on a number that is not finite.
 */
export function rescaling(scale: number, options: LayerOptions & { offset?: number } = {}): CallableLayer {
  knownKeys(options, ['name', 'offset'], 'rescaling');
  number(scale, 'rescaling: scale');
  const offset = number(options.offset ?? 0, 'rescaling: offset');
  return callable({
    type: 'rescaling',
    passesMask: true,
    name: layerName(options, 'rescaling'),
    config: { scale, offset },
    trace: ([x], { graph }) => graph.add(elementwiseOps.affine, [x], { scale, offset }),
  });
}
