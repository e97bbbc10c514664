import { describe, expect, it } from 'vitest';
import {
  activation,
  add,
  average,
  batchNormalization,
  binaryCrossEntropy,
  type CallableLayer,
  type CallableMerge,
  type ChainLayer,
  concatenate,
  dense,
  dropout,
  flatten,
  gaussianNoise,
  globalAveragePooling1d,
  input,
  type LossLike,
  lambda,
  layerNormalization,
  maximum,
  model,
  multiply,
  ops,
  permute,
  prelu,
  rescaling,
  reshape,
  sequential,
  Trainer,
  zeroPadding1d,
} from '../../src/index.ts';
import { each } from '../errors/support.ts';
import { weights } from './support.ts';

const x = [
  [1, 2],
  [0.5, -1],
];
const y = [
  [1, 0, 1, 0],
  [0, 1, 1, 0],
];

async function trained(layers: readonly ChainLayer[], loss: LossLike, targets: number[] | object[]) {
  const network = sequential({ inputShape: [2], seed: 3 }, layers);
  const trainer = await Trainer.create(network, { loss, metrics: ['accuracy'] });
  const before = await trainer.evaluate({ x, y: targets as number[][] });
  await trainer.fit({ x, y: targets as number[][] }, { epochs: 3 });
  return { before, weights: weights(network) };
}

const squares = (columns: readonly number[]) =>
  y.map((row) => [0, 1].map((i) => [0, 1].map((j) => row[columns[2 * i + j]!])));

describe('probabilities that layers behind them rearrange', () => {
  const sigmoid = () => dense(4, { activation: 'sigmoid' });
  const cases: readonly (readonly [string, readonly ChainLayer[], object[]])[] = [
    ['reshape', [reshape([2, 2])], squares([0, 1, 2, 3])],
    ['flatten', [reshape([2, 2]), flatten()], y],
    ['permute', [reshape([2, 2]), permute([2, 1])], squares([0, 2, 1, 3])],
    ['parts', [lambda((t) => ops.concat([ops.slice(t, 0, 1), ops.gather(t, [1, 2, 3], 1)]))], y],
  ];

  it.each(cases)('a sigmoid, then %s: the loss takes its logits', async (_, layers, targets) => {
    const plain = await trained([sigmoid()], 'binaryCrossEntropy', y);
    const moved = await trained([sigmoid(), ...layers], 'binaryCrossEntropy', targets);
    expect(moved.before.accuracy).toBe(plain.before.accuracy);
    expect(moved.before.loss).toBeCloseTo(plain.before.loss, 6);
    moved.weights.flat().forEach((weight, i) => {
      expect(weight).toBeCloseTo(plain.weights.flat()[i]!, 5);
    });
  });

  it('a softmax, then reshape: the loss takes its logits', async () => {
    const softmax = () => dense(4, { activation: 'softmax' });
    const plain = await trained([softmax()], 'crossEntropy', [0, 1]);
    const moved = await trained([softmax(), reshape([1, 4])], 'crossEntropy', [[0], [1]]);
    expect(moved).toEqual(plain);
  });

  it('sigmoids side by side: the loss takes their logits', async () => {
    const a = input([2]);
    const sides = [dense(2, { activation: 'sigmoid' })(a), dense(2, { activation: 'sigmoid' })(a)];
    const network = model({ inputs: a, outputs: concatenate()(sides), seed: 3 });
    const trainer = await Trainer.create(network, { loss: 'binaryCrossEntropy' });
    const { data } = await network.predict(x);
    const expected = y.flat().map((t, i) => -Math.log(t ? data[i]! : 1 - data[i]!));
    const { loss } = await trainer.evaluate({ x, y });
    expect(loss).toBeCloseTo(expected.reduce((sum, value) => sum + value) / expected.length, 5);
  });
});

describe('probabilities where the loss takes logits', () => {
  const padded = [dense(4, { activation: 'sigmoid' }), reshape([2, 2]), zeroPadding1d()];
  const images = y.map(() => Array.from({ length: 4 }, () => [0, 1]));

  each([
    [
      'a softmax for binaryCrossEntropy',
      () => trained([dense(4, { activation: 'softmax' })], 'binaryCrossEntropy', y),
      "loss: binaryCrossEntropy works on logits, but the output is probabilities, made by the softmax of layer 'dense': " +
        "with softmax goes 'crossEntropy', or take binaryCrossEntropy({ fromLogits: false })",
    ],
    [
      'a sigmoid for crossEntropy',
      () => trained([dense(4, { activation: 'sigmoid' })], 'crossEntropy', [0, 1]),
      "made by the sigmoid of layer 'dense': with sigmoid goes 'binaryCrossEntropy'",
    ],
    [
      'a softmax over other classes',
      () => trained([dense(8, { activation: 'softmax' }), reshape([2, 4])], 'crossEntropy', y.map(() => [0, 1])), // biome-ignore format: a row
      "made by the softmax of layer 'dense' by way of layer 'reshape': let the softmax be the last layer",
    ],
    [
      'a sigmoid with zeros around it',
      () => trained(padded, 'binaryCrossEntropy', images),
      "by way of layer 'zeroPadding1d': let the sigmoid be the last layer, or take binaryCrossEntropy({ fromLogits: false })",
    ],
  ]);

  it('are taken as they are where the loss is told so', async () => {
    const { before } = await trained(padded, binaryCrossEntropy({ fromLogits: false }), images);
    expect(before.loss).toBeGreaterThan(0);
  });
});

