import { expect, it } from 'vitest';
import { dense, NonFiniteError, sequential, sgd, Trainer } from '../../src/index.ts';

const x = [
  [1, -2],
  [3, 4],
  [-5, 6],
];
const y = [[1], [2], [3]];

function network() {
  return sequential({ inputShape: [2], seed: 1 }, [dense(3, { name: 'wide' }), dense(1, { name: 'last' })]);
}

it('stops when the loss is no longer finite, names the place, and keeps the weights of the step before', async () => {
  const options = { loss: 'meanSquaredError' as const, optimizer: sgd({ learningRate: 1e3 }) };
  const model = network();
  const trainer = await Trainer.create(model, options);
  const error: unknown = await trainer.fit({ x, y }, { epochs: 100, batchSize: 3 }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(NonFiniteError);
  const { place, message } = error as NonFiniteError;
  expect(message).toMatch(/epoch \d+, step 1: first in layer '\w+', .*learning rate than 1000/);
  expect(['wide', 'last', 'loss']).toContain(place.layer);

  // the same steps, one by one, up to the one that failed
  const again = network();
  const slow = await Trainer.create(again, options);
  for (let epoch = 1; epoch < place.epoch; epoch++) await slow.fit({ x, y }, { epochs: 1, batchSize: 3 });
  expect(model.getWeights()).toEqual(again.getWeights());
  expect(model.getWeights().every(({ data }) => data.every(Number.isFinite))).toBe(true);
});
