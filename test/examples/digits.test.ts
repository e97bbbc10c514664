import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { run } from '../../examples/digits.ts';

let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'digits-'));
});

afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

it('reads most held-out digits after one epoch, and shows the others', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const accuracy = await run({ epochs: 1, seed: 7, share: 0.2, path: join(folder, 'digits.safetensors') });
  expect(accuracy).toBeGreaterThan(0.8);
  const printed = log.mock.calls.flat().join('\n');
  expect(printed).toMatch(/read as \d, is \d/);
  expect(printed).toContain('it predicts the same bits');
});
