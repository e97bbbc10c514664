import { LossForm } from '../../assembly/tape/training.ts';
import { flag, knownKeys, named, number, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { LossAttributes } from '../ops/attributes.ts';
import { lossOps } from '../ops/losses.ts';
import type { Tensor } from '../ops/tensor.ts';
import { overRow, type RowFunction, rowsOf } from './custom-rows.ts';
import { isSigmoid, logitsBehind } from './logits.ts';
import { maskedSteps } from './masked.ts';

/** How the losses of rows become one number. */
export type Reduction = LossAttributes['reduction'];

export interface LossOptions {
  /**
   * 'mean': over the rows of the batch, and within a row over its units (crossEntropy: its positions); 'sum': plain
   * sums. The gradient is that of the same number. Default 'mean'.
   */
  reduction?: Reduction | undefined;
}

export interface BinaryCrossEntropyOptions extends LossOptions {
  /** The loss works on logits (true), or on the output as a probability (false). Default true. */
  fromLogits?: boolean | undefined;
  /** Bounds of the probability, on probabilities only. Default [1e-7, 1 - 1e-7]. */
  clip?: readonly [number, number] | undefined;
  /** Gradient of a clipped probability: as if it were the bound ('pass'), or 0 ('zero'). Default 'pass'. */
  clipGradient?: 'pass' | 'zero' | undefined;
}

/** A loss with its options; made by `meanSquaredError`, `crossEntropy` or `binaryCrossEntropy`. */
export type Loss =
  | { readonly name: 'meanSquaredError'; readonly reduction: Reduction }
  | { readonly name: 'crossEntropy'; readonly reduction: Reduction }
  | {
      readonly name: 'binaryCrossEntropy';
      readonly reduction: Reduction;
      readonly fromLogits: boolean;
      readonly clip: readonly [number, number];
      readonly clipGradient: 'pass' | 'zero';
    }
  | { readonly name: 'custom'; readonly reduction: Reduction; readonly compute: RowFunction };

type LossName = Exclude<Loss['name'], 'custom'>;

/** A loss of one's own with its reduction; a function alone is one with the default. */
export interface CustomLoss extends LossOptions {
  readonly compute: RowFunction;
}

/** A name (with the defaults of its function), a loss, or a function of one's own. */
export type LossLike = LossName | Loss | RowFunction | CustomLoss;

function reduction(options: LossOptions, what: string): Reduction {
  const value = options.reduction ?? 'mean';
  if (value !== 'mean' && value !== 'sum') {
    throw new UsageError(`${what}: reduction must be 'mean' or 'sum', got ${show(value)}`);
  }
  return value;
}

/** Mean squared error, (x - t)²; targets t in the shape of the output x. */
export function meanSquaredError(options: LossOptions = {}): Loss {
  knownKeys(options, ['reduction'], 'meanSquaredError');
  return { name: 'meanSquaredError', reduction: reduction(options, 'meanSquaredError') };
}

/**
 * Softmax cross-entropy on logits: log(sum e^x) - x[class]. Targets are classes (integers from 0, the shape of the
 * output without its last dimension) or weights for each class (one-hot rows, the shape of the output). A model that
 * ends in softmax, to predict probabilities, trains on what goes into it: the same numbers, and no rounding to 0. Layers
 * behind the softmax may rearrange what it gives (flatten, reshape, permute); others without weights of their own, such as
 * dropout, rescaling or the average of several softmaxes, make `fit` throw. Behind a layer with weights (dense, a
 * normalization …) a softmax is one within the model, and the output is logits.
 */
export function crossEntropy(options: LossOptions = {}): Loss {
  knownKeys(options, ['reduction'], 'crossEntropy');
  return { name: 'crossEntropy', reduction: reduction(options, 'crossEntropy') };
}

/**
 * -(t log p + (1 - t) log(1 - p)) for targets t in [0, 1] in the shape of the output; on logits p = sigmoid(x), where
 * a model that ends in sigmoid, to predict probabilities, trains on what goes into it. (Keras takes the output as a
 * probability unless told otherwise.) Layers behind the sigmoid may rearrange what it gives (flatten, reshape, permute);
 * behind others, say `fromLogits: false`.
 * On probabilities that a sigmoid made, the gradient of its input is p - t with the clipped p.
 * @throws UsageError on bounds that are not 0 < low < high < 1, or on `clip` without `fromLogits: false`.
 */
export function binaryCrossEntropy(options: BinaryCrossEntropyOptions = {}): Loss {
  const what = 'binaryCrossEntropy';
  knownKeys(options, ['reduction', 'fromLogits', 'clip', 'clipGradient'], what);
  const fromLogits = flag(options.fromLogits ?? true, `${what}: fromLogits`);
  if (fromLogits && options.clip !== undefined) {
    throw new UsageError(`${what}: clip bounds a probability; set fromLogits: false to use it`);
  }
  const clip = options.clip ?? [1e-7, 1 - 1e-7];
  if (!Array.isArray(clip) || clip.length !== 2) {
    throw new UsageError(`${what}: clip must be [low, high], got ${show(clip)}`);
  }
  const low = number(clip[0], `${what}: clip[0]`, { above: 0, below: 1 });
  const high = number(clip[1], `${what}: clip[1]`, { above: low, below: 1 });
  const clipGradient = options.clipGradient ?? 'pass';
  if (clipGradient !== 'pass' && clipGradient !== 'zero') {
    throw new UsageError(`${what}: clipGradient must be 'pass' or 'zero', got ${show(clipGradient)}`);
  }
  return { name: what, reduction: reduction(options, what), fromLogits, clip: [low, high], clipGradient };
}

const makers: { readonly [K in LossName]: (options: never) => Loss } = {
  meanSquaredError,
  crossEntropy,
  binaryCrossEntropy,
};

/** A loss from its name or config, checked. */
export function lossConfig(value: unknown): Loss {
  // the functions that make losses are not losses, but have no inputs either
  if (typeof value === 'function' && !Object.hasOwn(makers, value.name)) {
    return customLoss({ compute: value as RowFunction });
  }
  if (typeof value === 'object' && value !== null && 'compute' in value) {
    knownKeys(value, ['compute', 'reduction'], 'a loss of your own');
    return customLoss(value as CustomLoss);
  }
  const { name, ...options }: { name?: unknown } =
    typeof value === 'object' && value !== null ? value : { name: value };
  const maker = named(makers, name, 'loss') as (options: object) => Loss;
  const clip = 'fromLogits' in options && options.fromLogits === true ? { clip: undefined } : {};
  return maker({ ...options, ...clip });
}

function customLoss({ compute, ...options }: CustomLoss): Loss {
  const what = 'a loss of your own';
  if (typeof compute !== 'function') {
    throw new UsageError(`${what}: compute must be a function of yTrue and yPred, got ${show(compute)}`);
  }
  return { name: 'custom', reduction: reduction(options, what), compute };
}

/** Whether targets may be classes. */
export function takesClasses(loss: Loss): boolean {
  return loss.name === 'crossEntropy';
}

/** What a loss on logits works on: what goes into a softmax or sigmoid at the end, else the output. */
export function logitsOf(graph: Graph, loss: Loss, output: Tensor): Tensor {
  if (loss.name === 'crossEntropy') return logitsBehind(graph, loss.name, 'softmax', output);
  if (loss.name === 'binaryCrossEntropy' && loss.fromLogits) {
    return logitsBehind(graph, loss.name, 'sigmoid', output);
  }
  return output;
}

/**
 * The losses of the rows, on the graph. Time steps that a mask of the output leaves out do not count: the mean is that
 * of the other steps of the batch, as in Keras.
 */
export function applyLoss(graph: Graph, loss: Loss, output: Tensor, target: Tensor): Tensor {
  graph.layer = 'loss';
  const { reduction } = loss;
  if (loss.name === 'custom') {
    const rows = rowsOf(graph, loss.compute, target, output, reduction);
    return graph.add(lossOps.rowLoss, [rows], { reduction });
  }
  const mask = graph.masks.get(output);
  if (!mask) return lossOf(graph, loss, output, target, { reduction });
  const each = lossOf(graph, loss, output, target, { reduction, steps: true });
  const rows = overRow(graph, maskedSteps(graph, each, mask, reduction), reduction);
  return graph.add(lossOps.rowLoss, [rows], { reduction });
}

function lossOf(
  graph: Graph,
  loss: Exclude<Loss, { name: 'custom' }>,
  output: Tensor,
  target: Tensor,
  form: LossAttributes,
): Tensor {
  const logits = logitsOf(graph, loss, output);
  switch (loss.name) {
    case 'meanSquaredError':
      return graph.add(lossOps.meanSquaredError, [output, target], form);
    case 'crossEntropy':
      return graph.add(lossOps.softmaxCrossEntropy, [logits, target], {
        ...form,
        sparse: target.type === 'i32',
      });
    case 'binaryCrossEntropy': {
      const onProbabilities = isSigmoid(output) ? LossForm.Sigmoid : LossForm.Probabilities;
      const [low, high] = loss.clip;
      return graph.add(lossOps.binaryCrossEntropy, [logits, target], {
        ...form,
        form: loss.fromLogits ? LossForm.Logits : onProbabilities,
        ...{ low, high, zeroClipped: loss.clipGradient === 'zero' },
      });
    }
  }
}
