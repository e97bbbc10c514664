import { describe, expect, it } from 'vitest';
import {
  dense,
  type EpochEvent,
  type FitOptions,
  lstm,
  type Model,
  type StepEvent,
  sequential,
  Trainer,
} from '../../src/index.ts';
import { network, points, trainerOf, weights } from './support.ts';

const stop = new Error('stop');

/** Weights all of one value. */
function fill(model: Model, value: number): void {
  model.setWeights(model.getWeights().map((w) => ({ ...w, data: w.data.map(() => value) })));
}

async function stopped(model: Model, options: FitOptions): Promise<Trainer> {
  const trainer = await trainerOf(model);
  await expect(trainer.fit(points(100), { epochs: 5, ...options })).rejects.toBe(stop);
  return trainer;
}

describe('weights that a callback sets', () => {
  const halfway = (model: Model) => {
    fill(model, 0.5);
    throw stop;
  };
  const cases: readonly (readonly [string, (model: Model) => FitOptions])[] = [
    ['onEpoch, which throws', (model) => ({ onEpoch: () => halfway(model) })],
    ['onStep, which throws', (model) => ({ onStep: () => halfway(model) })],
    [
      'onEpoch, which aborts',
      (model) => {
        const controller = new AbortController();
        const onEpoch = () => {
          fill(model, 0.5);
          controller.abort(stop);
        };
        return { onEpoch, signal: controller.signal };
      },
    ],
  ];

  it.each(cases)('stay: %s', async (_, options) => {
    const model = network();
    const trainer = await stopped(model, options(model));
    expect(new Set(weights(model).flat())).toEqual(new Set([0.5]));
    // the trainer goes on from them
    trainer.learningRate = 0;
    await trainer.fit(points(100));
    expect(new Set(weights(model).flat())).toEqual(new Set([0.5]));
  });

  it('stay where they are those of a sub-model; the others are the trained ones', async () => {
    const inner = sequential({ inputShape: [4], seed: 1 }, [dense(3)]);
    const outer = sequential({ inputShape: [4], seed: 1 }, [inner, dense(3)]);
    const [, before] = [weights(inner), weights(outer)];
    await stopped(outer, {
      onEpoch: () => {
        fill(inner, 0.5);
        throw stop;
      },
    });
    const [kernel, bias, ...others] = weights(outer);
    expect(new Set([...kernel!, ...bias!])).toEqual(new Set([0.5]));
    expect(weights(inner)).toEqual([kernel, bias]);
    expect(others).not.toEqual(before.slice(2));
  });

  it('stay where they are set while a validation runs, and are trained on', async () => {
    const model = network();
    const trainer = await trainerOf(model);
    trainer.learningRate = 0;
    const timer = setTimeout(() => fill(model, 0.5), 5);
    await trainer.fit(points(10), { epochs: 1, validationData: points(300_000), onEpoch: () => {} });
    clearTimeout(timer);
    expect(new Set(weights(model).flat())).toEqual(new Set([0.5]));
  });

  it('are not those of the last step where a callback only throws', async () => {
    const model = network();
    let last: unknown;
    await stopped(model, {
      onEpoch: () => {
        last = weights(model);
        throw stop;
      },
    });
    expect(weights(model)).toEqual(last);
    expect(last).not.toEqual(weights(network()));
  });
});

describe('while a validation runs', () => {
  it('the model has the weights of the epoch', async () => {
    const model = network();
    const trainer = await trainerOf(model);
    const seen: unknown[] = [];
    const timer = setTimeout(() => seen.push(weights(model)), 5);
    const onEpoch = () => seen.push(weights(model));
    await trainer.fit(points(10), { validationData: points(300_000), onEpoch });
    clearTimeout(timer);
    expect(seen).toHaveLength(2);
    expect(seen[0]).toEqual(seen[1]);
  });
});

describe('onStep', () => {
  it('and onEpoch may return whatever an arrow function gives', async () => {
    const losses: number[] = [];
    const onStep = ({ loss }: StepEvent) => losses.push(loss);
    const onEpoch = ({ logs }: EpochEvent) => losses.push(logs.loss);
    await (await trainerOf()).fit(points(40), { batchSize: 20, onStep, onEpoch });
    expect(losses).toHaveLength(3);
  });

  it('may return a promise, which is waited for', async () => {
    const trainer = await trainerOf();
    const seen: string[] = [];
    const onStep = async ({ step }: { step: number }) => {
      seen.push(`begin ${step}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
      seen.push(`end ${step}`);
    };
    await trainer.fit(points(40), { batchSize: 20, onStep });
    expect(seen).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2']);
  });

  it('ends the training where that promise is rejected', async () => {
    const model = network();
    await stopped(model, { onStep: () => Promise.reject(stop) });
  });
});

describe('states that a callback resets before it throws', () => {
  it('stay reset', async () => {
    const model = sequential({ inputShape: [2, 1], seed: 1 }, [lstm(3, { stateful: true }), dense(1)]);
    const trainer = await Trainer.create(model, { loss: 'meanSquaredError' });
    const x = [[[1], [2]], [[3], [4]]]; // biome-ignore format: rows
    const fit = trainer.fit(
      { x, y: [1, 2] },
      {
        batchSize: 2,
        onEpoch: () => {
          model.resetStates();
          throw stop;
        },
      },
    );
    await expect(fit).rejects.toBe(stop);
    const first = await model.predict(x);
    model.resetStates();
    expect(await model.predict(x)).toEqual(first);
  });
});

describe('stop', () => {
  it('in onEpoch ends the training after the epoch, with the history so far', async () => {
    const [model, whole] = [network(), network()];
    const history = await (await trainerOf(model)).fit(points(40), {
      epochs: 100,
      batchSize: 20,
      onEpoch: ({ epoch, stop }) => epoch === 3 && stop(),
    });
    const alike = await (await trainerOf(whole)).fit(points(40), { epochs: 3, batchSize: 20 });
    expect(history.epochs).toEqual(alike.epochs);
    expect(history.steps).toBe(6);
    expect(weights(model)).toEqual(weights(whole));
  });

  it('in onStep ends it after the step; the epochs are those that are complete', async () => {
    const model = network();
    const trainer = await trainerOf(model);
    const options: FitOptions = { epochs: 100, batchSize: 20, validationData: points(10) };
    const seen: unknown[] = [];
    const history = await trainer.fit(points(40), {
      ...options,
      onStep: ({ epoch, step, stop }) => {
        seen.push(weights(model));
        if (epoch === 2 && step === 1) stop();
      },
    });
    expect(history.epochs).toHaveLength(1);
    expect(history.epochs[0]).toHaveProperty('val_loss');
    expect(history.steps).toBe(3);
    expect(weights(model)).toEqual(seen.at(-1));
    expect(seen).toHaveLength(3);
    // the trainer goes on
    expect((await trainer.fit(points(40), options)).epochs).toHaveLength(100);
  });

  it('in the last step of an epoch completes that epoch', async () => {
    const trainer = await trainerOf();
    const options: FitOptions = { epochs: 9, batchSize: 20, validationData: points(10) };
    const history = await trainer.fit(points(40), {
      ...options,
      onStep: ({ step, stop }) => step === 2 && stop(),
    });
    expect(history.epochs).toHaveLength(1);
    expect(history.epochs[0]).toHaveProperty('val_loss');
  });
});
