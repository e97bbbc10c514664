import { describe, expect, it } from 'vitest';
import {
  adam,
  dense,
  gru,
  l2,
  loadModel,
  lstm,
  sequential,
  simpleRnn,
  Trainer,
  UsageError,
} from '../../src/index.ts';

const TIME = 4;
const FEATURES = 3;
const x = {
  data: Float32Array.from({ length: 6 * TIME * FEATURES }, (_, i) => Math.sin(i * i)),
  shape: [6, TIME, FEATURES],
};
const y = { data: Float32Array.from({ length: 12 }, (_, i) => Math.cos(i)), shape: [6, 2] };

function stack(trainable = true) {
  return sequential({ inputShape: [TIME, FEATURES], seed: 3 }, [
    lstm(5, { returnSequences: true, recurrentActivation: 'hardSigmoid', unitForgetBias: false }),
    gru(4, { returnSequences: true, goBackwards: true, recurrentRegularizer: l2(0.1), trainable }),
    gru(4, { returnSequences: true, resetAfter: false, useBias: false, trainable }),
    simpleRnn(3, { activation: 'relu', biasInitializer: 'ones', trainable }),
    dense(2),
  ]);
}

describe('recurrent layers', () => {
  it('begin with the shapes and values of Keras', () => {
    const weights = sequential({ inputShape: [TIME, FEATURES] }, [
      lstm(2, { returnSequences: true }),
      gru(2, { returnSequences: true }),
      simpleRnn(2),
    ]).getWeights();
    expect(weights.map(({ name, shape }) => [name, ...shape])).toEqual([
      ['lstm/kernel', FEATURES, 8],
      ['lstm/recurrentKernel', 2, 8],
      ['lstm/bias', 8],
      ['gru/kernel', 2, 6],
      ['gru/recurrentKernel', 2, 6],
      ['gru/bias', 2, 6],
      ['simpleRnn/kernel', 2, 2],
      ['simpleRnn/recurrentKernel', 2, 2],
      ['simpleRnn/bias', 2],
    ]);
    expect([...weights[2]!.data]).toEqual([0, 0, 1, 1, 0, 0, 0, 0]);
    const [a, b, c, d] = weights[7]!.data as unknown as [number, number, number, number];
    expect(a * a + b * b).toBeCloseTo(1, 6);
    expect(a * c + b * d).toBeCloseTo(0, 6);
  });

  it.each([5, 130])('of %i units give a row what it has alone, however many there are', (units) => {
    const rows = 67;
    const data = Float32Array.from({ length: rows * TIME * FEATURES }, (_, i) => Math.sin(i * i));
    const model = sequential({ inputShape: [TIME, FEATURES], seed: 3 }, [lstm(units)]);
    const all = model.predictSync({ data, shape: [rows, TIME, FEATURES] }).data;
    for (const row of [0, 7, 8, 63, 64, 66]) {
      const one = data.slice(row * TIME * FEATURES, (row + 1) * TIME * FEATURES);
      const alone = model.predictSync({ data: one, shape: [1, TIME, FEATURES] }).data;
      expect([...all.slice(row * units, (row + 1) * units)]).toEqual([...alone]);
    }
  });

  it('are the same after a file, bit for bit', async () => {
    const model = stack();
    const again = await loadModel(model.toBytes());
    expect(again.toConfig()).toEqual(model.toConfig());
    expect(await again.predict(x)).toEqual(await model.predict(x));
  });

  it('train, frozen ones aside, with the same bits on two threads', async () => {
    const train = async (trainable: boolean, threads: number) => {
      const model = stack(trainable);
      const optimizer = adam({ learningRate: 0.01 });
      const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer, threads });
      const { epochs } = await trainer.fit({ x, y }, { epochs: 5, batchSize: 5 });
      trainer.dispose();
      expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss);
      return model.getWeights();
    };
    const before = stack().getWeights();
    const all = await train(true, 1);
    expect(await train(true, 2)).toEqual(all);
    all.forEach(({ name, data }, i) => {
      expect(data, name).not.toEqual(before[i]!.data);
    });
    const some = await train(false, 1);
    some.forEach(({ name, data }, i) => {
      if (/gru|simple/.test(name)) expect(data, name).toEqual(before[i]!.data);
      else expect(data, name).not.toEqual(before[i]!.data);
    });
  });

  it.each(['softmax', 'gelu'] as const)('refuse %s inside', (activation) => {
    expect(() => lstm(2, { activation })).toThrow(UsageError);
    expect(() => gru(2, { recurrentActivation: activation })).toThrow(
      `gru: recurrentActivation: '${activation}' cannot be used inside a recurrent layer`,
    );
  });

  it('name an option that they do not have', () => {
    expect(() => simpleRnn(2, { resetAfter: true } as object)).toThrow(
      "simpleRnn has no option 'resetAfter'",
    );
    expect(() => gru(0)).toThrow('gru: units must be an integer of at least 1, got 0');
  });
});
