import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sizeOf } from '../../src/ops/tensor.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { builds, engineOf, f32, firstDifference, Machine } from '../kernels/machine.ts';
import { generator, make, type Numbers } from '../reference/numbers.ts';
import { shareOfBound } from '../reference/rounding.ts';
import type { Operand, Size } from './row.ts';
import { rules } from './rules.ts';
import { addCase, resultOf, runCall, runGradient, runGraph } from './run.ts';
import { type Case, cases } from './table.ts';

const SIZES: readonly Size[] = [
  { rows: 1, columns: 1, inner: 1 },
  { rows: 3, columns: 5, inner: 1 },
  { rows: 7, columns: 16, inner: 3 },
  { rows: 33, columns: 10, inner: 20 },
  { rows: 64, columns: 67, inner: 33 },
];

/** Largest share of its bound that each row met, shown with MEASURE=1: near 1 says that the bound is tight. */
const measured = new Map<string, number>();

function measure(key: string, share: number): number {
  measured.set(key, Math.max(measured.get(key) ?? 0, share));
  return share;
}

afterAll(() => {
  if (process.env.MEASURE) for (const [key, share] of measured) console.log(key, share.toFixed(3));
});

const valuesOf = (operands: readonly Operand[]): readonly Numbers[] => operands.map(({ values }) => values);

/** Operands of the gradient: the first may come from a function of another one. */
function gradientOperands({ row, variant }: Case, size: Size, seed: number) {
  const operands = row.operands(size, variant.attributes, generator(seed));
  const through = row.through?.(variant.attributes);
  if (!through) return { operands, inputs: valuesOf(operands) };
  const [first, ...others] = operands as [Operand, ...Operand[]];
  const before = f32(make(first.values.length, (i) => through.inverse(first.values[i]!)));
  const inputs = [make(before.length, (i) => through.forward(before[i]!)), ...valuesOf(others)];
  return { operands: [{ ...first, values: before }, ...others], inputs };
}

function upstream(one: Case, operands: readonly Operand[], { rows }: Size, seed: number): Float32Array {
  const random = generator(seed);
  return f32(make(sizeOf(resultOf(one, operands).shape, rows), () => 2 * random() - 1));
}

describe.each(builds)('%s', (build) => {
  const engine = new Engine(build);
  const machine = new Machine(engine);

  it.each(cases)('$label: forward is the twin', (one) => {
    const { row, variant, label } = one;
    const { attributes } = variant;
    for (const [n, size] of SIZES.entries()) {
      const operands = row.operands(size, attributes, generator(n));
      const inputs = valuesOf(operands);
      const want = row.forward(inputs, attributes, size);
      const bound = row.forwardBound(inputs, attributes, size);
      const [got] = runGraph(engine, operands, size.rows, (graph, tensors) => [addCase(one, graph, tensors)]);
      const share = measure(`${build} ${label} forward`, shareOfBound(got!, want, bound));
      expect(share, JSON.stringify(size)).toBeLessThanOrEqual(1);
    }
  });

  it.each(cases.filter(({ row }) => row.gradient !== 'none'))('$label: gradient is the twin', (one) => {
    const { row, variant, label } = one;
    const { attributes } = variant;
    if (row.gradient === 'none') return;
    for (const [n, size] of SIZES.entries()) {
      const { operands, inputs } = gradientOperands(one, size, n);
      const dy = upstream(one, operands, size, n + 100);
      const want = row.gradient.twin(inputs, attributes, dy, size);
      const bound = row.gradient.bound(inputs, attributes, dy, size);
      const found = runGradient(engine, one, operands, dy, size.rows);
      expect(found.length).toBe(operands.filter(({ wanted }) => wanted).length);
      for (const [i, got] of found.entries()) {
        const share = measure(`${build} ${label} gradient`, shareOfBound(got, want[i]!, bound[i]!));
        expect(share, `operand ${i} of ${JSON.stringify(size)}`).toBeLessThanOrEqual(1);
      }
    }
  });

  const instructions = cases.filter(({ row }) => row.tails.length > 0);

  it.each(instructions)('$label: every tail and alignment, nothing else touched', (one) => {
    const { op, row, variant, label } = one;
    const { attributes } = variant;
    for (const sizeFor of row.tails) {
      for (let n = 0; n <= 67; n++) {
        const size = sizeFor(n);
        const operands = row.operands(size, attributes, generator(n));
        const inputs = valuesOf(operands);
        const want = row.forward(inputs, attributes, size);
        const bound = row.forwardBound(inputs, attributes, size);
        const first = runCall(machine, one, operands, size, 0);
        const share = measure(`${build} ${label} tails`, shareOfBound(first.y, want, bound));
        expect(share, JSON.stringify(size)).toBeLessThanOrEqual(1);
        if (first.second && row.gradient !== 'none') {
          const [dx] = row.gradient.twin(inputs, attributes, [], size);
          const [limit] = row.gradient.bound(inputs, attributes, [], size);
          expect(shareOfBound(first.second, dx!, limit!), JSON.stringify(size)).toBeLessThanOrEqual(1);
        }
        const again = [1, 2, 3].map((offset) => runCall(machine, one, operands, size, offset));
        const fits = operands[0]?.values.length === first.y.length;
        if (rules[op].inPlace && fits) again.push(runCall(machine, one, operands, size, n, true));
        for (const { y, second } of again) {
          expect(firstDifference(y, first.y), JSON.stringify(size)).toBe(-1);
          if (second) expect(firstDifference(second, first.second!), JSON.stringify(size)).toBe(-1);
        }
      }
    }
  });

  describe('two threads', () => {
    let two: Engine;
    let machines: readonly Machine[];
    beforeAll(async () => {
      two = await engineOf(build, 2);
      machines = [machine, new Machine(two)];
    });
    afterAll(() => two.dispose());

    it.each(instructions)('$label: the same bits as one', (one) => {
      const { row, variant } = one;
      const sizes = row.tails.flatMap((sizeFor) => make(68, sizeFor));
      for (const [n, size] of [...sizes, ...SIZES].entries()) {
        const operands = row.operands(size, variant.attributes, generator(n));
        const [a, b] = machines.map((each) => runCall(each, one, operands, size, n));
        expect(firstDifference(a!.y, b!.y), JSON.stringify(size)).toBe(-1);
        if (a!.second) expect(firstDifference(a!.second, b!.second!), JSON.stringify(size)).toBe(-1);
      }
    });

    it.each(cases.filter(({ row }) => row.gradient !== 'none'))('$label: the same gradient', (one) => {
      for (const [n, size] of SIZES.entries()) {
        const { operands } = gradientOperands(one, size, n);
        const dy = upstream(one, operands, size, n + 100);
        const [a, b] = [engine, two].map((each) => runGradient(each, one, operands, dy, size.rows));
        for (const [i, x] of a!.entries()) expect(firstDifference(x, b![i]!), JSON.stringify(size)).toBe(-1);
      }
    });
  });
});
