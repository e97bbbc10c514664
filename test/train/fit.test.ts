import { describe, expect, it } from 'vitest';
import {
  accuracy,
  binaryAccuracy,
  type Dataset,
  dense,
  type EpochEvent,
  type StepEvent,
  sequential,
  sgd,
  Trainer,
} from '../../src/index.ts';
import { CLASSES, network, points, ROWS, randomValues, trained, trainerOf, weights } from './support.ts';

describe('two calls of fit', () => {
  it('are the same training as one: optimizer state, order and dropout go on', async () => {
    const once = await trained(9, { epochs: 5, batchSize: 20 });
    const model = network(9);
    const trainer = await trainerOf(model);
    await trainer.fit(points(ROWS), { epochs: 2, batchSize: 20 });
    await trainer.fit(points(ROWS), { epochs: 3, batchSize: 20 });
    expect(weights(model)).toEqual(weights(once));
  });

  it('go on when the batch size changes', async () => {
    // a second gradient of zero: only a state that was kept moves the weight
    const model = sequential({ inputShape: [1] }, [dense(1, { useBias: false, kernelInitializer: 'zeros' })]);
    const optimizer = sgd({ learningRate: 1, momentum: 0.5 });
    const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer });
    await trainer.fit({ x: [[1]], y: [0.5] }, { batchSize: 1 }); // gradient 2 (0 - 0.5) = -1: w = 1, m = -1
    await trainer.fit({ x: [[1], [1]], y: [1, 1] }, { batchSize: 2 }); // gradient 0: m = -0.5, w = 1.5
    expect(weights(model)).toEqual([[1.5]]);
  });

  it('keep the learning rate that was set between them', async () => {
    const model = sequential({ inputShape: [1] }, [dense(1, { useBias: false, kernelInitializer: 'zeros' })]);
    const trainer = await Trainer.create(model, {
      loss: 'meanSquaredError',
      optimizer: sgd({ learningRate: 1 }),
    });
    trainer.learningRate = 0.25;
    await trainer.fit({ x: [[1]], y: [1] }, { batchSize: 1 });
    expect(weights(model)).toEqual([[0.5]]);
    expect(trainer.learningRate).toBe(0.25);
  });
});

describe('the loss of an epoch', () => {
  /** A learning rate of 0 leaves the weights alone: each epoch then has the loss of evaluate. */
  async function still(loss: 'crossEntropy' | 'meanSquaredError', batchSize: number, data: Dataset) {
    const trainer = await Trainer.create(network(3, 0), {
      loss,
      optimizer: sgd({ learningRate: 0 }),
      metrics: loss === 'crossEntropy' ? [accuracy()] : [binaryAccuracy()],
    });
    const { epochs } = await trainer.fit(data, { epochs: 2, batchSize });
    return [...epochs, await trainer.evaluate(data)];
  }

  it.each([1, 2, 16, 100, 156, 157, 1000])(
    'is the mean over all rows with batches of %d',
    async (batchSize) => {
      const { x, y } = points(ROWS);
      const logits = network(3, 0).predictSync(x).data;
      let [sum, hits] = [0, 0];
      y.forEach((c, row) => {
        const own = Array.from(logits.subarray(row * CLASSES, (row + 1) * CLASSES));
        sum += Math.log(own.reduce((a, v) => a + Math.exp(v), 0)) - own[c]!;
        if (own.indexOf(Math.max(...own)) === c) hits++;
      });
      for (const logs of await still('crossEntropy', batchSize, { x, y })) {
        expect(logs.loss).toBeCloseTo(sum / ROWS, 6);
        expect(logs.accuracy).toBe(hits / ROWS);
      }
    },
  );

  it('is the mean over units too', async () => {
    const { x } = points(ROWS);
    const y = { data: randomValues(ROWS * CLASSES, 5), shape: [ROWS, CLASSES] };
    const output = network(3, 0).predictSync(x).data;
    const expected = output.reduce((sum, v, i) => sum + (v - y.data[i]!) ** 2, 0) / output.length;
    for (const logs of await still('meanSquaredError', 10, { x, y })) {
      expect(logs.loss).toBeCloseTo(expected, 6);
    }
  });

  it('is a sum where that is asked for', async () => {
    const model = sequential({ inputShape: [1] }, [dense(1, { kernelInitializer: 'zeros' })]);
    const trainer = await Trainer.create(model, {
      loss: { name: 'meanSquaredError', reduction: 'sum' },
      optimizer: sgd({ learningRate: 0 }),
    });
    const data = { x: [[1], [2], [3]], y: [1, 2, 3] };
    expect((await trainer.fit(data, { batchSize: 2 })).epochs).toEqual([{ loss: 14 }]);
    expect(await trainer.evaluate(data)).toEqual({ loss: 14 });
  });
});

