import { BinaryKind } from '../../../assembly/tape/dense.ts';
import { knownKeys, show } from '../../checks.ts';
import { arithmeticOps } from '../../ops/arithmetic.ts';
import { rowShape } from '../../ops/broadcast.ts';
import { mergeOps } from '../../ops/merge.ts';
import { sourceOps } from '../../ops/sources.ts';
import { takeOps } from '../../ops/take.ts';
import { BATCH, isOp, isTensor, showShape, sizeOf, type Tensor } from '../../ops/tensor.ts';
import { transposeOps } from '../../ops/transpose.ts';
import {
  axisOf,
  checkedShape,
  fail,
  hasBatch,
  operand,
  operands,
  rowAxis,
  type TensorLike,
} from './operand.ts';

function reshaped(x: Tensor, shape: readonly number[]): Tensor {
  return x.tracer.add(sourceOps.reshape, [x], { shape: rowShape(shape) }) as unknown as Tensor;
}

/**
 * The same elements in another shape, row-major. With a batch the shape begins with -1, as `x.shape` does; one other
 * dimension may be -1 and is found from the rest.
 * @throws UsageError when the elements do not fill the shape.
 */
export function reshape(x: TensorLike, shape: readonly number[]): Tensor {
  const what = 'reshape';
  const tensor = operand(what, x);
  const given = checkedShape(what, tensor, shape);
  const batched = hasBatch(tensor.shape);
  if (batched && given[0] !== BATCH) {
    fail(tensor.tracer, what, `the batch stays in front: [-1, …], got [${given.join(', ')}]`);
  }
  const row = batched ? given.slice(1) : given;
  const open = row.filter((d) => d === -1).length;
  const size = sizeOf(rowShape(tensor.shape), 1);
  const known = row.reduce((product, d) => (d === -1 ? product : product * d), 1);
  if (open > 1) fail(tensor.tracer, what, `one dimension may be -1, got [${given.join(', ')}]`);
  if (open === 1 && size % known !== 0) {
    fail(tensor.tracer, what, `${showShape(tensor.shape)} does not fill [${given.join(', ')}]`);
  }
  const complete = row.map((d) => (d === -1 ? size / known : d));
  return tensor.tracer.add(sourceOps.reshape, [tensor], { shape: complete }) as unknown as Tensor;
}

/** A new axis of size 1 at `axis`; -1: behind the last. */
export function expandDims(x: TensorLike, axis: number): Tensor {
  const tensor = operand('expandDims', x);
  const at = axisOf('expandDims', tensor, axis, 1);
  if (at === 0 && hasBatch(tensor.shape)) fail(tensor.tracer, 'expandDims', 'the batch stays axis 0');
  return reshaped(tensor, [...tensor.shape.slice(0, at), 1, ...tensor.shape.slice(at)]);
}

/** Without axes of size 1: the given one, by default all. */
export function squeeze(x: TensorLike, axis?: number): Tensor {
  const tensor = operand('squeeze', x);
  const { shape, tracer } = tensor;
  if (axis === undefined) {
    return reshaped(
      tensor,
      shape.filter((d) => d !== 1),
    );
  }
  const at = axisOf('squeeze', tensor, axis);
  if (shape[at] !== 1) fail(tracer, 'squeeze', `axis ${axis} of ${showShape(shape)} is not of size 1`);
  return reshaped(
    tensor,
    shape.filter((_, i) => i !== at),
  );
}

/** Repeated along axes of size 1, and along new ones in front, to a shape; -1 stands for the batch. */
export function broadcastTo(x: TensorLike, shape: readonly number[]): Tensor {
  const tensor = operand('broadcastTo', x);
  const given = checkedShape('broadcastTo', tensor, shape);
  if (given.lastIndexOf(-1) > 0) fail(tensor.tracer, 'broadcastTo', 'only the batch, in front, is -1');
  return tensor.tracer.add(arithmeticOps.expand, [tensor], { shape: given }) as unknown as Tensor;
}

/**
 * Axis i of the result is axis `permutation[i]` of x; the batch stays in front. By default the last two change places.
 */
export function transpose(x: TensorLike, permutation?: readonly number[]): Tensor {
  const what = 'transpose';
  const tensor = operand(what, x);
  const { shape, tracer } = tensor;
  const last = shape.length - 1;
  if (permutation === undefined && last < (hasBatch(shape) ? 2 : 1)) {
    fail(tracer, what, `${showShape(shape)} has no two axes to exchange`);
  }
  const order = permutation ?? shape.map((_, i) => (i === last ? last - 1 : i === last - 1 ? last : i));
  const complete =
    Array.isArray(order) && order.length === shape.length && shape.every((_, i) => order.includes(i));
  if (!complete) {
    fail(
      tracer,
      what,
      `the permutation names each axis of ${showShape(shape)} once, got ${show(permutation)}`,
    );
  }
  if (hasBatch(shape) && order[0] !== 0) fail(tracer, what, 'the batch stays in front: [0, …]');
  return tracer.add(transposeOps.transpose, [tensor], { permutation: order }) as unknown as Tensor;
}

