import { describe, expect, it } from 'vitest';
import { Graph } from '../../src/graph/graph.ts';
import { ops } from '../../src/index.ts';
import { sourceOps } from '../../src/ops/sources.ts';
import type { Tensor } from '../../src/ops/tensor.ts';
import { Engine } from '../../src/runtime/engine.ts';
import type { Operand } from '../ops/row.ts';
import { runGraph } from '../ops/run.ts';

const engine = new Engine('simd');

function matrix(shape: readonly number[], values: readonly number[]): Operand {
  return { shape, values: Float32Array.from(values), wanted: false };
}

/** What an operation makes of operands, with its shape; the batch is of two rows. */
function run(operands: readonly Operand[], build: (...xs: Tensor[]) => Tensor) {
  let shape: readonly number[] = [];
  const [values] = runGraph(engine, operands, 2, (_, tensors) => {
    const y = build(...tensors);
    shape = y.shape;
    return [y];
  });
  return { shape, values: Array.from(values!) };
}

const x = matrix([-1, 3], [1, -2, 3, 4, 5, -6]);

describe('operations of users', () => {
  it('take numbers, arrays and tensors, broadcast', () => {
    expect(run([x], (t) => ops.sub(1, t)).values).toEqual([0, 3, -2, -3, -4, 7]);
    expect(run([x], (t) => ops.mul(t, [1, 0, 2])).values).toEqual([1, -0, 6, 4, 0, -12]);
    expect(run([x], (t) => ops.add([[10], [20]], ops.expandDims(t, 1)))).toEqual({
      shape: [-1, 2, 3],
      values: [11, 8, 13, 21, 18, 23, 14, 15, 4, 24, 25, 14],
    });
    expect(run([x], (t) => ops.div(6, t)).values).toEqual([6, -3, 2, 1.5, Math.fround(6 / 5), -1]);
    expect(run([x], (t) => ops.pow(t, 3)).values).toEqual([1, -8, 27, 64, 125, -216]);
    expect(run([x], (t) => ops.pow(2, t)).values).toEqual([2, 0.25, 8, 16, 32, 1 / 64]);
  });

  it('compare, choose and clip', () => {
    expect(run([x], (t) => ops.less(t, 3)).values).toEqual([1, 1, 0, 0, 0, 1]);
    expect(run([x], (t) => ops.lessEqual(t, 3)).values).toEqual([1, 1, 1, 0, 0, 1]);
    expect(run([x], (t) => ops.notEqual(t, 3)).values).toEqual([1, 1, 0, 1, 1, 1]);
    expect(run([x], (t) => ops.clip(t, -2.5, 4)).values).toEqual([1, -2, 3, 4, 4, -2.5]);
    // the logarithm of what was not chosen is NaN
    expect(run([x], (t) => ops.where(ops.greater(t, 0), ops.log(t), -1)).values).toEqual(
      [1, -2, 3, 4, 5, -6].map((v) => (v > 0 ? expect.closeTo(Math.log(v), 6) : -1)),
    );
    expect(run([x], (t) => ops.where(ops.greater(t, 0), 0, t)).values).toEqual([0, -2, 0, 0, 0, -6]);
    expect(run([x], (t) => ops.where(ops.greater(t, 0), t, 0)).values).toEqual([1, 0, 3, 4, 5, 0]);
  });

  it('reduce axes, neighbours or not, and never the batch', () => {
    const cube = matrix(
      [-1, 2, 3, 2],
      Array.from({ length: 24 }, (_, i) => i),
    );
    expect(run([cube], (t) => ops.sum(t))).toEqual({ shape: [-1], values: [66, 210] });
    expect(run([cube], (t) => ops.mean(t, { axis: [1, 3] }))).toEqual({
      shape: [-1, 3],
      values: [3.5, 5.5, 7.5, 15.5, 17.5, 19.5],
    });
    expect(run([cube], (t) => ops.max(t, { axis: [-1, 1], keepDims: true }))).toEqual({
      shape: [-1, 1, 3, 1],
      values: [7, 9, 11, 19, 21, 23],
    });
    expect(run([cube], (t) => ops.min(t, { axis: 2 })).values).toEqual([0, 1, 6, 7, 12, 13, 18, 19]);
    expect(run([x], (t) => ops.sum(ops.sum(t))).values).toEqual([2, 3]);
    expect(() => run([x], (t) => ops.sum(t, { axis: 0 }))).toThrow(
      "layer 'model': ops.sum: axis 0 is the batch, whose rows are computed independently of each other",
    );
  });

  it('softmax over any axis', () => {
    const y = run([matrix([-1, 2, 2], [0, 1, 0, 1, 5, 5, 5, 6])], (t) => ops.softmax(t, 1)).values;
    const half = 1 / (1 + Math.E);
    expect(y).toEqual([0.5, 0.5, 0.5, 0.5, 0.5, expect.closeTo(half), 0.5, expect.closeTo(1 - half)]);
  });

  it('multiply matrices, of each row or one for all', () => {
    const a = matrix([-1, 1, 2], [1, 2, 3, 4]);
    expect(run([a], (t) => ops.matmul(t, [[1, 0], [0, 2]])).values).toEqual([1, 4, 3, 8]); // biome-ignore format: a matrix
    expect(run([a], (t) => ops.matmul(t, t, { transposeA: true }))).toEqual({
      shape: [-1, 2, 2],
      values: [1, 2, 2, 4, 9, 12, 12, 16],
    });
    expect(run([a], (t) => ops.matmul([[1, 1]], t, { transposeB: true }))).toEqual({
      shape: [-1, 1, 1],
      values: [3, 7],
    });
    expect(run([x], (t) => ops.matmul(t, [[1], [1], [1]])).values).toEqual([2, 3]);
  });

  it('change shapes and choose parts', () => {
    const cube = matrix([-1, 2, 3], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(run([cube], (t) => ops.transpose(t)).values).toEqual([0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
    expect(run([cube], (t) => ops.reshape(t, [-1, 3, -1])).shape).toEqual([-1, 3, 2]);
    expect(run([cube], (t) => ops.slice(t, -2)).values).toEqual([1, 2, 4, 5, 7, 8, 10, 11]);
    expect(run([cube], (t) => ops.slice(t, 1, 2, { axis: 1 })).values).toEqual([3, 4, 5, 9, 10, 11]);
    expect(run([cube], (t) => ops.gather(t, [2, 0, 0], 2)).values).toEqual([
      2, 0, 0, 5, 3, 3, 8, 6, 6, 11, 9, 9,
    ]);
    expect(run([cube], (t) => ops.concat([t, ops.neg(t)], 1)).shape).toEqual([-1, 4, 3]);
    expect(run([cube], (t) => ops.squeeze(ops.expandDims(t, -1))).shape).toEqual([-1, 2, 3]);
    expect(run([x], (t) => ops.broadcastTo(ops.expandDims(t, 1), [-1, 2, 3]))).toEqual({
      shape: [-1, 2, 3],
      values: [1, -2, 3, 1, -2, 3, 4, 5, -6, 4, 5, -6],
    });
    expect(run([matrix([-1], [2, 0])], (t) => ops.oneHot(t, 3))).toEqual({
      shape: [-1, 3],
      values: [0, 0, 1, 1, 0, 0],
    });
  });

  it('work in a trace only, and say where', () => {
    expect(() => ops.add(1, 2)).toThrow(
      'ops.add works on tensors, inside call() of a layer, a loss, a metric, lambda() or gradient(); got 1',
    );
    const add = (...values: unknown[]): (() => unknown) => {
      const t = new Graph().add(sourceOps.input, [], {
        name: 'x',
        shape: [3],
        type: 'f32',
      }) as unknown as Tensor;
      return () => Reflect.apply(ops.add, undefined, [t, ...values]);
    };
    expect(add('2')).toThrow("layer 'model': ops.add: takes tensors, weights, numbers or arrays, got '2'");
    expect(add(undefined)).toThrow('takes tensors, weights, numbers or arrays, got undefined');
    expect(add([])).toThrow('ops.add: a constant is empty: shape [0]');
    expect(add([1, 2])).toThrow("layer 'model': cannot combine [batch, 3] with [2]");
    const other = new Graph().add(sourceOps.input, [], { name: 'x', shape: [3], type: 'f32' });
    expect(add(other)).toThrow('a tensor of another trace');
  });

  it('name what does not fit', () => {
    const errors: readonly [(t: Tensor) => unknown, string][] = [
      [(t) => ops.reshape(t, [3, -1]), 'ops.reshape: the batch stays in front'],
      [(t) => ops.reshape(t, [-1, 2, -1]), 'ops.reshape: [batch, 3] does not fill [-1, 2, -1]'],
      [(t) => ops.transpose(t), 'ops.transpose: [batch, 3] has no two axes to exchange'],
      [(t) => ops.transpose(t, [1, 0]), 'the batch stays in front'],
      [(t) => ops.transpose(t, [0, 0]), 'names each axis of [batch, 3] once, got [0, 0]'],
      [(t) => ops.slice(t, 2, 1), 'ops.slice: nothing lies from 2 to 1 on an axis of size 3'],
      [(t) => ops.gather(t, [3]), '3 is no entry of axis 1, which has 0 to 2'],
      [(t) => ops.gather(t, t), 'the indices are no integers'],
      [(t) => ops.sum(t, { axis: 2 }), 'ops.sum: there is no axis 2 in [batch, 3]'],
      [(t) => ops.matmul(t, t), 'the rows of the batch are no matrix'],
      [(t) => ops.matmul(t, [[1]]), 'cannot multiply [batch, 3] by [1, 1]'],
      [(t) => ops.squeeze(t, 1), 'axis 1 of [batch, 3] is not of size 1'],
      [(t) => ops.add(t, ops.sum(t)), 'give both as many dimensions, with expandDims'],
      [
        (t) => ops.activation(t, { name: 'relu', alpha: 1 }),
        "ops.activation: activation 'relu' has no option 'alpha'",
      ],
      [(t) => ops.concat([t, [[1, 2]]]), 'inputs that are concatenated may differ in axis 1 only'],
    ];
    for (const [build, message] of errors) {
      const t = new Graph().add(sourceOps.input, [], {
        name: 'x',
        shape: [3],
        type: 'f32',
      }) as unknown as Tensor;
      expect(() => build(t), message).toThrow(message);
    }
  });
});
