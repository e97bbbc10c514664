import { Type } from '../../assembly/tape.ts';
import { show } from '../checks.ts';
import { UsageError } from '../errors.ts';

/** Numbers in row-major order, and their dimensions, rows first. */
export interface ArrayData {
  readonly data: ArrayLike<number> & ArrayBufferView;
  readonly shape: readonly number[];
}

/** A typed array with its shape, or nested arrays of numbers; the innermost may be typed arrays. */
export type ArrayInput = ArrayData | readonly NestedNumbers[];
export type NestedNumbers = number | readonly NestedNumbers[] | NumberArray;
type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array;

/** Data as the core takes it. */
export interface Column {
  readonly data: Float32Array | Int32Array | Uint8Array;
  readonly type: Type;
  /** Dimensions, rows first. */
  readonly shape: readonly number[];
}

/** Checks data and brings it into a type of the core: bytes stay bytes, other numbers become float32. */
export function toColumn(value: unknown, what: string): Column {
  const { data, shape } = Array.isArray(value) ? fromNested(value, what) : fromTyped(value, what);
  checkEmpty(shape, what);
  if (data instanceof Uint8Array || data instanceof Uint8ClampedArray) {
    const bytes =
      data instanceof Uint8Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.length);
    return { data: bytes, type: Type.U8, shape };
  }
  const floats = data instanceof Float32Array ? data : Float32Array.from(data);
  checkFinite(floats, data, shape, what);
  return { data: floats, type: Type.F32, shape };
}

/** Throws unless every number is from `low` to `high`; `why` says which loss asks for it. */
export function checkRange(
  { data, shape }: Column,
  low: number,
  high: number,
  what: string,
  why: string,
): void {
  const perRow = shape.slice(1).reduce((a, b) => a * b, 1);
  for (let i = 0; i < data.length; i++) {
    if (data[i]! >= low && data[i]! <= high) continue;
    throw new UsageError(
      `${what}: row ${Math.floor(i / perRow)}, column ${i % perRow} (counted from 0) is ${data[i]}; ${why}`,
    );
  }
}

/** Targets that are classes 0 … classes - 1, as int32 (bytes stay bytes). */
export function toClasses(value: unknown, classes: number, what: string): Column {
  return toIntegers(
    value,
    classes,
    what,
    (row, _, c) =>
      `${what}: row ${row} (counted from 0) has class ${c}, ` +
      `but the model's output has ${classes} classes, 0 to ${classes - 1}`,
  );
}

/** Input of an embedding, integers 0 … count - 1, as int32 (bytes stay bytes). */
export function toIndices(value: unknown, count: number, what: string, layer: string): Column {
  return toIntegers(
    value,
    count,
    what,
    (row, column, i) =>
      `${what}: row ${row}, column ${column} (counted from 0) is ${i}, ` +
      `but layer '${layer}' takes integers from 0 to ${count - 1}`,
  );
}

function toIntegers(
  value: unknown,
  count: number,
  what: string,
  fault: (row: number, column: number, value: number) => string,
): Column {
  const { data, shape } = Array.isArray(value) ? fromNested(value, what) : fromTyped(value, what);
  checkEmpty(shape, what);
  const perRow = shape.slice(1).reduce((a, b) => a * b, 1);
  for (let i = 0; i < data.length; i++) {
    const c = data[i]!;
    if (Number.isInteger(c) && c >= 0 && c < count) continue;
    throw new UsageError(fault(Math.floor(i / perRow), i % perRow, c));
  }
  if (data instanceof Uint8Array) return { data, type: Type.U8, shape };
  const integers = data instanceof Int32Array ? data : Int32Array.from(data);
  return { data: integers, type: Type.I32, shape };
}

/** Numbers of any values, as they are; a single number has no dimensions. */
export function toArray(value: unknown, what: string): ArrayData {
  return Array.isArray(value) ? fromNested(value, what) : fromTyped(value, what);
}

