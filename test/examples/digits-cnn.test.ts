import { afterEach, expect, it, vi } from 'vitest';
import { run } from '../../examples/digits-cnn.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('reads 9 of 10 held-out digits after two epochs on few', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const accuracy = await run({ seed: 42, epochs: 2, rows: 600, threads: 1 });
  expect(accuracy).toBeGreaterThan(0.9);
  const printed = log.mock.calls.flat().join('\n');
  expect(printed).toContain('600 digits to train on, as 3,000 copies moved by up to a pixel; 150 held out');
  expect(printed).toMatch(/epoch 2\/2 {2}loss 0\.\d{4} {2}accuracy \d\d\.\d\d %/);
  expect(printed).toMatch(/trained 48 steps in [\d.]+ s, threads: 1/);
  expect(printed).toMatch(/on the held-out digits {2}loss 0\.\d{4} {2}accuracy 9\d\.\d\d %/);
  expect(printed).toMatch(/read as \d, is \d/);
});
