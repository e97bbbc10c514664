import { describe, expect, it } from 'vitest';
import {
  adam,
  bidirectional,
  dense,
  gru,
  input,
  loadModel,
  lstm,
  type Model,
  masking,
  model as modelOf,
  NonFiniteError,
  ops,
  sequential,
  sgd,
  simpleRnn,
  type Tensor,
  Trainer,
} from '../../src/index.ts';
import { each } from '../errors/support.ts';
import { randomValues } from '../train/support.ts';

const FEATURES = 3;
const UNITS = 4;
const PIECE = 2;

interface Rows {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

const makers = { lstm, gru, simpleRnn };
type Type = keyof typeof makers;
const types = Object.keys(makers) as Type[];

/** Sequences [rows, time, features]. */
function sequences(rows: number, time: number, seed = 1): Rows {
  return { data: randomValues(rows * time * FEATURES, seed), shape: [rows, time, FEATURES] };
}

/** Some time steps of them. */
function piece({ data, shape }: Rows, from: number, to: number): Rows {
  const [rows, time, features] = shape as [number, number, number];
  const parts = Array.from({ length: rows }, (_, row) => [
    ...data.slice((row * time + from) * features, (row * time + to) * features),
  ]);
  return { data: Float32Array.from(parts.flat()), shape: [rows, to - from, features] };
}

/** Batches one after the other. */
function joined(parts: readonly Rows[]): Rows {
  const [, ...row] = parts[0]!.shape;
  const rows = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
  return { data: Float32Array.from(parts.flatMap(({ data }) => [...data])), shape: [rows, ...row] };
}

/** Two layers, one on top of the other, and a dense one. */
function stacked(type: Type, time: number, stateful: boolean): Model {
  const make = makers[type] as typeof lstm;
  return sequential({ inputShape: [time, FEATURES], seed: 7 }, [
    make(UNITS, { returnSequences: true, stateful }),
    make(5, { returnSequences: true, stateful }),
    dense(2),
  ]);
}

/** In pieces of two steps, the weights those of a model of whole sequences. */
function inPieces(type: Type, whole: Model): Model {
  const model = stacked(type, PIECE, true);
  model.setWeights(whole.getWeights());
  return model;
}

describe('predict', () => {
  it.each(types)('%s: a sequence in pieces gives the bits that it gives in one', (type) => {
    // more rows than are computed at once
    for (const rows of [1, 5, 300]) {
      const x = sequences(rows, 6);
      const whole = stacked(type, 6, false);
      const want = whole.predictSync(x);
      const model = inPieces(type, whole);
      for (const round of [1, 2]) {
        for (let from = 0; from < 6; from += PIECE) {
          const got = model.predictSync(piece(x, from, from + PIECE));
          expect(got, `piece at ${from}, round ${round}`).toEqual(piece2(want, from));
        }
        model.resetStates();
      }
    }
  });

  /** The same of predictions, whose rows are two wide. */
  function piece2({ data, shape }: Rows, from: number): Rows {
    const [rows, time, width] = shape as [number, number, number];
    const parts = Array.from({ length: rows }, (_, row) => [
      ...data.slice((row * time + from) * width, (row * time + from + PIECE) * width),
    ]);
    return { data: Float32Array.from(parts.flat()), shape: [rows, PIECE, width] };
  }

  it('takes several batches at once, where the states have their rows', () => {
    const x = sequences(4, 6);
    const model = stacked('gru', PIECE, true);
    const parts = [0, 2, 4].map((from) => piece(x, from, from + PIECE));
    const want = parts.map((part) => model.predictSync(part));
    model.resetStates();
    model.predictSync(parts[0]!);
    expect(model.predictSync(joined(parts.slice(1)))).toEqual(joined(want.slice(1)));
  });

  it('gives the states that the next batch begins with, where returnState asks for them', () => {
    const [x, h, c] = [input([PIECE, FEATURES]), input([UNITS]), input([UNITS])];
    const last = lstm(UNITS, { stateful: true, returnState: true, goBackwards: true });
    const model = modelOf({ inputs: x, outputs: last(x), seed: 6 });
    const given = lstm(UNITS, { returnState: true, goBackwards: true });
    const reference = modelOf({ inputs: [x, h, c], outputs: given(x, { initialState: [h, c] }), seed: 6 });
    let states: readonly Rows[] = [0, 1].map(() => ({
      data: new Float32Array(2 * UNITS),
      shape: [2, UNITS],
    }));
    for (const seed of [1, 2, 3]) {
      const rows = sequences(2, PIECE, seed);
      const want = reference.predictSync([rows, ...states]);
      expect(model.predictSync(rows)).toEqual(want);
      states = want.slice(1);
    }
  });

  it('leaves masked steps out of the states', () => {
    const make = (): Model =>
      sequential({ inputShape: [PIECE, FEATURES], seed: 3 }, [masking(), lstm(UNITS, { stateful: true })]);
    const [a, b] = [make(), make()];
    const x = sequences(3, PIECE);
    const zeros = { data: new Float32Array(x.data.length), shape: x.shape };
    a.predictSync(x);
    b.predictSync(x);
    a.predictSync(zeros);
    expect(a.predictSync(x)).toEqual(b.predictSync(x));
  });

  it('carries each direction of a bidirectional layer, and each use of a shared layer, by itself', () => {
    const x = input([PIECE, FEATURES]);
    const layer = bidirectional(gru(UNITS, { stateful: true }), { name: 'both' });
    const model = modelOf({ inputs: x, outputs: layer(x), seed: 2 });
    const weights = model.getWeights().map((w) => ({ ...w, name: w.name.slice('both/'.length) }));
    const one = (direction: 'forward' | 'backward'): Model => {
      const alone = sequential({ inputShape: [PIECE, FEATURES] }, [
        gru(UNITS, { stateful: true, goBackwards: direction === 'backward', name: direction }),
      ]);
      alone.setWeights(weights.filter(({ name }) => name.startsWith(direction)));
      return alone;
    };
    const [forward, backward] = [one('forward'), one('backward')];
    for (const seed of [1, 2, 3]) {
      const rows = sequences(2, PIECE, seed);
      const [f, b] = [forward, backward].map((alone) => alone.predictSync(rows).data);
      const want = [0, 1].flatMap((row) => [
        ...f!.slice(row * UNITS, (row + 1) * UNITS),
        ...b!.slice(row * UNITS, (row + 1) * UNITS),
      ]);
      expect([...model.predictSync(rows).data]).toEqual(want);
    }

    const [left, right] = [input([PIECE, FEATURES]), input([PIECE, FEATURES])];
    const shared = lstm(UNITS, { stateful: true });
    const twins = modelOf({ inputs: [left, right], outputs: [shared(left), shared(right)], seed: 2 });
    const single = sequential({ inputShape: [PIECE, FEATURES] }, [lstm(UNITS, { stateful: true })]);
    single.setWeights(twins.getWeights());
    const rows = [1, 2, 3].map((seed) => sequences(2, PIECE, seed));
    const want = rows.map((part) => single.predictSync(part).data);
    for (const [i, part] of rows.entries()) {
      const [got] = twins.predictSync([part, sequences(2, PIECE, i + 10)]);
      expect(got!.data).toEqual(want[i]);
    }
  });

  it('has states of its own in each model: of a model within another those of the outer one', () => {
    const inner = stacked('lstm', PIECE, true);
    const outer = sequential({ inputShape: [PIECE, FEATURES] }, [inner]);
    const x = sequences(2, PIECE);
    const [first, second] = [inner.predictSync(x), inner.predictSync(x)];
    expect(first).not.toEqual(second);
    expect(outer.predictSync(x)).toEqual(first);
    expect(outer.predictSync(x)).toEqual(second);
  });
});

/** y for each piece, [rows, 2 steps, 2]. */
function targets(rows: number, seed: number): Rows {
  return { data: randomValues(rows * PIECE * 2, seed), shape: [rows, PIECE, 2] };
}

describe('fit', () => {
  const ROWS = 3;
  const x = sequences(ROWS, 6, 4);
  const xs = [0, 2, 4].map((from) => piece(x, from, from + PIECE));
  const ys = [11, 12, 13].map((seed) => targets(ROWS, seed));

  /** The same network, which takes its states and gives them back. */
  function explicit(stateful: Model): Model<Rows[]> {
    const start = input([PIECE, FEATURES]);
    const [h1, c1, h2, c2] = [UNITS, UNITS, 5, 5].map((units) => input([units]));
    const options = { returnSequences: true, returnState: true } as const;
    const [y1, ...s1] = lstm(UNITS, { ...options, name: 'lstm' })(start, { initialState: [h1!, c1!] });
    const [y2, ...s2] = lstm(5, { ...options, name: 'lstm_1' })(y1, { initialState: [h2!, c2!] });
    const model = modelOf({
      inputs: [start, h1!, c1!, h2!, c2!],
      outputs: [dense(2, { name: 'dense' })(y2), ...s1, ...s2],
      seed: 7,
    });
    model.setWeights(stateful.getWeights());
    return model as unknown as Model<Rows[]>;
  }

  it.each([1, 2])('is the training with states handed over by hand, threads: %i', async (threads) => {
    const model = stacked('lstm', PIECE, true);
    const reference = explicit(model);
    const optimizer = adam({ learningRate: 0.05 });
    const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer, threads });
    const slow = await Trainer.create(reference, {
      loss: Array.from({ length: 5 }, () => 'meanSquaredError' as const),
      lossWeights: [1, 0, 0, 0, 0],
      optimizer,
    });
    const sizes = [UNITS, UNITS, 5, 5];
    let states: Rows[] = sizes.map((units) => ({
      data: new Float32Array(ROWS * units),
      shape: [ROWS, units],
    }));
    for (let epoch = 0; epoch < 2; epoch++) {
      for (const [i, part] of xs.entries()) {
        const [, ...next] = await reference.predict([part, ...states]);
        await slow.fit({ x: [part, ...states], y: [ys[i]!, ...states] }, { batchSize: ROWS });
        states = next;
      }
    }
    const data = { x: joined(xs), y: joined(ys) };
    // the states go on from epoch to epoch, as they do from fit to fit
    await trainer.fit(data, { batchSize: ROWS, epochs: 1 });
    await trainer.fit(data, { batchSize: ROWS, epochs: 1 });
    trainer.dispose();
    const got = model.getWeights().map(({ data }) => data);
    expect(got).toEqual(reference.getWeights().map(({ data }) => data));
    const outputs = await reference.predict([xs[0]!, ...states]);
    expect(await model.predict(xs[0]!)).toEqual(outputs[0]);
  });

