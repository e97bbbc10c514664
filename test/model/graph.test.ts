import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  activation,
  add,
  average,
  concatenate,
  dense,
  dot,
  dropout,
  input,
  maximum,
  model,
  multiply,
  sequential,
  sgd,
  Trainer,
} from '../../src/index.ts';
import { deviation } from '../train/support.ts';
import { matrix } from './support.ts';

interface Values {
  shape: number[];
  data: number[];
}

interface Golden {
  x: Values;
  y: number[];
  initialWeights: Record<string, Values>;
  losses: number[];
  finalWeights: Record<string, Values>;
  finalOutput: Values;
}

const golden: Golden = JSON.parse(readFileSync(new URL('../golden/graph.json', import.meta.url), 'utf8'));
const typed = ({ shape, data }: Values) => ({ shape, data: Float32Array.from(data) });

function residual(reproducible: boolean) {
  const x = input([5]);
  const shared = dense(6, { activation: 'tanh', name: 'shared' });
  const h = dense(6, { activation: 'tanh', name: 'first' })(x);
  const r = add()([h, shared(h)]);
  return model({
    inputs: x,
    outputs: dense(3, { name: 'last' })(concatenate()([r, shared(r)])),
    reproducible,
  });
}

describe('a residual network with a shared layer', () => {
  it.each([true, false])(
    'trains as in PyTorch (test/golden/make_graph.py), reproducible: %s',
    async (same) => {
      const net = residual(same);
      net.setWeights(Object.entries(golden.initialWeights).map(([name, w]) => ({ name, ...typed(w) })));
      const trainer = await Trainer.create(net, {
        loss: 'crossEntropy',
        optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
      });
      const losses: number[] = [];
      const data = { x: typed(golden.x), y: golden.y };
      await trainer.fit(data, { epochs: 10, batchSize: 8, onStep: ({ loss }) => losses.push(loss) });
      expect(deviation(losses, golden.losses)).toBeLessThan(1e-5);
      const weights = net.getWeights();
      expect(weights.map(({ name }) => name)).toEqual(Object.keys(golden.finalWeights));
      for (const { name, data: values } of weights) {
        expect(deviation(values, golden.finalWeights[name]!.data), name).toBeLessThan(1e-5);
      }
      expect(deviation((await net.predict(data.x)).data, golden.finalOutput.data)).toBeLessThan(1e-5);
    },
  );

  it('has its weights once', () => {
    expect(residual(false).parameterCount).toBe(5 * 6 + 6 + 6 * 6 + 6 + 12 * 3 + 3);
  });

  it('says what each layer reads', () => {
    const lines = residual(false).summary().split('\n');
    expect(lines.find((line) => line.startsWith('add'))).toMatch(/first, shared$/);
    expect(lines.filter((line) => line.startsWith('shared'))).toHaveLength(2);
    expect(lines.at(-1)).toBe('120 parameters, outputs last [batch, 3]'.replace('120', '117'));
  });
});

it('a chain gives the same bits as sequential', async () => {
  const layers = () => [dense(8, { activation: 'relu' }), dropout(0.3), dense(3)] as const;
  const x = input([4]);
  const graph = model({ inputs: x, outputs: layers().reduce((t, layer) => layer(t), x), seed: 3 });
  const chain = sequential({ inputShape: [4], seed: 3 }, layers());
  const data = { x: matrix(40, 4, 1), y: Array.from({ length: 40 }, (_, i) => i % 3) };
  for (const net of [graph, chain]) {
    await (await Trainer.create(net, { loss: 'crossEntropy' })).fit(data, { epochs: 2, batchSize: 16 });
  }
  expect(graph.getWeights()).toEqual(chain.getWeights());
});

describe('merge layers', () => {
  const a = matrix(7, 5, 1);
  const b = matrix(7, 5, 2);
  const rows = <T>(of: (i: number) => T) => Array.from({ length: 35 }, (_, i) => of(i));
  const f = Math.fround;
  it.each([
    ['add', add(), rows((i) => f(a.data[i]! + b.data[i]!))],
    ['multiply', multiply(), rows((i) => f(a.data[i]! * b.data[i]!))],
    ['average', average(), rows((i) => f(f(a.data[i]! + b.data[i]!) / 2))],
    ['maximum', maximum(), rows((i) => Math.max(a.data[i]!, b.data[i]!))],
  ])('%s of two', (_, layer, want) => {
    const [x, z] = [input([5]), input([5])];
    const net = model({ inputs: [x, z], outputs: layer([x, z]) });
    const got = net.predictSync([a, b]);
    expect(got.shape).toEqual([7, 5]);
    expect([...got.data]).toEqual(want);
  });

  it('dot is the sum of the products', () => {
    const [x, z] = [input([5]), input([5])];
    const got = model({ inputs: [x, z], outputs: dot()([x, z]) }).predictSync([a, b]);
    expect(got.shape).toEqual([7, 1]);
    for (let r = 0; r < 7; r++) {
      let want = 0;
      for (let i = r * 5; i < r * 5 + 5; i++) want += a.data[i]! * b.data[i]!;
      // a sum of five products of at most 1: five roundings of at most 5
      expect(Math.abs(got.data[r]! - want)).toBeLessThan(25 * 2 ** -24);
    }
  });

  it('concatenate along the first axis puts positions one after the other', () => {
    const [x, z] = [input([2, 2]), input([1, 2])];
    const net = model({ inputs: [x, z], outputs: concatenate({ axis: 1 })([x, z]) });
    const got = net.predictSync([[[[1, 2], [3, 4]]], [[[5, 6]]]]); // biome-ignore format: matrices
    expect(got).toEqual({ data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [1, 3, 2] });
  });
});

it('an activation reads what another layer reads too', () => {
  const x = input([3]);
  const net = model({ inputs: x, outputs: [activation('relu')(x), x] });
  const [relu, same] = net.predictSync([[-1, 0, 2]]);
  expect([...relu!.data]).toEqual([0, 0, 2]);
  expect([...same!.data]).toEqual([-1, 0, 2]);
});
