import { ReduceKind } from '../../assembly/tape/dense.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { showResult } from '../layers/operations/operand.ts';
import type { LossAttributes } from '../ops/attributes.ts';
import { axesOps } from '../ops/axes.ts';
import { BATCH, isTensor, type Tensor } from '../ops/tensor.ts';
import { maskedSteps, maskOfSteps } from './masked.ts';

type Reduction = LossAttributes['reduction'];

/**
 * A loss or a metric of one's own, in operations (`ops`): yTrue are the targets as they were given, yPred the output of
 * the model, both with the batch in front. Returns [batch], a number for each row, or [batch, …], of which the mean of
 * each row is taken; of [batch, time, …] steps that a mask of the output leaves out do not count. What is reported, and
 * trained, is the mean over the rows (of a metric with a mask over the steps); with a loss's `reduction: 'sum'` plain sums,
 * within a row and over the rows.
 */
export type RowFunction = (yTrue: Tensor, yPred: Tensor) => Tensor;

/** What such a function gives, [batch] or [batch, …]; `what` names it in messages. */
export function valuesOf(
  graph: Graph,
  compute: RowFunction,
  target: Tensor,
  output: Tensor,
  what: string,
): Tensor {
  const y: unknown = compute(target, output);
  if (isTensor(y) && y.tracer === graph && y.shape[0] === BATCH && y.type === 'f32') return y;
  throw new UsageError(
    `${what}: the function must return a tensor [batch] or [batch, …], made by operations of yTrue and yPred, ` +
      `got ${showResult(y, graph)}`,
  );
}

/** The losses of the rows. */
export function rowsOf(
  graph: Graph,
  compute: RowFunction,
  target: Tensor,
  output: Tensor,
  reduction: Reduction,
): Tensor {
  const y = valuesOf(graph, compute, target, output, 'loss');
  if (y.shape.length === 1) return y;
  const mask = maskOfSteps(graph, output, y);
  return overRow(graph, mask ? maskedSteps(graph, y, mask, reduction) : y, reduction);
}

/** The mean, or the sum, of each row. */
export function overRow(graph: Graph, y: Tensor, reduction: Reduction): Tensor {
  const axes = { from: 1, to: y.shape.length };
  return graph.add(axesOps.reduce, [y], { kind: ReduceKind.Sum, mean: reduction === 'mean', ...axes });
}
