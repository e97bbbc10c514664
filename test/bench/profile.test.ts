import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Profile, type ProfileRow, profileStep } from '../../bench/breakdown.ts';
import { cases } from '../../bench/cases.ts';
import { stepFlops } from '../../bench/network.ts';
import { root } from '../../bench/paths.ts';
import type { StepCase } from '../../bench/protocol.ts';

const folder = mkdtempSync(join(tmpdir(), 'downhill-profile-'));
const command = join(root, 'dist', 'bench', 'profile.js');
const find = (name: string) => cases.find((c) => c.name === name) as StepCase;
const total = (rows: readonly ProfileRow[], field: 'calls' | 'ms' | 'flops' | 'bytes' | 'share') =>
  rows.reduce((sum, row) => sum + row[field], 0);

afterAll(() => rmSync(folder, { recursive: true }));

describe('the profile of a step', () => {
  it('has each instruction once, by layer and by operation', async () => {
    const spec = find('mnist-mlp');
    const { rows, operations, sumMs, steps } = await profileStep(spec, 1);
    expect(steps).toBeGreaterThanOrEqual(5);
    // what the case counts: forward, dW, and dX of the second layer
    expect(total(rows, 'flops')).toBe(spec.flops);
    const products = rows.filter(({ flops }) => flops > 0).map(({ layer, operation, size }) => `${layer} ${operation} ${size}`); // biome-ignore format: a row
    expect(products.sort()).toEqual([
      'dense matrix product, A · B 64x128x784',
      'dense matrix product, Aᵀ · B 784x128x64',
      'dense_1 matrix product, A · B 64x10x128',
      'dense_1 matrix product, A · Bᵀ 64x128x10',
      'dense_1 matrix product, Aᵀ · B 128x10x64',
    ]);
    // 64 rows of 784 float32 read and written, 64 classes
    const batch = operations.find(({ operation }) => operation === 'batch')!;
    expect(batch).toMatchObject({ calls: 2, bytes: 64 * 784 * 8 + 64 * 8 });
    for (const field of ['calls', 'flops', 'bytes'] as const) {
      expect(total(operations, field), field).toBe(total(rows, field));
    }
    for (const list of [rows, operations]) {
      expect(total(list, 'ms') / sumMs).toBeCloseTo(1, 9);
      expect(total(list, 'share')).toBeCloseTo(1, 9);
      expect(list.map(({ ms }) => ms)).toEqual(list.map(({ ms }) => ms).sort((a, b) => b - a));
    }
  });

  // a convolution without padding has products with zeros around dy in its gradient: 13 x 13 positions, not 11 x 11
  const beyond: Record<string, number> = { 'mnist-cnn': 2 * 4 * (13 * 13 - 11 * 11) * 16 * 9 * 32 };
  const steps = cases.filter((spec): spec is StepCase => spec.kind === 'step' && spec.name !== 'lstm');
  it.each(steps.map((spec) => [spec.name, spec]))('has the products counted for %s', async (name, spec) => {
    // a few rows have all kinds of instructions, and take less time
    const few = { ...spec, batch: 4, rows: 4 };
    const { rows } = await profileStep(few, 1);
    expect(total(rows, 'flops')).toBe(stepFlops(few.layers, few.batch) + (beyond[name] ?? 0));
  });

  it('counts the products within recurrent layers', async () => {
    const spec = find('lstm');
    const { rows } = await profileStep(spec, 1);
    expect(rows.find(({ operation }) => operation === 'recurrence')!.size).toBe('28 x 32x256x64');
    // the gradient of the recurrent kernel is one product over all 28 times, the first state of zeros among them
    expect(total(rows, 'flops')).toBe(spec.flops + 2 * 32 * 64 * 256);
  });
});

describe('npm run profile', () => {
  it('prints a table and writes JSON', () => {
    const file = join(folder, 'profile.json');
    const args = [command, 'autoencoder', '--time', '1', '--json', file];
    const text = execFileSync(process.execPath, args, { encoding: 'utf8' });
    const profile: Profile = JSON.parse(readFileSync(file, 'utf8'));
    expect(profile).toMatchObject({ case: 'autoencoder', node: process.version });
    const [first] = profile.rows;
    expect(text).toMatch(new RegExp(`^ +${first!.layer} +${first!.operation} +${first!.size} +1 `, 'm'));
    expect(text).toMatch(/^ +conv2dTranspose +convolution, transposed +6272x16x512 .* GFLOP\/s/m);
    for (const { operation } of profile.operations) expect(text).toMatch(new RegExp(`^ +${operation} `, 'm'));
    expect(text).toMatch(/All instructions one by one .* a whole step .* % of the limit/);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  it('says which cases there are', () => {
    const run = (...args: string[]) => spawnSync(process.execPath, [command, ...args], { encoding: 'utf8' });
    expect(run()).toMatchObject({ status: 1 });
    expect(run().stderr).toContain('CASE is one of perceptron, mnist-mlp');
    expect(run('gemm-nn-32').stderr).toContain("no step case is called 'gemm-nn-32'. There are:");
    expect(run('lstm', '--time', 'long').stderr).toContain("--time takes milliseconds, got 'long'");
    expect(run('lstm', '--speed').stderr).not.toContain('    at ');
  });
});
