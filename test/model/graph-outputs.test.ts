import { describe, expect, it } from 'vitest';
import { dense, input, meanSquaredError, model, Trainer } from '../../src/index.ts';
import { pair, pairData } from './support.ts';

const loss = { kind: 'crossEntropy', size: meanSquaredError() } as const;

async function trainerOf(lossWeights?: { kind?: number; size?: number }, threads = 1, net = pair()) {
  const metrics = { kind: ['accuracy'] } as const;
  return Trainer.create(net, { loss, metrics, threads, ...(lossWeights ? { lossWeights } : {}) });
}

describe('two inputs and two outputs', () => {
  it('report the weighted loss, both losses and the metrics', async () => {
    const trainer = await trainerOf({ size: 0.5 });
    const data = pairData();
    const { epochs } = await trainer.fit(data, { epochs: 3, batchSize: 16, validationData: data });
    const logs = epochs.at(-1)!;
    const names = ['loss', 'kind_loss', 'size_loss', 'kind_accuracy'];
    expect(Object.keys(logs)).toEqual([...names, ...names.map((name) => `val_${name}`)]);
    // sums over 50 rows in float64 of float32 numbers
    expect(logs.loss).toBeCloseTo(logs.kind_loss! + 0.5 * logs.size_loss!, 12);
    expect(logs.loss).toBeLessThan(epochs[0]!.loss);
    const scores = await trainer.evaluate(data);
    expect(scores.loss).toBe(logs.val_loss);
  });

  it('a weight of 0 leaves the layers of that output as they are', async () => {
    const trainer = await trainerOf({ size: 0 });
    const before = trainer.model.getWeights();
    await trainer.fit(pairData(), { epochs: 2 });
    const after = trainer.model.getWeights();
    const same = after.filter(({ data }, i) => data.every((w, j) => w === before[i]!.data[j]));
    expect(same.map(({ name }) => name)).toEqual(['sizeLayer/kernel', 'sizeLayer/bias']);
  });

  it('weights of 2 train as both losses added twice: SGD with twice the rate', async () => {
    const run = async (weight: number, learningRate: number) => {
      const net = pair();
      const trainer = await Trainer.create(net, {
        loss,
        lossWeights: [weight, weight],
        optimizer: { ...(await import('../../src/index.ts')).sgd({ learningRate }) },
      });
      await trainer.fit(pairData(), { epochs: 3, batchSize: 10 });
      return net.getWeights();
    };
    // a power of two changes no bit of the product
    expect(await run(2, 0.125)).toEqual(await run(1, 0.25));
  });

  it('two threads train with the same bits as one', async () => {
    const run = async (threads: number) => {
      const trainer = await trainerOf({ size: 0.3 }, threads);
      const { epochs } = await trainer.fit(pairData(), { epochs: 3, batchSize: 16 });
      trainer.dispose();
      return { epochs, weights: trainer.model.getWeights() };
    };
    expect(await run(2)).toEqual(await run(1));
  });

  it('predict by name, as lists or records go in', () => {
    const { x } = pairData(300);
    const got = pair().predictSync(x);
    expect(Object.entries(got).map(([name, { shape }]) => [name, shape])).toEqual([
      ['kind', [300, 3]],
      ['size', [300, 1]],
    ]);
    expect(pair().predictSync([x.a, x.b])).toEqual(got);
  });
});

it('losses and metrics may be lists in the order of the outputs, of one output too', async () => {
  const options = { loss: ['crossEntropy', 'meanSquaredError'], metrics: [['accuracy'], []] } as const;
  const [listed, named] = await Promise.all([Trainer.create(pair(), options), trainerOf()]);
  const data = pairData();
  expect((await listed.fit(data)).epochs).toEqual((await named.fit(data)).epochs);

  const x = input([3]);
  const one = () => model({ inputs: [x], outputs: [dense(1)(x)], seed: 2 });
  const rows = { x: [[[1, 2, 3]]], y: [[[1]]] };
  const trainer = await Trainer.create(one(), { loss: ['meanSquaredError'], metrics: [[]] });
  const plain = await Trainer.create(one(), { loss: 'meanSquaredError' });
  expect((await trainer.fit(rows)).epochs).toEqual((await plain.fit(rows)).epochs);
});
