import { describe, expect, it } from 'vitest';
import { dense, type StepEvent, sequential } from '../../src/index.ts';
import { network, points, trained, trainerOf, weights } from './support.ts';

describe('the event loop', () => {
  const long = () => ({ data: points(2000), options: { epochs: 400, batchSize: 8 } });

  it('gets its turns during a long fit', async () => {
    const trainer = await trainerOf();
    const { data, options } = long();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await trainer.fit(data, options);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(3);
  });

  it('can abort it: the reason is thrown, the weights of the last step stay, the trainer works on', async () => {
    const model = network();
    const trainer = await trainerOf(model);
    const { data, options } = long();
    const controller = new AbortController();
    const reason = new Error('seen enough');
    setTimeout(() => controller.abort(reason), 30);
    await expect(trainer.fit(data, { ...options, signal: controller.signal })).rejects.toBe(reason);

    const stopped = weights(model);
    expect(stopped).not.toEqual(weights(network()));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(weights(model)).toEqual(stopped);
    expect((await trainer.fit(data, { batchSize: 8 })).steps).toBe(250);
    expect(weights(model)).not.toEqual(stopped);
  });

  it('aborts before the next step', async () => {
    const model = network();
    const trainer = await trainerOf(model);
    const controller = new AbortController();
    const steps: number[] = [];
    let last: unknown;
    const onStep = ({ step }: StepEvent) => {
      steps.push(step);
      last = weights(model);
      if (step === 7) controller.abort();
    };
    const { signal } = controller;
    const error: unknown = await trainer.fit(long().data, { batchSize: 8, onStep, signal }).catch((e) => e);
    expect(error).toHaveProperty('name', 'AbortError');
    expect(steps).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(weights(model)).toEqual(last);
  });

  it('aborts at once when the signal came before', async () => {
    const model = network();
    const trainer = await trainerOf(model);
    const before = weights(model);
    const signal = AbortSignal.abort('too late');
    await expect(trainer.fit(long().data, { signal })).rejects.toBe('too late');
    await expect(trainer.evaluate(long().data, { signal })).rejects.toBe('too late');
    expect(weights(model)).toEqual(before);
  });

  it('aborts a validation', async () => {
    const trainer = await trainerOf();
    const controller = new AbortController();
    const validationData = points(200_000);
    setTimeout(() => controller.abort('enough'), 15);
    const fit = trainer.fit(points(10), { epochs: 1e6, validationData, signal: controller.signal });
    await expect(fit).rejects.toBe('enough');
  });

  it('may ask for evaluations meanwhile: they do not mix, and the training waits for them', async () => {
    const data = points(100_000);
    const model = network();
    const trainer = await trainerOf(model);
    const [a, b] = await Promise.all([trainer.evaluate(data), trainer.evaluate(points(10))]);
    expect(await trainer.evaluate(data)).toEqual(a);
    expect(await trainer.evaluate(points(10))).toEqual(b);

    let during: Promise<unknown> | undefined;
    let then: unknown;
    const running = trainer.fit(points(2000), { epochs: 200, batchSize: 8 });
    setTimeout(() => {
      then = weights(model);
      during = trainer.evaluate(data);
    }, 20);
    await running;
    expect(during).toBeDefined();
    const twin = network();
    const [kernel, bias, kernel1, bias1] = twin.getWeights();
    const values = then as number[][];
    twin.setWeights(
      [kernel!, bias!, kernel1!, bias1!].map((w, i) => ({ ...w, data: Float32Array.from(values[i]!) })),
    );
    expect(await during).toEqual(await (await trainerOf(twin)).evaluate(data));
    expect(weights(model)).toEqual(weights(await trained(3, { epochs: 200, batchSize: 8 }, points(2000))));
  });
});

describe('predict', () => {
  const rows = 40_000;
  const x = { data: Float32Array.from({ length: rows * 64 }, (_, i) => (i % 23) / 23), shape: [rows, 64] };
  const wide = () =>
    sequential({ inputShape: [64], seed: 3 }, [dense(256, { activation: 'tanh' }), dense(2)]);

  it('gives the event loop turns on many rows, and has the results of predictSync', async () => {
    const model = wide();
    const want = model.predictSync(x);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const got = await model.predict(x);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(1);
    expect(got).toEqual(want);
  });

  it('takes all rows with the weights of its call, whatever predicts or sets them meanwhile', async () => {
    const model = wide();
    const want = model.predictSync(x);
    const first = model.predict(x);
    model.setWeights(model.getWeights().map((w) => ({ ...w, data: w.data.map((v) => 2 * v) })));
    const second = model.predict(x);
    const now = model.predictSync({ data: x.data.subarray(0, 64), shape: [1, 64] });
    const [before, after] = await Promise.all([first, second]);
    expect(before).toEqual(want);
    expect(after).not.toEqual(want);
    expect(after).toEqual(model.predictSync(x));
    expect(after.data.slice(0, 2)).toEqual(now.data);
  });
});
