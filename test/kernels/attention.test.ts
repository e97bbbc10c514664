import { describe, expect, it } from 'vitest';
import { ATTENTION_BLOCK } from '../../assembly/tape/sequence.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { gradientOperands, upstream, valuesOf } from '../ops/operands.ts';
import { addCase, runGradient, runGraph } from '../ops/run.ts';
import { cases } from '../ops/table.ts';
import { generator } from '../reference/numbers.ts';
import { shareOfBound } from '../reference/rounding.ts';
import { builds } from './machine.ts';

/** Queries are `inner`, keys `columns`: several blocks of both, the longer ones ending within a block. */
const SIZES = [
  { rows: 2, columns: 2 * ATTENTION_BLOCK + 22, inner: ATTENTION_BLOCK + 7 },
  { rows: 2, columns: ATTENTION_BLOCK + 7, inner: 2 * ATTENTION_BLOCK + 22 },
  { rows: 1, columns: 3 * ATTENTION_BLOCK, inner: 3 },
];

describe.each(builds)('%s', (build) => {
  const engine = new Engine(build);

  it.each(cases.filter(({ label }) => label.startsWith('attention cross')))(
    '$label: blocks of queries and of keys that are not as many',
    (one) => {
      const { row, variant } = one;
      const { attributes } = variant;
      if (row.gradient === 'none') throw new Error('attention has a gradient');
      for (const [n, size] of SIZES.entries()) {
        const operands = row.operands(size, attributes, generator(n));
        const inputs = valuesOf(operands);
        const [got] = runGraph(engine, operands, size.rows, (graph, xs) => [addCase(one, graph, xs)]);
        const bound = row.forwardBound(inputs, attributes, size);
        expect(shareOfBound(got!, row.forward(inputs, attributes, size), bound)).toBeLessThanOrEqual(1);
        const back = gradientOperands(one, size, n);
        const dy = upstream(one, back.operands, size, n + 100);
        const want = row.gradient.twin(back.inputs, attributes, dy, size);
        const limit = row.gradient.bound(back.inputs, attributes, dy, size);
        const found = runGradient(engine, one, back.operands, dy, size.rows);
        for (const [i, dx] of found.entries()) {
          expect(shareOfBound(dx, want[i]!, limit[i]!), `operand ${i}`).toBeLessThanOrEqual(1);
        }
      }
    },
  );
});
