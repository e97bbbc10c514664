import { describe, expect, it } from 'vitest';
import {
  adam,
  add,
  bidirectional,
  dense,
  embedding,
  flatten,
  globalAveragePooling1d,
  gru,
  input,
  type Layer,
  loadModel,
  lstm,
  masking,
  model,
  sequential,
  simpleRnn,
  Trainer,
} from '../../src/index.ts';
import { randomValues } from '../train/support.ts';

const TIME = 5;
const FEATURES = 3;
const FILL = -1;

/** A sequence of `length` steps, filled up to TIME with the mask value. */
function padded(length: number): Float32Array {
  const values = new Float32Array(TIME * FEATURES).fill(FILL);
  values.set(randomValues(length * FEATURES, length));
  return values;
}

const predict = async (layers: Layer[], data: Float32Array, time: number) => {
  const made = sequential({ inputShape: [time, FEATURES], seed: 4 }, layers);
  const { data: y } = await made.predict({ data, shape: [1, time, FEATURES] });
  return [...y];
};

describe('masks', () => {
  const stacks: Record<string, () => Layer[]> = {
    lstm: () => [lstm(4)],
    'gru over dense': () => [dense(4, { activation: 'tanh' }), gru(3)],
    'two layers': () => [gru(4, { returnSequences: true, resetAfter: false }), simpleRnn(3)],
    'both directions, averaged': () => [
      bidirectional(lstm(4, { returnSequences: true })),
      globalAveragePooling1d(),
    ],
  };

  it.each(Object.keys(stacks))('%s: a filled up sequence gives what the short one gives', async (name) => {
    for (const length of [1, 3, TIME]) {
      const whole = padded(length);
      const short = await predict(stacks[name]!(), whole.slice(0, length * FEATURES), length);
      const long = await predict([masking(FILL), ...stacks[name]!()], whole, TIME);
      long.forEach((v, i) => {
        expect(v).toBeCloseTo(short[i]!, 6);
      });
    }
  });

  it('repeat the output where a step is left out', async () => {
    const y = await predict([masking(FILL), simpleRnn(2, { returnSequences: true })], padded(2), TIME);
    for (let t = 2; t < TIME; t++) expect(y.slice(2 * t, 2 * t + 2)).toEqual(y.slice(2, 4));
  });

  it('of a row without any step give zeros, and a mean of 0', async () => {
    expect(await predict([masking(FILL), lstm(3)], padded(0), TIME)).toEqual([0, 0, 0]);
    expect(await predict([masking(FILL), globalAveragePooling1d()], padded(0), TIME)).toEqual([0, 0, 0]);
  });

  it('are dropped by layers that know nothing of them, as in Keras', async () => {
    const x = padded(2);
    const layers = (): Layer[] => [flatten(), dense(2)];
    const zeros = x.map((v, i) => (i < 2 * FEATURES ? v : 0));
    expect(await predict([masking(FILL), ...layers()], x, TIME)).toEqual(
      await predict(layers(), zeros, TIME),
    );
  });

  it('of merged tensors leave a step out where one of them does', async () => {
    const rows = (length: number) => ({ data: padded(length), shape: [1, TIME, FEATURES] });
    for (const both of [false, true]) {
      const a = input([TIME, FEATURES]);
      const b = input([TIME, FEATURES]);
      const y = simpleRnn(2)(add()([masking(FILL)(a), both ? masking(FILL)(b) : b]));
      const made = model({ inputs: [a, b], outputs: y });
      // the first has 4 steps, the second 2, or all of them where it has no mask
      const length = both ? 2 : 4;
      const sums = rows(4).data.map((v, i) => v + rows(2).data[i]!);
      const short = sequential({ inputShape: [length, FEATURES] }, [simpleRnn(2)]);
      short.setWeights(made.getWeights());
      const data = sums.slice(0, length * FEATURES);
      const expected = await short.predict({ data, shape: [1, length, FEATURES] });
      expect(await made.predict([rows(4), rows(2)])).toEqual(expected);
    }
  });

  it('come from embeddings with maskZero, train, and survive a file', async () => {
    const made = sequential({ inputShape: [TIME], seed: 1 }, [
      embedding(7, 4, { maskZero: true }),
      gru(5),
      dense(2),
    ]);
    const one = await made.predict([[3, 5, 0, 0, 0]]);
    const two = await made.predict([[0, 3, 0, 5, 0]]);
    expect(two).toEqual(one);
    const again = await loadModel(made.toBytes());
    expect(again.toConfig()).toEqual(made.toConfig());
    expect(await again.predict([[3, 5, 0, 0, 0]])).toEqual(one);
    const trainer = await Trainer.create(made, { loss: 'meanSquaredError', optimizer: adam() });
    const before = made.getWeights()[0]!.data.slice(0, 4);
    const y = { data: randomValues(4, 3), shape: [2, 2] };
    await trainer.fit({ x: [[1, 2, 0, 0, 0], [4, 0, 0, 0, 0]], y }, { epochs: 3 }); // biome-ignore format: rows
    // the vector of 0 is never used: its gradient is 0
    expect(made.getWeights()[0]!.data.slice(0, 4)).toEqual(before);
  });

  it('need time and features', () => {
    expect(() => sequential({ inputShape: [3] }, [masking()])).toThrow(
      "layer 'masking': masking needs [batch, time, features], got [batch, 3]",
    );
    expect(() => sequential({ inputShape: [2, 3] }, [embedding(4, 2, { maskZero: true })])).toThrow(
      "layer 'embedding': maskZero needs integers of shape [batch, time], got [batch, 2, 3]",
    );
    expect(() => masking(Number.NaN)).toThrow('masking: maskValue must be a finite number, got NaN');
  });
});
