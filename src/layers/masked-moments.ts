import { Activation, BinaryKind, ReduceKind } from '../../assembly/tape/dense.ts';
import type { Graph } from '../graph/graph.ts';
import { activationOps } from '../ops/activations.ts';
import { arithmeticOps } from '../ops/arithmetic.ts';
import { axesOps } from '../ops/axes.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import { sourceOps } from '../ops/sources.ts';
import { sizeOf, type Tensor } from '../ops/tensor.ts';
import { TINY } from './masks.ts';

/** Statistics of channels over the steps that a mask leaves. */
export interface MaskedMoments {
  /** [channels] */
  readonly mean: Tensor;
  /** Biased, as that of `moments`. [channels] */
  readonly variance: Tensor;
  /** x - mean, at all steps. */
  readonly centered: Tensor;
}

function binary(graph: Graph, kind: BinaryKind, a: Tensor, b: Tensor): Tensor {
  return graph.add(arithmeticOps.binary, [a, b], { kind });
}

function affine(graph: Graph, x: Tensor, scale: number, offset: number): Tensor {
  return graph.add(elementwiseOps.affine, [x], { scale, offset });
}

/**
 * Of x [batch, time, …, channels], by a mask [batch, time]: mean = Σ w x, variance = Σ w (x - mean)², where the weights w of
 * the positions that count are equal and add up to 1; both are 0 where none counts, as in Keras. Of operations that have
 * gradients, in two passes; sums of each row first, whose errors are those of short sums.
 */
export function maskedMoments(graph: Graph, x: Tensor, mask: Tensor): MaskedMoments {
  const [, time, ...rest] = x.shape as readonly [number, number, ...number[]];
  const positions = sizeOf(rest.slice(0, -1), 1);
  const sumOf = (of: Tensor, from: number, to: number): Tensor =>
    graph.add(axesOps.reduce, [of], { kind: ReduceKind.Sum, mean: false, from, to });
  const count = affine(graph, sumOf(sumOf(mask, 1, 2), 0, 1), positions, TINY);
  const shares = binary(graph, BinaryKind.Divide, mask, count);
  const weights = graph.add(sourceOps.reshape, [shares], { shape: [time, ...rest.map(() => 1)] });
  const mean = (of: Tensor): Tensor =>
    sumOf(sumOf(binary(graph, BinaryKind.Multiply, of, weights), 1, x.shape.length - 1), 0, 1);
  const middle = mean(x);
  const centered = binary(graph, BinaryKind.Subtract, x, middle);
  return { mean: middle, variance: mean(binary(graph, BinaryKind.Multiply, centered, centered)), centered };
}

/** y = (x - mean) / sqrt(variance + epsilon) · gamma + beta, at all steps, those that are left out too. */
export function normalizeMasked(
  graph: Graph,
  { variance, centered }: MaskedMoments,
  epsilon: number,
  gamma: Tensor | undefined,
  beta: Tensor | undefined,
): Tensor {
  const square = affine(graph, variance, 1, epsilon);
  const deviation: Tensor = graph.add(activationOps.activation, [square], {
    kind: Activation.Sqrt,
    alpha: 0,
  });
  const y = gamma
    ? binary(graph, BinaryKind.Multiply, centered, binary(graph, BinaryKind.Divide, gamma, deviation))
    : binary(graph, BinaryKind.Divide, centered, deviation);
  return beta ? graph.add(elementwiseOps.biasAdd, [y, beta], {}) : y;
}

/** old · momentum + value · (1 - momentum) */
export function movedTo(graph: Graph, old: Tensor, value: Tensor, momentum: number): Tensor {
  return binary(
    graph,
    BinaryKind.Add,
    affine(graph, old, momentum, 0),
    affine(graph, value, 1 - momentum, 0),
  );
}
