import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { root } from '../../bench/paths.ts';
import type { Report } from '../../bench/protocol.ts';

const folder = mkdtempSync(join(tmpdir(), 'downhill-bench-'));
const main = join(root, 'dist', 'bench', 'main.js');

afterAll(() => rmSync(folder, { recursive: true }));

describe('npm run bench', () => {
  it('prints tables and writes JSON', () => {
    const file = join(folder, 'results.json');
    const names = ['perceptron', 'gemm-nn-32', 'relu', 'adam'];
    const args = ['--case', names.join(','), '--subject', 'downhill,plain-js', '--time', '6', '--json', file];
    const text = execFileSync(process.execPath, [main, ...args], { encoding: 'utf8' });
    expect(text).toContain('One training step of perceptron: 2-4-1, 4 rows, sgd');
    expect(text).toContain('GB/s');

    const { machine, limitGflops, results }: Report = JSON.parse(readFileSync(file, 'utf8'));
    expect(machine.node).toBe(process.version);
    expect(limitGflops).toBeGreaterThan(1);
    expect(results.map((r) => `${r.case} ${r.subject}`)).toEqual(
      names.flatMap((name) => [`${name} downhill`, `${name} plain-js`]),
    );
    for (const result of results) {
      expect(result.counts, result.remark ?? '').toBe(true);
      expect(result.samples).toBeGreaterThanOrEqual(3);
      expect(result.medianMs).toBeGreaterThan(0);
      expect(result.minMs).toBeLessThanOrEqual(result.medianMs!);
      if (result.flops === null) {
        expect(result).toMatchObject({ gflops: null, shareOfLimit: null, shareAtBest: null });
      } else {
        expect(result.gflops).toBeCloseTo(result.flops / 1e6 / result.medianMs!, 9);
        expect(result.shareOfLimit).toBeCloseTo(result.gflops! / result.limitGflops!, 9);
        const best = result.flops / 1e6 / result.minMs! / result.bestLimitGflops!;
        expect(result.shareAtBest).toBeCloseTo(best, 9);
        expect(result.limitGflops).toBeLessThanOrEqual(result.bestLimitGflops!);
        expect(result.bestLimitGflops).toBeLessThanOrEqual(limitGflops);
      }
    }
    const [loss] = results.map((r) => r.finalLoss);
    expect(loss).toBeCloseTo(0.00540937, 7);
    expect(results.find((r) => r.case === 'gemm-nn-32')).toMatchObject({ flops: 65536, finalLoss: null });
  });

  it('says before it measures that the file cannot be written', () => {
    for (const command of [[main], [join(root, 'dist', 'bench', 'profile.js'), 'perceptron']]) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [...command, '--json', folder], {
        encoding: 'utf8',
      });
      expect(status).toBe(1);
      expect(stdout).toBe('');
      expect(stderr).toMatch(/^the results cannot be written to .*: EISDIR.*\n$/);
    }
  });

  it('says which names there are when one is unknown', () => {
    const { status, stderr } = spawnSync(process.execPath, [main, '--case', 'gem-nn-32'], {
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    expect(stderr).toContain("no case is called 'gem-nn-32'. There are:");
    expect(stderr).toContain('gemm-tn-784x128x64');
    expect(stderr).not.toContain('    at ');
  });
});
