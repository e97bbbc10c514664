import type { Activation, BinaryKind, ReduceKind } from '../../assembly/tape/dense.ts';
import type { Cell } from '../../assembly/tape/sequence.ts';
import type { LossForm } from '../../assembly/tape/training.ts';

/** What each operation needs to know besides its inputs. The keys are the operations there are. */
export interface OpAttributes {
  /** A batch of the data: dimensions without the batch; integers are below the limit. */
  input: { name: string; shape: readonly number[]; type: 'f32' | 'i32'; limit?: number };
  /** A parameter of the model, by its place in the list of parameters. */
  parameter: { index: number; shape: readonly number[] };
  /** [batch, size], which lasts from batch to batch. */
  state: { size: number };
  /** a · b over the last axis of a; leading axes of a are rows. */
  matmul: { transposeA: boolean; transposeB: boolean };
  biasAdd: Record<never, never>;
  activation: ActivationAttributes;
  /** dy · f'(reference) */
  activationGrad: ActivationAttributes;
  softmax: { logarithm: boolean };
  softmaxGrad: { logarithm: boolean };
  /** Elementwise, shapes broadcast. */
  binary: { kind: BinaryKind };
  affine: { scale: number; offset: number };
  /** Sum over all axes but the last. */
  sumRows: Record<never, never>;
  reshape: { shape: readonly number[] };
  /** Some elements become 0; of x [batch, …, channels] with `shared` whole channels of a row. */
  dropout: DropoutAttributes;
  meanSquaredError: LossAttributes;
  binaryCrossEntropy: LossAttributes & { form: LossForm; zeroClipped: boolean; low: number; high: number };
  softmaxCrossEntropy: LossAttributes & { sparse: boolean };
  /** The gradient that a loss makes along with its rows. */
  lossGradient: Record<never, never>;
  classHits: { sparse: boolean };
  /** steps: a share for each time step, [batch, time]. */
  binaryHits: { threshold: number; steps?: boolean };
  /** x [batch, …spatial, in], kernel [...taps, in / groups, filters] */
  convolution: ConvolutionAttributes;
  /** The gradient of its image; also the transposed convolution. */
  convolutionInput: ConvolutionAttributes;
  convolutionFilter: ConvolutionAttributes;
  pool: PoolAttributes;
  poolGrad: PoolAttributes;
  /** Inputs one after the other along an axis; the batch is axis 0 and cannot be one. */
  concatenate: { axis: number };
  /** `size` entries of an axis, from `from` on: the gradient of a part of a concatenation. */
  slice: { axis: number; from: number; size: number };
  /** The larger of two, elementwise. */
  maximum: Record<never, never>;
  /** dy where a > b, half of it where they are equal. */
  maximumGrad: Record<never, never>;
  /** Dot product over the last axis, which becomes 1. */
  rowDot: Record<never, never>;
  /** x times one number for each row. */
  scaleRows: Record<never, never>;
  /** What an operation makes in the same pass as its result, [batch, …shape]; `whole`: [shape], whatever the batch; it may make a third. */
  secondResult: { shape: readonly number[]; whole?: boolean; third?: true };
  /** All time steps of a recurrent layer: projected input, recurrent kernel, and the extras. */
  recurrence: RecurrenceAttributes;
  /** The gradient of the projected input: dy, saved steps, recurrent kernel, and the extras without the bias. */
  recurrenceGrad: RecurrenceAttributes;
  /** The gradient of the recurrent kernel: saved steps, gradient of the product with it. */
  recurrentKernelGrad: { cell: Cell };
  /** The gradient of a bias [2, columns]: of two tensors their sums over the rows. */
  recurrentBiasGrad: Record<never, never>;
  /** Mean and variance of groups. */
  moments: GroupAttributes & { centered: boolean; epsilon: number };
  /** The same from a moving mean and a moving variance. */
  movingMoments: { epsilon: number };
  /** old · momentum + new · (1 - momentum), new taken from moments. */
  movingAverage: { momentum: number; of: 'mean' | 'variance' };
  /** (x - mean) / sqrt(variance + epsilon) · gamma + beta */
  normalize: NormalizeAttributes;
  normalizeGrad: NormalizeAttributes;
  /** The gradient of gamma. */
  scaleGrad: NormalizeAttributes;
  /** Rows of a table, by integers. */
  embedding: Record<never, never>;
  /** Of one or more uses of a table, each its dy and its integers: their sums, in that order. */
  embeddingGrad: { rows: number };
  /** Which of a table's `rows` some integers name, each once: see DistinctRows in assembly/tape/tensors.ts. */
  distinctRows: { rows: number };
  /** The gradient of these rows alone, one after the other: distinctRows, then dy of each use. What is behind is unset. */
  embeddingRowsGrad: Record<never, never>;
  /** x [batch, …spatial, channels], kernel [...taps, channels / multiplier, multiplier] */
  depthwise: DepthwiseAttributes;
  /** The gradient of its image. */
  depthwiseInput: DepthwiseAttributes;
  depthwiseFilter: DepthwiseAttributes;
  /** Zeros around an image, or a part of it: y[i] = x[i - before]. */
  pad: { image: Triple; grid: Triple; before: Triple };
  /** An image in another size: the means of windows as even as can be (where it grows the nearest pixels), or linear. */
  resample: ResampleAttributes;
  resampleGrad: ResampleAttributes;
  /** The largest of windows as even as can be. */
  adaptiveMaximum: Omit<ResampleAttributes, 'linear'>;
  adaptiveMaximumGrad: Omit<ResampleAttributes, 'linear'>;
  /** Which steps of [batch, time, …] differ from a value: [batch, time], 1 or 0. */
  stepMask: { value: number };
  /** softmax(q · kᵀ / √size) · v in each head: packed queries, keys and values, or queries, and keys with values. */
  attention: AttentionAttributes;
  /** dy, y, the logarithms of the rows' sums, then the inputs of the attention. */
  attentionGrad: AttentionAttributes;
  /** Pairs of the first `heads` turned by angles [.. time, size], cosines before sines. */
  rotary: { heads: number; inverse: boolean };
  /** x [batch, ...shape] + table [...shape] */
  positional: Record<never, never>;
  positionalGrad: Record<never, never>;
  /** Rows go to their positions among `capacity`; the others stay what earlier runs made them. */
  cache: { capacity: number };
  /** Values that are part of the program; they are made when it is, since a model is traced for its shapes too. */
  constant: { shape: readonly number[] } & (
    | { type: 'f32'; values: () => Float32Array }
    | { type: 'i32'; values: () => Int32Array }
  );
  /** Broadcast to a shape, the batch included. */
  expand: { shape: readonly number[] };
  /** x between the numbers low and high, which are inputs. */
  clip: Record<never, never>;
  /** Sum (or mean), largest or smallest over the axes from `from` to before `to`, which are removed. */
  reduce: { kind: ReduceKind; mean: boolean; from: number; to: number };
  /** Axis i of the result is axis permutation[i]. */
  transpose: { permutation: readonly number[] };
  /** Products of the matrices that the last two axes hold; leading axes are broadcast. */
  batchedMatmul: { transposeA: boolean; transposeB: boolean };
  /** Entries of an axis by integers, whose shape takes its place. */
  take: { axis: number };
  /** Zeros but for the sums of dy [outer, count, inner] at the integers: `size` entries along the axis. */
  takeGrad: { axis: number; size: number };
  /** int32 to float32. */
  toFloat: Record<never, never>;
  /** Losses of the rows, or a single one, that operations computed. */
  rowLoss: LossAttributes;
  /** x + deviation · n, or x · (1 + deviation · n), n standard normal. */
  noise: { deviation: number; product: boolean; stream: number };
}