const softmax = (units = 4) => dense(units, { activation: 'softmax' });
const sigmoid = () => dense(4, { activation: 'sigmoid' });

/** What a model of several heads is trained on, put together by `merge`. */
async function merged(
  heads: readonly CallableLayer[],
  merge: CallableMerge,
  loss: LossLike,
  targets: number[] | number[][],
) {
  const a = input([2]);
  const network = model({ inputs: a, outputs: merge(heads.map((head) => head(a))), seed: 3 });
  const trainer = await Trainer.create(network, { loss });
  return trainer.fit({ x, y: targets }, { epochs: 1 });
}

describe('probabilities that layers without weights change', () => {
  const changes: readonly (readonly [string, string, ChainLayer])[] = [
    ['dropout', 'dropout', dropout(0.5)],
    ['noise', 'gaussianNoise', gaussianNoise(0.1)],
    ['rescaling', 'rescaling', rescaling(2)],
    ['an activation', 'activation', activation('tanh')],
    ['clipping', 'lambda', lambda((t) => ops.clip(t, 0.1, 0.9))],
    ['a product with constants', 'lambda', lambda((t) => ops.mul(t, [1, 2, 3, 4]))],
    ['their share of a sum', 'lambda', lambda((t) => ops.div(t, ops.sum(t, { axis: -1, keepDims: true })))],
    ['a power', 'lambda', lambda((t) => ops.square(ops.sqrt(t)))],
  ];
  each(
    changes.flatMap(([name, layer, change]) => [
      [
        `a softmax, then ${name}`,
        () => trained([softmax(), change], 'crossEntropy', [0, 1]),
        `loss: crossEntropy works on logits, but the output is probabilities, made by the softmax of layer 'dense' by way of ` +
          `layer '${layer}': let the softmax be the last layer`,
      ],
      [
        `a sigmoid, then ${name}`,
        () => trained([sigmoid(), change], 'binaryCrossEntropy', y),
        `by way of layer '${layer}': let the sigmoid be the last layer, or take binaryCrossEntropy({ fromLogits: false })`,
      ],
    ]),
  );

  each([
    ...Object.entries({ average, maximum, add, multiply }).flatMap(
      ([name, merge]): [string, () => Promise<unknown>, string][] => [
        [
          `softmaxes, then ${name}`,
          () => merged([softmax(), softmax()], merge(), 'crossEntropy', [0, 1]),
          `made by the softmax of layer 'dense' by way of layer '${name}': let the softmax be the last layer`,
        ],
      ],
    ),
    [
      'a softmax and a sigmoid',
      () => merged([sigmoid(), softmax()], multiply(), 'crossEntropy', [0, 1]),
      "made by the sigmoid of layer 'dense' by way of layer 'multiply'",
    ],
    [
      'a softmax of each step, then their mean',
      () => trained([reshape([2, 1]), softmax(), globalAveragePooling1d()], 'crossEntropy', [0, 1]),
      "by way of layer 'globalAveragePooling1d'",
    ],
    [
      'a softmax of each step, then their largest',
      () =>
        trained([reshape([2, 1]), softmax(), lambda((t) => ops.max(t, { axis: 1 }))], 'crossEntropy', [0, 1]),
      "by way of layer 'lambda'",
    ],
  ]);

  const within: readonly (readonly [string, readonly ChainLayer[]])[] = [
    ['a dense layer', [dense(4)]],
    ['a batch normalization', [batchNormalization()]],
    ['a layer normalization', [layerNormalization()]],
    ['weights of an activation', [prelu()]],
    ['a dense layer, dropout and rescaling', [dense(4), dropout(0.5), rescaling(2)]],
    ['a logarithm', [lambda((t) => ops.log(t))]],
  ];
  it.each(within)(
    'are within the model before %s: the loss takes its output as logits',
    async (_, layers) => {
      const network = sequential({ inputShape: [2], seed: 3 }, [softmax(), ...layers]);
      const trainer = await Trainer.create(network, { loss: 'crossEntropy' });
      const { data } = await network.predict(x);
      const { loss } = await trainer.evaluate({ x, y: [0, 1] });
      const rows = [data.slice(0, 4), data.slice(4)];
      const losses = rows.map((row, i) => Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0)) - row[i]!);
      expect(loss).toBeCloseTo((losses[0]! + losses[1]!) / 2, 5);
      await trainer.fit({ x, y: [0, 1] }, { epochs: 1 });
    },
  );

  it('are within the model where they gate logits, or are logarithms of probabilities', async () => {
    const gated = await merged([dense(4), softmax()], multiply(), 'crossEntropy', [0, 1]);
    expect(gated.epochs[0]!.loss).toBeGreaterThan(0);
    const logarithms = () => dense(4, { activation: 'logSoftmax' });
    const ensemble = await merged([logarithms(), logarithms()], average(), 'crossEntropy', [0, 1]);
    expect(ensemble.epochs[0]!.loss).toBeGreaterThan(0);
  });
});
