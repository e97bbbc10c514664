import { expect, it } from 'vitest';
import {
  dense,
  lambda,
  NonFiniteError,
  ops,
  type RowFunction,
  sequential,
  Trainer,
} from '../../src/index.ts';
import { points, weights } from '../train/support.ts';

const net = () =>
  sequential({ inputShape: [4], seed: 4 }, [
    dense(6),
    // each number against the row's mean, by products of a row with itself
    lambda((x) => {
      const centered = ops.sub(x, ops.mean(x, { axis: -1, keepDims: true }));
      const pairs = ops.matmul(ops.expandDims(centered, -1), ops.expandDims(centered, 1));
      return ops.add(centered, ops.max(ops.transpose(pairs), { axis: 1 }));
    }),
    dense(1),
  ]);

const squared: RowFunction = (yTrue, yPred) => ops.square(ops.sub(yTrue, yPred));

it('two threads train operations to the same bits as one', async () => {
  const trained = async (threads: number) => {
    const model = net();
    const trainer = await Trainer.create(model, { loss: squared, threads });
    await trainer.fit(points(50), { epochs: 3, batchSize: 16 });
    trainer.dispose();
    return weights(model);
  };
  expect(await trained(2)).toEqual(await trained(1));
});

it('a loss that is not a number is traced to itself, and the weights are kept', async () => {
  const model = net();
  const before = weights(model);
  const undefinedBelow0: RowFunction = (_, yPred) => ops.log(ops.neg(ops.square(yPred)));
  const trainer = await Trainer.create(model, { loss: undefinedBelow0 });
  const error: unknown = await trainer.fit(points(20)).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(NonFiniteError);
  expect((error as NonFiniteError).place).toMatchObject({
    epoch: 1,
    step: 1,
    layer: 'loss',
    quantity: 'loss',
  });
  expect(weights(model)).toEqual(before);
});
