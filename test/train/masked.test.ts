import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  binaryCrossEntropy,
  type ChainLayer,
  crossEntropy,
  dense,
  embedding,
  globalAveragePooling1d,
  input,
  type LossLike,
  lstm,
  masking,
  meanSquaredError,
  model,
  multiHeadAttention,
  ops,
  sequential,
  sgd,
  type Tensor,
  Trainer,
} from '../../src/index.ts';
import { randomValues } from './support.ts';

interface Case {
  readonly loss: 'meanSquaredError' | 'crossEntropy' | 'binaryCrossEntropy';
  readonly x: readonly number[];
  readonly t: readonly number[];
  readonly kernel: readonly number[];
  readonly losses: readonly number[];
  readonly metrics: readonly number[] | null;
  readonly weights: readonly number[];
  readonly bias: readonly number[];
}

const golden: {
  readonly rows: number;
  readonly time: number;
  readonly features: number;
  readonly units: number;
  readonly rate: number;
  readonly cases: readonly Case[];
} = JSON.parse(readFileSync(new URL('../golden/masked.json', import.meta.url), 'utf8'));

const { rows, time, features, units, rate } = golden;
const close = (got: ArrayLike<number>, wanted: readonly number[]): void => {
  expect(got.length).toBe(wanted.length);
  wanted.forEach((v, i) => {
    expect(Math.abs(got[i]! - v)).toBeLessThan(1e-5 * Math.max(1, Math.abs(v)));
  });
};

const dataOf = ({ loss, x, t }: Case) => ({
  x: { data: Float32Array.from(x), shape: [rows, time, features] },
  y: {
    data: Float32Array.from(t),
    shape: loss === 'crossEntropy' ? [rows, time] : [rows, time, units],
  },
});

/** Ten steps with the loss, and what PyTorch made of the steps that count. */
async function follow(one: Case, loss: LossLike, threads = 1) {
  const net = sequential({ inputShape: [time, features] }, [masking(), dense(units)]);
  const [kernel, bias] = net.getWeights();
  net.setWeights([{ ...kernel!, data: Float32Array.from(one.kernel) }, bias!]);
  const metrics = one.metrics ? (['accuracy'] as const) : [];
  const trainer = await Trainer.create(net, {
    loss,
    metrics,
    optimizer: sgd({ learningRate: rate }),
    threads,
  });
  const { epochs } = await trainer.fit(dataOf(one), { epochs: one.losses.length, batchSize: rows });
  close(epochs.map((logs) => logs.loss!), one.losses); // biome-ignore format: one line
  if (one.metrics) close(epochs.map((logs) => logs.accuracy!), one.metrics); // biome-ignore format: one line
  const [w, b] = net.getWeights();
  close(w!.data, one.weights);
  close(b!.data, one.bias);
  trainer.dispose();
}

