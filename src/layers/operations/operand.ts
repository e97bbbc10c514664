import { show } from '../../checks.ts';
import { type ArrayInput, toArray } from '../../data/arrays.ts';
import { UsageError } from '../../errors.ts';
import { activationOps } from '../../ops/activations.ts';
import type { Tracer } from '../../ops/rule.ts';
import { sourceOps } from '../../ops/sources.ts';
import { BATCH, isTensor, type Shape, showShape, type Tensor } from '../../ops/tensor.ts';
import { SymbolicTensor } from '../symbolic.ts';

/** A weight of a custom layer, made by `addWeight`: stands for its values wherever an operation takes a tensor. */
export class Weight {
  /** In the trace at hand. */
  tensor: Tensor | undefined;

  constructor(
    readonly name: string,
    readonly shape: readonly number[],
  ) {}
}

/**
 * What operations take: a tensor, a weight, a number, or numbers that are part of the program, as nested arrays or
 * `{ data, shape }`.
 */
export type TensorLike = Tensor | Weight | number | ArrayInput;

/** Throws an error that names the layer and the operation. */
export function fail(tracer: Tracer | undefined, what: string, message: string): never {
  throw new UsageError(`${tracer ? `layer '${tracer.layer}': ` : ''}ops.${what}: ${message}`);
}

/** The tensor that a value is already, if it is one. */
function tensorOf(value: unknown, what: string): Tensor | undefined {
  if (value instanceof Weight) {
    if (value.tensor) return value.tensor;
    throw new UsageError(
      `ops.${what}: the weight '${value.name}' has values inside call() of its layer only`,
    );
  }
  return isTensor(value) ? value : undefined;
}

function constant(tracer: Tracer, value: unknown, what: string): Tensor {
  if (typeof value === 'number') {
    return floats(tracer, () => Float32Array.of(value), []);
  }
  if (value instanceof SymbolicTensor) {
    fail(tracer, what, 'got a symbolic tensor of a model; inside a layer use what call() gets');
  }
  if (typeof value !== 'object' || value === null) {
    fail(tracer, what, `takes tensors, weights, numbers or arrays, got ${show(value)}`);
  }
  const { data, shape } = toArray(value, `layer '${tracer.layer}': ops.${what}: a constant`);
  if (shape.some((d) => d < 1)) fail(tracer, what, `a constant is empty: shape [${shape.join(', ')}]`);
  // a copy: it is the user's, who may change it before the program is made
  const values = Float32Array.from(data);
  return floats(tracer, () => values, shape);
}

function floats(tracer: Tracer, values: () => Float32Array, shape: readonly number[]): Tensor {
  return tracer.add(sourceOps.constant, [], { type: 'f32', values, shape }) as unknown as Tensor;
}

/** In a message: what a function gave that should give a tensor of this trace. */
export function showResult(y: unknown, tracer: Tracer): string {
  if (isTensor(y)) return y.tracer === tracer ? `shape ${showShape(y.shape)}` : 'a tensor of another trace';
  return y instanceof Promise ? 'a promise: it cannot be async' : show(y);
}

/** Operands as tensors of one trace; integers become floats unless `integers`. At least one must be a tensor. */
export function operands(what: string, values: readonly unknown[], integers = false): Tensor[] {
  const found = values.map((value) => tensorOf(value, what));
  const tracer = found.find((tensor) => tensor !== undefined)?.tracer;
  if (!tracer) {
    const symbolic = values.some((value) => value instanceof SymbolicTensor);
    throw new UsageError(
      `ops.${what} works on tensors, inside call() of a layer, a loss, a metric, lambda() or gradient(); got ` +
        (symbolic
          ? 'a symbolic tensor of a model: put the operation into a lambda layer'
          : values.map(show).join(' and ')),
    );
  }
  return found.map((tensor, i) => {
    const result = tensor ?? constant(tracer, values[i], what);
    if (result.tracer !== tracer) {
      fail(tracer, what, 'a tensor of another trace: do not keep tensors from one call() to the next');
    }
    if (integers || result.type === 'f32') return result;
    return tracer.add(activationOps.toFloat, [result], {}) as unknown as Tensor;
  });
}

export function operand(what: string, value: unknown, integers = false): Tensor {
  return operands(what, [value], integers)[0]!;
}

/** An axis counted from 0 (the batch, where there is one); -1 is the last. `extra`: places behind the last. */
export function axisOf(what: string, { shape, tracer }: Tensor, axis: unknown, extra = 0): number {
  const rank = shape.length + extra;
  const known = typeof axis === 'number' && Number.isInteger(axis) && axis >= -rank && axis < rank;
  if (!known) {
    const dims = shape.map((d) => (d === BATCH ? 'batch' : d)).join(', ');
    fail(tracer, what, `there is no axis ${show(axis)} in [${dims}]`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** The same, where the batch cannot be meant. */
export function rowAxis(what: string, x: Tensor, axis: unknown): number {
  const found = axisOf(what, x, axis);
  if (x.shape[found] === BATCH) {
    fail(
      x.tracer,
      what,
      'axis 0 is the batch, whose rows are computed independently of each other (the last batch is smaller, and ' +
        'prediction cuts rows into batches of its own); the loss takes the mean over the rows itself',
    );
  }
  return found;
}

export function hasBatch(shape: Shape): boolean {
  return shape[0] === BATCH;
}

/** The shape as users write it, [-1, …] with a batch. */
export function checkedShape(what: string, { tracer }: Tensor, shape: unknown): readonly number[] {
  const known =
    Array.isArray(shape) &&
    shape.every((d: unknown) => Number.isInteger(d) && (d === -1 || (d as number) > 0));
  if (!known) fail(tracer, what, `shape must be dimensions such as [-1, 28, 28], got ${show(shape)}`);
  return shape as number[];
}
