import { describe, expect, it } from 'vitest';
import {
  add,
  batchNormalization,
  CustomLayer,
  concatenate,
  constant,
  dense,
  embedding,
  flatten,
  input,
  loadModel,
  type Model,
  model,
  ops,
  sequential,
  sgd,
  type Tensor,
  Trainer,
  type Weight,
} from '../../src/index.ts';
import type { CustomContext } from '../../src/layers/custom.ts';

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

/** Rows [2] of mean 0 and variance 1, and of mean 10 and variance 4. */
const near = [[-1, 1], [1, -1], [-1, -1], [1, 1]]; // biome-ignore format: rows
const far = near.map((row) => row.map((v) => 2 * v + 10));
const zeros = near.map(() => [0]);

/** What shares the layer, applied to each of both inputs. */
function twice(apply: (x: ReturnType<typeof input>) => ReturnType<typeof input>, seed = 3) {
  const [a, b] = [input([2]), input([2])];
  return model({ inputs: [a, b], outputs: dense(1)(add()([apply(a), apply(b)])), seed });
}

async function step(net: Model<unknown>, x: readonly number[][][] = [near, far]): Promise<number> {
  const optimizer = sgd({ learningRate: 0 });
  const trainer = await Trainer.create(net, { loss: 'meanSquaredError', optimizer });
  const { epochs } = await trainer.fit({ x, y: zeros }, { batchSize: near.length });
  return epochs[0]!.loss;
}

/** 1 · m + first · (1 - m), and that · m + second · (1 - m) */
const moved = (start: number, m: number, first: number, second: number): number =>
  (start * m + first * (1 - m)) * m + second * (1 - m);

describe('a layer with moving statistics that is applied twice', () => {
  const norm = () => batchNormalization({ momentum: 0.5 });
  const gan = (checkpoint: boolean) => sequential({ inputShape: [2], checkpoint }, [norm()]);

  it.each([
    ['itself', () => norm()],
    ['within a sub-model', () => gan(false)],
    ['within a checkpointed sub-model', () => gan(true)],
  ] as const)('%s: the second application goes on from what the first one made', async (_, make) => {
    const layer = make();
    const net = twice((x) => layer.apply(x));
    await step(net);
    const [mean, variance] = movingOf(net);
    expect(mean).toEqual([5, 5]);
    // 1 · 0.25 + 1 · 0.25 + 4 · 0.5
    expect(variance).toEqual([2.5, 2.5]);
    // 5 · 0.25 + 0 · 0.25 + 10 · 0.5
    await step(net);
    expect(movingOf(net)[0]).toEqual([6.25, 6.25]);
  });

  it('goes on through many steps to the mean of both, in order of the applications', async () => {
    const layer = batchNormalization({ momentum: 0.99 });
    const net = twice((x) => layer.apply(x));
    const trainer = await Trainer.create(net, {
      loss: 'meanSquaredError',
      optimizer: sgd({ learningRate: 0 }),
    });
    await trainer.fit({ x: [near, far], y: zeros }, { batchSize: near.length, epochs: 1000 });
    let mean = 0;
    for (let i = 0; i < 1000; i++) mean = moved(mean, 0.99, 0, 10);
    for (const value of movingOf(net)[0]!) expect(Math.abs(value - mean)).toBeLessThan(1e-4);
    expect(Math.abs(mean - 5)).toBeLessThan(0.1);
  });

  it('normalizes each input by its own batch, and predicts by the statistics', async () => {
    const layer = norm();
    const net = twice((x) => layer.apply(x));
    const other = [norm(), norm()];
    let place = 0;
    const apart = twice((x) => other[place++]!.apply(x));
    const kernel = net.getWeights().filter(({ name }) => name.startsWith('dense/'));
    const rest = apart.getWeights().filter(({ name }) => !name.startsWith('dense/'));
    apart.setWeights([...rest, ...kernel]);
    expect(await step(net)).toBe(await step(apart));
    const [mean, variance] = movingOf(net);
    const [w0, w1] = kernel[0]!.data;
    const normal = (sum: number, i: number): number =>
      (sum - 2 * mean![i]!) / Math.sqrt(variance![i]! + 1e-3);
    const { data } = (await net.predict([[[5, 7]], [[4, 6]]])) as { data: Float32Array };
    expect(data[0]).toBeCloseTo(w0! * normal(9, 0) + w1! * normal(13, 1), 4);
  });

  it('leaves them as they were where it is frozen or not trainable', async () => {
    const layer = batchNormalization({ trainable: false });
    const fixed = twice((x) => layer.apply(x));
    await step(fixed);
    expect(movingOf(fixed)).toEqual([[0, 0], [1, 1]]); // biome-ignore format: pairs
    const shared = norm();
    const frozen = twice((x) => shared.apply(x));
    frozen.freeze('batchNormalization');
    await step(frozen);
    expect(movingOf(frozen)).toEqual([[0, 0], [1, 1]]); // biome-ignore format: pairs
  });
});

