import { show } from '../checks.ts';
import { type ArrayInput, type Column, checkRange, toClasses, toColumn, toIndices } from '../data/arrays.ts';
import { UsageError } from '../errors.ts';
import { showShape } from '../ops/tensor.ts';
import { type Loss, takesClasses } from './losses.ts';
import type { Model } from './model.ts';

/** Rows and what they should give, as many of one as of the other. Copied when it is given. */
export interface Dataset {
  /** [rows, …inputShape]. Every number must be finite, for an embedding an integer; bytes stay bytes. */
  x: ArrayInput;
  /**
   * Targets: [rows, …output shape], for a single output also [rows]; for crossEntropy classes (integers from 0,
   * [rows] where the output is [classes]) or weights for each class.
   */
  y: ArrayInput;
}

/** Targets as the loss takes them: class numbers, or values in the shape of the output. */
export type TargetForm = 'classes' | 'dense';

/** Data that fit a model and its loss. */
export interface CheckedDataset {
  readonly x: Column;
  readonly y: Column;
  readonly form: TargetForm;
}

/** Checks data against a model and a loss; `what` names the call in messages. */
export function checkedDataset(
  { model, loss }: { model: Model; loss: Loss },
  data: unknown,
  what: string,
): CheckedDataset {
  if (typeof data !== 'object' || data === null || !('x' in data) || !('y' in data)) {
    const missing = typeof data === 'object' && data !== null && !Array.isArray(data);
    throw new UsageError(
      `${what} takes the data as an object { x, y }, rows and their targets; ` +
        (missing ? `${'x' in data ? 'y' : 'x'} is missing` : `got ${show(data)}`),
    );
  }
  const x = checkedInput(model, data.x, `${what}: x`);
  const target = checkedTargets(model, loss, data.y, what);
  const [rows, targets] = [x.shape[0], target.y.shape[0]];
  if (rows !== targets) {
    throw new UsageError(
      `${what}: x has ${rows} rows, y has ${targets}; each row of x needs its target in y`,
    );
  }
  return { x, ...target };
}

function checkedTargets(model: Model, loss: Loss, value: unknown, what: string): Omit<CheckedDataset, 'x'> {
  const y = toColumn(value, `${what}: y`);
  const place = `${what}: y`;
  const output = model.outputShape.slice(1);
  const layer = model.layers.at(-1)!.name;
  const is = (shape: readonly number[]): boolean =>
    y.shape.length === shape.length + 1 && shape.every((d, i) => d === y.shape[i + 1]);
  const rowsOf = (shape: readonly number[]): string => `[${['rows', ...shape].join(', ')}]`;
  if (takesClasses(loss)) {
    const classes = output.at(-1)!;
    if (is(output.slice(0, -1))) return { y: toClasses(value, classes, place), form: 'classes' };
    if (is(output)) {
      checkRange(y, 0, Infinity, place, 'crossEntropy takes one-hot rows, or weights of at least 0');
      return { y, form: 'dense' };
    }
    throw new UsageError(
      `${place} has shape [${y.shape.join(', ')}], but with the output ${rowsOf(output)} of layer '${layer}' ` +
        `crossEntropy takes classes ${rowsOf(output.slice(0, -1))} or one-hot rows ${rowsOf(output)}`,
    );
  }
  // one output: a plain list of targets is a column
  if (!is(output) && !(is([]) && output.every((d) => d === 1))) {
    throw new UsageError(
      `${place} has shape [${y.shape.join(', ')}], but the output of layer '${layer}' is ${rowsOf(output)}`,
    );
  }
  if (loss.name === 'binaryCrossEntropy') {
    checkRange(y, 0, 1, place, 'binaryCrossEntropy takes targets from 0 to 1');
  }
  return { y, form: 'dense' };
}

/** Throws unless a model's output is one that a loss can work on. */
export function checkOutput({ outputShape, layers }: Model, loss: Loss): void {
  if (!takesClasses(loss) || (outputShape.length > 1 && outputShape.at(-1)! > 1)) return;
  throw new UsageError(
    `crossEntropy needs an output for each class, at least 2; that of layer '${layers.at(-1)!.name}' has shape ` +
      `${showShape(outputShape)}: for two classes with one output there is binaryCrossEntropy`,
  );
}

/** Rows of the model's input. */
export function checkedInput(model: Model, value: unknown, what: string): Column {
  const { indices, layers } = model;
  const x = indices === undefined ? toColumn(value, what) : toIndices(value, indices, what, layers[0]!.name);
  checkRows(x.shape, model, what);
  return x;
}

/** Throws unless `shape` is rows of the model's input. */
function checkRows(shape: readonly number[], model: Model, what: string): void {
  const row = model.inputShape;
  if (shape.length === row.length + 1 && row.every((d, i) => d === shape[i + 1])) return;
  const single = shape.length === row.length && row.every((d, i) => d === shape[i]);
  throw new UsageError(
    `${what} has shape [${shape.join(', ')}], but layer '${model.layers[0]!.name}' takes the model's input, ` +
      `[${['rows', ...row].join(', ')}]${single ? `; a single row has shape [${[1, ...row].join(', ')}]` : ''}`,
  );
}
