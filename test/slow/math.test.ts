import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { builds } from '../kernels/machine.ts';
import { functions, MathModule } from '../math/functions.ts';

/** Inputs between two returns to the event loop: vitest gives a worker up that is silent for a minute. */
const SLICE = 2 ** 26;

/** All 2^32 bit patterns: 1 to 4 minutes for each function. */
describe.each(builds)('%s', (build) => {
  const module = new MathModule(build);

  it.each(functions)('$name is within its bound everywhere, and near it somewhere', async (f) => {
    let worst = { ulp: -1, x: 0 };
    for (let from = 0; from < 2 ** 32; from += SLICE) {
      const found = module.greatestError(f, 1, from, from + SLICE);
      if (found.ulp > worst.ulp) worst = found;
      await setImmediate();
    }
    expect(worst.ulp, `at ${worst.x}`).toBeLessThanOrEqual(f.ulp[build]);
    // the figure that is stated is the measured one, rounded up
    expect(worst.ulp, `at ${worst.x}`).toBeGreaterThan(f.ulp[build] - 0.02);
  });
});
