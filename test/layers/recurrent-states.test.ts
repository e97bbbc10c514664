import { describe, expect, it } from 'vitest';
import {
  adam,
  bidirectional,
  dense,
  gru,
  input,
  loadModel,
  lstm,
  model,
  type Prediction,
  type StateLayer,
  type SymbolicTensor,
  sequential,
  simpleRnn,
  Trainer,
} from '../../src/index.ts';
import type { Untyped } from '../errors/support.ts';
import { randomValues } from '../train/support.ts';

const rows = (time: number, features: number, seed: number, count = 4) => ({
  data: randomValues(count * time * features, seed),
  shape: [count, time, features],
});

const plain = { lstm: () => lstm(4), gru: () => gru(4), simpleRnn: () => simpleRnn(4) };
type HandingOn = StateLayer<[SymbolicTensor, ...SymbolicTensor[]]>;
const handingOn: Readonly<Record<keyof typeof plain, () => HandingOn>> = {
  lstm: () => lstm(4, { returnState: true, name: 'lstm' }),
  gru: () => gru(4, { returnState: true, name: 'gru' }),
  simpleRnn: () => simpleRnn(4, { returnState: true, name: 'simpleRnn' }),
};

/** A sequence-to-sequence model: the decoder begins with the encoder's last states (Sutskever et al. 2014). */
function translator() {
  const source = input([5, 3]);
  const target = input([4, 2]);
  const [, h, c] = lstm(6, { returnState: true, name: 'encoder' })(source);
  const y = lstm(6, { returnSequences: true, name: 'decoder' })(target, { initialState: [h, c] });
  return model({ inputs: { source, target }, outputs: dense(2)(y), seed: 5 });
}

const data = () => ({
  x: { source: rows(5, 3, 1), target: rows(4, 2, 2) },
  y: rows(4, 2, 3),
});

describe('states of recurrent layers', () => {
  it.each(['lstm', 'gru', 'simpleRnn'] as const)(
    '%s: a sequence in two parts, the state handed on, gives what it gives in one',
    async (type) => {
      const weights = sequential({ inputShape: [6, 3], seed: 8 }, [plain[type]()]);
      const x = input([6, 3]);
      const whole = rows(6, 3, 9);
      const layer = handingOn[type]();
      const [y, ...states] = layer(x);
      const first = model({ inputs: x, outputs: [y, ...states], seed: 8 });
      first.setWeights(weights.getWeights());
      const part = (from: number, to: number) => ({
        data: Float32Array.from(
          [0, 1, 2, 3].flatMap((r) => [...whole.data.subarray((r * 6 + from) * 3, (r * 6 + to) * 3)]),
        ),
        shape: [4, to - from, 3],
      });
      const start = input([2, 3]);
      const [, ...handed] = layer(start);
      const rest = input([4, 3]);
      const [end] = layer(rest, { initialState: handed });
      const both = model({ inputs: { start, rest }, outputs: end, seed: 8 });
      both.setWeights(weights.getWeights());
      const expected = await weights.predict(whole);
      expect((await first.predict(whole))[0]).toEqual(expected);
      expect(await both.predict({ start: part(0, 2), rest: part(2, 6) })).toEqual(expected);
      // of all but an LSTM the last state is the output; of an LSTM h is
      expect((await first.predict(whole))[1]).toEqual(expected);
    },
  );

  it('train through an encoder and a decoder, and survive a file', async () => {
    const made = translator();
    const before = made.getWeights();
    const trainer = await Trainer.create(made, {
      loss: 'meanSquaredError',
      optimizer: adam({ learningRate: 0.02 }),
    });
    const { epochs } = await trainer.fit(data(), { epochs: 30, batchSize: 4 });
    expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss! * 0.8);
    for (const [i, { name, data: values }] of made.getWeights().entries()) {
      expect(values, name).not.toEqual(before[i]!.data);
    }
    const again = await loadModel(made.toBytes());
    expect(again.toConfig()).toEqual(made.toConfig());
    expect(await again.predict(data().x)).toEqual(await made.predict(data().x));
  });

  it('are checked', () => {
    const x = input([4, 3]);
    const h = input([5]);
    expect(() => lstm(5)(x, { initialState: [h] })).toThrow(
      "layer 'lstm': initialState must be 2 tensors of shape [batch, 5], got [batch, 5]",
    );
    expect(() => gru(4)(x, { initialState: [h] })).toThrow(
      "layer 'gru': initialState must be one tensor of shape [batch, 4], got [batch, 5]",
    );
    expect(() => gru(5)(x, { initialState: [h, h] })).toThrow(
      "layer 'gru': initialState must be one tensor of shape [batch, 5], got [batch, 5], [batch, 5]",
    );
    const written = (type: string) => `as in ${type}(…)(x, { initialState: [h, …] }); got an object`;
    expect(() => (lstm(5) as Untyped)(x, { initialState: h })).toThrow(
      `lstm: applied: initialState must be a list of tensors, ${written('lstm')}`,
    );
    for (const states of [h, [h, h]]) {
      expect(() => (gru(5) as Untyped)(x, states)).toThrow(
        'gru: applied: states before the first step are given as gru(…)(x, { initialState: [h, …] })',
      );
    }
    expect(() => (gru(5) as Untyped)(x, { initialState: [h] }, h)).toThrow('gru: applied: states before');
    expect(() => (gru(5) as Untyped)(x, { initialStates: [h] })).toThrow("did you mean 'initialState'?");
    expect(() => bidirectional(gru(5))(x, { initialState: [h] })).toThrow(
      "layer 'bidirectional': initialState must be the states of the forward direction, then as many of the backward " +
        'one, got 1 in all',
    );
    expect(() => bidirectional(lstm(5))(x, { initialState: [h, h] })).toThrow(
      "layer 'bidirectional': initialState must be 2 tensors of shape [batch, 5], got [batch, 5]",
    );
    expect(() => (bidirectional(gru(5)) as Untyped)(x, [h, h])).toThrow(
      'bidirectional: applied: states before the first step are given as bidirectional(…)(x, { initialState',
    );
    expect(() => sequential({ inputShape: [4, 3] }, [lstm(5, { returnState: true })])).toThrow(
      'has several results, with returnState; make the model with model()',
    );
  });
});

