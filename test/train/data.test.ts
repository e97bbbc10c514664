import { describe, expect, it } from 'vitest';
import { binaryAccuracy, dense, rescaling, sequential, Trainer } from '../../src/index.ts';
import { CLASSES, network, points, trainerOf, weights } from './support.ts';

describe('data', () => {
  it('of bytes give what floats give', async () => {
    const bytes = Uint8Array.from({ length: 37 * 4 }, (_, i) => (i * 73) % 256);
    const y = Uint8Array.from({ length: 37 }, (_, i) => i % CLASSES);
    const pixels = () =>
      sequential({ inputShape: [4], seed: 2 }, [rescaling(1 / 255), dense(8), dense(CLASSES)]);
    const results = [];
    for (const [data, classes] of [
      [bytes, y],
      [new Uint8ClampedArray(bytes), new Int32Array(y)],
      [Float32Array.from(bytes), [...y]],
      [Float64Array.from(bytes), new Float32Array(y)],
      [Int16Array.from(bytes), new Uint16Array(y)],
    ] as const) {
      const model = pixels();
      const x = { data, shape: [37, 4] };
      const targets = Array.isArray(classes) ? classes : { data: classes as Uint8Array, shape: [37] };
      const trainer = await trainerOf(model);
      const { epochs } = await trainer.fit({ x, y: targets }, { epochs: 3, batchSize: 10 });
      const { data: logits } = await model.predict(x);
      results.push({
        epochs,
        logits,
        weights: weights(model),
        scores: await trainer.evaluate({ x, y: targets }),
      });
    }
    for (const result of results) expect(result).toEqual(results[0]);
  });

  it('may be nested arrays, whose rows may be typed arrays', async () => {
    const { x, y } = points(10);
    const rows = Array.from({ length: 10 }, (_, row) => x.data.slice(row * 4, row * 4 + 4));
    const model = network();
    const expected = await model.predict(x);
    expect(await model.predict(rows)).toEqual(expected);
    expect(await model.predict(rows.map((row) => [...row]))).toEqual(expected);
    const trainer = await trainerOf(model);
    expect(await trainer.evaluate({ x: rows, y })).toEqual(await trainer.evaluate({ x, y }));
  });

  it('may be a view of larger memory, or shared', async () => {
    const { x, y } = points(10);
    const shifted = new Float32Array(new SharedArrayBuffer(4 * 43), 12, 40);
    shifted.set(x.data);
    const trainer = await trainerOf();
    const view = { x: { data: shifted, shape: [10, 4] }, y };
    expect(await trainer.evaluate(view)).toEqual(await trainer.evaluate({ x, y }));
  });

  it.each([1, 2, 255, 256, 257, 511, 513, 1000])(
    'of %d rows are predicted and evaluated whole',
    async (rows) => {
      const { x, y } = points(rows);
      const model = network();
      const all = await model.predict(x);
      expect(all.shape).toEqual([rows, CLASSES]);
      for (const row of [0, rows >> 1, rows - 1]) {
        const one = await model.predict({ data: x.data.slice(row * 4, row * 4 + 4), shape: [1, 4] });
        expect(all.data.slice(row * CLASSES, (row + 1) * CLASSES)).toEqual(one.data);
      }
      const scores = await (await trainerOf(model)).evaluate({ x, y });
      const right = y.filter((c, row) => {
        const own = all.data.subarray(row * CLASSES, (row + 1) * CLASSES);
        return own.indexOf(Math.max(...own)) === c;
      });
      expect(scores.accuracy).toBe(right.length / rows);
    },
  );

  it('of classes and one-hot rows are the same', async () => {
    const { x, y } = points(50);
    const oneHot = y.map((c) => Array.from({ length: CLASSES }, (_, i) => (i === c ? 1 : 0)));
    const [a, b] = [network(), network()];
    const options = { epochs: 2, batchSize: 16 };
    const first = await (await trainerOf(a)).fit({ x, y }, options);
    const second = await (await trainerOf(b)).fit({ x, y: oneHot }, options);
    expect(second.epochs).toEqual(first.epochs);
    expect(weights(b)).toEqual(weights(a));
  });
});

describe('a model that ends in softmax or sigmoid', () => {
  const { x, y } = points(64);

  it('trains on its logits with crossEntropy, and predicts probabilities', async () => {
    const logits = sequential({ inputShape: [4], seed: 1 }, [dense(CLASSES)]);
    const probabilities = sequential({ inputShape: [4], seed: 1 }, [
      dense(CLASSES, { activation: 'softmax' }),
    ]);
    const histories = [];
    for (const model of [logits, probabilities]) {
      const { epochs } = await (await trainerOf(model)).fit({ x, y }, { epochs: 3 });
      histories.push(epochs);
    }
    expect(histories[1]).toEqual(histories[0]);
    expect(weights(probabilities)).toEqual(weights(logits));
    const { data } = await probabilities.predict(x);
    for (let row = 0; row < 64; row++) {
      const sum = data.subarray(row * CLASSES, (row + 1) * CLASSES).reduce((a, p) => a + p, 0);
      expect(sum).toBeCloseTo(1, 6);
    }
  });

  it('trains on its logits with binaryCrossEntropy, and predicts probabilities', async () => {
    const binary = y.map((c) => (c > 0 ? 1 : 0));
    const histories = [];
    const outputs: Float32Array[] = [];
    for (const activation of ['linear', 'sigmoid'] as const) {
      const model = sequential({ inputShape: [4], seed: 1 }, [dense(1, { activation })]);
      const trainer = await Trainer.create(model, { loss: 'binaryCrossEntropy', metrics: ['accuracy'] });
      histories.push((await trainer.fit({ x, y: binary }, { epochs: 3 })).epochs);
      outputs.push((await model.predict(x)).data);
    }
    expect(histories[1]).toEqual(histories[0]);
    outputs[0]!.forEach((logit, i) => {
      expect(outputs[1]![i]).toBeCloseTo(1 / (1 + Math.exp(-logit)), 6);
    });
  });

  it('takes a threshold on what it predicts', async () => {
    const binary = y.map((c) => (c > 0 ? 1 : 0));
    const model = sequential({ inputShape: [4], seed: 1 }, [dense(1, { activation: 'sigmoid' })]);
    const trainer = await Trainer.create(model, {
      loss: 'binaryCrossEntropy',
      metrics: [binaryAccuracy({ threshold: 0.7 })],
    });
    const { data } = await model.predict(x);
    const right = binary.filter((t, row) => (data[row]! > 0.7 ? 1 : 0) === t).length;
    expect((await trainer.evaluate({ x, y: binary })).binaryAccuracy).toBe(right / 64);
  });
});
