// Merge layers on shapes that differ in dimensions of 1, and dot along axes: values, gradients, files, errors.
import { describe, expect, it } from 'vitest';
import {
  add,
  average,
  dense,
  dot,
  input,
  loadModel,
  maximum,
  model,
  multiply,
  type SymbolicTensor,
  sgd,
  Trainer,
} from '../../src/index.ts';
import { randomValues } from '../train/support.ts';

type Merge = (inputs: readonly SymbolicTensor[]) => SymbolicTensor;
type Shape = readonly number[];

const sizeOf = (shape: Shape) => shape.reduce((a, b) => a * b, 1);

/** The value at an index of an array that is repeated along dimensions of 1. */
function at(data: ArrayLike<number>, shape: Shape, index: Shape): number {
  return data[shape.reduce((sum, d, i) => sum * d + (d === 1 ? 0 : index[i]!), 0)]!;
}

/** Each index of a shape, in order. */
function indices(shape: Shape): number[][] {
  return shape.reduce<number[][]>(
    (all, d) => all.flatMap((index) => Array.from({ length: d }, (_, i) => [...index, i])),
    [[]],
  );
}

const ROWS = 3;
const data = (shape: Shape, seed: number) => ({
  data: randomValues(ROWS * sizeOf(shape), seed),
  shape: [ROWS, ...shape],
});

function predict(layer: Merge, a: Shape, b: Shape) {
  const [x, y] = [input(a), input(b)];
  const net = model({ inputs: [x, y], outputs: layer([x, y]) });
  return { net, values: [data(a, 1), data(b, 2)] as const };
}

describe('dimensions of 1', () => {
  const layers: Readonly<Record<string, readonly [Merge, (a: number, b: number) => number]>> = {
    add: [add(), (a, b) => a + b],
    multiply: [multiply(), (a, b) => a * b],
    average: [average(), (a, b) => (a + b) / 2],
    maximum: [maximum(), Math.max],
  };
  const shapes: readonly (readonly [Shape, Shape])[] = [
    [
      [4, 4, 5],
      [1, 1, 5],
    ],
    [
      [1, 1, 5],
      [4, 4, 5],
    ],
    [
      [1, 3, 1],
      [4, 1, 5],
    ],
    [[6], [1]],
  ];

  it.each(Object.keys(layers))('are repeated: %s', (name) => {
    const [layer, f] = layers[name]!;
    for (const [a, b] of shapes) {
      const { net, values } = predict(layer, a, b);
      const got = net.predictSync(values);
      const shape = [ROWS, ...a.map((d, i) => Math.max(d, b[i]!))];
      expect(got.shape).toEqual(shape);
      const want = indices(shape).map((index) =>
        Math.fround(
          f(at(values[0].data, values[0].shape, index), at(values[1].data, values[1].shape, index)),
        ),
      );
      expect([...got.data]).toEqual(want);
    }
  });

  it('get the sum of the gradients: a gate of channels', async () => {
    // y = x · gate, the loss the mean of (y - t)²: d gate = sum over places of 2 (y - t) x / n
    const [x, one] = [input([2, 2, 3]), input([1, 1, 1])];
    const gate = dense(3, { useBias: false, kernelInitializer: 'ones', name: 'gate' })(one);
    const net = model({ inputs: [x, one], outputs: multiply()([x, gate]) });
    const values = data([2, 2, 3], 3);
    const ones = { data: new Float32Array(ROWS).fill(1), shape: [ROWS, 1, 1, 1] };
    const target = data([2, 2, 3], 4);
    const trainer = await Trainer.create(net, {
      loss: 'meanSquaredError',
      optimizer: sgd({ learningRate: 1 }),
    });
    await trainer.fit({ x: [values, ones], y: target }, { batchSize: ROWS, shuffle: false });
    const n = ROWS * 12;
    const want = [0, 1, 2].map((c) => {
      let slope = 0;
      for (let i = c; i < n; i += 3) slope += (2 * (values.data[i]! - target.data[i]!) * values.data[i]!) / n;
      return 1 - slope;
    });
    const kernel = net.getWeights()[0]!.data;
    for (const [c, value] of want.entries()) expect(kernel[c]).toBeCloseTo(value, 5);
  });
});

