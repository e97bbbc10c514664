import { describe, expect, it } from 'vitest';
import { network, points, ROWS, trained, trainerOf, weights } from './support.ts';

describe('a seed', () => {
  const options = { epochs: 3, batchSize: 16 };

  it('gives the same bits run after run, for initial weights, shuffling and dropout', async () => {
    expect(weights(network(7))).toEqual(weights(network(7)));
    expect(weights(await trained(7, options))).toEqual(weights(await trained(7, options)));
  });

  it('gives other initial weights than another, large ones included', () => {
    const seeds = [0, 1, 2, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];
    const kernels = seeds.map((seed) => network(seed).getWeights()[0]!.data.join());
    expect(new Set(kernels).size).toBe(seeds.length);
  });

  it('gives another order and other dropout than another', async () => {
    const start = network(1).getWeights();
    const from = async (seed: number, rate: number, shuffle: boolean) => {
      const model = network(seed, rate);
      model.setWeights(start);
      await (await trainerOf(model)).fit(points(ROWS), { ...options, shuffle });
      return weights(model);
    };
    // neither shuffled nor dropped: nothing is left to chance
    expect(await from(1, 0, false)).toEqual(await from(2, 0, false));
    expect(await from(1, 0, true)).not.toEqual(await from(2, 0, true));
    expect(await from(1, 0.25, false)).not.toEqual(await from(2, 0.25, false));
  });

  it('does not depend on how often control comes back to JavaScript', async () => {
    const plain = weights(await trained(5, options));
    expect(weights(await trained(5, { ...options, onStep: () => {} }))).toEqual(plain);
    expect(weights(await trained(5, { ...options, onEpoch: async () => {} }))).toEqual(plain);
    expect(weights(await trained(5, { ...options, validationData: points(40, 2) }))).toEqual(plain);
  });
});
