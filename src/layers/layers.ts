import { dimensions, flag, integer, knownKeys, number, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import { lastOf, showShape, type Tensor } from '../ops/tensor.ts';
import {
  type ActivationConfig,
  type ActivationLike,
  activationConfig,
  applyActivation,
} from './activations.ts';
import {
  type ConvolutionOptions,
  conv1d,
  conv1dTranspose,
  conv2d,
  conv2dTranspose,
  conv3d,
  type TransposedOptions,
} from './convolution.ts';
import { type CustomLayers, customFromConfig, unknownLayer } from './custom.ts';
import { type EmbeddingOptions, embedding } from './embedding.ts';
import { type InitializerLike, initializerConfig } from './initializers.ts';
import type { Layer } from './layer.ts';
import {
  type BatchNormalizationOptions,
  batchNormalization,
  type GroupNormalizationOptions,
  groupNormalization,
  instanceNormalization,
  layerNormalization,
  type NormalizationOptions,
  type RmsNormalizationOptions,
  rmsNormalization,
} from './normalization.ts';
import { type LayerOptions, layerName, written } from './options.ts';
import * as pooling from './pooling.ts';
import { type PreluOptions, permute, prelu, repeatVector } from './rearrange.ts';
import {
  type GruOptions,
  gru,
  type LstmOptions,
  lstm,
  type SimpleRnnOptions,
  simpleRnn,
} from './recurrent.ts';
import { type Regularizer, regularizer } from './regularizers.ts';
import { type CallableLayer, callable } from './symbolic.ts';
import type { Sizes } from './windows.ts';

export interface DenseOptions extends LayerOptions {
  /** Default 'linear'. */
  activation?: ActivationLike;
  /** Default true. */
  useBias?: boolean;
  /** Of the kernel [in, units]. Default 'glorotUniform'. */
  kernelInitializer?: InitializerLike;
  /** Of the bias [units]. Default 'zeros'. */
  biasInitializer?: InitializerLike;
  /** Penalty on the kernel, part of the reported loss. Default: none. */
  kernelRegularizer?: Regularizer;
  /** Penalty on the bias. Default: none. */
  biasRegularizer?: Regularizer;
  /** Multiplies the learning rate of the kernel, at least 0. Default 1. */
  kernelLearningRateScale?: number;
  /** Multiplies the learning rate of the bias, at least 0. Default 1. */
  biasLearningRateScale?: number;
  /** False: training leaves the parameters as they are. Default true. */
  trainable?: boolean;
}

const denseKeys = [
  'name',
  'activation',
  'useBias',
  'kernelInitializer',
  'biasInitializer',
  'kernelRegularizer',
  'biasRegularizer',
  'kernelLearningRateScale',
  'biasLearningRateScale',
  'trainable',
];

/**
 * Fully connected: y = f(x · kernel + bias), over the last axis: x [batch, …, in], kernel [in, units], bias [units],
 * y [batch, …, units].
 * @param units Outputs, at least 1.
 * @throws UsageError on an unknown name or an option out of range.
 */
export function dense(units: number, options: DenseOptions = {}): CallableLayer {
  const what = 'dense';
  integer(units, `${what}: units`, 1);
  knownKeys(options, denseKeys, what);
  const name = layerName(options, what);
  const activation = activationConfig(options.activation ?? 'linear', what);
  const useBias = flag(options.useBias ?? true, `${what}: useBias`);
  const trainable = flag(options.trainable ?? true, `${what}: trainable`);
  const kernelInitializer = initializerConfig(
    options.kernelInitializer ?? 'glorotUniform',
    `${what}: kernelInitializer`,
  );
  const biasInitializer = initializerConfig(options.biasInitializer ?? 'zeros', `${what}: biasInitializer`);
  const penalty = (key: 'kernelRegularizer' | 'biasRegularizer'): Regularizer | undefined =>
    options[key] === undefined ? undefined : regularizer(options[key], `${what}: ${key}`);
  const kernelRegularizer = penalty('kernelRegularizer');
  const biasRegularizer = penalty('biasRegularizer');
  const scale = (key: 'kernelLearningRateScale' | 'biasLearningRateScale'): number =>
    number(options[key] ?? 1, `${what}: ${key}`, { min: 0 });
  const kernelLearningRateScale = scale('kernelLearningRateScale');
  const biasLearningRateScale = scale('biasLearningRateScale');
  return callable({
    type: 'dense',
    name,
    config: written({
      units,
      activation,
      useBias,
      kernelInitializer,
      biasInitializer,
      kernelRegularizer,
      biasRegularizer,
      kernelLearningRateScale,
      biasLearningRateScale,
      trainable,
    }),
    parameters(shape, layer) {
      if (shape.length === 0) {
        throw new UsageError(
          `layer '${layer}': a row of its input is a single number, shape [batch]; dense needs [batch, inputs]: ` +
            'give inputShape: [1], or reshape([1]) before it',
        );
      }
      const fanIn = lastOf(shape);
      const common = { fanIn, fanOut: units, trainable };
      const kernel = {
        ...common,
        name: 'kernel',
        shape: [fanIn, units],
        initializer: kernelInitializer,
        regularizer: kernelRegularizer,
        learningRateScale: kernelLearningRateScale,
      };
      const bias = {
        ...common,
        name: 'bias',
        shape: [units],
        initializer: biasInitializer,
        regularizer: biasRegularizer,
        learningRateScale: biasLearningRateScale,
      };
      return useBias ? [kernel, bias] : [kernel];
    },
    call(x, { graph, parameters: [kernel, bias] }) {
      let y: Tensor = graph.add('matmul', [x, kernel!], { transposeA: false, transposeB: false });
      if (bias) y = graph.add('biasAdd', [y, bias], {});
      return applyActivation(graph, y, activation);
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
    name: layerName(options, 'activation'),
    config: { activation: config },
    parameters: () => [],
    call: (x, { graph }) => applyActivation(graph, x, config),
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
    name: layerName(options, 'dropout'),
    config: { rate },
    parameters: () => [],
    call: (x, { graph, training, stream }) =>
      training && rate > 0 ? graph.add('dropout', [x], { rate, stream }) : x,
  });
}

/** All dimensions but the batch become one: x [batch, a, b, …], y [batch, a · b · …]. */
export function flatten(options: LayerOptions = {}): CallableLayer {
  knownKeys(options, ['name'], 'flatten');
  return callable({
    type: 'flatten',
    name: layerName(options, 'flatten'),
    config: {},
    parameters: () => [],
    call: (x, { graph }) => {
      const size = x.shape.slice(1).reduce((a, b) => a * b, 1);
      return x.shape.length === 2 ? x : graph.add('reshape', [x], { shape: [size] });
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
    parameters: () => [],
    call: (x, { graph }) => {
      const size = x.shape.slice(1).reduce((a, b) => a * b, 1);
      const known = shape.reduce((a, d) => (d === -1 ? a : a * d), 1);
      const complete = shape.map((d) => (d === -1 ? size / known : d));
      if (!complete.every(Number.isInteger)) {
        throw new UsageError(
          `layer '${graph.layer}': a row of its input ${showShape(x.shape)} has ${size} numbers; ` +
            `they do not fill the shape [batch, ${shape.join(', ')}]`,
        );
      }
      return graph.add('reshape', [x], { shape: complete });
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
    name: layerName(options, 'rescaling'),
    config: { scale, offset },
    parameters: () => [],
    call: (x, { graph }) => graph.add('affine', [x], { scale, offset }),
  });
}

type Config = Readonly<Record<string, unknown>>;

/** How each type of layer is made again from a file. Options are checked by the functions themselves. */
const types: { readonly [type: string]: (config: Config) => Layer } = {
  dense: ({ units, ...options }) => dense(units as number, options as DenseOptions),
  activation: ({ activation: kind, ...options }) =>
    activation(kind as ActivationLike, options as LayerOptions),
  dropout: ({ rate, ...options }) => dropout(rate as number, options as LayerOptions),
  flatten: (options) => flatten(options as LayerOptions),
  reshape: ({ shape, ...options }) => reshape(shape as number[], options as LayerOptions),
  rescaling: ({ scale, ...options }) =>
    rescaling(scale as number, options as LayerOptions & { offset?: number }),
  conv1d: ({ filters, kernelSize, ...options }) =>
    conv1d(filters as number, kernelSize as Sizes, options as ConvolutionOptions),
  conv2d: ({ filters, kernelSize, ...options }) =>
    conv2d(filters as number, kernelSize as Sizes, options as ConvolutionOptions),
  conv3d: ({ filters, kernelSize, ...options }) =>
    conv3d(filters as number, kernelSize as Sizes, options as ConvolutionOptions),
  conv1dTranspose: ({ filters, kernelSize, ...options }) =>
    conv1dTranspose(filters as number, kernelSize as Sizes, options as TransposedOptions),
  conv2dTranspose: ({ filters, kernelSize, ...options }) =>
    conv2dTranspose(filters as number, kernelSize as Sizes, options as TransposedOptions),
  averagePooling1d: pooling.averagePooling1d,
  averagePooling2d: pooling.averagePooling2d,
  averagePooling3d: pooling.averagePooling3d,
  globalAveragePooling1d: pooling.globalAveragePooling1d,
  globalAveragePooling2d: pooling.globalAveragePooling2d,
  globalAveragePooling3d: pooling.globalAveragePooling3d,
  globalMaxPooling1d: pooling.globalMaxPooling1d,
  globalMaxPooling2d: pooling.globalMaxPooling2d,
  globalMaxPooling3d: pooling.globalMaxPooling3d,
  maxPooling1d: pooling.maxPooling1d,
  maxPooling2d: pooling.maxPooling2d,
  maxPooling3d: pooling.maxPooling3d,
  lstm: ({ units, ...options }) => lstm(units as number, options as LstmOptions),
  gru: ({ units, ...options }) => gru(units as number, options as GruOptions),
  simpleRnn: ({ units, ...options }) => simpleRnn(units as number, options as SimpleRnnOptions),
  layerNormalization: (options) => layerNormalization(options as NormalizationOptions),
  rmsNormalization: (options) => rmsNormalization(options as RmsNormalizationOptions),
  batchNormalization: (options) => batchNormalization(options as BatchNormalizationOptions),
  groupNormalization: (options) => groupNormalization(options as GroupNormalizationOptions),
  instanceNormalization: (options) => instanceNormalization(options as NormalizationOptions),
  embedding: ({ inputDim, outputDim, ...options }) =>
    embedding(inputDim as number, outputDim as number, options as EmbeddingOptions),
  permute: ({ dims, ...options }) => permute(dims as number[], options as LayerOptions),
  repeatVector: ({ n, ...options }) => repeatVector(n as number, options as LayerOptions),
  prelu: (options) => prelu(options as PreluOptions),
};

/** Makes a layer from `{ type, name, ...config }`. */
export function layerFromConfig(value: unknown): Layer {
  return loadedLayer(value, {});
}

/** The same, one of the library's or of `custom`. */
export function loadedLayer(value: unknown, custom: CustomLayers): Layer {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`a layer must be an object, got ${show(value)}`);
  }
  const { type, ...config } = value as Config;
  const own = customFromConfig(type, config, custom);
  if (own) return own;
  if (typeof type !== 'string' || !Object.hasOwn(types, type)) throw unknownLayer(type, Object.keys(types));
  return types[type]!(config);
}
