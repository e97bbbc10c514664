import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { OpName } from '../ops/attributes.ts';
import { BATCH, isOp, type Tensor } from '../ops/tensor.ts';

/*
 * Whether a model can be run for a few new positions at a time, as a text generator does: each position must get the same
 * operations with the same numbers, whatever the length, and none may read another position, but by causal attention.
 */

/** Operations that work on each position by itself, or know of the ones before. */
const PER_POSITION: ReadonlySet<OpName> = new Set<OpName>([
  ...(['input', 'parameter', 'constant', 'embedding', 'matmul', 'biasAdd', 'activation', 'binary'] as const),
  ...(['affine', 'maximum', 'softmax', 'slice', 'concatenate', 'moments', 'movingMoments'] as const),
  ...(['normalize', 'rotary', 'cache', 'attention'] as const),
]);

/** @throws UsageError where an operation mixes positions. */
export function checkOperations({ tensors }: Graph): void {
  for (const tensor of tensors) {
    const over = isOp(tensor, 'moments') || isOp(tensor, 'normalize') ? tensor.attributes.over : 'features';
    // [batch, positions, …]
    const along = isOp(tensor, 'slice') || isOp(tensor, 'concatenate') ? tensor.attributes.axis : -1;
    if (PER_POSITION.has(tensor.op) && over !== 'positions' && along !== 1) continue;
    throw new UsageError(
      `textGenerator: layer '${tensor.layer}' mixes positions; besides causal self-attention all layers must work on each ` +
        'position by itself',
    );
  }
}

/**
 * `part` is the trace for `fresh` new positions, `whole` that for as many as the model has. Where all operations and
 * attributes are the same, what a layer computes can differ by a table alone that it broadcasts along the positions; then
 * its result has as many positions as the table, and not `fresh`.
 * @throws UsageError where they differ.
 */
export function checkSameAtAll(whole: Graph, part: Graph, fresh: number): void {
  const count = Math.max(whole.tensors.length, part.tensors.length);
  for (let i = 0; i < count; i++) {
    const [a, b] = [whole.tensors[i], part.tensors[i]];
    if (a && b && alike(a, b) && fits(b, fresh)) continue;
    // of two layers the one that has more operations here: the other's come later
    const more = a && b && part.tensors.slice(i).some(({ layer }) => layer === a.layer) ? b : (a ?? b);
    throw new UsageError(
      `textGenerator: layer '${more!.layer}' depends on the number of positions: it has a weight or a constant for each, or ` +
        'a function that reads how many there are; text is written by running the model for the new positions alone, so ' +
        'each must be treated the same. A table of positions is positionEmbedding(); prelu takes sharedAxes: [1]',
    );
  }
}

function alike(a: Tensor, b: Tensor): boolean {
  const same = a.op === b.op && a.layer === b.layer && a.inputs.length === b.inputs.length;
  return (
    same &&
    a.inputs.every(({ id }, i) => id === b.inputs[i]!.id) &&
    (a.op === 'input' || equal(a.attributes, b.attributes))
  );
}

/** Whether a tensor of rows has the new positions; keys and values are kept for all. */
function fits({ op, shape }: Tensor, fresh: number): boolean {
  return shape[0] !== BATCH || op === 'cache' || shape[1] === fresh;
}

/** Of attributes: numbers, names, lists and records of them, typed arrays. */
function equal(a: unknown, b: unknown): boolean {
  // those of constants are made when they are asked for, and may be long
  if (typeof a === 'function' && typeof b === 'function') return equal(a(), b());
  if (a instanceof Float32Array && b instanceof Float32Array) {
    return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
  }
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b) return Object.is(a, b);
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  return left.length === right.size && left.every(([key, value]) => equal(value, right.get(key)));
}
