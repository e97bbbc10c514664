import { describe, expect, it } from 'vitest';
import { builds } from '../kernels/machine.ts';
import { functions, MathModule } from '../math/functions.ts';

/** All 2^32 bit patterns: 1 to 4 minutes for each function. */
describe.each(builds)('%s', (build) => {
  const module = new MathModule(build);

  it.each(functions)('$name is within its bound everywhere, and near it somewhere', (f) => {
    const { ulp, x } = module.greatestError(f, 1);
    expect(ulp, `at ${x}`).toBeLessThanOrEqual(f.ulp[build]);
    // the figure that is stated is the measured one, rounded up
    expect(ulp, `at ${x}`).toBeGreaterThan(f.ulp[build] - 0.01);
  });
});