describe('dropout of recurrent layers', () => {
  const train = async (options: object, threads = 1) => {
    const made = sequential({ inputShape: [5, 3], seed: 2 }, [lstm(6, options), dense(2)]);
    const trainer = await Trainer.create(made, { loss: 'meanSquaredError', threads });
    await trainer.fit({ x: rows(5, 3, 4), y: { data: randomValues(8, 1), shape: [4, 2] } }, { epochs: 3 });
    trainer.dispose();
    return made.getWeights().map(({ data: values }) => values);
  };

  it.each([{ dropout: 0.5 }, { recurrentDropout: 0.5 }])(
    '%o changes the training, the same way each time',
    async (options) => {
      const with1 = await train(options);
      expect(await train(options)).toEqual(with1);
      expect(await train(options, 2)).toEqual(with1);
      expect(await train({})).not.toEqual(with1);
    },
  );

  it('is not there in predictions', async () => {
    const make = (options: object) => sequential({ inputShape: [5, 3], seed: 2 }, [gru(6, options)]);
    const x = rows(5, 3, 4);
    expect(await make({ dropout: 0.5, recurrentDropout: 0.5 }).predict(x)).toEqual(await make({}).predict(x));
  });

  it('has its range', () => {
    expect(() => lstm(2, { dropout: 1 })).toThrow('lstm: dropout must be a number >= 0 and < 1, got 1');
    expect(() => gru(2, { recurrentDropout: -0.1 })).toThrow('gru: recurrentDropout must be a number >= 0');
  });
});

describe('bidirectional', () => {
  it('begins with given states, those of the forward direction first, and comes through a file', async () => {
    const x = input([5, 3]);
    const states = Array.from({ length: 4 }, () => input([4]));
    const options = { returnSequences: true, kernelInitializer: 'heNormal' } as const;
    const both = bidirectional(lstm(4, options))(x, { initialState: states });
    const made = model({ inputs: [x, ...states], outputs: both, seed: 4 });
    const forward = lstm(4, options)(x, { initialState: states.slice(0, 2) });
    const backward = lstm(4, { ...options, goBackwards: true })(x, { initialState: states.slice(2) });
    const parts = model({ inputs: [x, ...states], outputs: [forward, backward] });
    parts.setWeights(
      made.getWeights().map((weight, i) => ({ ...weight, name: parts.getWeights()[i]!.name })),
    );
    const values = [
      rows(5, 3, 1),
      ...[2, 3, 4, 5].map((seed) => ({ data: randomValues(16, seed), shape: [4, 4] })),
    ];
    const { data } = await made.predict(values);
    const [ahead, back] = (await parts.predict(values)) as [Prediction, Prediction];
    // [batch, time, 8]; what goes backwards gives the last time first
    const want = Array.from({ length: 20 }, (_, i) => {
      const [row, time] = [Math.floor(i / 5), i % 5];
      const at = (row * 5 + 4 - time) * 4;
      return [...ahead.data.subarray(i * 4, i * 4 + 4), ...back.data.subarray(at, at + 4)];
    });
    expect(Array.from(data)).toEqual(want.flat());
    const again = await loadModel(made.toBytes());
    expect(again.toConfig()).toEqual(made.toConfig());
    expect(await again.predict(values)).toEqual({ data, shape: [4, 5, 8] });
  });

  it('has the weights of two layers and the same outputs after a file', async () => {
    const made = sequential({ inputShape: [5, 3], seed: 1 }, [
      bidirectional(gru(4, { returnSequences: true, dropout: 0.1 }), { mergeMode: 'mul' }),
      bidirectional(lstm(2), { name: 'top' }),
    ]);
    expect(made.outputShape).toEqual([-1, 4]);
    expect(
      made
        .getWeights()
        .map(({ name }) => name)
        .slice(0, 4),
    ).toEqual([
      'bidirectional/forward/kernel',
      'bidirectional/forward/recurrentKernel',
      'bidirectional/forward/bias',
      'bidirectional/backward/kernel',
    ]);
    const again = await loadModel(made.toBytes());
    expect(again.toConfig()).toEqual(made.toConfig());
    expect(await again.predict(rows(5, 3, 1))).toEqual(await made.predict(rows(5, 3, 1)));
  });

  it('takes recurrent layers that walk forwards', () => {
    expect(() => bidirectional(dense(3))).toThrow(
      'bidirectional takes a layer that lstm, gru or simpleRnn made, got dense',
    );
    expect(() => bidirectional(gru(3, { goBackwards: true }))).toThrow(
      'bidirectional: its layer cannot have goBackwards or returnState',
    );
    expect(() => bidirectional(gru(3), { mergeMode: 'avg' as 'ave' })).toThrow('bidirectional: mergeMode');
  });
});
