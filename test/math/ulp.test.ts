import { describe, expect, it } from 'vitest';
import { builds } from '../kernels/machine.ts';
import { functions, MathModule } from './functions.ts';

/** A prime, so that every part of the mantissa is met: 2.1 million inputs for each function. */
const STRIDE = 2039;

/** Values at which one of the functions takes another path, or ends. */
const EDGES = [
  ...[
    0,
    1e-45,
    1.1754943e-38,
    1e-20,
    0.3,
    0.5,
    Math.SQRT1_2,
    1,
    2,
    9,
    17,
    88.7,
    89,
    104,
    1e5,
    3e38,
    Infinity,
  ],
  Number.NaN,
].flatMap((x) => [x, -x].map(Math.fround));

describe.each(builds)('%s', (build) => {
  const module = new MathModule(build);

  it.each(functions)('$name is within its bound', (f) => {
    expect(f.ulp[build]).toBeLessThanOrEqual(f.asked);
    const { ulp, x } = module.greatestError(f, STRIDE);
    expect(ulp, `at ${x}`).toBeLessThanOrEqual(f.ulp[build]);
  });

  it.each(functions)('$name of a lane does not depend on the other lanes', (f) => {
    for (const x of EDGES) {
      const [alone] = module.map(f, [x, x, x, x]);
      for (const other of EDGES) {
        const [first, , , last] = module.map(f, [x, other, other, x]);
        expect([first, last], `f(${x}) beside ${other}`).toEqual([alone, alone]);
      }
    }
  });
});
