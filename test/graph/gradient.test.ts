import { describe, expect, it } from 'vitest';
import { BinaryKind } from '../../assembly/tape/dense.ts';
import { gradients } from '../../src/graph/gradient.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { arithmeticOps } from '../../src/ops/arithmetic.ts';
import { elementwiseOps } from '../../src/ops/elementwise.ts';
import { lossOps } from '../../src/ops/losses.ts';
import { BATCH, type Tensor } from '../../src/ops/tensor.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { runGraph } from '../ops/run.ts';
import { generator, make, type Numbers, uniform } from '../reference/numbers.ts';
import { shareOfBound } from '../reference/rounding.ts';
import { exact, minus, plus, type Tracked, times } from '../reference/tracked.ts';

const engine = new Engine('simd');
const ROWS = 5;
const random = generator(3);
const COUNT = ROWS * 3;
const [x, z, t] = [uniform(random, COUNT), uniform(random, COUNT), uniform(random, COUNT)];

const operand = (values: Numbers) => ({
  shape: [BATCH, 3],
  values: Float32Array.from(values),
  wanted: true,
});

/** Gradients of sum (y - t)² for x and z, y a function of both. */
function gradientsOf(y: (graph: Graph, x: Tensor, z: Tensor) => Tensor): (Float32Array | undefined)[] {
  const missing: boolean[] = [];
  const found = runGraph(engine, [x, z, t].map(operand), ROWS, (graph, [a, b, target]) => {
    const loss = graph.add(lossOps.meanSquaredError, [y(graph, a!, b!), target!], { reduction: 'sum' });
    const all = gradients(graph, new Map([[loss as unknown as Tensor, 1]]), [a!, b!]);
    missing.push(...all.map((gradient) => gradient === undefined));
    return all.filter((gradient) => gradient !== undefined);
  });
  return missing.map((none) => (none ? undefined : found.shift()));
}

const binary = (graph: Graph, kind: BinaryKind, a: Tensor, b: Tensor): Tensor =>
  graph.add(arithmeticOps.binary, [a, b], { kind }) as unknown as Tensor;

/** The share of its bound that the error of a gradient has; `of` gives element i and its rounding error. */
function share(got: Float32Array | undefined, of: (x: Tracked, z: Tracked, t: Tracked) => Tracked): number {
  const want = make(COUNT, (i) => of(exact(x[i]!), exact(z[i]!), exact(t[i]!)));
  return shareOfBound(
    got ?? [],
    want.map(({ value }) => value),
    want.map(({ error }) => error),
  );
}

const two = exact(2);

describe('gradients', () => {
  it('adds up where a tensor is used more than once: y = x² + x z + x', () => {
    const [dx, dz] = gradientsOf((graph, a, b) => {
      const square = binary(graph, BinaryKind.Multiply, a, a);
      const sum = binary(graph, BinaryKind.Add, square, binary(graph, BinaryKind.Multiply, a, b));
      return binary(graph, BinaryKind.Add, sum, a);
    });
    const dy = (a: Tracked, b: Tracked, target: Tracked): Tracked => {
      const y = plus(plus(times(a, a), times(a, b)), a);
      return times(two, minus(y, target));
    };
    const xError = share(dx, (a, b, target) => {
      const d = dy(a, b, target);
      return plus(plus(times(d, a), times(d, a)), plus(times(d, b), d));
    });
    expect(xError).toBeLessThanOrEqual(1);
    expect(share(dz, (a, b, target) => times(dy(a, b, target), a))).toBeLessThanOrEqual(1);
  });

  it('goes through a chain: y = 3 (x - z)', () => {
    const [dx, dz] = gradientsOf((graph, a, b) => {
      const difference = binary(graph, BinaryKind.Subtract, a, b);
      return graph.add(elementwiseOps.affine, [difference], { scale: 3, offset: 0 }) as unknown as Tensor;
    });
    const d = (a: Tracked, b: Tracked, target: Tracked): Tracked =>
      times(times(two, minus(times(exact(3), minus(a, b)), target)), exact(3));
    expect(share(dx, d)).toBeLessThanOrEqual(1);
    expect(share(dz, (...of) => times(exact(-1), d(...of)))).toBeLessThanOrEqual(1);
  });

  it('is undefined where the loss does not depend on a tensor', () => {
    const [dx, dz] = gradientsOf((graph, a) => binary(graph, BinaryKind.Multiply, a, a));
    expect(dx).toBeDefined();
    expect(dz).toBeUndefined();
  });
});
