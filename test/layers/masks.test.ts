import { describe, expect, it } from 'vitest';
import {
  adam,
  add,
  batchNormalization,
  bidirectional,
  type ChainLayer,
  CustomLayer,
  concatenate,
  constant,
  dense,
  embedding,
  flatten,
  globalAveragePooling1d,
  globalMaxPooling1d,
  gru,
  input,
  type Layer,
  loadModel,
  lstm,
  masking,
  model,
  multiHeadAttention,
  ops,
  prelu,
  sequential,
  sgd,
  simpleRnn,
  sinePositionEncoding,
  type Tensor,
  Trainer,
  transformerDecoder,
  transformerEncoder,
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

  it('are reversed with the outputs of a layer that goes backwards', async () => {
    const backwards = { goBackwards: true, returnSequences: true };
    const net = (time: number, layers: Layer[]) => sequential({ inputShape: [time, 1], seed: 4 }, layers);
    const long = net(3, [masking(), gru(2, backwards), globalAveragePooling1d()]);
    const short = net(2, [gru(2, backwards)]);
    const x = { data: Float32Array.of(1, 2, 0), shape: [1, 3, 1] };
    const [a0, b0, a1, b1] = short.predictSync([[[1], [2]]]).data;
    const expected = [(a0! + a1!) / 2, (b0! + b1!) / 2];
    [...long.predictSync(x).data].forEach((v, i) => {
      expect(v).toBeCloseTo(expected[i]!, 6);
    });
    // twice backwards is forwards again, at the places of the input
    const twice = net(3, [masking(), gru(2, backwards), simpleRnn(2, backwards), globalAveragePooling1d()]);
    const once = net(2, [gru(2, backwards), simpleRnn(2, backwards), globalAveragePooling1d()]);
    const wanted = once.predictSync([[[1], [2]]]).data;
    [...twice.predictSync(x).data].forEach((v, i) => {
      expect(v).toBeCloseTo(wanted[i]!, 6);
    });
    // with states beside its outputs
    const sequence = input([3, 1]);
    const [y, h] = gru(2, { ...backwards, returnState: true })(masking()(sequence));
    const both = model({ inputs: sequence, outputs: [globalAveragePooling1d()(y), h], seed: 4 });
    both.setWeights(long.getWeights());
    const [mean, last] = await both.predict(x);
    expect(mean).toEqual(long.predictSync(x));
    expect([...last!.data]).toEqual([a1, b1]);
  });

  it('of a row without any step give zeros, and a mean of 0', async () => {
    expect(await predict([masking(FILL), lstm(3)], padded(0), TIME)).toEqual([0, 0, 0]);
    expect(await predict([masking(FILL), globalAveragePooling1d()], padded(0), TIME)).toEqual([0, 0, 0]);
  });

  it('leave steps out of a maximum over time, and of its gradient', async () => {
    const net = (layer: Layer) => sequential({ inputShape: [3, 1] }, [layer, globalMaxPooling1d()]);
    const x = { data: Float32Array.of(-2, -1, 0, 0, 0, 0, -3e38, 0, 0, 0, -4, 1e-30), shape: [4, 3, 1] };
    const { data } = net(masking()).predictSync(x);
    expect([...data]).toEqual([-1, 0, Math.fround(-3e38), Math.fround(1e-30)]);
    // what is left out may be the largest, and infinite
    class Inverse extends CustomLayer {
      static readonly type = 'Inverse';
      override readonly passesMask = true as const;

      call(t: Tensor): Tensor {
        return ops.div(1, t);
      }
    }
    const inverse = sequential({ inputShape: [3, 1] }, [masking(), new Inverse(), globalMaxPooling1d()]);
    expect([...inverse.predictSync([[[-2], [-1], [0]]]).data]).toEqual([-0.5]);
    const table = Float32Array.of(100, 1, 3, -2);
    const words = sequential({ inputShape: [3] }, [
      embedding(4, 1, { maskZero: true }),
      globalMaxPooling1d(),
    ]);
    words.setWeights([{ ...words.getWeights()[0]!, data: table }]);
    const rows = [[1, 3, 0], [0, 3, 0], [0, 0, 0], [2, 0, 2]]; // biome-ignore format: rows
    expect([...words.predictSync(rows).data]).toEqual([1, -2, 0, 3]);
    const optimizer = sgd({ learningRate: 0.5 });
    const trainer = await Trainer.create(words, { loss: 'meanSquaredError', optimizer });
    await trainer.fit({ x: rows, y: [[0], [0], [0], [0]] });
    // of y² / 4: 2 y / 4 for the word that is y
    expect([...words.getWeights()[0]!.data]).toEqual([100, 0.75, 2.25, -1.5]);
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

  it('are passed on by layers that work on each step, those of the user included', async () => {
    class Twice extends CustomLayer {
      static readonly type = 'Twice';
      override readonly passesMask = true as const;

      call(x: Tensor): Tensor {
        return ops.mul(x, 2);
      }
    }
    const twice = new Twice();
    const stacks: Record<string, () => ChainLayer[]> = {
      positionEmbedding: () => [sinePositionEncoding()],
      batchNormalization: () => [batchNormalization()],
      prelu: () => [prelu({ alphaInitializer: constant(0.5), sharedAxes: [1] })],
      // its second place has a copy
      custom: () => [twice, twice],
    };
    for (const between of Object.values(stacks)) {
      const layers = (): ChainLayer[] => [...between(), simpleRnn(3)];
      const whole = padded(3);
      const short = sequential({ inputShape: [3, FEATURES], seed: 4 }, layers());
      const long = sequential({ inputShape: [TIME, FEATURES], seed: 4 }, [masking(FILL), ...layers()]);
      const data = whole.slice(0, 3 * FEATURES);
      const expected = await short.predict({ data, shape: [1, 3, FEATURES] });
      expect(await long.predict({ data: whole, shape: [1, TIME, FEATURES] })).toEqual(expected);
    }
  });

  const attending: Record<string, () => ChainLayer[]> = {
    multiHeadAttention: () => [multiHeadAttention({ numHeads: 3, keyDim: 2 }), globalAveragePooling1d()],
    transformerEncoder: () => [transformerEncoder({ numHeads: 3 }), globalAveragePooling1d()],
    'transformerEncoder, normalized last': () => [
      transformerEncoder({ numHeads: 1, normalizeFirst: false }),
      transformerEncoder({ numHeads: 3, normalizeFirst: false }),
      gru(2),
    ],
    transformerDecoder: () => [transformerDecoder({ numHeads: 3, rotary: false }), lstm(2)],
  };

  it.each(Object.keys(attending))('%s: keys that are left out are not seen', async (name) => {
    for (const length of [1, 3, TIME]) {
      const whole = padded(length);
      const shape = (time: number) => ({ inputShape: [time, FEATURES], seed: 4 });
      const short = sequential(shape(length), attending[name]!());
      const long = sequential(shape(TIME), [masking(FILL), ...attending[name]!()]);
      const data = whole.slice(0, length * FEATURES);
      const expected = await short.predict({ data, shape: [1, length, FEATURES] });
      const { data: y } = await long.predict({ data: whole, shape: [1, TIME, FEATURES] });
      // the same sums, in blocks of other sizes
      y.forEach((v, i) => {
        expect(v).toBeCloseTo(expected.data[i]!, 6);
      });
    }
  });

  it('of queries and of a memory of another length each go their own way', async () => {
    const tokens = (time: number) => input([time]);
    const build = (queries: number, keys: number) => {
      const [a, b] = [tokens(queries), tokens(keys)];
      const table = embedding(9, 8, { maskZero: true });
      const y = transformerDecoder({ numHeads: 2 })([table(a), table(b)]);
      return model({ inputs: [a, b], outputs: gru(3)(y), seed: 2 });
    };
    const short = await build(2, 3).predict([[[1, 2]], [[3, 4, 5]]]);
    const long = await build(4, 7).predict([[[1, 2, 0, 0]], [[3, 4, 5, 0, 0, 0, 0]]]);
    long.data.forEach((v, i) => {
      expect(v).toBeCloseTo(short.data[i]!, 6);
    });
  });

  it('an explicit mask counts in the place of that of the memory', async () => {
    const [a, mask] = [input([TIME, FEATURES]), input([TIME])];
    const attention = multiHeadAttention({ numHeads: 1, mask: true });
    const own = model({ inputs: [a, mask], outputs: attention([masking(FILL)(a), mask]), seed: 2 });
    const [b, again] = [input([TIME, FEATURES]), input([TIME])];
    const plain = model({ inputs: [b, again], outputs: attention([b, again]), seed: 2 });
    const seen = [[1, 1, 1, 1, 1]];
    const x = padded(2);
    const zeros = x.map((v, i) => (i < 2 * FEATURES ? v : 0));
    expect(await own.predict([{ data: x, shape: [1, TIME, FEATURES] }, seen])).toEqual(
      await plain.predict([{ data: zeros, shape: [1, TIME, FEATURES] }, seen]),
    );
  });

  it('of sequences one after the other stand one after the other', async () => {
    const build = (a: number, b: number, second: boolean) => {
      const [x, y] = [input([a]), input([b, 4])];
      const both = [embedding(9, 4, { maskZero: true })(x), second ? masking(FILL)(y) : y];
      return model({ inputs: [x, y], outputs: lstm(3)(concatenate({ axis: 1 })(both)), seed: 2 });
    };
    const values = randomValues(8, 5);
    const filled = new Float32Array(12).fill(FILL);
    filled.set(values);
    const expected = await build(2, 2, false).predict([[[5, 6]], { data: values, shape: [1, 2, 4] }]);
    expect(await build(4, 3, true).predict([[[5, 0, 6, 0]], { data: filled, shape: [1, 3, 4] }])).toEqual(
      expected,
    );
    expect(await build(4, 2, false).predict([[[5, 6, 0, 0]], { data: values, shape: [1, 2, 4] }])).toEqual(
      expected,
    );
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
