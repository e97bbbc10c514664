import { describe, expect, it } from 'vitest';
import {
  batchNormalization,
  dense,
  flatten,
  groupNormalization,
  instanceNormalization,
  type Layer,
  l2,
  layerNormalization,
  loadModel,
  type Model,
  NonFiniteError,
  rmsNormalization,
  sequential,
  sgd,
  Trainer,
} from '../../src/index.ts';
import { each, loose } from '../errors/support.ts';
import { randomValues } from '../train/support.ts';

const POSITIONS = 3;
const CHANNELS = 4;
const ROWS = 13;
const x = { data: randomValues(ROWS * POSITIONS * CHANNELS, 1), shape: [ROWS, POSITIONS, CHANNELS] };
const y = { data: randomValues(ROWS * 2, 2), shape: [ROWS, 2] };

const kinds: readonly [string, Layer][] = [
  ['layer', layerNormalization({ gammaInitializer: 'randomNormal', betaRegularizer: l2(0.1) })],
  ['layer, plain', layerNormalization({ scale: false, center: false, epsilon: 1e-5 })],
  ['rms', rmsNormalization({ gammaRegularizer: l2(0.1) })],
  ['batch', batchNormalization({ momentum: 0.5, name: 'norm' })],
  ['batch, frozen', batchNormalization({ trainable: false })],
  ['group', groupNormalization({ groups: 2 })],
  ['instance', instanceNormalization()],
];

const modelOf = (layer: Layer): Model =>
  sequential({ inputShape: [POSITIONS, CHANNELS], seed: 5 }, [layer, flatten(), dense(2)]);

async function train(model: Model, threads = 1): Promise<Model> {
  const optimizer = sgd({ learningRate: 0.1 });
  const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer, threads });
  await trainer.fit({ x, y }, { epochs: 2, batchSize: 5 });
  trainer.dispose();
  return model;
}

const stateOf = (model: Model): number[][] =>
  model
    .getWeights()
    .filter(({ name }) => name.includes('moving'))
    .map(({ data }) => [...data]);

describe.each(kinds)('%s', (_, layer) => {
  it('comes through a file, trained: the same architecture, weights, state and predictions', async () => {
    const model = await train(modelOf(layer));
    const again = await loadModel(model.toBytes());
    expect(again.toConfig()).toEqual(model.toConfig());
    expect(again.getWeights()).toEqual(model.getWeights());
    expect(again.predictSync(x)).toEqual(model.predictSync(x));
  });

  it('trains to the same bits on two threads', async () => {
    const [one, two] = [await train(modelOf(layer)), await train(modelOf(layer), 2)];
    expect(two.getWeights()).toEqual(one.getWeights());
  });
});

describe('batch normalization', () => {
  it('keeps moving statistics: old · momentum + that of the batch · (1 - momentum)', async () => {
    const model = modelOf(batchNormalization({ momentum: 0.75 }));
    const trainer = await Trainer.create(model, { loss: 'meanSquaredError' });
    await trainer.fit({ x, y }, { batchSize: ROWS });
    const columns = [0, 1, 2, 3].map((c) => x.data.filter((_, i) => i % CHANNELS === c));
    const mean = columns.map((v) => v.reduce((a, b) => a + b) / v.length);
    const variance = columns.map((v, c) => v.reduce((a, b) => a + (b - mean[c]!) ** 2, 0) / v.length);
    const [movingMean, movingVariance] = stateOf(model) as [number[], number[]];
    // the statistic rounded, two products and a sum of numbers up to 1
    const bound = 4 * 2 ** -24;
    movingMean.forEach((v, c) => {
      expect(Math.abs(v - 0.25 * mean[c]!)).toBeLessThan(bound);
    });
    movingVariance.forEach((v, c) => {
      expect(Math.abs(v - 0.75 - 0.25 * variance[c]!)).toBeLessThan(bound);
    });
  });

  it('predicts and evaluates by them, whatever the rows beside a row', async () => {
    const model = await train(modelOf(batchNormalization({ momentum: 0.5 })));
    const size = POSITIONS * CHANNELS;
    const single = model.predictSync({ data: x.data.slice(size, 2 * size), shape: [1, POSITIONS, CHANNELS] });
    expect([...single.data]).toEqual([...model.predictSync(x).data.slice(2, 4)]);
    const before = stateOf(model);
    await (await Trainer.create(model, { loss: 'meanSquaredError' })).evaluate({ x, y });
    expect(stateOf(model)).toEqual(before);
  });

  it('leaves its state as it was where it is frozen', async () => {
    const model = await train(modelOf(batchNormalization({ trainable: false })));
    expect(stateOf(model)).toEqual([Array(CHANNELS).fill(0), Array(CHANNELS).fill(1)]);
  });

  it.each([true, false])(
    'leaves it as it was in a step that fails (other parameters: %s)',
    async (others) => {
      const norm = batchNormalization({ scale: false, center: false });
      const layers = others ? [norm, flatten(), dense(2)] : [norm, flatten()];
      const model = sequential({ inputShape: [POSITIONS, CHANNELS] }, layers);
      const width = others ? 2 : POSITIONS * CHANNELS;
      const far = { data: new Float32Array(ROWS * width).fill(3e38), shape: [ROWS, width] };
      const trainer = await Trainer.create(model, { loss: 'meanSquaredError' });
      await expect(trainer.fit({ x, y: far })).rejects.toBeInstanceOf(NonFiniteError);
      expect(stateOf(model)).toEqual([Array(CHANNELS).fill(0), Array(CHANNELS).fill(1)]);
    },
  );
});

describe('errors', () => {
  const build = (layer: Layer, inputShape: number[]) => () => sequential({ inputShape }, [layer]);
  each([
    [
      'an option of PyTorch',
      () => loose.layerNormalization!({ eps: 1e-5 }),
      "layerNormalization has no option 'eps'",
    ],
    [
      'no epsilon',
      () => layerNormalization({ epsilon: 0 }),
      'layerNormalization: epsilon must be a number > 0, got 0',
    ],
    [
      'a beta of rms',
      () => loose.rmsNormalization!({ center: true }),
      "rmsNormalization has no option 'center'",
    ],
    [
      'a momentum above 1',
      () => batchNormalization({ momentum: 1.1 }),
      'batchNormalization: momentum must be a number >= 0 and <= 1, got 1.1',
    ],
    ['no groups', () => groupNormalization({ groups: 0 }), 'groupNormalization: groups must be'],
    [
      'groups that do not divide',
      build(groupNormalization({ groups: 3, name: 'g' }), [5, 4]),
      "layer 'g': 3 groups do not divide the 4 channels of its input",
    ],
    [
      'instances without positions',
      build(instanceNormalization(), [4]),
      "layer 'instanceNormalization': its input [batch, 4] has one number in each channel",
    ],
    [
      'a single number',
      build(layerNormalization(), []),
      "layer 'layerNormalization': a row of its input is a single number",
    ],
    [
      'an unknown initializer',
      () => loose.batchNormalization!({ gammaInitializer: 'one' }),
      'batchNormalization: gammaInitializer',
    ],
  ]);
});
