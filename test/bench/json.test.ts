import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writable, writeJson } from '../../bench/json.ts';
import { OptionsError } from '../../bench/options.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'downhill-json-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the file of the results', () => {
  it('is tried before anything is measured, and left as it was', () => {
    const fresh = join(folder, 'new', 'results.json');
    expect(writable(fresh)).toBe(fresh);
    expect(existsSync(fresh)).toBe(false);
    const old = join(folder, 'old.json');
    writeFileSync(old, 'old');
    expect(writable(old)).toBe(old);
    expect(readFileSync(old, 'utf8')).toBe('old');
    writeJson(fresh, { a: 1 });
    expect(JSON.parse(readFileSync(fresh, 'utf8'))).toEqual({ a: 1 });
  });

  it('that cannot be written is refused in one line', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    for (const path of [folder, join(file, 'results.json')]) {
      expect(() => writable(path)).toThrow(OptionsError);
      expect(() => writable(path)).toThrow(`the results cannot be written to ${path}: E`);
    }
  });
});
