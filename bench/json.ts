// The file that a command writes what it measured to.
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { OptionsError } from './options.ts';

/** The path of a file, once it is known that it can be written: before anything is measured for it. */
export function writable(path: string): string {
  const file = resolve(path);
  try {
    mkdirSync(dirname(file), { recursive: true });
    const fresh = !existsSync(file);
    closeSync(openSync(file, 'a'));
    if (fresh) rmSync(file);
  } catch (error) {
    throw new OptionsError(`the results cannot be written to ${file}: ${(error as Error).message}`);
  }
  return file;
}

export function writeJson(file: string, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}
