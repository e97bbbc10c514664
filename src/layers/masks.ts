import { BinaryKind, ReduceKind } from '../../assembly/tape/dense.ts';
import type { Graph } from '../graph/graph.ts';
import { arithmeticOps } from '../ops/arithmetic.ts';
import { axesOps } from '../ops/axes.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import { mergeOps } from '../ops/merge.ts';
import { sourceOps } from '../ops/sources.ts';
import { takeOps } from '../ops/take.ts';
import { sizeOf, type Tensor } from '../ops/tensor.ts';

/*
 * A mask says which time steps count: [batch, time], 1 where one does, 0 where it is left out. `masking` and `embedding`
 * make it; it lies in the graph beside the tensor that it belongs to (Graph.masks), where a layer that uses it finds it.
 * Layers that work on each step alone pass it on (`passesMask`), others drop it, as in Keras, or give their result another.
 */

/** The mask of what is made of several tensors: steps that count in all of those that have a mask. */
export function joinMasks(graph: Graph, inputs: readonly Tensor[]): Tensor | undefined {
  const masks = new Set(inputs.flatMap((input) => graph.masks.get(input) ?? []));
  const [head, ...rest] = masks;
  return rest.reduce<Tensor | undefined>(
    (all, mask) =>
      graph.add(arithmeticOps.binary, [all!, mask], { kind: BinaryKind.Multiply }) as unknown as Tensor,
    head,
  );
}

/** The mask of sequences one after the other in time; every step of one without a mask counts. */
export function chainMasks(graph: Graph, inputs: readonly Tensor[]): Tensor | undefined {
  if (!inputs.some((input) => graph.masks.has(input))) return undefined;
  const masks = inputs.map((input) => graph.masks.get(input) ?? allSteps(graph, input));
  return graph.add(mergeOps.concatenate, masks, { axis: 1 });
}

/** The mask of a sequence whose last step comes first. */
export function reversedMask(graph: Graph, mask: Tensor): Tensor {
  const time = mask.shape[1]!;
  const values = () => Int32Array.from({ length: time }, (_, i) => time - 1 - i);
  const places = graph.add(sourceOps.constant, [], { type: 'i32', values, shape: [time] });
  return graph.add(takeOps.take, [mask, places], { axis: 1 });
}

/** Ones [batch, time], for x [batch, time, …]. */
function allSteps(graph: Graph, x: Tensor): Tensor {
  const [, time, ...rest] = x.shape;
  const size = sizeOf(rest, 1);
  const flat = graph.add(sourceOps.reshape, [x], { shape: [time!, size] });
  const first = graph.add(mergeOps.slice, [flat], { axis: 2, from: 0, size: 1 });
  const steps = graph.add(sourceOps.reshape, [first], { shape: [time!] });
  return graph.add(elementwiseOps.affine, [steps], { scale: 0, offset: 1 });
}

/** Less than any share or number of steps, so that weights are 0 where none counts. */
export const TINY = 1e-30;

/** Weights of steps, [batch, time]: mask · steps / steps that count, in each row, or in the whole batch. */
export function maskWeights(graph: Graph, mask: Tensor, over: 'row' | 'batch'): Tensor {
  const axes = over === 'row' ? { from: 1, to: 2 } : { from: 0, to: 2 };
  const share: Tensor = graph.add(axesOps.reduce, [mask], { kind: ReduceKind.Sum, mean: true, ...axes });
  const safe: Tensor = graph.add(elementwiseOps.affine, [share], { scale: 1, offset: TINY });
  const divisor: Tensor = over === 'row' ? graph.add(sourceOps.reshape, [safe], { shape: [1] }) : safe;
  return graph.add(arithmeticOps.binary, [mask, divisor], { kind: BinaryKind.Divide });
}

/** x [batch, time, channels] so weighted that its mean over time is that of the steps that count; 0 where none does. */
export function averageOfMasked(graph: Graph, x: Tensor, mask: Tensor): Tensor {
  return graph.add(mergeOps.scaleRows, [x, maskWeights(graph, mask, 'row')], {}) as unknown as Tensor;
}

/** Below every other number there is. */
const LOWEST = -3.4028234663852886e38;

/**
 * x [batch, time, channels] with LOWEST in the steps that are left out, so that a maximum over time is that of the others;
 * 0 in rows of which none counts. The gradient of what is left out is 0.
 */
export function maximumOfMasked(graph: Graph, x: Tensor, mask: Tensor): Tensor {
  const affine = (of: Tensor, scale: number, offset: number): Tensor =>
    graph.add(elementwiseOps.affine, [of], { scale, offset });
  const binary = (kind: BinaryKind, a: Tensor, b: Tensor): Tensor =>
    graph.add(arithmeticOps.binary, [a, b], { kind });
  const column = (steps: Tensor): Tensor =>
    graph.add(sourceOps.reshape, [steps], { shape: [...steps.shape.slice(1), 1] });
  const axes = { from: 1, to: 2 };
  const some: Tensor = graph.add(axesOps.reduce, [mask], { kind: ReduceKind.Maximum, mean: false, ...axes });
  const fill = binary(BinaryKind.Multiply, affine(mask, -1, 1), column(affine(some, LOWEST, 0)));
  return binary(BinaryKind.Add, binary(BinaryKind.Mask, x, column(mask)), column(fill));
}
