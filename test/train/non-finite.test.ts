import { expect, it } from 'vitest';
import {
  adam,
  dense,
  multiHeadAttention,
  NonFiniteError,
  sequential,
  sgd,
  Trainer,
} from '../../src/index.ts';

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

it('does not blame a layer for numbers in its scratch memory', async () => {
  const model = sequential({ inputShape: [1, 1] }, [
    dense(1, { name: 'first', useBias: false }),
    multiHeadAttention({ numHeads: 1, useBias: false, name: 'attention' }),
  ]);
  // a score of -15 · 15 · 0.9: in the seven places of a tile that no key stands in, e^(0 - score) is infinite
  model.setWeights([
    { name: 'first/kernel', shape: [1, 1], data: Float32Array.of(5e-38) },
    { name: 'attention/kernel', shape: [1, 3], data: Float32Array.of(1, -0.9, 1) },
    { name: 'attention/outputKernel', shape: [1, 1], data: Float32Array.of(1) },
  ]);
  const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer: 'sgd' });
  // the gradient of the first kernel is x · 2 (15 - 0): too large
  const error: unknown = await trainer
    .fit({ x: [[[3e38]]], y: [[[0]]] }, { epochs: 1 })
    .catch((e: unknown) => e);
  expect(error).toBeInstanceOf(NonFiniteError);
  expect((error as NonFiniteError).place).toMatchObject({ layer: 'first', operation: 'matrix product' });
});

it.each([
  [
    'sgd',
    sgd({ learningRate: 1 }),
    1e19,
    /largest in layer 'last', where it is 2\.00e\+38\. The model has the weights of/,
  ],
  [
    'sgd at a large rate',
    sgd({ learningRate: 1e10 }),
    1e15,
    /layer 'last', where it is 2\.00e\+30\..*than 10000000000/,
  ],
  ['momentum', sgd({ learningRate: 1, momentum: 0.9 }), 2e18, /where it is 8\.00e\+36/],
  ['adam', adam(), 3e9, /where it is 1\.80e\+19/],
])(
  'stops before a gradient that the optimizer would make infinite weights of: %s',
  async (_, optimizer, size, message) => {
    const model = sequential({ inputShape: [1] }, [
      dense(1, { name: 'last', useBias: false, kernelInitializer: 'zeros' }),
    ]);
    const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer });
    // the gradient is 2 size², finite
    const error: unknown = await trainer.fit({ x: [[size]], y: [-size] }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(NonFiniteError);
    expect((error as Error).message).toMatch(
      /^a gradient is too large for the optimizer in epoch 1, step 1: /,
    );
    expect((error as Error).message).toMatch(message);
    expect((error as NonFiniteError).place).toMatchObject({
      layer: 'last',
      operation: 'optimizer',
      quantity: 'gradient',
    });
    expect(model.getWeights()[0]!.data[0]).toBe(0);
  },
);

it('trains on with such a gradient where it is clipped first', async () => {
  const model = sequential({ inputShape: [1] }, [dense(1, { useBias: false, kernelInitializer: 'zeros' })]);
  const optimizer = sgd({ learningRate: 1, globalClipNorm: 0.5 });
  const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer });
  await trainer.fit({ x: [[1e19]], y: [-1e19] });
  expect(model.getWeights()[0]!.data[0]).toBeCloseTo(-0.5, 6);
});
