import { afterEach, expect, it, vi } from 'vitest';
import { run } from '../../examples/denoise.ts';
import { psnr, withNoise } from '../../examples/support/noise.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('takes noise off digits, and draws them', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const { before, after } = await run({ seed: 42, epochs: 8, rows: 400, threads: 1 });
  expect(after).toBeGreaterThan(before + 1);
  const printed = log.mock.calls.flat().join('\n');
  expect(printed).toContain(`with noise of 0.4 on every pixel  ${before.toFixed(2)} dB`);
  expect(printed).toContain(`${after.toFixed(2)} dB`);
  expect(printed.match(/as written +with noise +restored/g)).toHaveLength(3);
});

it('measures noise in decibels', () => {
  const images = { data: new Float32Array(784 * 20).fill(0.5), shape: [20, 784] as const };
  const noisy = withNoise(images, 0.1, 1);
  // 20 dB; a mean of n squares of normal numbers varies by sqrt(2 / n), 0.05 dB here
  expect(psnr(noisy.data, images.data)).toBeGreaterThan(19.85);
  expect(psnr(noisy.data, images.data)).toBeLessThan(20.15);
  expect(Math.min(...withNoise(images, 1, 1).data)).toBe(0);
  expect(psnr(images.data, images.data)).toBe(Number.POSITIVE_INFINITY);
});
