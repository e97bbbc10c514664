import { describe, expect, it } from 'vitest';
import { adam, dense, dropout, l2, sequential, Trainer } from '../../src/index.ts';

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
