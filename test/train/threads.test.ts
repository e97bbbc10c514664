import { describe, expect, it } from 'vitest';
import {
  adam,
  batchNormalization,
  bidirectional,
  CustomLayer,
  dense,
  dropout,
  gaussianNoise,
  gru,
  l2,
  lambda,
  lstm,
  masking,
  ops,
  sequential,
  spatialDropout1d,
  type Tensor,
  Trainer,
  transformerEncoder,
} from '../../src/index.ts';
import { spatial } from '../../src/runtime/families.ts';

const ROWS = 203;
const INPUTS = 37;
const CLASSES = 5;

/** Three epochs with dropout, penalties, norm clipping, a smaller last batch, validation and evaluation. */
async function train(threads: number, reproducible: boolean) {
  const model = sequential({ inputShape: [INPUTS], seed: 5, reproducible }, [
    dense(67, { activation: 'gelu', kernelRegularizer: l2(1e-4) }),
    dropout(0.3),
    dense(33, { activation: 'tanh' }),
    dense(CLASSES),
  ]);
  const x = {
    data: Float32Array.from({ length: ROWS * INPUTS }, (_, i) => Math.sin(i * i)),
    shape: [ROWS, INPUTS],
  };
  const y = Array.from({ length: ROWS }, (_, i) => i % CLASSES);
  const optimizer = adam({ learningRate: 1e-2, globalClipNorm: 0.5 });
  const trainer = await Trainer.create(model, {
    loss: 'crossEntropy',
    optimizer,
    metrics: ['accuracy'],
    threads,
  });
  const history = await trainer.fit({ x, y }, { epochs: 3, batchSize: 32, validationData: { x, y } });
  const scores = await trainer.evaluate({ x, y });
  trainer.dispose();
  return { weights: model.getWeights(), epochs: history.epochs, scores };
}

describe.each([true, false])('reproducible: %s', (reproducible) => {
  it.each([2, 3])('%i threads train with the same bits as one', async (threads) => {
    const one = await train(1, reproducible);
    expect(await train(threads, reproducible)).toEqual(one);
  });
});

/** Only inference transposes: the core's part for it is loaded by the first evaluation. */
class TwiceTransposed extends CustomLayer {
  static readonly type = 'TwiceTransposed';

  call(x: Tensor, { training }: { readonly training: boolean }): Tensor {
    return training ? x : ops.transpose(ops.transpose(x, [0, 2, 1]), [0, 2, 1]);
  }
}

describe('parts of the core that are loaded late', () => {
  const data = {
    x: { data: Float32Array.from({ length: 40 * 12 }, (_, i) => Math.sin(i * i)), shape: [40, 3, 4] },
    y: Array.from({ length: 40 }, (_, i) => i % 2),
  };
  const make = async (threads: number) => {
    const layers = [new TwiceTransposed(), gaussianNoise(0.1), lstm(4, { recurrentDropout: 0.3 }), dense(2)];
    const model = sequential({ inputShape: [3, 4], seed: 2 }, layers);
    const trainer = await Trainer.create(model, { loss: 'crossEntropy', threads });
    return { model, trainer };
  };

  it('reach the threads, also while those are starting', async () => {
    const one = await make(1);
    await one.trainer.fit(data, { epochs: 3 });
    const two = await make(2);
    // what dismisses the threads that Trainer.create started
    two.trainer.session.engine.load(spatial);
    const fit = two.trainer.fit(data, { epochs: 3 });
    // long enough for the threads to be on their way
    await import('../../src/runtime/pool.ts');
    await Promise.all([two.trainer.evaluate(data), fit]);
    expect(await two.trainer.evaluate(data)).toEqual(await one.trainer.evaluate(data));
    expect(two.model.getWeights()).toEqual(one.model.getWeights());
    two.trainer.dispose();
  });

  it('train with the same bits when layers are frozen between', async () => {
    const run = async (threads: number) => {
      const { model, trainer } = await make(threads);
      await trainer.fit(data, { epochs: 2 });
      model.freeze('lstm');
      await trainer.fit(data, { epochs: 2, validationData: data });
      model.unfreeze();
      await trainer.fit(data, { epochs: 2 });
      trainer.dispose();
      return model.getWeights();
    };
    expect(await run(2)).toEqual(await run(1));
  });

  it('two trainers with threads work at once', async () => {
    const both = await Promise.all([make(2), make(2)]);
    await Promise.all(both.map(({ trainer }) => trainer.fit(data, { epochs: 20 })));
    const [a, b] = both.map(({ model }) => model.getWeights());
    expect(a).toEqual(b);
    for (const { trainer } of both) trainer.dispose();
  });
});

/** Layers of every part of the core that draw random numbers, one of them computed again for the gradient. */
describe('random layers of all parts', () => {
  const x = { data: Float32Array.from({ length: 29 * 24 }, (_, i) => Math.cos(i * i)), shape: [29, 6, 4] };
  const y = { data: Float32Array.from({ length: 29 * 2 }, (_, i) => Math.sin(i)), shape: [29, 2] };
  const train = async (threads: number, checkpoint: boolean) => {
    const inner = sequential({ inputShape: [6, 4], seed: 7, checkpoint }, [
      masking(),
      bidirectional(lstm(2, { returnSequences: true, dropout: 0.2, recurrentDropout: 0.3 })),
      transformerEncoder({ numHeads: 2, dropout: 0.2 }),
      lambda((t) => ops.tanh(t)),
      batchNormalization(),
    ]);
    const model = sequential({ inputShape: [6, 4], seed: 3 }, [
      gaussianNoise(0.2),
      inner,
      spatialDropout1d(0.2),
      gru(3, { recurrentDropout: 0.4 }),
      dense(2),
    ]);
    const trainer = await Trainer.create(model, { loss: 'meanSquaredError', threads });
    const { epochs } = await trainer.fit({ x, y }, { epochs: 3, batchSize: 8 });
    trainer.dispose();
    return { epochs, weights: model.getWeights() };
  };

  it('give the same bits with threads, and with checkpoints', async () => {
    const one = await train(1, false);
    for (const [threads, checkpoint] of [
      [2, false],
      [3, true],
      [1, true],
    ] as const) {
      // biome-ignore format: pairs
      expect(await train(threads, checkpoint)).toEqual(one);
    }
  });
});
