import { readFileSync } from 'node:fs';
import { expect, it, vi } from 'vitest';
import { losses, main, START, textbook, X, Y } from '../../examples/perceptron.ts';

interface Golden {
  X: number[][];
  Y: number[];
  initialWeights: { name: string; data: number[] }[];
  losses: number[];
  finalWeights: { name: string; data: number[] }[];
  predictions: number[];
}

const file = new URL('../golden/perceptron.json', import.meta.url);
const golden: Golden = JSON.parse(readFileSync(file, 'utf8'));

function deviation(a: ArrayLike<number>, b: readonly number[]): number {
  return Math.max(...b.map((value, i) => Math.abs(a[i]! - value) / Math.abs(value)));
}

it('follows the float64 NumPy run of the textbook perceptron for 10,000 epochs', async () => {
  expect(X).toEqual(golden.X);
  expect(Y.flat()).toEqual(golden.Y);
  expect(START).toEqual(golden.initialWeights.map(({ data }) => data));
  const { model, trainer } = await textbook();
  expect(deviation(await losses(trainer, 1 / 4), golden.losses)).toBeLessThan(1e-4);
  model.getWeights().forEach(({ name, data }, i) => {
    expect(name).toBe(golden.finalWeights[i]!.name);
    expect(deviation(data, golden.finalWeights[i]!.data), name).toBeLessThan(1e-4);
  });
  expect(deviation((await model.predict(X)).data, golden.predictions.flat())).toBeLessThan(1e-4);
});

it('prints the loss every 1,000 epochs beside that of the same network with the defaults of today', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  await main();
  const lines = log.mock.calls.map(([line]) => String(line));
  vi.restoreAllMocks();
  const rows = lines
    .filter((line) => /^ +\d+ +\d\.\d{6} +\d\.\d\de-?\d$/.test(line))
    .map((line) => line.trim().split(/ +/));
  expect(rows.map(([epoch]) => Number(epoch))).toEqual([...Array(11).keys()].map((i) => i * 1000));
  expect(
    deviation(
      rows.map(([, loss]) => Number(loss)),
      golden.losses,
    ),
  ).toBeLessThan(1e-4);
  expect(Number(rows[0]![2])).toBeCloseTo(golden.losses[0]!, 2);
  expect(Number(rows[10]![2])).toBeLessThan(1e-5);
});
