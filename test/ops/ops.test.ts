import { afterAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/runtime/engine.ts';
import { builds, firstDifference, Machine } from '../kernels/machine.ts';
import { generator } from '../reference/numbers.ts';
import { shareOfBound } from '../reference/rounding.ts';
import { gradientOperands, SIZES, upstream, valuesOf } from './operands.ts';
import { rules } from './rules.ts';
import { addCase, runCall, runGradient, runGraph } from './run.ts';
import { cases } from './table.ts';

/** Largest share of its bound that each row met, shown with MEASURE=1: near 1 says that the bound is tight. */
const measured = new Map<string, number>();

function measure(key: string, share: number): number {
  measured.set(key, Math.max(measured.get(key) ?? 0, share));
  return share;
}

afterAll(() => {
  if (process.env.MEASURE) for (const [key, share] of measured) console.log(key, share.toFixed(3));
});

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

  it.each(cases.filter(({ row }) => row.tails.length > 0))(
    '$label: every tail and alignment, nothing else touched',
    (one) => {
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
    },
  );
});
