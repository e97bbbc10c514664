import { BinaryKind } from '../../assembly/tape/dense.ts';
import type { Graph } from '../graph/graph.ts';
import { maskWeights } from '../layers/masks.ts';
import { arithmeticOps } from '../ops/arithmetic.ts';
import { sourceOps } from '../ops/sources.ts';
import { sizeOf, type Tensor } from '../ops/tensor.ts';

/** The mask of an output, where `values` are numbers of its time steps, [batch, time, …]. */
export function maskOfSteps(graph: Graph, output: Tensor, values: Tensor): Tensor | undefined {
  const mask = graph.masks.get(output);
  return mask && values.shape[1] === mask.shape[1] ? mask : undefined;
}

/**
 * Numbers of time steps, [batch, time, …], by a mask [batch, time]: those of steps that are left out become 0, the others
 * are so scaled that the mean of all is the mean of those that count, in the whole batch. Not scaled for a `sum`.
 */
export function maskedSteps(
  graph: Graph,
  values: Tensor,
  mask: Tensor,
  reduction: 'mean' | 'sum' = 'mean',
): Tensor {
  const weights = reduction === 'mean' ? maskWeights(graph, mask, 'batch') : mask;
  const multiply = (a: Tensor, b: Tensor): Tensor =>
    graph.add(arithmeticOps.binary, [a, b], { kind: BinaryKind.Multiply });
  if (values.shape.length === 2) return multiply(values, weights);
  const shape = values.shape.slice(1);
  const time = shape[0]!;
  const flat = graph.add(sourceOps.reshape, [values], { shape: [time, sizeOf(shape, 1) / time] });
  const column = graph.add(sourceOps.reshape, [weights], { shape: [time, 1] });
  return graph.add(sourceOps.reshape, [multiply(flat, column)], { shape });
}
