import { show } from '../checks.ts';
import { type ArrayInput, type Column, checkRange, toClasses, toColumn, toIndices } from '../data/arrays.ts';
import { UsageError } from '../errors.ts';
import type { Port } from './architecture.ts';
import { takesClasses } from './losses.ts';
import type { Model } from './model.ts';
import type { Objective } from './objectives.ts';
import { byPort } from './ports.ts';
import type { ModelInput } from './predictor.ts';

/** Rows and what they should give, as many of one as of the other. Copied when it is given. */
export interface Dataset {
  /** [rows, …inputShape]. Every number must be finite, for an embedding an integer; bytes stay bytes. Of several inputs a list or a record. */
  x: ModelInput;
  /**
   * Targets: [rows, …output shape], for a single output also [rows]; for crossEntropy classes (integers from 0,
   * [rows] where the output is [classes]) or weights for each class. Of several outputs a list or a record.
   */
  y: ArrayInput | readonly ArrayInput[] | Readonly<Record<string, ArrayInput>>;
}

/** Targets as the loss takes them: class numbers, values in the shape of the output, or in rows of a shape of their own. */
export type TargetForm = 'classes' | 'dense' | readonly number[];

/** Data that fit a model and its losses. */
export interface CheckedDataset {
  /** By the names that programs use: inputs, then targets. */
  readonly columns: ReadonlyMap<string, Column>;
  readonly rows: number;
  /** Of the targets of each output. */
  readonly forms: readonly TargetForm[];
}

/** Options of `fit`, and the weights of rows and classes that other libraries have, as they are written there and here. */
const MEANT =
  /weight|^(epochs|batch_?size|shuffle|validation_?(data|split)|onStep|onEpoch|signal|progress)$/i;

/** Checks data against a model and what it is trained for; `what` names the call in messages. */
export function checkedDataset(
  model: Model<unknown>,
  objectives: readonly Objective[],
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
  // what else a program keeps with its data is its own; what was meant to change the training is not
  const meant = Object.keys(data).find((key) => MEANT.test(key));
  if (meant !== undefined) {
    throw new UsageError(
      `${what}: the data have x and y, and no ${show(meant)}; options go into a second argument`,
    );
  }
  const inputs = checkedInputs(model, data.x, what);
  const rows = inputs[0]!.shape[0]!;
  const columns = new Map(inputs.map((column, i) => [model.inputKey(model.inputs[i]!), column]));
  const values = byPort<unknown>(model.outputs, model.architecture.outputForm, data.y, `${what}: y`);
  const forms = objectives.map((objective, i) => {
    const { key } = objective;
    const { y, form } = checkedTargets(objective, values[i], `${what}: ${key}`);
    const targets = y.shape[0];
    if (rows !== targets) {
      throw new UsageError(
        `${what}: x has ${rows} rows, ${key} has ${targets}; each row of x needs its target in ${key}`,
      );
    }
    columns.set(key, y);
    return form;
  });
  return { columns, rows, forms };
}

/** The inputs as columns of equally many rows. */
export function checkedInputs(model: Model<unknown>, x: unknown, what: string): readonly Column[] {
  const values = byPort<unknown>(model.inputs, model.architecture.inputForm, x, `${what}: x`);
  const columns = model.inputs.map((port, i) => {
    const place = `${what}: ${model.inputKey(port)}`;
    const { indices } = port;
    const column =
      indices === undefined
        ? toColumn(values[i], place)
        : toIndices(values[i], indices, place, model.architecture.reader(port));
    checkRows(column.shape, model, port, place);
    return column;
  });
  const rows = columns[0]!.shape[0];
  const other = columns.findIndex(({ shape }) => shape[0] !== rows);
  if (other > 0) {
    const [a, b] = [model.inputs[0]!.name, model.inputs[other]!.name];
    throw new UsageError(
      `${what}: input '${a}' has ${rows} rows, '${b}' has ${columns[other]!.shape[0]}; they need as many`,
    );
  }
  return columns;
}

function checkedTargets(
  { output: port, layer, loss }: Objective,
  value: unknown,
  place: string,
): { readonly y: Column; readonly form: TargetForm } {
  const y = toColumn(value, place);
  const output = port.shape.slice(1);
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
  const column = is([]) && output.every((d) => d === 1);
  if (loss.name === 'custom' && !column) return { y, form: y.shape.slice(1) };
  // one output: a plain list of targets is a column
  if (!is(output) && !column) {
    throw new UsageError(
      `${place} has shape [${y.shape.join(', ')}], but the output of layer '${layer}' is ${rowsOf(output)}`,
    );
  }
  if (loss.name === 'binaryCrossEntropy') {
    checkRange(y, 0, 1, place, 'binaryCrossEntropy takes targets from 0 to 1');
  }
  return { y, form: 'dense' };
}

/** Throws unless `shape` is rows of the model's input. */
function checkRows(shape: readonly number[], model: Model<unknown>, port: Port, what: string): void {
  const row = port.shape.slice(1);
  if (shape.length === row.length + 1 && row.every((d, i) => d === shape[i + 1])) return;
  const single = shape.length === row.length && row.every((d, i) => d === shape[i]);
  throw new UsageError(
    `${what} has shape [${shape.join(', ')}], but layer '${model.architecture.reader(port)}' takes the model's input, ` +
      `[${['rows', ...row].join(', ')}]${single ? `; a single row has shape [${[1, ...row].join(', ')}]` : ''}`,
  );
}