export type OpName = keyof OpAttributes;

export interface ActivationAttributes {
  kind: Activation;
  /** Slope or scale of the kinds that have one. */
  alpha: number;
}

/** Numbers for three spatial dimensions; with fewer, the first ones are 1 (0 for paddings). */
export type Triple = readonly [number, number, number];

/** Windows over an image. */
export interface WindowAttributes {
  /** Size of the window. */
  taps: Triple;
  strides: Triple;
  /** Zeros (of a pool: nothing) before the image. */
  before: Triple;
  /** Spatial size of the image, and of the result. */
  image: Triple;
  grid: Triple;
}

export interface ConvolutionAttributes extends WindowAttributes {
  dilations: Triple;
  groups: number;
}

export interface DepthwiseAttributes extends WindowAttributes {
  dilations: Triple;
  /** Last dimension of the kernel; the filters are the same for any. */
  multiplier: number;
}

export interface ResampleAttributes {
  /** Spatial size of the image, and of the result. */
  image: Triple;
  grid: Triple;
  linear: boolean;
}

export interface PoolAttributes extends WindowAttributes {
  mean: boolean;
}

export interface RecurrenceAttributes {
  cell: Cell;
  activation: ActivationAttributes;
  gateActivation: ActivationAttributes;
  /** Outputs of all times, or of the last step alone. */
  sequences: boolean;
  /** From the last time to the first. */
  backwards: boolean;
  /** Outputs in the order of the steps; else each stands at its time. */
  reversed: boolean;
  /** The result is [batch, outputs · units + states · units], the states after the last step behind the outputs. */
  final: boolean;
  /** Inputs behind the recurrent kernel, in this order. */
  extras: readonly RecurrentExtra[];
}