/** Adds up the first numbers of the batches, and gives each row what it was before. */
class Total extends CustomLayer {
  static readonly type = 'Total';
  total!: Weight;

  override build(): void {
    this.total = this.addWeight('total', [1], { initializer: constant(2), trainable: false });
  }

  call(x: Tensor, { update }: CustomContext): Tensor {
    update(this.total, ops.add(this.total, 1));
    return ops.add(ops.mul(x, 0), this.total);
  }
}

/** x · w + the state, which becomes 2 w. */
class Follower extends CustomLayer {
  static readonly type = 'Follower';
  factor!: Weight;
  state!: Weight;

  override build(): void {
    this.factor = this.addWeight('factor', [1], { initializer: 'ones' });
    this.state = this.addWeight('state', [1], { initializer: 'zeros', trainable: false });
  }

  call(x: Tensor, { update }: CustomContext): Tensor {
    update(this.state, ops.mul(this.factor, 2));
    return ops.add(ops.mul(x, this.factor), this.state);
  }
}

describe('a state of your own in a layer that is applied twice', () => {
  const totalOf = (net: Model<unknown>) => net.getWeights().find(({ name }) => name.endsWith('total'))!.data;
  const sum = (layer: { apply(x: ReturnType<typeof input>): ReturnType<typeof input> }) => {
    const [a, b] = [input([1]), input([1])];
    return model({ inputs: [a, b], outputs: add()([layer.apply(a), layer.apply(b)]) });
  };
  const ones = near.map(() => [1]);

  it.each([
    ['plain', () => new Total()],
    [
      'checkpointed',
      () =>
        sequential({ inputShape: [1], checkpoint: true }, [
          dense(1, { kernelInitializer: 'ones' }),
          new Total(),
        ]),
    ],
  ] as const)('%s: the second call reads what the first one made, in training alone', async (_, make) => {
    const net = sum(make());
    // 2 in the first, 3 in the second application
    expect(await step(net, [ones, ones])).toBe(25);
    expect([...totalOf(net)]).toEqual([4]);
    const { data } = (await net.predict([[[1]], [[1]]])) as { data: Float32Array };
    expect([...data]).toEqual([8]);
    const trainer = await Trainer.create(net, { loss: 'meanSquaredError' });
    expect((await trainer.evaluate({ x: [ones, ones], y: zeros })).loss).toBe(64);
    expect([...totalOf(net)]).toEqual([4]);
  });

  it.each([false, true])('no gradient goes through it (checkpointed: %s)', async (checkpoint) => {
    const net = sum(sequential({ inputShape: [1], checkpoint }, [new Follower()]));
    const optimizer = sgd({ learningRate: 0.01 });
    const trainer = await Trainer.create(net, { loss: 'meanSquaredError', optimizer });
    await trainer.fit({ x: [[[3]], [[4]]], y: [[0]] });
    // y = 3 w + 0 + 4 w + 2 w with w = 1; of the last term nothing
    const gradient = 2 * 9 * (3 + 4);
    const [weight, state] = net.getWeights().map(({ data }) => data[0]!);
    expect(weight).toBeCloseTo(1 - 0.01 * gradient, 6);
    expect(state).toBe(2);
  });
});
