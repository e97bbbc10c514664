// Two threads give the bits of one. Beside ops.test.ts, which it would double the time of.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/runtime/engine.ts';
import { builds, engineOf, firstDifference, Machine } from '../kernels/machine.ts';
import { generator, make } from '../reference/numbers.ts';
import { gradientOperands, SIZES, upstream } from './operands.ts';
import { runCall, runGradient } from './run.ts';
import { cases } from './table.ts';

describe.each(builds)('%s', (build) => {
  const engine = new Engine(build);
  const machine = new Machine(engine);
  let two: Engine;
  let machines: readonly Machine[];
  beforeAll(async () => {
    two = await engineOf(build, 2);
    machines = [machine, new Machine(two)];
  });
  afterAll(() => two.dispose());

  it.each(cases.filter(({ row }) => row.tails.length > 0))('$label: the same bits as one', (one) => {
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