  it('begins anew where an epoch ends with resetStates, and every step with it where it is called there', async () => {
    const train = async (reset: 'never' | 'epoch' | 'step'): Promise<Float32Array[]> => {
      const model = stacked('gru', PIECE, true);
      const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer: sgd() });
      await trainer.fit(
        { x: joined(xs), y: joined(ys) },
        {
          batchSize: ROWS,
          epochs: 2,
          ...(reset === 'epoch' && { onEpoch: () => model.resetStates() }),
          ...(reset === 'step' && { onStep: () => model.resetStates() }),
        },
      );
      return model.getWeights().map(({ data }) => data);
    };
    const twice = async (): Promise<Float32Array[]> => {
      const model = stacked('gru', PIECE, true);
      const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer: sgd() });
      for (let epoch = 0; epoch < 2; epoch++) {
        await trainer.fit({ x: joined(xs), y: joined(ys) }, { batchSize: ROWS });
        model.resetStates();
      }
      return model.getWeights().map(({ data }) => data);
    };
    const without = async (): Promise<Float32Array[]> => {
      const model = stacked('gru', PIECE, false);
      const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer: sgd() });
      const data = { x: joined(xs), y: joined(ys) };
      await trainer.fit(data, { batchSize: ROWS, epochs: 2, shuffle: false });
      return model.getWeights().map(({ data }) => data);
    };
    const epochwise = await train('epoch');
    expect(epochwise).toEqual(await twice());
    expect(await train('step')).toEqual(await without());
    expect(await train('never')).not.toEqual(epochwise);
  });

  it('hands its states on to the validation, and that to the next epoch; evaluate goes on, too', async () => {
    const model = stacked('lstm', PIECE, true);
    const trainer = await Trainer.create(model, {
      loss: 'meanSquaredError',
      optimizer: sgd({ learningRate: 0 }),
    });
    const [first, second, third] = xs.map((part, i) => ({ x: part, y: ys[i]! }));
    const losses = async (data: typeof first) => (await trainer.evaluate(data!)).loss;
    const want = [await losses(first), await losses(second), await losses(third), await losses(first)];
    model.resetStates();
    const { epochs } = await trainer.fit(
      { x: joined(xs.slice(0, 2)), y: joined(ys.slice(0, 2)) },
      { batchSize: ROWS, validationData: third! },
    );
    expect(epochs[0]!.loss).toBeCloseTo((want[0]! + want[1]!) / 2, 6);
    expect(epochs[0]!.val_loss).toBe(want[2]);
    expect(await losses(first)).toBe(want[3]);
    model.resetStates();
    await losses(first);
    // two batches at once
    const both = { x: joined(xs.slice(1)), y: joined(ys.slice(1)) };
    expect(await losses(both)).toBeCloseTo((want[1]! + want[2]!) / 2, 6);
  });

  it('is evaluated with more rows than other models are at once', async () => {
    const rows = 300;
    const model = stacked('gru', PIECE, true);
    const trainer = await Trainer.create(model, { loss: 'meanSquaredError' });
    const parts = [1, 2].map((seed) => ({ x: sequences(rows, PIECE, seed), y: targets(rows, seed + 5) }));
    const got: number[] = [];
    for (const part of parts) got.push((await trainer.evaluate(part)).loss);
    model.resetStates();
    for (const [i, { x, y }] of parts.entries()) {
      const { data } = model.predictSync(x);
      const squares = data.reduce((sum, value, j) => sum + (value - y.data[j]!) ** 2, 0);
      expect(got[i]).toBeCloseTo(squares / data.length, 5);
    }
  });

  it('goes through a model within a model that is checkpointed', async () => {
    const outer = (checkpoint: boolean): Model => {
      const x = input([PIECE, FEATURES]);
      const y = lstm(UNITS, { returnSequences: true, stateful: true })(x);
      const block = modelOf({ inputs: x, outputs: y, checkpoint, seed: 1 });
      return sequential({ inputShape: [PIECE, FEATURES], seed: 1 }, [block, dense(2)]);
    };
    const [want, got] = await Promise.all(
      [false, true].map(async (checkpoint) => {
        const model = outer(checkpoint);
        const trainer = await Trainer.create(model, { loss: 'meanSquaredError' });
        await trainer.fit({ x: joined(xs), y: joined(ys) }, { batchSize: ROWS, epochs: 3 });
        return [...model.getWeights().map(({ data }) => data), model.predictSync(xs[0]!).data];
      }),
    );
    expect(got).toEqual(want);
  });

  it('keeps the states of the step before, where one fails', async () => {
    const model = sequential({ inputShape: [1, 1], seed: 3 }, [
      simpleRnn(1, { stateful: true, activation: 'linear', recurrentInitializer: 'zeros' }),
    ]);
    model.setWeights([
      { name: 'simpleRnn/kernel', shape: [1, 1], data: Float32Array.of(1) },
      { name: 'simpleRnn/recurrentKernel', shape: [1, 1], data: Float32Array.of(1) },
      { name: 'simpleRnn/bias', shape: [1], data: Float32Array.of(0) },
    ]);
    const trainer = await Trainer.create(model, {
      loss: 'meanSquaredError',
      optimizer: sgd({ learningRate: 0 }),
    });
    const one = (value: number) => ({ data: Float32Array.of(value), shape: [1, 1, 1] });
    await trainer.fit({ x: one(2), y: [0] }, { batchSize: 1 });
    await expect(trainer.fit({ x: one(3e38), y: [-3e38] }, { batchSize: 1 })).rejects.toThrow(NonFiniteError);
    expect(model.predictSync(one(1)).data).toEqual(Float32Array.of(3));
  });

  it('gives back the memory of its states where no program comes of it', async () => {
    const model = sequential({ inputShape: [PIECE, FEATURES] }, [lstm(UNITS, { stateful: true }), dense(1)]);
    // a comparison has no gradient
    const hits = (target: Tensor, output: Tensor): Tensor => ops.greater(output, target);
    const trainer = await Trainer.create(model, { loss: hits });
    const { arena } = trainer.session.engine;
    const before = arena.used;
    const data = { x: sequences(4, PIECE), y: { data: new Float32Array(4), shape: [4, 1] } };
    await expect(trainer.fit(data, { batchSize: 2 })).rejects.toThrow('depends on none of the weights');
    expect(arena.used).toBe(before);
  });

  it('survives a file, which does not have the states', async () => {
    const model = stacked('gru', PIECE, true);
    const first = model.predictSync(xs[0]!);
    const again = await loadModel(model.toBytes());
    expect(again.toConfig()).toEqual(model.toConfig());
    expect(again.predictSync(xs[0]!)).toEqual(first);
    expect(model.predictSync(xs[0]!)).not.toEqual(first);
  });
});

