import { ReduceKind } from '../../../assembly/tape/dense.ts';
import { flag, knownKeys } from '../../checks.ts';
import { activationOps } from '../../ops/activations.ts';
import { axesOps } from '../../ops/axes.ts';
import { batchedOps } from '../../ops/batched.ts';
import { rowShape } from '../../ops/broadcast.ts';
import { matmulOps } from '../../ops/matmul.ts';
import { sourceOps } from '../../ops/sources.ts';
import { BATCH, showShape, type Tensor } from '../../ops/tensor.ts';
import { fail, hasBatch, operand, operands, rowAxis, type TensorLike } from './operand.ts';
import { transpose } from './shapes.ts';

export interface ReduceOptions {
  /** From 0, which is the batch where there is one and cannot be reduced; -1 is the last. Default: all but the batch. */
  axis?: number | readonly number[];
  /** Reduced axes stay, with the size 1. Default false. */
  keepDims?: boolean;
}

function reduce(
  what: string,
  value: TensorLike,
  options: ReduceOptions,
  kind: ReduceKind,
  mean = false,
): Tensor {
  const x = operand(what, value);
  knownKeys(options, ['axis', 'keepDims'], `ops.${what}`);
  const keepDims = flag(options.keepDims ?? false, `ops.${what}: keepDims`);
  const { axis } = options;
  const all = x.shape.flatMap((d, i) => (d === BATCH ? [] : [i]));
  const given =
    axis === undefined ? all : (Array.isArray(axis) ? axis : [axis]).map((i) => rowAxis(what, x, i));
  const axes = [...new Set<number>(given)].sort((a, b) => b - a);
  let y = x;
  const split = axes.length > 1 && axes[0]! - axes.at(-1)! >= axes.length;
  if (split && kind !== ReduceKind.Sum) {
    // all at once, so that equal ones get equal parts of the gradient wherever they lie
    const rest = x.shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]));
    y = transpose(x, [...rest, ...axes]);
    axes.forEach((_, i) => {
      axes[i] = x.shape.length - 1 - i;
    });
  }
  // neighbouring axes at once, from the last on
  for (let i = 0; i < axes.length; ) {
    const last = axes[i]!;
    let from = last;
    for (i++; axes[i] === from - 1; i++) from--;
    y = x.tracer.add(axesOps.reduce, [y], { kind, mean, from, to: last + 1 }) as unknown as Tensor;
  }
  if (!keepDims || y === x) return y;
  const shape = x.shape.map((d, i) => (given.includes(i) ? 1 : d));
  return x.tracer.add(sourceOps.reshape, [y], { shape: rowShape(shape) }) as unknown as Tensor;
}

/** The sum over axes, by default over all but the batch: a number for each row. */
export function sum(x: TensorLike, options: ReduceOptions = {}): Tensor {
  return reduce('sum', x, options, ReduceKind.Sum);
}

/** The mean over axes, by default over all but the batch. */
export function mean(x: TensorLike, options: ReduceOptions = {}): Tensor {
  return reduce('mean', x, options, ReduceKind.Sum, true);
}

/** The largest over axes, by default over all but the batch. Equal ones share the gradient. */
export function max(x: TensorLike, options: ReduceOptions = {}): Tensor {
  return reduce('max', x, options, ReduceKind.Maximum);
}

/** The smallest over axes, by default over all but the batch. Equal ones share the gradient. */
export function min(x: TensorLike, options: ReduceOptions = {}): Tensor {
  return reduce('min', x, options, ReduceKind.Minimum);
}

function softmaxOver(what: string, value: TensorLike, axis: number, logarithm: boolean): Tensor {
  const x = operand(what, value);
  const at = rowAxis(what, x, axis);
  const last = x.shape.length - 1;
  const apply = (t: Tensor): Tensor =>
    x.tracer.add(activationOps.softmax, [t], { logarithm }) as unknown as Tensor;
  if (at === last) return apply(x);
  // the axis and the last change places, and again
  const permutation = x.shape.map((_, i) => (i === at ? last : i === last ? at : i));
  return transpose(apply(transpose(x, permutation)), permutation);
}

/** e^x / (sum of e^x) over an axis, by default the last. */
export function softmax(x: TensorLike, axis = -1): Tensor {
  return softmaxOver('softmax', x, axis, false);
}

/** log(softmax(x)) over an axis, by default the last. */
export function logSoftmax(x: TensorLike, axis = -1): Tensor {
  return softmaxOver('logSoftmax', x, axis, true);
}

export interface MatmulOptions {
  /** The last two axes of a change places first. Default false. */
  transposeA?: boolean;
  /** The last two axes of b change places first. Default false. */
  transposeB?: boolean;
}

/**
 * Products of matrices: a [… , m, k] · b [… , k, n] = [… , m, n]. Leading axes are broadcast; a [batch, k] · b [k, n] is
 * the usual product of rows with a weight.
 * @throws UsageError on shapes that do not fit.
 */
export function matmul(a: TensorLike, b: TensorLike, options: MatmulOptions = {}): Tensor {
  const what = 'matmul';
  const [x, y] = operands(what, [a, b]) as [Tensor, Tensor];
  const { tracer } = x;
  knownKeys(options, ['transposeA', 'transposeB'], `ops.${what}`);
  const transposeA = flag(options.transposeA ?? false, `ops.${what}: transposeA`);
  const transposeB = flag(options.transposeB ?? false, `ops.${what}: transposeB`);
  for (const { shape } of [x, y]) {
    if (shape.length < 2) fail(tracer, what, `takes matrices, got ${showShape(shape)}; see expandDims`);
  }
  const rows = x.shape.length === 2 && hasBatch(x.shape);
  if ((rows && (transposeA || y.shape.length > 2)) || (y.shape.length === 2 && hasBatch(y.shape))) {
    fail(
      tracer,
      what,
      `the rows of the batch are no matrix: ${showShape(x.shape)} by ${showShape(y.shape)}; see expandDims`,
    );
  }
  const plain = y.shape.length === 2 && (!transposeA || x.shape.length === 2);
  const attributes = { transposeA, transposeB };
  const product = plain
    ? tracer.add(matmulOps.matmul, [x, y], attributes)
    : tracer.add(batchedOps.batchedMatmul, [x, y], attributes);
  return product as unknown as Tensor;
}
