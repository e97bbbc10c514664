import { BinaryKind } from '../../assembly/tape/dense.ts';
import type { Graph } from '../graph/graph.ts';
import { BATCH, isOp, sizeOf, type Tensor } from '../ops/tensor.ts';
import type { Optimizer } from './optimizers.ts';
import type { Parameter } from './parameters.ts';

/*
 * A table is as a rule much larger than a batch, and the gradient of all rows that the batch does not read is zero. So
 * where only embeddings read it, its gradient can be that of the rows that they read, each once, in the order of the table.
 * The operations come from the rules of the gradient at hand, so that a page without embeddings has no kernels for them.
 */

export interface SparseGradient {
  /** distinctRows: which rows. */
  readonly rows: Tensor;
  /** embeddingRowsGrad: their gradients, one after the other. */
  readonly values: Tensor;
  /** Integers in a row of the batch. */
  readonly places: number;
}

/** Of each use of a table its gradient, where these add up to the whole; undefined where something else does, too. */
function lookupsOf(gradient: Tensor): readonly Tensor[] | undefined {
  if (isOp(gradient, 'embeddingGrad')) {
    return gradient.inputs.every(({ shape }) => shape[0] === BATCH) ? [gradient] : undefined;
  }
  if (!isOp(gradient, 'binary') || gradient.attributes.kind !== BinaryKind.Add) return undefined;
  const [a, b] = gradient.inputs.map(lookupsOf);
  return a && b && [...a, ...b];
}

/**
 * A step of plain gradient descent leaves rows without a gradient as they are, so to leave them out changes nothing: that
 * is done wherever it pays. Momentum, moments, weight decay and penalties reach every row in every step; to leave rows
 * out is another rule then, which the layer has to ask for.
 */
function staysTheSame({ regularizer }: Parameter, { name, momentum, weightDecay }: Optimizer): boolean {
  return name === 'sgd' && momentum === 0 && weightDecay === 0 && regularizer === undefined;
}

/** The gradient of a parameter as the optimizer takes it: whole, or of some rows; several uses of a table in one sum. */
export function tableGradient(
  graph: Graph,
  parameter: Parameter,
  gradient: Tensor,
  optimizer: Optimizer,
  batch: number,
): Tensor | SparseGradient {
  const lookups = lookupsOf(gradient);
  if (!lookups) return gradient;
  const { rule } = lookups[0]!;
  const { layer } = parameter;
  const rows = parameter.shape[0]!;
  const indices = lookups.map(({ inputs }) => inputs[1]!);
  const places = indices.reduce((sum, { shape }) => sum + sizeOf(shape, 1), 0);
  const sparse = parameter.sparseGradient || (batch * places < rows && staysTheSame(parameter, optimizer));
  if (!sparse) {
    if (lookups.length === 1) return gradient;
    const uses = lookups.flatMap(({ inputs }) => inputs);
    return graph.add(rule, uses, lookups[0]!.attributes, layer);
  }
  const { distinct, values } = rule.ofRows!;
  const list: Tensor = graph.add(distinct, indices, { rows }, layer);
  const dys = lookups.map(({ inputs }) => inputs[0]!);
  return { rows: list, values: graph.add(values, [list, ...dys], {}, layer), places };
}

/** Rows that there may be in a batch. */
export function mostRows({ places }: SparseGradient, batch: number): number {
  return batch * places;
}
