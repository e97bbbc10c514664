import type { Activation, BinaryKind, LossForm } from '../../assembly/tape.ts';

/** What each operation needs to know besides its inputs. The keys are the operations there are. */
export interface OpAttributes {
  /** A batch of the data: dimensions without the batch. */
  input: { name: string; shape: readonly number[]; type: 'f32' | 'i32' };
  /** A parameter of the model, by its place in the list of parameters. */
  parameter: { index: number; shape: readonly number[] };
  /** a · b over the last axis of a; leading axes of a are rows. */
  matmul: { transposeA: boolean; transposeB: boolean };
  biasAdd: Record<never, never>;
  activation: ActivationAttributes;
  /** dy · f'(reference) */
  activationGrad: ActivationAttributes;
  softmax: { logarithm: boolean };
  softmaxGrad: { logarithm: boolean };
  binary: { kind: BinaryKind };
  affine: { scale: number; offset: number };
  /** Sum over all axes but the last. */
  sumRows: Record<never, never>;
  reshape: { shape: readonly number[] };
  dropout: { rate: number; stream: number };
  meanSquaredError: LossAttributes;
  binaryCrossEntropy: LossAttributes & { form: LossForm; zeroClipped: boolean; low: number; high: number };
  softmaxCrossEntropy: LossAttributes & { sparse: boolean };
  /** The gradient that a loss makes along with its rows. */
  lossGradient: Record<never, never>;
  classHits: { sparse: boolean };
  binaryHits: { threshold: number };
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
  embeddingGrad: { rows: number };
}

export type OpName = keyof OpAttributes;

export interface ActivationAttributes {
  kind: Activation;
  /** Slope or scale of the kinds that have one. */
  alpha: number;
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

export interface LossAttributes {
  /** Mean over the batch (and the units), or the plain sum. */
  reduction: 'mean' | 'sum';
}

export type LossOp = 'meanSquaredError' | 'binaryCrossEntropy' | 'softmaxCrossEntropy';
