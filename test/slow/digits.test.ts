import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { run } from '../../examples/digits.ts';

it('reads 96 % of the held-out digits whatever the seed, 96.5 % on average', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'digits-'));
  vi.spyOn(console, 'log').mockImplementation(() => {});
  const shares: number[] = [];
  for (let seed = 1; seed <= 5; seed++)
    shares.push(await run({ seed, path: join(folder, 'digits.safetensors') }));
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
  expect(Math.min(...shares)).toBeGreaterThanOrEqual(0.96);
  expect(shares.reduce((a, b) => a + b) / shares.length).toBeGreaterThanOrEqual(0.965);
});
