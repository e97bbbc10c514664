import { describe, expect, it } from 'vitest';
import {
  crossEntropy,
  type Dataset,
  dense,
  type LossLike,
  type MetricLike,
  type Model,
  masking,
  meanSquaredError,
  ops,
  type RowFunction,
  sequential,
  sgd,
  Trainer,
} from '../../src/index.ts';
import { each } from '../errors/support.ts';
import { pair, pairData } from '../model/support.ts';
import { CLASSES, points } from '../train/support.ts';

const ROWS = 37;
const net = (units: number): Model =>
  sequential({ inputShape: [4], seed: 2 }, [dense(8, { activation: 'tanh' }), dense(units)]);

const squared: RowFunction = (yTrue, yPred) => ops.square(ops.sub(yPred, yTrue));

async function train(units: number, loss: LossLike, data: Dataset, metrics: readonly MetricLike[] = []) {
  const model = net(units);
  const trainer = await Trainer.create(model, { loss, metrics, optimizer: 'sgd' });
  // the last batch is smaller
  const { epochs } = await trainer.fit(data, { epochs: 3, batchSize: 8 });
  return { weights: model.getWeights(), logs: { ...epochs.at(-1)!, ...(await trainer.evaluate(data)) } };
}

/** Every number as near as float32 sums in another order are: 60 steps of sums of at most 37 terms. */
function expectClose(a: ArrayLike<number>, b: ArrayLike<number>): void {
  expect(a.length).toBe(b.length);
  for (let i = 0; i < a.length; i++) {
    const bound = 60 * 37 * 2 ** -24 * Math.max(1, Math.abs(b[i]!));
    expect(Math.abs(a[i]! - b[i]!)).toBeLessThanOrEqual(bound);
  }
}

describe('losses of one’s own', () => {
  it('train as those of the library do', async () => {
    const { x, y } = points(ROWS);
    const targets = { x, y: y.map((c) => [c, c * 0.5, -1]) };
    const own = await train(3, squared, targets, [squared]);
    const like = await train(3, meanSquaredError(), targets);
    own.weights.forEach(({ data }, i) => {
      expectClose(data, like.weights[i]!.data);
    });
    expectClose([own.logs.loss, own.logs.squared!], [like.logs.loss, like.logs.loss]);
  });

  it('train on sums as those of the library do, steps that a mask leaves out included', async () => {
    const { x, y } = points(ROWS);
    const data = { x, y: y.map((c) => [c, c * 0.5, -1]) };
    const own = await train(3, { compute: squared, reduction: 'sum' }, data);
    const like = await train(3, meanSquaredError({ reduction: 'sum' }), data);
    own.weights.forEach(({ data }, i) => {
      expectClose(data, like.weights[i]!.data);
    });
    expectClose([own.logs.loss], [like.logs.loss]);

    const masked = async (loss: LossLike) => {
      const model = sequential({ inputShape: [3, 2], seed: 4 }, [masking(), dense(2)]);
      const trainer = await Trainer.create(model, { loss, optimizer: sgd({ learningRate: 0.01 }) });
      const steps = [
        [[1, 2], [0, 0], [3, -1]], // biome-ignore format: steps
        [[0, 0], [0, 0], [2, 1]], // biome-ignore format: steps
      ];
      const { epochs } = await trainer.fit({ x: steps, y: steps }, { epochs: 3, batchSize: 2 });
      return [...model.getWeights().flatMap(({ data }) => [...data]), epochs.at(-1)!.loss];
    };
    expectClose(
      await masked({ compute: squared, reduction: 'sum' }),
      await masked(meanSquaredError({ reduction: 'sum' })),
    );
  });

  it('take targets as they are given, a column as the output has it', async () => {
    const { x, y } = points(ROWS);
    const categorical: RowFunction = (yTrue, yPred) =>
      ops.neg(ops.sum(ops.mul(ops.oneHot(yTrue, CLASSES), ops.logSoftmax(yPred))));
    const own = await train(CLASSES, categorical, { x, y });
    const like = await train(CLASSES, crossEntropy(), { x, y });
    own.weights.forEach(({ data }, i) => {
      expectClose(data, like.weights[i]!.data);
    });
    const shapes: (readonly number[])[] = [];
    const seen: RowFunction = (yTrue, yPred) => {
      shapes.push(yTrue.shape, yPred.shape);
      return squared(yTrue, yPred);
    };
    await train(1, seen, { x, y });
    expect(shapes.slice(0, 2)).toEqual([
      [-1, 1],
      [-1, 1],
    ]);
  });

  it('stand with others, weighted, in a model of several outputs', async () => {
    const loss = { kind: crossEntropy(), size: squared };
    const logs = async (size: LossLike) => {
      const trainer = await Trainer.create(pair({ seed: 1 }), {
        loss: { ...loss, size },
        lossWeights: { size: 0.25 },
        metrics: { size: [{ name: 'error', compute: (t, p) => ops.abs(ops.sub(t, p)) }] },
      });
      return (await trainer.fit(pairData(), { epochs: 2 })).epochs.at(-1)!;
    };
    const [own, like] = [await logs(squared), await logs('meanSquaredError')];
    expect(Object.keys(own)).toEqual(['loss', 'kind_loss', 'size_loss', 'size_error']);
    expectClose(Object.values(own), Object.values(like));
  });
});