describe('dot', () => {
  const cases: readonly (readonly [string, Shape, Shape, number | [number, number] | undefined, Shape])[] = [
    ['rows', [5], [5], undefined, [1]],
    ['rows, along 1', [5], [5], 1, [1]],
    ['positions', [4, 5], [4, 5], undefined, [4, 1]],
    ['matrices, along the last', [4, 5], [3, 5], -1, [4, 3]],
    ['matrices, along the first', [5, 4], [5, 3], 1, [4, 3]],
    ['matrices, along one of each', [5, 4], [3, 5], [1, 2], [4, 3]],
    ['a matrix and a vector', [4, 5], [5], [2, 1], [4]],
    ['a vector and a matrix', [5], [3, 5], [1, 2], [3]],
  ];

  it.each(cases)('%s', (_, a, b, axes, want) => {
    for (const normalize of [false, true]) {
      const layer = dot({ ...(axes !== undefined && { axes }), normalize });
      const { net, values } = predict(layer, a, b);
      const got = net.predictSync(values);
      expect(got.shape).toEqual([ROWS, ...want]);
      const [i, j] =
        axes === undefined ? [a.length, b.length] : [axes].flat().length === 2 ? [axes].flat() : [axes, axes];
      const [p, q] = [i as number, j as number].map((axis, k) =>
        axis < 0 ? axis + [a, b][k]!.length + 1 : axis,
      ) as [number, number];
      const n = a[p - 1]!;
      // the vector along the axis, at what is left of an index
      const vector = (k: 0 | 1, axis: number, rest: Shape) =>
        Array.from({ length: n }, (_, m) => at(values[k].data, values[k].shape, rest.toSpliced(axis, 0, m)));
      const left = a.filter((_, d) => d !== p - 1).length;
      const expected = indices(got.shape).map(([row, ...index]) => {
        const paired = axes === undefined;
        const u = vector(0, p, [row!, ...(paired ? index.slice(0, -1) : index.slice(0, left))]);
        const v = vector(1, q, [row!, ...(paired ? index.slice(0, -1) : index.slice(left))]);
        const sum = u.reduce((total, x, m) => total + x * v[m]!, 0);
        return normalize ? sum / Math.hypot(...u) / Math.hypot(...v) : sum;
      });
      for (const [k, value] of got.data.entries()) expect(value).toBeCloseTo(expected[k]!, 5);
    }
  });

  it('trains: the cosine of two encodings approaches its target', async () => {
    const [x, y] = [input([4]), input([4])];
    const encode = dense(3, { name: 'encode' });
    const net = model({
      inputs: [x, y],
      outputs: dot({ axes: 1, normalize: true })([encode(x), encode(y)]),
      seed: 1,
    });
    const trainer = await Trainer.create(net, {
      loss: 'meanSquaredError',
      optimizer: sgd({ learningRate: 0.1 }),
    });
    const pairs = { x: [data([4], 5), data([4], 6)], y: [[1], [1], [1]] };
    const { epochs } = await trainer.fit(pairs, { epochs: 200 });
    expect(epochs.at(-1)!.loss).toBeLessThan(0.05 * epochs[0]!.loss);
  });

  it('comes back from a file', async () => {
    const { net, values } = predict(dot({ axes: [1, 2], normalize: true }), [5, 4], [3, 5]);
    const again = await loadModel(net.toBytes());
    expect(again.predictSync(values)).toEqual(net.predictSync(values));
  });

  it.each([
    [() => dot({ axes: 3 }), 'dot: axes must be an integer from -2 to 2, got 3'],
    [() => dot({ axes: [1] as never }), 'dot: axes must be an integer or two of them, one for each input'],
    [
      () => predict(dot({ axes: 2 }), [5], [5]),
      "layer 'dot': dot with axes needs [batch, n] or [batch, …, …] and axes within them, got axis 2 of [batch, 5]",
    ],
    [
      () => predict(dot({ axes: 1 }), [5, 2], [4, 2]),
      "layer 'dot': dot sums over axis 1 of [batch, 5, 2] and 1 of [batch, 4, 2], which differ",
    ],
    [
      () => predict(dot({ axes: 1 }), [2, 2, 2], [2]),
      "layer 'dot': dot with axes needs [batch, n] or [batch, …, …] and axes within them, got axis 1 of [batch, 2, 2, 2]",
    ],
  ])('says what does not fit: %#', (make, message) => {
    expect(make).toThrow(message);
  });
});