describe('callbacks', () => {
  it('come after each step and each epoch, with the model as it is then', async () => {
    const model = network();
    const trainer = await trainerOf(model);
    const steps: StepEvent[] = [];
    const epochs: EpochEvent[] = [];
    const kernels = new Set<string>();
    const history = await trainer.fit(points(50), {
      epochs: 2,
      batchSize: 20,
      validationData: points(30, 2),
      onStep: (event) => {
        steps.push(event);
        kernels.add(model.getWeights()[0]!.data.join());
      },
      onEpoch: async (event) => {
        await new Promise((resolve) => setTimeout(resolve));
        epochs.push(event);
      },
    });
    expect(steps.map(({ epoch, step, stepsPerEpoch }) => [epoch, step, stepsPerEpoch])).toEqual([
      [1, 1, 3],
      [1, 2, 3],
      [1, 3, 3],
      [2, 1, 3],
      [2, 2, 3],
      [2, 3, 3],
    ]);
    expect(kernels.size).toBe(6);
    const [a, b, c] = steps.map(({ loss }) => loss);
    expect(history.epochs[0]!.loss).toBeCloseTo((20 * a! + 20 * b! + 10 * c!) / 50, 6);
    expect(epochs.map(({ epoch, epochs }) => [epoch, epochs])).toEqual([
      [1, 2],
      [2, 2],
    ]);
    expect(epochs.map(({ logs }) => logs)).toEqual(history.epochs);
    expect(Object.keys(history.epochs[0]!)).toEqual(['loss', 'accuracy', 'val_loss', 'val_accuracy']);
    expect(history.steps).toBe(6);
    expect(await trainer.evaluate(points(30, 2))).toEqual({
      loss: history.epochs[1]!.val_loss,
      accuracy: history.epochs[1]!.val_accuracy,
    });
  });

  it('may change the weights and the learning rate', async () => {
    const model = sequential({ inputShape: [1] }, [dense(1, { useBias: false, kernelInitializer: 'zeros' })]);
    const trainer = await Trainer.create(model, {
      loss: 'meanSquaredError',
      optimizer: sgd({ learningRate: 1 }),
    });
    const set = (value: number) =>
      model.setWeights([{ name: 'dense/kernel', data: Float32Array.of(value), shape: [1, 1] }]);
    await trainer.fit(
      { x: [[1]], y: [0] },
      {
        epochs: 2,
        onEpoch: ({ epoch }) => {
          if (epoch > 1) return;
          set(1); // then gradient 2, rate 0.25
          trainer.learningRate = 0.25;
        },
      },
    );
    expect(weights(model)).toEqual([[0.5]]);
    await trainer.fit({ x: [[1]], y: [0] }, { epochs: 2, onStep: ({ epoch }) => epoch === 1 && set(2) });
    expect(weights(model)).toEqual([[1]]);
  });

  it('find the weights of their step whenever they look, in a model within the model, too', async () => {
    const data = points(40);
    const make = () => {
      const inner = sequential({ inputShape: [4], seed: 3 }, [dense(5, { activation: 'tanh' })]);
      const outer = sequential({ inputShape: [4], seed: 3 }, [inner, dense(CLASSES)]);
      return { inner, outer };
    };
    const train = async (look: (step: number, models: ReturnType<typeof make>) => unknown) => {
      const models = make();
      const trainer = await Trainer.create(models.outer, { loss: 'crossEntropy' });
      const seen: unknown[] = [];
      await trainer.fit(data, { batchSize: 10, onStep: ({ step }) => seen.push(look(step, models)) });
      return [...seen, weights(models.outer), weights(models.inner), models.outer.predictSync(data.x)];
    };
    const outer = await train((_, models) => weights(models.outer));
    const both = await train((_, { outer, inner }) => [weights(inner), weights(outer)][1]);
    const inner = await train((_, models) => weights(models.inner));
    const predicted = await train((_, models) => models.inner.predictSync(data.x));
    expect(both).toEqual(outer);
    expect(inner.slice(0, 4)).toEqual((outer.slice(0, 4) as number[][][]).map((all) => all.slice(0, 2)));
    for (const some of [inner, predicted]) expect(some.slice(4)).toEqual(outer.slice(4));
    const { inner: plain } = make();
    plain.setWeights(
      (inner[1] as number[][]).map((w, i) => ({ ...plain.getWeights()[i]!, data: Float32Array.from(w) })),
    );
    expect(predicted[1]).toEqual(plain.predictSync(data.x));

    // nobody looked before the weights of the inner model were changed: those of the others are the trained ones
    const third = (step: number, { inner }: ReturnType<typeof make>) => {
      if (step === 3)
        inner.setWeights(inner.getWeights().map((w) => ({ ...w, data: w.data.map((x) => x / 2) })));
    };
    const careful = await train((step, models) => {
      weights(models.outer);
      third(step, models);
    });
    expect(await train(third)).toEqual(careful);
    expect(careful.slice(4)).not.toEqual(outer.slice(4));
  });

  it('stop the training when they throw; the trainer works on', async () => {
    const trainer = await trainerOf();
    const data = points(50);
    const onStep = ({ step }: StepEvent) => {
      if (step === 2) throw new Error('enough');
    };
    await expect(trainer.fit(data, { batchSize: 10, onStep })).rejects.toThrow('enough');
    const onEpoch = () => Promise.reject(new Error('later'));
    await expect(trainer.fit(data, { batchSize: 10, onEpoch })).rejects.toThrow('later');
    expect((await trainer.fit(data, { batchSize: 10 })).steps).toBe(5);
  });

  it('may evaluate and predict', async () => {
    const model = network();
    const trainer = await trainerOf(model);
    const data = points(60);
    const seen: number[] = [];
    const { epochs } = await trainer.fit(data, {
      epochs: 3,
      validationData: data,
      onEpoch: async () => {
        seen.push((await trainer.evaluate(data)).loss);
        expect((await model.predict(data.x)).shape).toEqual([60, CLASSES]);
      },
    });
    expect(seen).toEqual(epochs.map(({ val_loss }) => val_loss));
  });
});

it('clips by value, then by the norm of what that gave', async () => {
  const model = sequential({ inputShape: [2] }, [dense(1, { kernelInitializer: 'zeros', useBias: false })]);
  const optimizer = sgd({ learningRate: 1, clipValue: 1, globalClipNorm: 0.5 });
  const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer });
  // the gradient [100, 0.01] becomes [1, 0.01], then half of that by its norm
  await trainer.fit({ x: [[50, 0.005]], y: [-1] });
  const norm = Math.hypot(1, 0.01);
  const [a, b] = model.getWeights()[0]!.data;
  expect(a).toBeCloseTo(-0.5 / norm, 6);
  expect(b).toBeCloseTo(-0.005 / norm, 8);
});
