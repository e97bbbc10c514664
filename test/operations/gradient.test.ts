import { describe, expect, it } from 'vitest';
import { dense, type GradientFunction, gradient, ops, type Tensor } from '../../src/index.ts';
import { each } from '../errors/support.ts';
import { generator, make } from '../reference/numbers.ts';

const plain = ({ value, gradients }: ReturnType<GradientFunction>) => ({
  value,
  gradients: gradients.map(({ data, shape }) => [shape, [...data]]),
});

describe('gradient', () => {
  it('gives the value and the gradient of each input', async () => {
    const g = await gradient((w, x) => ops.sum(ops.square(ops.matmul(x, w))));
    expect(plain(g([[1], [2]], [[3, 4]]))).toEqual({
      value: 121,
      gradients: [
        [[2, 1], [66, 88]],
        [[1, 2], [22, 44]],
      ], // biome-ignore format: shapes with their values
    });
    // other shapes, and the first ones again
    expect(g([[1], [0], [1]], [[1, 2, 3]]).value).toBe(16);
    expect(g([[0], [1]], [[3, 4]]).value).toBe(16);
  });

  it('takes numbers, and gives zeros where nothing depends on an input', async () => {
    const g = await gradient((a, b, _c) => ops.div(a, b));
    expect(plain(g(3, 4, [1, 2]))).toEqual({
      value: 0.75,
      gradients: [
        [[], [0.25]],
        [[], [-0.1875]],
        [[2], [0, 0]],
      ],
    });
    expect(plain((await gradient((a) => a))(5))).toEqual({ value: 5, gradients: [[[], [1]]] });
  });

  it('knows no batch: the first axis is one like the others', async () => {
    const g = await gradient((x) => ops.sum(ops.max(x, { axis: 0 })));
    expect(plain(g([[1, 5], [3, 5]]))).toEqual({ value: 8, gradients: [[[2, 2], [0, 0.5, 1, 0.5]]] }); // biome-ignore format: matrices
    const turned = await gradient((x) => ops.sum(ops.mul(ops.transpose(x), [[1, 2], [3, 4], [5, 6]]))); // biome-ignore format: a matrix
    expect([...turned([[0, 0, 0], [0, 0, 0]]).gradients[0]!.data]).toEqual([1, 3, 5, 2, 4, 6]); // biome-ignore format: a matrix
  });

  it('compiles once for a combination of shapes, and forgets the oldest', async () => {
    const shapes: number[] = [];
    const g = await gradient((x) => {
      shapes.push(x.shape[0]!);
      return ops.sum(x);
    });
    const ones = (n: number): number[] => make(n, () => 1);
    for (const n of [1, 2, 1, 2]) expect(g(ones(n)).value).toBe(n);
    expect(shapes).toEqual([1, 2]);
    for (let n = 1; n <= 17; n++) expect(g(ones(n)).value).toBe(n);
    g(ones(17));
    g(ones(1));
    expect(shapes).toEqual([...make(17, (i) => i + 1), 1]);
  });

  /** Functions of a matrix [3, 4] of numbers from 0.5 to 1.5. */
  const functions: readonly [string, (x: Tensor) => Tensor][] = [
    ['softmax over rows', (x) => ops.sum(ops.mul(ops.softmax(x, 0), [1, 2, 3, 4]))],
    ['log-softmax', (x) => ops.sum(ops.square(ops.logSoftmax(x)))],
    ['standardization', (x) => {
      const centered = ops.sub(x, ops.mean(x, { axis: 1, keepDims: true }));
      const deviation = ops.sqrt(ops.mean(ops.square(centered), { axis: 1, keepDims: true }));
      return ops.sum(ops.mul(ops.div(centered, deviation), [[1, 2, 3, 4], [4, 1, 1, 1], [0, 1, 0, 2]]));
    }], // biome-ignore format: a function
    ['powers and choices', (x) => ops.mean(ops.where(ops.greater(x, 1), ops.pow(x, 3), ops.pow(2, x)))],
    [
      'parts',
      (x) => ops.sum(ops.mul(ops.concat([ops.slice(x, 1, 3), ops.gather(x, [0, 0], 1)]), ops.exp(x))),
    ],
    ['products', (x) => ops.sum(ops.matmul(ops.matmul(x, x, { transposeB: true }), ops.log(x)))],
    ['products of several', (x) => {
      const y = ops.reshape(x, [2, 3, 2]);
      return ops.sum(ops.square(ops.matmul(y, ops.transpose(y, [0, 2, 1]))));
    }], // biome-ignore format: a function
    ['extremes', (x) => ops.sum(ops.mul(ops.min(x, { axis: 1 }), ops.sum(ops.maximum(x, 1), { axis: 1 })))],
    ['activations', (x) => ops.sum(ops.mul(ops.activation(x, 'gelu'), ops.sub(ops.sigmoid(x), ops.tanh(x))))],
    ['clipped', (x) => ops.sum(ops.mul(ops.clip(x, 0.8, 1.2), ops.abs(ops.sub(x, 1.01))))],
  ];

  it.each(functions)('of %s is the central difference', async (_, fn) => {
    const g = await gradient(fn);
    const random = generator(3);
    const x = make(12, () => Math.fround(0.5 + random()));
    const at = (values: readonly number[]) => g({ data: Float32Array.from(values), shape: [3, 4] });
    const [slope] = at(x).gradients;
    const h = 2 ** -8;
    for (let i = 0; i < 12; i++) {
      const moved = (by: number): number => at(x.map((v, n) => (n === i ? v + by : v))).value;
      const [up, down] = [moved(h), moved(-h)];
      const difference = (up - down) / (2 * h);
      // two values of some 30 roundings each over 2h, and h² / 6 times a third derivative below 300 for all of these
      const bound = (30 * 2 ** -24 * (Math.abs(up) + 8)) / h + 50 * h * h;
      expect(Math.abs(slope!.data[i]! - difference), `element ${i}`).toBeLessThanOrEqual(bound);
    }
  });
});

const call = async (fn: unknown, ...inputs: unknown[]) =>
  (await gradient(fn as (x: Tensor) => Tensor))(...(inputs as number[]));

describe('errors of gradient', () => {
  each([
    ['no function', () => gradient(3 as never), 'gradient takes a function of tensors, got 3'],
    ['an option', () => gradient((x) => x, { thread: 2 } as never), "gradient has no option 'thread'"],
    ['no input', () => call((x: Tensor) => x), 'takes at least one input'],
    [
      'a vector',
      () => call((x: Tensor) => x, [1, 2]),
      'must return a tensor of one number, such as ops.sum(…) or ops.mean(…), got shape [2]',
    ],
    [
      'a number',
      () => call(() => 2, 1),
      'must return a tensor of one number, such as ops.sum(…) or ops.mean(…), got 2',
    ],
    ['a promise', () => call(async (x: Tensor) => x, 1), 'got a promise'],
    [
      'too few inputs',
      () => call((a: Tensor, b: Tensor) => ops.add(a, b), 1),
      'ops.add: takes tensors, weights, numbers or arrays, got undefined',
    ],
    [
      'a layer',
      () => call((x: Tensor) => ops.sum(dense(2)(x as never) as never), [[1, 2]]),
      "layer 'dense' is applied where a model is made, not inside call(), a loss, a metric or gradient(): compute there " +
        'with ops (ops.matmul, ops.activation, …)',
    ],
    ['an empty input', () => call((x: Tensor) => x, []), 'gradient: input 1 is empty'],
    ['text', () => call((x: Tensor) => x, ['a']), "gradient: input 1[0] must be a number, got 'a'"],
  ]);
});
