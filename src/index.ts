/** downhill: train neural networks in JavaScript, in Node and in the browser. */
export type { ArrayData, ArrayInput, NestedNumbers } from './data/arrays.ts';
export { NonFiniteError, type NonFinitePlace, UsageError } from './errors.ts';
export { ModelFormatError } from './io/errors.ts';
export type { ActivationConfig, ActivationLike, ActivationName } from './layers/activations.ts';
export {
  adaptiveAveragePooling1d,
  adaptiveAveragePooling2d,
  adaptiveAveragePooling3d,
  adaptiveMaxPooling1d,
  adaptiveMaxPooling2d,
  adaptiveMaxPooling3d,
} from './layers/adaptive.ts';
export {
  type AttentionOptions,
  type MultiHeadAttentionOptions,
  multiHeadAttention,
} from './layers/attention.ts';
export { type BidirectionalOptions, bidirectional } from './layers/bidirectional.ts';

export {
  type ConvolutionOptions,
  conv1d,
  conv1dTranspose,
  conv2d,
  conv2dTranspose,
  conv3d,
  type TransposedOptions,
} from './layers/convolution.ts';
export {
  type CustomContext,
  CustomLayer,
  type CustomLayerClass,
  type CustomLayers,
  type LambdaOptions,
  lambda,
  type WeightOptions,
} from './layers/custom.ts';
export {
  type DepthwiseOptions,
  depthwiseConv1d,
  depthwiseConv2d,
  type SeparableOptions,
  separableConv1d,
  separableConv2d,
} from './layers/depthwise.ts';
export { type DotOptions, dot } from './layers/dot.ts';
export { type EmbeddingOptions, embedding } from './layers/embedding.ts';
export {
  constant,
  type InitializerConfig,
  type InitializerLike,
  type InitializerName,
  orthogonal,
  randomNormal,
  randomUniform,
  truncatedNormal,
} from './layers/initializers.ts';
export type { AnyLayer, Layer } from './layers/layer.ts';
export {
  activation,
  type DenseOptions,
  dense,
  dropout,
  flatten,
  rescaling,
  reshape,
} from './layers/layers.ts';
export { masking } from './layers/masking.ts';
export {
  add,
  average,
  type ConcatenateOptions,
  concatenate,
  maximum,
  multiply,
} from './layers/merge.ts';
export {
  alphaDropout,
  gaussianDropout,
  gaussianNoise,
  spatialDropout1d,
  spatialDropout2d,
  spatialDropout3d,
} from './layers/noise.ts';
export {
  type BatchNormalizationOptions,
  batchNormalization,
  type GroupNormalizationOptions,
  groupNormalization,
  instanceNormalization,
  layerNormalization,
  type NormalizationOptions,
  type RmsNormalizationOptions,
  rmsNormalization,
} from './layers/normalization.ts';
export type { MatmulOptions, ReduceOptions } from './layers/operations/axes.ts';
export * as ops from './layers/operations/index.ts';
export type { TensorLike, Weight } from './layers/operations/operand.ts';
export type { LayerOptions } from './layers/options.ts';
export {
  averagePooling1d,
  averagePooling2d,
  averagePooling3d,
  globalAveragePooling1d,
  globalAveragePooling2d,
  globalAveragePooling3d,
  globalMaxPooling1d,
  globalMaxPooling2d,
  globalMaxPooling3d,
  maxPooling1d,
  maxPooling2d,
  maxPooling3d,
  type PoolingOptions,
} from './layers/pooling.ts';
export {
  type PositionEmbeddingOptions,
  positionEmbedding,
  sinePositionEncoding,
} from './layers/positions.ts';
export { type PreluOptions, permute, prelu, repeatVector } from './layers/rearrange.ts';
export {
  type GruOptions,
  gru,
  type LstmOptions,
  lstm,
  type RecurrentOptions,
  type SimpleRnnOptions,
  simpleRnn,
} from './layers/recurrent.ts';
export { l1, l1l2, l2, type Regularizer } from './layers/regularizers.ts';
export {
  type CroppingOptions,
  cropping1d,
  cropping2d,
  cropping3d,
  type Sides,
  type UpSampling2dOptions,
  type UpSamplingOptions,
  upSampling1d,
  upSampling2d,
  upSampling3d,
  type ZeroPaddingOptions,
  zeroPadding1d,
  zeroPadding2d,
  zeroPadding3d,
} from './layers/resizing.ts';
export type { InitialState, RecurrentLayer, StateLayer } from './layers/states.ts';
export type {
  CallableLayer,
  CallableMany,
  CallableMerge,
  ChainLayer,
  SymbolicTensor,
} from './layers/symbolic.ts';
export { type TransformerOptions, transformerDecoder, transformerEncoder } from './layers/transformer.ts';
export type { Padding, Sizes } from './layers/windows.ts';
export type { Tensor } from './ops/tensor.ts';
export type { RowFunction } from './train/custom-rows.ts';
export type { Dataset } from './train/dataset.ts';
export { type GenerateOptions, type TextGenerator, textGenerator } from './train/generator.ts';
export { type GradientFunction, gradient, type ValueAndGradients } from './train/gradient.ts';
export type { Logs } from './train/logs.ts';
export {
  type BinaryCrossEntropyOptions,
  binaryCrossEntropy,
  type CustomLoss,
  crossEntropy,
  type Loss,
  type LossLike,
  type LossOptions,
  meanSquaredError,
  type Reduction,
} from './train/losses.ts';
export {
  accuracy,
  binaryAccuracy,
  type CustomMetric,
  type Metric,
  type MetricLike,
} from './train/metrics.ts';
export type { Model } from './train/model.ts';
export { type LoadOptions, loadModel } from './train/model-file.ts';
export { input, type ModelOptions, model, type SequentialOptions, sequential } from './train/models.ts';
export {
  type AdamOptions,
  adam,
  adamw,
  type Optimizer,
  type OptimizerLike,
  type OptimizerOptions,
  type RmspropOptions,
  rmsprop,
  type SgdOptions,
  sgd,
} from './train/optimizers.ts';
export type { WeightTensor } from './train/parameters.ts';
export type { Prediction } from './train/predictor.ts';
export {
  type EpochEvent,
  type FitOptions,
  type History,
  type StepEvent,
  Trainer,
  type TrainerOptions,
} from './train/trainer.ts';
