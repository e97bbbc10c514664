import { UsageError } from './errors.ts';

/** Checks of options: each returns the value, or throws an error that says what came and what was expected. */

/** A value in a message: short, whatever it is. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 40 ? `${value.slice(0, 40)}…` : value}'`;
  if (typeof value === 'function' && 'config' in value && 'type' in value)
    return `a layer of type '${value.type}'`;
  if (typeof value === 'function') return value.name ? `the function ${value.name}` : 'a function';
  if (ArrayBuffer.isView(value)) return value.constructor.name;
  if (Array.isArray(value)) {
    const plain = value.length <= 8 && value.every((entry) => !UNPRINTED.has(typeof entry));
    return plain ? `[${value.join(', ')}]` : `an array of ${value.length}`;
  }
  if (typeof value === 'object' && value !== null) return showObject(value);
  return typeof value === 'bigint' ? `${value}n` : String(value);
}

/** Types whose values would be long in a list, or throw. */
const UNPRINTED: ReadonlySet<string> = new Set(['object', 'function', 'symbol']);

function showObject(value: object): string {
  if (value instanceof Promise) return 'a promise: await it first';
  // of the classes that there are everywhere: others may have been renamed by a bundler
  const made: unknown = value.constructor;
  const known = typeof made === 'function' && Reflect.get(globalThis, made.name) === made;
  return known && made !== Object ? `an object of class ${made.name}` : 'an object';
}

/** Where an argument came among the options, as in tfjs's `dense({ units: 3 })`: how it is written. */
function asArgument(value: unknown, what: string): string {
  const [maker, name] = what.split(': ');
  if (typeof value !== 'object' || value === null || !name || !Object.hasOwn(value, name)) return '';
  return `; write ${maker}(${show(Reflect.get(value, name))}, …)`;
}

export function integer(value: unknown, what: string, low: number, high = 2 ** 31 - 1): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) {
    const range =
      high === 2 ** 31 - 1 ? `an integer of at least ${low}` : `an integer from ${low} to ${high}`;
    throw new UsageError(`${what} must be ${range}, got ${show(value)}${asArgument(value, what)}`);
  }
  return value;
}

/** More dimensions than any layer uses; a file cannot ask for millions. */
const MAX_DIMENSIONS = 16;

/** A list of dimensions of at least 1; with `free` (-1), that number too. */
export function dimensions(value: unknown, what: string, free?: number): readonly number[] {
  if (!Array.isArray(value)) {
    throw new UsageError(`${what} must be an array of dimensions such as [28, 28], got ${show(value)}`);
  }
  if (value.length > MAX_DIMENSIONS) {
    throw new UsageError(`${what} has ${value.length} dimensions, at most ${MAX_DIMENSIONS} are possible`);
  }
  return value.map((d: unknown) =>
    free !== undefined && d === free ? free : integer(d, `${what}: a dimension`, 1),
  );
}

export interface Range {
  /** Smallest value allowed, or not reached with `above`. */
  min?: number;
  above?: number;
  max?: number;
  below?: number;
}

export function number(value: unknown, what: string, range: Range = {}): number {
  const { min, above, max, below } = range;
  const inRange =
    typeof value === 'number' &&
    Number.isFinite(value) &&
    !(min !== undefined && value < min) &&
    !(above !== undefined && value <= above) &&
    !(max !== undefined && value > max) &&
    !(below !== undefined && value >= below);
  if (!inRange) {
    const bounds = [
      min !== undefined ? `>= ${min}` : '',
      above !== undefined ? `> ${above}` : '',
      max !== undefined ? `<= ${max}` : '',
      below !== undefined ? `< ${below}` : '',
    ].filter(Boolean);
    const expected = bounds.length > 0 ? `a number ${bounds.join(' and ')}` : 'a finite number';
    throw new UsageError(`${what} must be ${expected}, got ${show(value)}${asArgument(value, what)}`);
  }
  return value;
}

