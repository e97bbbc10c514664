import { describe, expect, it } from 'vitest';
import {
  add,
  batchNormalization,
  type ChainLayer,
  CustomLayer,
  type Dataset,
  dense,
  embedding,
  globalMaxPooling1d,
  gru,
  input,
  masking,
  model,
  ops,
  sequential,
  sgd,
  type Tensor,
  Trainer,
} from '../../src/index.ts';
import { randomValues } from '../train/support.ts';

const FILL = -1;

/** Each step [2] becomes [2, 1]. */
class Split extends CustomLayer {
  static readonly type = 'Split';
  override readonly passesMask = true as const;

  call(x: Tensor): Tensor {
    return ops.expandDims(x, 3);
  }
}

describe('batch normalization with a mask', () => {
  const movingOf = (net: { getWeights(): { name: string; data: Float32Array }[] }): number[][] =>
    net.getWeights().flatMap(({ name, data }) => (name.includes('moving') ? [[...data]] : []));

  it('takes mean and variance over the steps that count', async () => {
    const net = sequential({ inputShape: [3] }, [
      embedding(3, 1, { maskZero: true }),
      batchNormalization({ momentum: 0 }),
    ]);
    const [table, ...rest] = net.getWeights();
    net.setWeights([{ ...table!, data: Float32Array.of(100, 1, 3) }, ...rest]);
    const trainer = await Trainer.create(net, { loss: 'meanSquaredError' });
    await trainer.fit({ x: [[1, 2, 0]], y: [[[0], [0], [0]]] });
    expect(movingOf(net)).toEqual([[2], [1]]);
  });

  const lengths = [4, 1, 0, 3, 2];
  const [rows, time, features] = [lengths.length, 4, 3];
  const counted = lengths.reduce((a, b) => a + b);
  const values = randomValues(counted * features, 8);
  const wanted = randomValues(counted * 2, 9);
  /** Numbers of the steps that count, in [rows, time], and FILL elsewhere. */
  const spread = (packed: Float32Array): Float32Array => {
    const size = packed.length / counted;
    const all = new Float32Array(rows * time * size).fill(FILL);
    let from = 0;
    lengths.forEach((length, row) => {
      all.set(packed.subarray(from, from + length * size), row * time * size);
      from += length * size;
    });
    return all;
  };
  const norm = { momentum: 0.5, gammaInitializer: 'randomNormal', betaInitializer: 'randomNormal' } as const;
  const layers: Record<string, () => ChainLayer[]> = {
    'gamma and beta': () => [dense(3), batchNormalization(norm), dense(2)],
    'neither of them': () => [dense(3), batchNormalization({ scale: false, center: false }), dense(2)],
    'one after the other': () => [
      dense(3, { activation: 'tanh' }),
      batchNormalization(norm),
      batchNormalization({ ...norm, center: false }),
      dense(2),
    ],
    'positions within a step': () => [dense(2), new Split(), batchNormalization(norm), dense(1)],
  };

  it.each(Object.keys(layers))('%s: trains as on a list of these steps alone', async (name) => {
    const inner = name === 'positions within a step' ? [2, 1] : [2];
    const train = async (inputShape: number[], first: ChainLayer[], x: object, y: object, threads = 1) => {
      const net = sequential({ inputShape, seed: 6 }, [...first, ...layers[name]!()]);
      const optimizer = sgd({ learningRate: 0.2 });
      const trainer = await Trainer.create(net, { loss: 'meanSquaredError', optimizer, threads });
      const { epochs } = await trainer.fit({ x, y } as Dataset, { epochs: 5, batchSize: counted });
      trainer.dispose();
      return [epochs.map(({ loss }) => loss), ...net.getWeights().map(({ data }) => [...data])];
    };
    const masked = (threads: number) =>
      train(
        [time, features],
        [masking(FILL)],
        { data: spread(values), shape: [rows, time, features] },
        { data: spread(wanted), shape: [rows, time, ...inner] },
        threads,
      );
    // a list of rows of one step each
    const packed = await train(
      [1, features],
      [],
      { data: values, shape: [counted, 1, features] },
      { data: wanted, shape: [counted, 1, ...inner] },
    );
    const long = await masked(1);
    long.forEach((list, i) => {
      list.forEach((v, j) => {
        expect(Math.abs(v - packed[i]![j]!)).toBeLessThan(1e-5 * Math.max(1, Math.abs(v)));
      });
    });
    expect(await masked(2)).toEqual(long);
  });

  it('trains to the same bits where it is checkpointed', async () => {
    const train = async (checkpoint: boolean) => {
      const block = sequential({ inputShape: [time, features], checkpoint }, [
        dense(3, { activation: 'tanh' }),
        batchNormalization(norm),
        gru(3, { returnSequences: true, goBackwards: true }),
        batchNormalization(norm),
      ]);
      const net = sequential({ inputShape: [time, features], seed: 6 }, [
        masking(FILL),
        block,
        globalMaxPooling1d(),
        dense(2),
      ]);
      const trainer = await Trainer.create(net, { loss: 'meanSquaredError' });
      const x = { data: spread(values), shape: [rows, time, features] };
      await trainer.fit({ x, y: lengths.map((n) => [n, 1]) }, { epochs: 4, batchSize: 3 });
      return net.getWeights();
    };
    expect(await train(true)).toEqual(await train(false));
  });

  it('of a batch without any step trains nothing, and its statistics are 0', async () => {
    const net = sequential({ inputShape: [time, features] }, [
      masking(),
      batchNormalization({ momentum: 0.5 }),
    ]);
    const zeros = { data: new Float32Array(rows * time * features), shape: [rows, time, features] };
    const trainer = await Trainer.create(net, { loss: 'meanSquaredError' });
    const { epochs } = await trainer.fit({ x: zeros, y: zeros });
    expect(epochs).toEqual([{ loss: 0 }]);
    expect(net.getWeights().map(({ data }) => [...data])).toEqual([
      [1, 1, 1],
      [0, 0, 0],
      [0, 0, 0],
      [0.5, 0.5, 0.5],
    ]);
  });

  it('goes on from the first application in the second', async () => {
    const [a, b] = [input([2]), input([2])];
    const table = embedding(4, 1, { maskZero: true });
    const layer = batchNormalization({ momentum: 0.5 });
    const net = model({ inputs: [a, b], outputs: add()([layer(table(a)), layer(table(b))]) });
    const [vectors, ...rest] = net.getWeights();
    net.setWeights([{ ...vectors!, data: Float32Array.of(100, 1, 3, 8) }, ...rest]);
    const trainer = await Trainer.create(net, { loss: 'meanSquaredError' });
    await trainer.fit({ x: [[[1, 2]], [[3, 0]]], y: [[[0], [0]]] });
    // means 2 and 8, variances 1 and 0
    expect(movingOf(net)).toEqual([[2 / 4 + 8 / 2], [1 / 4 + 1 / 4]]);
  });

  it('predicts by the moving statistics', async () => {
    const net = sequential({ inputShape: [time, features] }, [masking(FILL), batchNormalization()]);
    const data = spread(values);
    const { data: y } = net.predictSync({ data, shape: [rows, time, features] });
    y.forEach((v, i) => {
      expect(v).toBeCloseTo(data[i] === FILL ? 0 : data[i]! / Math.sqrt(1.001), 6);
    });
  });
});