function checkEmpty(shape: readonly number[], what: string): void {
  if (shape.length > 0 && shape.every((d) => d > 0)) return;
  throw new UsageError(`${what} is empty: shape [${shape.join(', ')}]; give at least one row`);
}

function fromTyped(value: unknown, what: string): ArrayData {
  if (typeof value !== 'object' || value === null || !('data' in value) || !('shape' in value)) {
    const missing = ArrayBuffer.isView(value) ? ' without a shape' : '';
    throw new UsageError(
      `${what} must be { data: TypedArray, shape: [rows, …] } or nested arrays, got ${show(value)}${missing}`,
    );
  }
  const { data, shape } = value;
  if (!isNumberArray(data)) {
    const hint = Array.isArray(data) ? ': make it a Float32Array' : '';
    throw new UsageError(`${what}: data must be a typed array of numbers, got ${show(data)}${hint}`);
  }
  if (!Array.isArray(shape) || !shape.every((d) => Number.isInteger(d) && d >= 0)) {
    throw new UsageError(`${what}: shape must be an array of integers of at least 0, got ${show(shape)}`);
  }
  const size = shape.reduce((a: number, b: number) => a * b, 1);
  if (size !== data.length) {
    throw new UsageError(
      `${what}: shape [${shape.join(', ')}] holds ${size} numbers, data has ${data.length}`,
    );
  }
  return { data, shape };
}

function fromNested(value: readonly unknown[], what: string): ArrayData {
  const shape: number[] = [];
  for (let level: unknown = value; Array.isArray(level) || isNumberArray(level); level = level[0]) {
    shape.push(level.length);
  }
  const data = new Float64Array(shape.reduce((a, b) => a * b, 1));
  let next = 0;
  const walk = (level: unknown, depth: number, place: string): void => {
    if (depth === shape.length) {
      if (typeof level !== 'number') {
        throw new UsageError(`${what}${place} must be a number, got ${show(level)}${encoding(level)}`);
      }
      data[next++] = level;
      return;
    }
    const list = Array.isArray(level) || isNumberArray(level) ? level : undefined;
    if (!list || list.length !== shape[depth]) {
      const got = list ? `${list.length} entries` : show(level);
      throw new UsageError(
        `${what}${place} must be an array of ${shape[depth]} entries like the first, got ${got}`,
      );
    }
    if (isNumberArray(list) && depth + 1 === shape.length) {
      data.set(list, next);
      next += list.length;
      return;
    }
    for (let i = 0; i < list.length; i++) walk(list[i], depth + 1, `${place}[${i}]`);
  };
  walk(value, 0, '');
  return { data, shape };
}

/** Whether it is a typed array, but of 64-bit integers. */
export function isNumberArray(value: unknown): value is NumberArray {
  if (!ArrayBuffer.isView(value) || value instanceof DataView) return false;
  return !(value instanceof BigInt64Array || value instanceof BigUint64Array);
}

/** What to do about a value that is not a number. */
function encoding(value: unknown): string {
  if (typeof value === 'string') return ': encode text as numbers first, classes as integers from 0';
  if (typeof value === 'boolean') return ': write 1 for true and 0 for false';
  if (value === null || value === undefined) return ': fill in missing values first';
  return '';
}

/** Up to so many numbers three native searches are faster than a loop that V8 has not compiled yet: 0.3 ms, not 3. */
const FEW = 1 << 16;

function checkFinite(
  floats: Float32Array,
  original: ArrayLike<number>,
  shape: readonly number[],
  what: string,
): void {
  if (floats.length <= FEW && ![Number.NaN, Infinity, -Infinity].some((odd) => floats.includes(odd))) return;
  for (let i = 0; i < floats.length; i++) {
    if (Number.isFinite(floats[i])) continue;
    const perRow = shape.slice(1).reduce((a, b) => a * b, 1);
    throw new UsageError(
      `${what}: row ${Math.floor(i / perRow)}, column ${i % perRow} (counted from 0) is ${original[i]}; ` +
        'every number must be finite (within ±3.4e38): fill in missing values first',
    );
  }
}
