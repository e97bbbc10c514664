import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  dense,
  flatten,
  gradient,
  ops,
  prelu,
  reshape,
  sequential,
  sgd,
  type Tensor,
  Trainer,
} from '../../src/index.ts';

interface Golden {
  readonly functions: readonly {
    readonly name: string;
    readonly inputs: readonly { readonly shape: number[]; readonly data: number[] }[];
    readonly value: number;
    readonly gradients: readonly number[][];
  }[];
  readonly prelu: {
    readonly x: number[][];
    readonly y: number[][];
    readonly initial: readonly number[][];
    readonly losses: readonly number[];
    readonly final: readonly number[][];
  };
}

const golden: Golden = JSON.parse(
  readFileSync(new URL('../golden/operations.json', import.meta.url), 'utf8'),
);

const { add, div, exp, log, matmul, mean, mul, sqrt, square, sub, sum } = ops;
const order = Array.from({ length: 24 }, (_, i) => i);

const functions: Readonly<Record<string, (...inputs: [Tensor, Tensor, Tensor]) => Tensor>> = {
  'softmax over a middle axis': (x, w) => sum(mul(ops.softmax(x, 1), w)),
  'log-softmax': (x, w) => mean(mul(ops.logSoftmax(x), w)),
  attention: (q, k, v) => {
    const scores = div(matmul(q, k, { transposeB: true }), 2);
    return sum(square(matmul(ops.softmax(scores), v)));
  },
  'a product with broadcast matrices': (a, b) => sum(ops.abs(matmul(a, b))),
  'the largest, with ties': (x) => sum(mul(ops.max(x, { axis: [0, 2] }), [1, -2])),
  'the larger of two, with ties': (a, b) => sum(add(mul(ops.maximum(a, b), 3), ops.minimum(a, b))),
  'clipped, at the bounds too': (x) => sum(mul(ops.clip(x, -1, 2), x)),
  powers: (a, b) => sum(ops.pow(a, b)),
  'powers of 0, and by 0': (a, b) => sum(ops.pow(a, b)),
  // PyTorch has to choose twice, since 0 times NaN would be its gradient
  'what was not chosen is no number': (x) => sum(ops.where(ops.greater(x, 0), log(x), mul(x, 2))),
  standardized: (x, g, b) => {
    const centered = sub(x, mean(x, { axis: -1, keepDims: true }));
    const variance = mean(square(centered), { axis: -1, keepDims: true });
    return sum(exp(add(mul(div(centered, sqrt(add(variance, 0.01))), g), b)));
  },
  'chosen twice': (x) => sum(square(ops.gather(x, [2, 0, 2], 1))),
  'put together of parts': (x, y) => {
    const parts = ops.concat([ops.slice(x, 1, 3, { axis: 1 }), ops.transpose(y, [0, 2, 1])], 2);
    return sum(mul(parts, ops.reshape(add(order, mul(sum(x), 0)), [2, 2, 6])));
  },
  'gelu and softplus': (x) => sum(mul(ops.activation(x, 'gelu'), ops.softplus(x))),
};

/** As the other traces: 1e-5 of every number, and of 1. */
function expectNear(got: ArrayLike<number>, want: readonly number[]): void {
  expect(got.length).toBe(want.length);
  want.forEach((value, i) => {
    expect(Math.abs(got[i]! - value)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(value)));
  });
}

it.each(golden.functions)(
  '$name: value and gradients are PyTorch’s',
  async ({ name, inputs, value, gradients }) => {
    const g = await gradient(functions[name]! as (...xs: Tensor[]) => Tensor);
    const got = g(...inputs.map(({ shape, data }) => ({ data: Float32Array.from(data), shape })));
    expectNear([got.value], [value]);
    gradients.forEach((want, i) => {
      expectNear(got.gradients[i]!.data, want);
    });
  },
);

it('prelu learns as in PyTorch, slopes shared or not', async () => {
  const { x, y, initial, losses, final } = golden.prelu;
  const net = sequential({ inputShape: [4] }, [
    dense(6),
    reshape([3, 2]),
    prelu({ sharedAxes: [1] }),
    flatten(),
    prelu(),
    dense(2),
  ]);
  net.setWeights(net.getWeights().map((w, i) => ({ ...w, data: Float32Array.from(initial[i]!) })));
  const trainer = await Trainer.create(net, {
    loss: 'meanSquaredError',
    optimizer: sgd({ learningRate: 0.1 }),
  });
  const { epochs } = await trainer.fit({ x, y }, { epochs: 10, batchSize: 10 });
  expectNear(
    epochs.map(({ loss }) => loss),
    losses,
  );
  net.getWeights().forEach(({ data }, i) => {
    expectNear(data, final[i]!);
  });
});
