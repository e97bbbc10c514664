import { show } from '../checks.ts';
import { UsageError } from '../errors.ts';

/** Options of every layer. */
export interface LayerOptions {
  /** Name in messages, summaries and files; by default the type, numbered. Letters, digits, `_`, `-`, `.`. */
  name?: string | undefined;
}

/** The name in the options, checked. */
export function layerName(options: LayerOptions, what: string): string | undefined {
  const { name } = options;
  if (name === undefined) return undefined;
  if (typeof name !== 'string' || !/^[\w.-]{1,100}$/.test(name)) {
    throw new UsageError(
      `${what}: name must be 1 to 100 letters, digits, '_', '-' or '.', got ${show(name)}`,
    );
  }
  return name;
}

/** The given entries, without the undefined ones: what is written to a file. */
export function written(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
}
