import { BinaryKind, ReduceKind } from '../../assembly/tape.ts';
import type { Graph } from '../graph/graph.ts';
import { arithmeticOps } from '../ops/arithmetic.ts';
import { axesOps } from '../ops/axes.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import { sourceOps } from '../ops/sources.ts';
import { sizeOf, type Tensor } from '../ops/tensor.ts';

/** Less than any share of steps, so that a batch in which none counts gives 0. */
const TINY = 1e-30;

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
  const weights = reduction === 'mean' ? shares(graph, mask) : mask;
  const multiply = (a: Tensor, b: Tensor): Tensor =>
    graph.add(arithmeticOps.binary, [a, b], { kind: BinaryKind.Multiply });
  if (values.shape.length === 2) return multiply(values, weights);
  const shape = values.shape.slice(1);
  const time = shape[0]!;
  const flat = graph.add(sourceOps.reshape, [values], { shape: [time, sizeOf(shape, 1) / time] });
  const column = graph.add(sourceOps.reshape, [weights], { shape: [time, 1] });
  return graph.add(sourceOps.reshape, [multiply(flat, column)], { shape });
}

/** mask · steps / steps that count */
function shares(graph: Graph, mask: Tensor): Tensor {
  const all = { kind: ReduceKind.Sum, mean: true, from: 0, to: 2 };
  const share = graph.add(axesOps.reduce, [mask], all);
  const safe = graph.add(elementwiseOps.affine, [share], { scale: 1, offset: TINY });
  return graph.add(arithmeticOps.binary, [mask, safe], { kind: BinaryKind.Divide });
}