describe('errors', () => {
  const model = (): Model => stacked('lstm', PIECE, true);
  const trainerOf = (made: Model) => Trainer.create(made, { loss: 'meanSquaredError' });
  const data = (rows: number) => ({ x: sequences(rows, PIECE), y: targets(rows, 1) });
  const carrying = async (rows: number): Promise<Model> => {
    const made = model();
    await made.predict(sequences(rows, PIECE));
    return made;
  };
  each([
    [
      'shuffled rows',
      async () => (await trainerOf(model())).fit(data(4), { batchSize: 2, shuffle: true }),
      "fit: shuffle: the model's layers carry states from batch to batch",
    ],
    [
      'a smaller last batch',
      async () => (await trainerOf(model())).fit(data(5), { batchSize: 2 }),
      'fit: x: 5 rows are no whole number of batches of 2, which stateful layers need, since each row goes on where that of ' +
        'the batch before ended; leave 1 row out, or choose another batchSize',
    ],
    [
      'validation data of another batch size',
      async () => (await trainerOf(model())).fit(data(4), { batchSize: 2, validationData: data(3) }),
      'fit: validationData: 3 rows are no whole number of batches of 2',
    ],
    [
      'another batch size in fit',
      async () => (await trainerOf(await carrying(3))).fit(data(4), { batchSize: 2 }),
      "fit: a batch of 2 rows, but the model's stateful layers have the states of 3 rows: give batches of 3, or call " +
        'model.resetStates() first',
    ],
    [
      'another batch size in evaluate',
      async () => (await trainerOf(await carrying(3))).evaluate(data(2)),
      'evaluate: a batch of 2 rows',
    ],
    [
      'rows that are no batches in evaluate',
      async () => (await trainerOf(await carrying(3))).evaluate(data(4)),
      'leave 1 row out, or call model.resetStates() first',
    ],
    [
      'another batch size in predict',
      async () => (await carrying(3)).predict(sequences(1, PIECE)),
      'predict: a batch of 1 row, but',
    ],
    [
      'states of other rows while fit goes on',
      async () => {
        const made = model();
        const onEpoch = () => {
          made.resetStates();
          made.predictSync(sequences(1, PIECE));
        };
        return (await trainerOf(made)).fit(data(4), { batchSize: 2, epochs: 2, onEpoch });
      },
      "fit: a batch of 2 rows, but the model's stateful layers have the states of 1 row:",
    ],
    [
      'an initial state beside',
      () => {
        const [x, h] = [input([PIECE, FEATURES]), input([UNITS])];
        return gru(UNITS, { stateful: true })(x, { initialState: [h] });
      },
      'gru: applied: a stateful layer begins with its own last states; leave initialState out',
    ],
    ['another type', () => lstm(3, { stateful: 1 as unknown as boolean }), 'lstm: stateful'],
  ]);
});
