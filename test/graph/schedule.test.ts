import { describe, expect, it } from 'vitest';
import { schedule } from '../../src/compiler/schedule.ts';
import { gradients } from '../../src/graph/gradient.ts';
import { Graph } from '../../src/graph/graph.ts';
import { elementwiseOps } from '../../src/ops/elementwise.ts';
import { lossOps } from '../../src/ops/losses.ts';
import { matmulOps } from '../../src/ops/matmul.ts';
import { sourceOps } from '../../src/ops/sources.ts';
import { BATCH, type Tensor } from '../../src/ops/tensor.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { runGraph } from '../ops/run.ts';
import { generator, make, type Numbers, uniform } from '../reference/numbers.ts';
import { shareOfBound } from '../reference/rounding.ts';

const ROWS = 6;
const UNITS = 5;

/** x · w + b, `times` times, and the gradients of w and b of sum (y - t)². */
function trace(graph: Graph, [x, w, b, t]: readonly Tensor[], times: number): readonly Tensor[] {
  let y = x!;
  for (let i = 0; i < times; i++) {
    const product = graph.add(matmulOps.matmul, [y, w!], { transposeA: false, transposeB: false });
    const sum = graph.add(elementwiseOps.biasAdd, [product as unknown as Tensor, b!], {});
    y = sum as unknown as Tensor;
  }
  const loss = graph.add(lossOps.meanSquaredError, [y, t!], { reduction: 'sum' }) as unknown as Tensor;
  return gradients(graph, new Map([[loss, 1]]), [w!, b!]).map((gradient) => gradient!);
}

const shapes = [[BATCH, UNITS], [UNITS, UNITS], [UNITS], [BATCH, UNITS]] as const;

function callsOf(times: number) {
  const graph = new Graph();
  const tensors = shapes.map((shape, index) => graph.add(sourceOps.parameter, [], { index, shape }));
  return schedule(graph, trace(graph, tensors as unknown as Tensor[], times)).calls;
}

/** y = x · w + b; the gradients of w and b, in float64. */
function twin([x, w, b, t]: readonly Numbers[], times: number): readonly [Numbers, Numbers] {
  const at = (m: Numbers, r: number, c: number): number => m[r * UNITS + c]!;
  const rows = (of: (r: number, c: number) => number): number[] =>
    make(ROWS * UNITS, (i) => of(Math.floor(i / UNITS), i % UNITS));
  const inner = make(UNITS, (k) => k);
  const inputs: Numbers[] = [x!];
  for (let n = 0; n < times; n++) {
    const y = inputs.at(-1)!;
    inputs.push(rows((r, c) => inner.reduce((sum, k) => sum + at(y, r, k) * at(w!, k, c), b![c]!)));
  }
  const y = inputs.pop()!;
  let dy: Numbers = make(y.length, (i) => 2 * (y[i]! - t![i]!));
  const dw = new Array<number>(UNITS * UNITS).fill(0);
  const db = new Array<number>(UNITS).fill(0);
  for (const y of inputs.reverse()) {
    for (let r = 0; r < ROWS; r++) {
      for (let c = 0; c < UNITS; c++) {
        db[c]! += at(dy, r, c);
        for (let k = 0; k < UNITS; k++) dw[k * UNITS + c]! += at(y, r, k) * at(dy, r, c);
      }
    }
    const before = dy;
    dy = rows((r, k) => inner.reduce((sum, c) => sum + at(before, r, c) * at(w!, k, c), 0));
  }
  return [dw, db];
}

describe('the gradient of a bias', () => {
  it('comes with that of the kernel', () => {
    const calls = callsOf(1);
    expect(calls.map(({ tensor }) => tensor.op)).toEqual(['matmul', 'meanSquaredError', 'matmul']);
    expect(calls.map(({ sums }) => sums?.op)).toEqual([undefined, undefined, 'sumRows']);
  });

  it('is a call of its own where it is needed before', () => {
    // of a layer that is used twice the second sum is added to the first before the second product is made
    const calls = callsOf(2);
    expect(calls.filter(({ sums }) => sums).length).toBe(1);
    expect(calls.filter(({ tensor }) => tensor.op === 'sumRows').length).toBe(1);
  });

  it.each([1, 2])('is right for a layer used %i times', (times) => {
    const random = generator(times);
    const values = [ROWS * UNITS, UNITS * UNITS, UNITS, ROWS * UNITS].map((n) => uniform(random, n));
    const operands = values.map((each, i) => ({
      shape: [...shapes[i]!],
      values: Float32Array.from(each),
      wanted: true,
    }));
    const found = runGraph(new Engine('simd'), operands, ROWS, (graph, tensors) =>
      trace(graph, tensors, times),
    );
    const want = twin(values, times);
    // the sums of the magnitudes, and roundings in a row: a sum over the units each way of each use, one over the rows
    const size = (each: Float32Array, sign = 1): Float32Array => each.map((v) => sign * Math.abs(v));
    const [x, w, b, t] = values as [Float32Array, Float32Array, Float32Array, Float32Array];
    const most = twin([size(x), size(w), size(b), size(t, -1)], times);
    const roundings = 2 * times * (UNITS + 2) + ROWS + 2;
    for (const [i, got] of found.entries()) {
      const bound = make(got.length, (n) => roundings * most[i]![n]!);
      expect(shareOfBound(got, want[i]!, bound)).toBeLessThanOrEqual(1);
    }
  });
});
