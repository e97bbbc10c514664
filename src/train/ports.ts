import { nearest, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { Port, PortForm } from './architecture.ts';

/**
 * What a user gives for each input or output, in their order: the value itself for a single one, else a list, or a
 * record by name.
 */
export function byPort<T>(
  ports: readonly Port[],
  form: PortForm,
  value: unknown,
  what: string,
): readonly T[] {
  const names = ports.map(({ name }) => name);
  const plain = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (form === 'single') return [value as T];
  if (Array.isArray(value)) {
    if (value.length === ports.length) return value as T[];
    throw new UsageError(
      `${what} takes ${ports.length} entries (${names.join(', ')}), got an array of ${value.length}`,
    );
  }
  if (!plain || ArrayBuffer.isView(value)) {
    throw new UsageError(
      `${what} takes a list, or a record by the names ${names.join(', ')}; got ${show(value)}`,
    );
  }
  checkNames(Object.keys(value), names, what);
  return names.map((name) => {
    if (Object.hasOwn(value, name)) return (value as Record<string, T>)[name] as T;
    throw new UsageError(`${what}: '${name}' is missing; it takes ${names.join(', ')}`);
  });
}

/** Throws on a name that none of the inputs or outputs has. */
export function checkNames(given: readonly string[], names: readonly string[], what: string): void {
  const unknown = given.find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const near = nearest(unknown, names);
  throw new UsageError(
    `${what}: the model has no ${show(unknown)}; ${near ? `did you mean '${near}'?` : `it has ${names.join(', ')}`}`,
  );
}

/** The other way: a single value, a list or a record. */
export function inForm<T>(
  ports: readonly Port[],
  form: PortForm,
  values: readonly T[],
): T | readonly T[] | Readonly<Record<string, T>> {
  if (form === 'single') return values[0]!;
  if (form === 'list') return values;
  return Object.fromEntries(ports.map(({ name }, i) => [name, values[i]!]));
}
