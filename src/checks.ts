import { UsageError } from './errors.ts';

/** Checks of options: each returns the value, or throws an error that says what came and what was expected. */

export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (ArrayBuffer.isView(value)) return value.constructor.name;
  if (Array.isArray(value)) return value.length > 8 ? `an array of ${value.length}` : `[${value.join(', ')}]`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

export function integer(value: unknown, what: string, low: number, high = 2 ** 31 - 1): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) {
    const range =
      high === 2 ** 31 - 1 ? `an integer of at least ${low}` : `an integer from ${low} to ${high}`;
    throw new UsageError(`${what} must be ${range}, got ${show(value)}`);
  }
  return value;
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
    throw new UsageError(`${what} must be ${expected}, got ${show(value)}`);
  }
  return value;
}

export function flag(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw new UsageError(`${what} must be true or false, got ${show(value)}`);
  return value;
}

/** Throws when `options` has a key that is not one of `known`. */
export function knownKeys(options: object, known: readonly string[], what: string): void {
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new UsageError(`${what} has no option '${key}'${suggestion(key, known)}`);
    }
  }
}

/** The entry of a table of names, or an error with the nearest known name. */
export function named<T>(table: { readonly [name: string]: T }, name: unknown, what: string): T {
  if (typeof name === 'string' && Object.hasOwn(table, name)) return table[name] as T;
  const known = Object.keys(table);
  const hint = typeof name === 'string' ? suggestion(name, known) : `; known: ${known.join(', ')}`;
  throw new UsageError(`unknown ${what} ${show(name)}${hint}`);
}

function suggestion(name: string, known: readonly string[]): string {
  const wanted = name.toLowerCase();
  let best = '';
  let least = Infinity;
  for (const candidate of known) {
    const d = editDistance(wanted, candidate.toLowerCase());
    if (d < least) {
      least = d;
      best = candidate;
    }
  }
  const near = least <= Math.max(2, name.length / 3);
  return near ? `; did you mean '${best}'?` : `; known: ${known.join(', ')}`;
}

/** Levenshtein distance, one row of the table at a time. */
function editDistance(a: string, b: string): number {
  if (a.length > 64 || b.length > 64) return Infinity;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + cost));
    }
    row = next;
  }
  return row[b.length]!;
}
