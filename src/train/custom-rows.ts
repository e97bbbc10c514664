import { ReduceKind } from '../../assembly/tape/dense.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { showResult } from '../layers/operations/operand.ts';
import { axesOps } from '../ops/axes.ts';
import { BATCH, isTensor, type Tensor } from '../ops/tensor.ts';
import { maskedSteps } from './masked.ts';

/**
 * A loss or a metric of one's own, in operations (`ops`): yTrue are the targets as they were given, yPred the output of
 * the model, both with the batch in front. Returns [batch], a number for each row, or [batch, …], of which the mean of
 * each row is taken; of [batch, time, …] steps that a mask of the output leaves out do not count. What is reported, and
 * trained, is the mean over the rows; with a loss's `reduction: 'sum'` plain sums, within a row and over the rows.
 */
export type RowFunction = (yTrue: Tensor, yPred: Tensor) => Tensor;

/** The numbers of the rows; `what` names the function in messages. */
export function rowsOf(
  graph: Graph,
  compute: RowFunction,
  target: Tensor,
  output: Tensor,
  what: string,
  reduction: 'mean' | 'sum' = 'mean',
): Tensor {
  const y: unknown = compute(target, output);
  if (!isTensor(y) || y.tracer !== graph || y.shape[0] !== BATCH || y.type !== 'f32') {
    throw new UsageError(
      `${what}: the function must return a tensor [batch] or [batch, …], made by operations of yTrue and yPred, ` +
        `got ${showResult(y, graph)}`,
    );
  }
  if (y.shape.length === 1) return y;
  const mask = graph.masks.get(output);
  const counted = mask && mask.shape[1] === y.shape[1] ? maskedSteps(graph, y, mask, reduction) : y;
  return overRow(graph, counted, reduction);
}

/** The mean, or the sum, of each row. */
export function overRow(graph: Graph, y: Tensor, reduction: 'mean' | 'sum'): Tensor {
  const axes = { from: 1, to: y.shape.length };
  return graph.add(axesOps.reduce, [y], { kind: ReduceKind.Sum, mean: reduction === 'mean', ...axes });
}
