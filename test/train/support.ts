import {
  adam,
  type Dataset,
  dense,
  dropout,
  type FitOptions,
  type Model,
  sequential,
  Trainer,
} from '../../src/index.ts';
import { generator } from '../reference/numbers.ts';

/** Prime: no batch size divides it. */
export const ROWS = 157;
export const CLASSES = 3;

/** Numbers from -1 to 1, the same for the same seed. */
export function randomValues(count: number, seed: number): Float32Array {
  const random = generator(seed);
  return Float32Array.from({ length: count }, () => 2 * random() - 1);
}

/** Points in four dimensions; their class is how many of the first two coordinates are positive. */
export function points(rows: number, seed = 1): { x: { data: Float32Array; shape: number[] }; y: number[] } {
  const data = randomValues(rows * 4, seed);
  const positive = (row: number, column: number) => (data[row * 4 + column]! > 0 ? 1 : 0);
  const y = Array.from({ length: rows }, (_, row) => positive(row, 0) + positive(row, 1));
  return { x: { data, shape: [rows, 4] }, y };
}

export function network(seed = 3, rate = 0.25): Model {
  return sequential({ inputShape: [4], seed }, [
    dense(16, { activation: 'tanh' }),
    dropout(rate),
    dense(CLASSES),
  ]);
}

export async function trainerOf(model = network()): Promise<Trainer> {
  const optimizer = adam({ learningRate: 0.01 });
  return Trainer.create(model, { loss: 'crossEntropy', optimizer, metrics: ['accuracy'] });
}

/** A network after training. */
export async function trained(
  seed: number,
  options: FitOptions,
  data: Dataset = points(ROWS),
): Promise<Model> {
  const model = network(seed);
  await (await trainerOf(model)).fit(data, options);
  return model;
}

export const weights = (model: Model) => model.getWeights().map(({ data }) => [...data]);

/** Largest |a - b| relative to |b|, where |b| is at least a thousandth of the largest of its tensor. */
export function deviation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const scale = Math.max(...Array.from(b, Math.abs));
  let worst = a.length === b.length ? 0 : Infinity;
  for (let i = 0; i < b.length; i++) {
    worst = Math.max(worst, Math.abs(a[i]! - b[i]!) / Math.max(Math.abs(b[i]!), scale * 1e-3));
  }
  return worst;
}
