import { describe, expect, it } from 'vitest';
import {
  batchNormalization,
  concatenate,
  dense,
  embedding,
  flatten,
  input,
  loadModel,
  model,
  sequential,
  Trainer,
} from '../../src/index.ts';

const rows = Array.from({ length: 24 }, (_, i) => [Math.sin(i), Math.cos(3 * i), i / 8]);
const targets = rows.map(([a, b]) => [a! - b!]);

const movingOf = (m: { getWeights(): { name: string; data: Float32Array }[] }): number[][] =>
  m
    .getWeights()
    .filter(({ name }) => name.includes('moving'))
    .map(({ data }) => Array.from(data));

describe('batch normalization that is frozen', () => {
  it('keeps its moving statistics and normalizes with them', async () => {
    const network = sequential({ inputShape: [3], seed: 2 }, [batchNormalization(), dense(1)]);
    const trainer = await Trainer.create(network, { loss: 'meanSquaredError', optimizer: 'sgd' });
    const fresh = movingOf(network);
    await trainer.fit({ x: rows, y: targets }, { epochs: 2, batchSize: 8 });
    const learned = movingOf(network);
    expect(learned).not.toEqual(fresh);

    network.freeze('batchNormalization');
    const { loss } = await trainer.evaluate({ x: rows, y: targets });
    // the first step's loss is that of inference: no statistics of the batch
    const losses: number[] = [];
    const { epochs } = await trainer.fit(
      { x: rows, y: targets },
      { batchSize: rows.length, onStep: (event) => losses.push(event.loss) },
    );
    expect(losses[0]).toBeCloseTo(loss, 6);
    expect(epochs.length).toBe(1);
    expect(movingOf(network)).toEqual(learned);

    network.unfreeze('batchNormalization');
    await trainer.fit({ x: rows, y: targets }, { batchSize: 8 });
    expect(movingOf(network)).not.toEqual(learned);
  });
});

describe('an embedding in a graph', () => {
  const words = Array.from({ length: 24 }, (_, i) => [i % 5, (i * 3) % 5]);

  it('makes its own input one of integers, whatever the others are, and comes back from a file', async () => {
    const word = input([2], { name: 'word' });
    const extra = input([3], { name: 'extra' });
    const joined = concatenate()([flatten()(embedding(5, 4)(word)), extra]);
    const network = model({ inputs: { word, extra }, outputs: dense(1)(joined), seed: 4 });
    const x = { word: words, extra: rows };
    const trainer = await Trainer.create(network, { loss: 'meanSquaredError', optimizer: 'adam' });
    const { epochs } = await trainer.fit({ x, y: targets }, { epochs: 30, batchSize: 8 });
    expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss);
    await expect(
      trainer.evaluate({ x: { word: [[0, 5]], extra: [rows[0]!] }, y: [targets[0]!] }),
    ).rejects.toThrow("layer 'embedding' takes integers from 0 to 4");
    const again = (await loadModel(network.toBytes())) as typeof network;
    expect(await again.predict(x)).toEqual(await network.predict(x));
  });

  it('is refused beside another layer on the same input, and behind one', () => {
    const x = input([2]);
    const both = concatenate()([flatten()(embedding(5, 2)(x)), dense(2)(x)]);
    expect(() => model({ inputs: x, outputs: both })).toThrow(
      "model: input 'input' is read by an embedding, which takes integers, and by another layer",
    );
    expect(() => embedding(5, 2)(dense(2)(x))).toThrow('embedding takes integers');
  });
});
