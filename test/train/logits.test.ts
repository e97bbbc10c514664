import { describe, expect, it } from 'vitest';
import {
  binaryCrossEntropy,
  type ChainLayer,
  concatenate,
  dense,
  flatten,
  input,
  type LossLike,
  lambda,
  model,
  ops,
  permute,
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