/** Tensors one after the other along an axis, by default the last; the other dimensions are the same. */
export function concat(xs: readonly TensorLike[], axis = -1): Tensor {
  const what = 'concat';
  if (!Array.isArray(xs) || xs.length === 0)
    fail(undefined, what, `takes an array of tensors, got ${show(xs)}`);
  const inputs = operands(what, xs);
  const [first] = inputs as [Tensor];
  return first.tracer.add(mergeOps.concatenate, inputs, {
    axis: rowAxis(what, first, axis),
  }) as unknown as Tensor;
}

/**
 * Entries of an axis from `start` to before `end`, as of an array: negative ones count from the end.
 * @param options axis: default -1, the last.
 */
export function slice(x: TensorLike, start: number, end?: number, options: { axis?: number } = {}): Tensor {
  const what = 'slice';
  const tensor = operand(what, x);
  knownKeys(options, ['axis'], `ops.${what}`);
  const axis = rowAxis(what, tensor, options.axis ?? -1);
  const size = tensor.shape[axis]!;
  const at = (n: unknown): number => {
    if (typeof n !== 'number' || !Number.isInteger(n)) {
      fail(tensor.tracer, what, `start and end must be integers, got ${show(n)}`);
    }
    return Math.min(Math.max(n < 0 ? n + size : n, 0), size);
  };
  const [from, to] = [at(start), at(end ?? size)];
  if (to <= from) {
    fail(tensor.tracer, what, `nothing lies from ${start} to ${end ?? size} on an axis of size ${size}`);
  }
  return tensor.tracer.add(mergeOps.slice, [tensor], { axis, from, size: to - from }) as unknown as Tensor;
}

/**
 * Entries of an axis by integers: a list (of an axis other than the batch, by default 1, or 0 without a batch), or a
 * tensor of integers, such as the input of a layer with `indices`, that names rows of a weight.
 * @throws UsageError on an integer out of range.
 */
export function gather(x: TensorLike, indices: readonly number[] | Tensor, axis?: number): Tensor {
  const what = 'gather';
  const table = operand(what, x);
  const { tracer, shape } = table;
  const at = rowAxis(what, table, axis ?? (hasBatch(shape) ? 1 : 0));
  const size = shape[at]!;
  if (isTensor(indices)) {
    const limit = isOp(indices, 'input') ? indices.attributes.limit : undefined;
    if (indices.type !== 'i32' || limit === undefined) {
      fail(tracer, what, 'the indices are no integers: take a list, or the input of a layer with `indices`');
    }
    if (limit > size) fail(tracer, what, `the indices go up to ${limit - 1}, the axis has ${size} entries`);
    if (hasBatch(shape) || at !== 0) fail(tracer, what, 'a tensor of integers names rows of a weight');
    return tracer.add(takeOps.take, [table, indices], { axis: 0 }) as unknown as Tensor;
  }
  const list: readonly unknown[] = Array.isArray(indices) ? indices : [];
  if (list.length === 0) fail(tracer, what, `takes a list of integers, got ${show(indices)}`);
  for (const i of list) {
    if (typeof i === 'number' && Number.isInteger(i) && i >= 0 && i < size) continue;
    fail(tracer, what, `${show(i)} is no entry of axis ${at}, which has 0 to ${size - 1}`);
  }
  const values = Int32Array.from(list as number[]);
  const constant = { type: 'i32', values: () => values, shape: [values.length] } as const;
  const places = tracer.add(sourceOps.constant, [], constant) as unknown as Tensor;
  return tracer.add(takeOps.take, [table, places], { axis: at }) as unknown as Tensor;
}

/** 1 at the place of each class, else 0: x [batch, …] of integers, y [batch, …, depth]. No gradient. */
export function oneHot(x: TensorLike, depth: number): Tensor {
  const tensor = operand('oneHot', x);
  const { tracer } = tensor;
  if (!Number.isInteger(depth) || depth < 1)
    fail(tracer, 'oneHot', `depth must be at least 1, got ${show(depth)}`);
  const classes = () => Float32Array.from({ length: depth }, (_, i) => i);
  const constant = { type: 'f32', values: classes, shape: [depth] } as const;
  const all = tracer.add(sourceOps.constant, [], constant) as unknown as Tensor;
  const places = reshaped(tensor, [...tensor.shape, 1]);
  return tracer.add(arithmeticOps.binary, [places, all], { kind: BinaryKind.Equal }) as unknown as Tensor;
}