describe('metrics of one’s own', () => {
  it('see classes as the loss gets them', async () => {
    const top: RowFunction = (yTrue, yPred) =>
      ops.equal(ops.sum(ops.mul(ops.oneHot(yTrue, CLASSES), yPred)), ops.max(yPred));
    const { logs } = await train(CLASSES, 'crossEntropy', points(ROWS), ['accuracy', top]);
    expect(logs.top).toBe(logs.accuracy);
  });
});

const create = (options: { loss: unknown; metrics?: readonly unknown[] }) =>
  Trainer.create(net(3), options as { loss: LossLike; metrics?: MetricLike[] });
const fitting = async (loss: unknown, metrics: readonly unknown[] = []) =>
  (await create({ loss, metrics })).fit({ x: points(9).x, y: points(9).y.map((c) => [c, c, c]) });

describe('errors', () => {
  each([
    ['no tensor', () => fitting(() => 3), 'loss: the function must return a tensor [batch] or [batch, …]'],
    ['a promise', () => fitting(async () => 3), 'got a promise: it cannot be async'],
    [
      'the targets alone',
      () => fitting((t: never) => t),
      'the loss depends on none of the weights that are trained',
    ],
    ['no gradient', () => fitting((t: never, p: never) => ops.greater(t, p)), 'comparisons have none'],
    [
      'shapes',
      () => fitting((t: never, p: never) => ops.add(ops.slice(t, 1), p)),
      "layer 'loss': cannot combine [batch, 2] with [batch, 3]",
    ],
    [
      'the batch',
      () => fitting((t: never) => ops.mean(t, { axis: 0 })),
      'the loss takes the mean over the rows itself',
    ],
    [
      'a metric',
      () => fitting(squared, [function bad() {}]),
      "metric 'bad': the function must return a tensor",
    ],
    [
      'no name',
      () => create({ loss: squared, metrics: [() => 1] }),
      'a metric of your own needs a name for the logs',
    ],
    [
      'no function',
      () => create({ loss: squared, metrics: [{ name: 'a', compute: 3 }] }),
      "metric 'a': compute must be a function",
    ],
    [
      'two of a name',
      () => create({ loss: squared, metrics: [squared, squared] }),
      "metric 'squared' is given twice",
    ],
    ['classes', () => create({ loss: squared, metrics: ['accuracy'] }), 'not a loss of your own'],
    [
      'another reduction',
      () => create({ loss: { compute: squared, reduction: 'none' } }),
      "a loss of your own: reduction must be 'mean' or 'sum'",
    ],
    [
      'an option of a loss that it has not',
      () => create({ loss: { compute: squared, weight: 2 } }),
      "a loss of your own has no option 'weight'",
    ],
    [
      'a loss without a function',
      () => create({ loss: { compute: 'squared' } }),
      'a loss of your own: compute must be a function of yTrue and yPred',
    ],
  ]);
});