export function flag(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw new UsageError(`${what} must be true or false, got ${show(value)}`);
  return value;
}

/** A callback, or undefined. */
export function callback(value: unknown, what: string): void {
  if (value !== undefined && typeof value !== 'function') {
    throw new UsageError(`${what} must be a function, got ${show(value)}`);
  }
}

/** Options for which null says something: Keras' None, an activation that changes nothing. */
const NULLABLE = ['activation', 'recurrentActivation'];

/**
 * Throws when `options` is not an object, has a key that is not one of `known`, or null for another than `nullable`: what
 * is left out, or undefined, is the default, but null would be a value, and in Keras often another than the default.
 */
export function knownKeys(
  options: unknown,
  known: readonly string[],
  what: string,
  nullable: readonly string[] = NULLABLE,
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    const takes = known.length > 0 ? `options as an object { ${known.join(', ')} }` : 'no options';
    throw new UsageError(`${what} takes ${takes}, got ${show(options)}`);
  }
  for (const [key, value] of Object.entries(options)) {
    if (!known.includes(key)) {
      throw new UsageError(`${what} has no option ${show(key)}${suggestion(key, known)}`);
    }
    if (value === null && !nullable.includes(key)) {
      throw new UsageError(`${what}: ${key} is null; leave it out, or give undefined, for its default`);
    }
  }
}

/** The entry of a table of names, or an error with the nearest known name; `place` is where the name was given. */
export function named<T>(
  table: { readonly [name: string]: T },
  name: unknown,
  kind: string,
  place?: string,
): T {
  if (typeof name === 'string' && Object.hasOwn(table, name)) return table[name] as T;
  const known = Object.keys(table);
  const where = place === undefined ? '' : `${place}: `;
  if (typeof name === 'string')
    throw new UsageError(`${where}unknown ${kind} ${show(name)}${suggestion(name, known)}`);
  const meant = typeof name === 'function' && Object.hasOwn(table, name.name) ? name.name : undefined;
  throw new UsageError(
    `${where}the ${kind} must be a name or an object with its options, got ${show(name)}; ` +
      (meant ? `write '${meant}'` : `known: ${known.join(', ')}`),
  );
}

function suggestion(name: string, known: readonly string[]): string {
  if (known.length === 0) return ': it has none';
  const near = nearest(name, known);
  return near ? `; did you mean '${near}'?` : `; known: ${known.join(', ')}`;
}

/**
 * The known name that was probably meant: its initials ('mse'), a slip of the pen, a word of it ('normal'), several slips, or
 * a part of it ('glor').
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase().replace(/[-_ ]/g, '');
  if (wanted.length === 0 || wanted.length > 64) return undefined;
  const initials = (candidate: string) => candidate.slice(0, 1) + candidate.replace(/[^A-Z]/g, '');
  const short = known.find((candidate) => initials(candidate).toLowerCase() === wanted);
  if (short) return short;
  const best = { candidate: '', distance: Infinity };
  for (const candidate of known) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < best.distance) Object.assign(best, { candidate, distance });
  }
  if (best.distance <= 1) return best.candidate;
  const word = known.find((candidate) =>
    candidate.split(/(?=[A-Z])/).some((w) => w.toLowerCase() === wanted),
  );
  if (word) return word;
  const slips = wanted.length < 4 ? 1 : Math.max(2, Math.floor(wanted.length / 3));
  if (best.distance <= slips) return best.candidate;
  if (wanted.length < 3) return undefined;
  return known.find((candidate) => {
    const lower = candidate.toLowerCase();
    return lower.includes(wanted) || (lower.length > 3 && wanted.includes(lower));
  });
}

/**
 * Insertions, deletions, replacements and swaps of neighbours from a to b (the optimal string alignment distance), one row of
 * the table at a time.
 */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      next.push(
        Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + cost, swapped ? before[j - 2]! + 1 : Infinity),
      );
    }
    [before, row] = [row, next];
  }
  return row[b.length]!;
}
