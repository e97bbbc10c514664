// Tiles of 16 columns, which are for engines that join vectors to 256 bits, give the bits of those of 8 in every engine.
import { describe, expect, it } from 'vitest';
import { Engine } from '../../src/runtime/engine.ts';
import { builds, firstDifference, Machine } from '../kernels/machine.ts';
import { generator, make } from '../reference/numbers.ts';
import { gradientOperands, SIZES, upstream } from './operands.ts';
import { runCall, runGradient } from './run.ts';
import { cases } from './table.ts';

/** Whose kernels use tiles. */
const TILED = /matmul|conv|recurren|lstm|gru|rnn|attention/i;
const tiled = cases.filter(({ label }) => TILED.test(label));

describe.each(builds)('%s', (build) => {
  const engine = new Engine(build);
  const machine = new Machine(engine);
  const both = <T>(run: () => T): [T, T] => {
    engine.wide = false;
    const narrow = run();
    engine.wide = true;
    return [narrow, run()];
  };

  it.each(tiled.filter(({ row }) => row.tails.length > 0))('$label: the same bits', (one) => {
    const { row, variant } = one;
    const sizes = row.tails.flatMap((sizeFor) => make(36, sizeFor));
    for (const [n, size] of [...sizes, ...SIZES].entries()) {
      const operands = row.operands(size, variant.attributes, generator(n));
      const [a, b] = both(() => runCall(machine, one, operands, size, n));
      expect(firstDifference(a.y, b.y), JSON.stringify(size)).toBe(-1);
      if (a.second) expect(firstDifference(a.second, b.second!), JSON.stringify(size)).toBe(-1);
    }
  });

  it.each(tiled.filter(({ row }) => row.gradient !== 'none'))('$label: the same gradient', (one) => {
    for (const [n, size] of SIZES.entries()) {
      const { operands } = gradientOperands(one, size, n);
      const dy = upstream(one, operands, size, n + 100);
      const [a, b] = both(() => runGradient(engine, one, operands, dy, size.rows));
      for (const [i, x] of a.entries()) expect(firstDifference(x, b[i]!), JSON.stringify(size)).toBe(-1);
    }
  });
});