describe('losses of time steps', () => {
  it.each(golden.cases)('$loss is that of the steps that count, as in PyTorch', async (one) => {
    await follow(one, one.loss);
    await follow(one, one.loss, 2);
  });

  it('a loss of your own counts the same steps', () =>
    follow(golden.cases[0]!, (t, y) => ops.square(ops.sub(t, y))));

  it('one-hot targets and probabilities, also of a softmax or a sigmoid, count the same steps', async () => {
    const one = golden.cases[1]!;
    const { x, y } = dataOf(one);
    const data = Float32Array.from({ length: one.t.length * units }, (_, i) =>
      one.t[Math.floor(i / units)] === i % units ? 1 : 0,
    );
    const hot = { data, shape: [rows, time, units] };
    const evaluate = async (loss: LossLike, last: ChainLayer, targets: typeof y) => {
      const net = sequential({ inputShape: [time, features], seed: 3 }, [masking(), last]);
      return (await Trainer.create(net, { loss })).evaluate({ x, y: targets });
    };
    const classes = (await evaluate('crossEntropy', dense(units), y)).loss!;
    const softmax = dense(units, { activation: 'softmax' });
    close([(await evaluate('crossEntropy', softmax, hot)).loss!], [classes]);
    const logits = (await evaluate('binaryCrossEntropy', dense(units), hot)).loss!;
    const sigmoid = dense(units, { activation: 'sigmoid' });
    close([(await evaluate(binaryCrossEntropy({ fromLogits: false }), sigmoid, hot)).loss!], [logits]);
  });

  it('reduction sum adds the steps that count', async () => {
    for (const [i, loss] of [meanSquaredError, crossEntropy, binaryCrossEntropy].entries()) {
      const one = golden.cases[i]!;
      const train = async (reduction: 'mean' | 'sum', learningRate: number) => {
        const net = sequential({ inputShape: [time, features], seed: 3 }, [masking(), dense(units)]);
        const trainer = await Trainer.create(net, {
          loss: loss({ reduction }),
          optimizer: sgd({ learningRate }),
        });
        const before = (await trainer.evaluate(dataOf(one))).loss!;
        await trainer.fit(dataOf(one), { epochs: 3, batchSize: rows });
        return [before, ...net.getWeights().flatMap(({ data }) => [...data])];
      };
      const counted = 10 * (one.loss === 'crossEntropy' ? 1 : units);
      const [mean, ...weights] = await train('mean', 0.1);
      const [sum, ...again] = await train('sum', 0.1 / counted);
      close([sum! / counted, ...again], [mean!, ...weights]);
    }
  });

  it('what stands in steps that are left out changes nothing, a batch without any step trains nothing', async () => {
    const layers = (): ChainLayer[] => [
      masking(),
      lstm(4, { returnSequences: true }),
      multiHeadAttention({ numHeads: 2 }),
      dense(units),
    ];
    const one = golden.cases[1]!;
    const { x, y } = dataOf(one);
    const others = { ...y, data: y.data.map((v, i) => (one.x[i * features] === 0 ? (v + 1) % units : v)) };
    const train = async (data: object) => {
      const net = sequential({ inputShape: [time, features], seed: 3 }, layers());
      const start = net.getWeights();
      const trainer = await Trainer.create(net, { loss: 'crossEntropy', metrics: ['accuracy'] });
      const { epochs } = await trainer.fit({ x, y, ...data }, { epochs: 3, batchSize: 2 });
      return { start, epochs, end: net.getWeights() };
    };
    expect((await train({ y: others })).end).toEqual((await train({})).end);
    const none = await train({ x: { ...x, data: new Float32Array(x.data.length) } });
    expect(none.end).toEqual(none.start);
    expect(none.epochs[0]).toEqual({ loss: 0, accuracy: 0 });
  });

  it('an output without time counts all rows beside one with time', async () => {
    const one = golden.cases[0]!;
    const sequence = input([time, features]);
    const masked = masking()(sequence);
    const all = dense(units)(masked);
    const last = dense(2)(globalAveragePooling1d()(masked));
    const net = model({ inputs: sequence, outputs: { all, last } });
    const [kernel, ...rest] = net.getWeights();
    net.setWeights([{ ...kernel!, data: Float32Array.from(one.kernel) }, ...rest]);
    const trainer = await Trainer.create(net, {
      loss: { all: 'meanSquaredError', last: 'meanSquaredError' },
    });
    const { x, y } = dataOf(one);
    const z = { data: randomValues(rows * 2, 4), shape: [rows, 2] };
    const logs = await trainer.evaluate({ x, y: { all: y, last: z } });
    const { last: got } = await net.predict(x);
    const error = got.data.reduce((sum, v, i) => sum + (v - z.data[i]!) ** 2, 0) / z.data.length;
    close([logs.all_loss!, logs.last_loss!], [one.losses[0]!, error]);
  });
});