/**
 * bias (of Gru): [2, 3 · units], of the input and of the product; mask: [batch, time], 0 where a step is left out and
 * states and output stay; state: what the states are before the first step, [batch, states · units], h first; dropout:
 * what h is multiplied with at the start of each step, [batch, units].
 */
export type RecurrentExtra = 'bias' | 'mask' | 'state' | 'dropout';

export interface DropoutAttributes {
  rate: number;
  stream: number;
  /** One mask for all positions of a row. */
  shared?: boolean;
  /** What is dropped becomes the limit of SELU, and all is scaled so that mean and variance stay; or its gradient. */
  alpha?: 'value' | 'gradient';
}

/** What is normalized together. */
export interface GroupAttributes {
  /**
   * features: the channels of each position; positions: channels and all positions of a row of the batch; batch: all
   * positions of all rows.
   */
  over: 'features' | 'positions' | 'batch';
  /** Channels of a group; 0: all. Divides the channels. */
  groupSize: number;
}

export interface NormalizeAttributes extends GroupAttributes {
  /** How the statistics follow from x: mean and variance, the mean square, or not at all. */
  mode: 'centered' | 'rms' | 'fixed';
  /** Whether there are gamma and beta. */
  scale: boolean;
  center: boolean;
}

export interface AttentionAttributes {
  heads: number;
  /** Heads of keys and values; divides `heads`. */
  keyHeads: number;
  /**
   * Each query sees the keys up to its own position. Queries and keys begin at position 0; with `positions` the last query
   * stands at the last key.
   */
  causal: boolean;
  /** Scores fall with the distance, by a slope of each head. */
  alibi: boolean;
  /** One tensor has queries, keys and values side by side. */
  packed: boolean;
  /** An input [batch, keys] follows, 0 where a key is not seen. */
  mask: boolean;
  /** An input [batch, queries] of integers follows: the keys end at the position of the last query. */
  positions: boolean;
  /** Share of the probabilities that dropout takes. */
  rate: number;
  stream: number;
}

export interface LossAttributes {
  /** Mean over the batch (and the units), or the plain sum. */
  reduction: 'mean' | 'sum';
  /**
   * A loss for each time step, [batch, time, …], where reduction 'mean' is that of its units. Its gradient is not divided
   * by the batch: what weighs the steps has one of its own.
   */
  steps?: boolean;
}

export type LossOp = 'meanSquaredError' | 'binaryCrossEntropy' | 'softmaxCrossEntropy';