describe('metrics of time steps', () => {
  // of 256 rows all four steps count and are right, of 256 others one step, which is wrong: 1024 of 1280
  const half = 256;
  const rowsOf = (first: number[], second: number[]) =>
    Array.from({ length: 2 * half }, (_, i) => (i < half ? first : second));
  const tokens = rowsOf([1, 1, 1, 1], [1, 0, 0, 0]);
  const classes = rowsOf([0, 0, 0, 0], [1, 1, 1, 1]);
  const vectors = Float32Array.of(0, 0, 1, 0);
  const right = 1024 / 1280;
  const optimizer = sgd({ learningRate: 0 });

  const tagger = () => {
    const net = sequential({ inputShape: [4] }, [embedding(2, 2, { maskZero: true })]);
    net.setWeights([{ ...net.getWeights()[0]!, data: vectors }]);
    return net;
  };

  it('are means over the steps that count in the whole epoch, whatever the batches', async () => {
    const loss = 'crossEntropy';
    const hits = (t: Tensor, y: Tensor): Tensor =>
      ops.equal(t, ops.greater(ops.max(y, { axis: 2 }), ops.sum(y, { axis: 2 })));
    const metrics = ['accuracy', { name: 'own', compute: hits }] as const;
    const trainer = await Trainer.create(tagger(), { loss, metrics, optimizer });
    const data = { x: tokens, y: classes };
    const { accuracy, own } = await trainer.evaluate(data);
    expect([accuracy, own]).toEqual([right, right]);
    for (const batchSize of [512, 100, 7]) {
      const { epochs } = await trainer.fit(data, { epochs: 2, batchSize, validationData: data });
      for (const { accuracy, own, val_accuracy, val_own } of epochs) {
        expect([accuracy, own, val_accuracy, val_own]).toEqual([right, right, right, right]);
      }
    }
  });

  it('may be as many as there are sums, that of the steps beside them', async () => {
    const metrics = Array.from({ length: 15 }, (_, i) => ({
      name: `always_${i}`,
      compute: (t: Tensor) => ops.add(ops.mul(t, 0), i),
    }));
    const trainer = await Trainer.create(tagger(), { loss: 'crossEntropy', metrics, optimizer });
    const { loss: _, ...logs } = await trainer.evaluate({ x: tokens, y: classes });
    expect(logs).toEqual(Object.fromEntries(metrics.map(({ name }, i) => [name, i])));
  });

  it('the loss of an epoch is that of its batches, each the mean of its steps, weighted by their rows', async () => {
    const trainer = await Trainer.create(tagger(), { loss: 'crossEntropy', optimizer });
    const [hit, miss] = [Math.log(1 + Math.E) - 1, Math.log(1 + Math.E)];
    const { loss } = await trainer.evaluate({ x: tokens, y: classes });
    expect(loss).toBeCloseTo((hit + miss) / 2, 6);
    const whole = { batchSize: 2 * half };
    const { epochs } = await trainer.fit({ x: tokens, y: classes }, whole);
    expect(epochs[0]!.loss).toBeCloseTo(right * hit + (1 - right) * miss, 6);
  });

  it('of several outputs are each over the steps of its own mask', async () => {
    const [a, b] = [input([4]), input([4])];
    const table = embedding(2, 2, { maskZero: true, name: 'table' });
    const net = model({ inputs: [a, b], outputs: { left: table(a), right: table(b), flat: dense(1)(globalAveragePooling1d()(table(b))) } }); // biome-ignore format: one line
    const rest = net.getWeights().filter(({ name }) => name !== 'table/embeddings');
    const [shared] = net.getWeights();
    net.setWeights([{ ...shared!, data: vectors }, ...rest]);
    const trainer = await Trainer.create(net, {
      loss: { left: 'crossEntropy', right: 'binaryCrossEntropy', flat: 'meanSquaredError' },
      metrics: { left: ['accuracy'], right: ['accuracy', 'binaryAccuracy'], flat: ['binaryAccuracy'] },
      optimizer,
    });
    const all = rowsOf([1, 1, 1, 1], [1, 1, 1, 1]);
    // logits 1 and 0: right in the first rows, both wrong in the others
    const data = Float32Array.from({ length: 8 * 2 * half }, (_, i) => (i < 8 * half ? 1 - (i % 2) : i % 2));
    const bits = { data, shape: [2 * half, 4, 2] };
    const flat = tokens.map(() => [0]);
    const logs = await trainer.evaluate({ x: [all, tokens], y: { left: classes, right: bits, flat } });
    expect(logs.left_accuracy).toBe(0.5);
    expect([logs.right_accuracy, logs.right_binaryAccuracy]).toEqual([right, right]);
    const values = (await net.predict([all, tokens])).flat.data;
    expect(logs.flat_binaryAccuracy).toBe(values.filter((v) => v <= 0.5).length / values.length);
  });
});
