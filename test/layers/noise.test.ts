import { describe, expect, it } from 'vitest';
import type { Graph } from '../../src/graph/graph.ts';
import {
  alphaDropout,
  gaussianDropout,
  gaussianNoise,
  type Layer,
  loadModel,
  sequential,
  sgd,
  spatialDropout1d,
  spatialDropout2d,
  spatialDropout3d,
  Trainer,
} from '../../src/index.ts';
import { BATCH, type Tensor } from '../../src/ops/tensor.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { runGraph } from '../ops/run.ts';

const layers: Record<string, { make: () => Layer; shape: number[] }> = {
  spatialDropout1d: { make: () => spatialDropout1d(0.3), shape: [4, 3] },
  spatialDropout2d: { make: () => spatialDropout2d(0.3), shape: [4, 2, 3] },
  spatialDropout3d: { make: () => spatialDropout3d(0.3), shape: [2, 4, 2, 3] },
  alphaDropout: { make: () => alphaDropout(0.3), shape: [5] },
  gaussianNoise: { make: () => gaussianNoise(0.3), shape: [5] },
  gaussianDropout: { make: () => gaussianDropout(0.3), shape: [5] },
};

/** What a layer makes of x while training, in the first step. */
function inTraining(layer: Layer, shape: readonly number[], rows: number, x: Float32Array): Float32Array {
  const operand = { shape: [BATCH, ...shape], values: x, wanted: false };
  const [y] = runGraph(new Engine('simd'), [operand], rows, (graph: Graph, [input]) => [
    layer.trace([input as Tensor], {
      ...{ graph, parameters: [], training: true, stream: 1, frozen: false },
      ...{ update: () => {}, current: (parameter) => parameter, isFrozen: () => false, nextStream: () => 2 },
      ...{ state: () => input as Tensor, setState: () => {} },
    }) as Tensor,
  ]);
  return y!;
}

function moments(values: Float32Array): { mean: number; variance: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return { mean, variance: values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length };
}

/** Standard deviations that a mean may be off: once in 500 million draws. */
const SIGMAS = 6;
const COUNT = 40_000;

describe.each(Object.keys(layers))('%s', (name) => {
  const { make, shape } = layers[name]!;
  const size = shape.reduce((a, b) => a * b, 1);
  const x = { data: Float32Array.from({ length: 2 * size }, (_, i) => i + 1), shape: [2, ...shape] };

  it('does nothing to predictions, and is the same after a file', async () => {
    const model = sequential({ inputShape: shape }, [make()]);
    expect((await model.predict(x)).data).toEqual(x.data);
    const again = await loadModel(model.toBytes());
    expect(again.toConfig()).toEqual(model.toConfig());
  });

  it('changes the loss while training, the same way each time', async () => {
    const lossOf = async (layer: Layer) => {
      const model = sequential({ inputShape: shape, seed: 3 }, [layer]);
      const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer: sgd() });
      return (await trainer.fit({ x, y: x }, { epochs: 1 })).epochs[0]!.loss!;
    };
    expect(await lossOf(make())).toBeGreaterThan(0);
    expect(await lossOf(make())).toBe(await lossOf(make()));
  });
});

describe('noise', () => {
  it('of spatialDropout2d takes whole channels of a row', () => {
    const y = inTraining(spatialDropout2d(0.5), [4, 2, 3], 50, new Float32Array(50 * 24).fill(1));
    const kept = new Set<number>();
    for (let row = 0; row < 50; row++) {
      for (let channel = 0; channel < 3; channel++) {
        const values = Array.from({ length: 8 }, (_, i) => y[row * 24 + i * 3 + channel]!);
        expect(new Set(values).size).toBe(1);
        kept.add(values[0]!);
      }
    }
    expect(kept).toEqual(new Set([0, 2]));
  });

  it('of gaussianNoise has its mean and deviation, that of gaussianDropout a factor of mean 1', () => {
    const ones = new Float32Array(COUNT).fill(1);
    for (const [layer, variance] of [
      [gaussianNoise(0.5), 0.25],
      [gaussianDropout(0.2), 0.25],
    ] as const) {
      const y = moments(inTraining(layer, [COUNT], 1, ones));
      expect(Math.abs(y.mean - 1)).toBeLessThan(SIGMAS * Math.sqrt(variance / COUNT));
      expect(Math.abs(y.variance - variance)).toBeLessThan(SIGMAS * variance * Math.sqrt(2 / COUNT));
    }
  });

  it('of alphaDropout leaves mean 0 and variance 1 of normal numbers as they are', () => {
    const x = inTraining(gaussianNoise(1), [COUNT], 1, new Float32Array(COUNT));
    const y = moments(inTraining(alphaDropout(0.2), [COUNT], 1, x));
    // fourth moments of normal numbers and of the limit -1.758 stay below 10: deviations of the mean and the variance
    expect(Math.abs(y.mean)).toBeLessThan(SIGMAS * Math.sqrt(1 / COUNT));
    expect(Math.abs(y.variance - 1)).toBeLessThan(SIGMAS * Math.sqrt(10 / COUNT));
  });

  it('is checked', () => {
    expect(() => alphaDropout(1)).toThrow('alphaDropout: rate must be a number >= 0 and < 1, got 1');
    expect(() => gaussianNoise(-1)).toThrow('gaussianNoise: stddev must be a number >= 0, got -1');
    expect(() => sequential({ inputShape: [3] }, [spatialDropout1d(0.1)])).toThrow(
      "layer 'spatialDropout1d': spatialDropout1d needs [batch, time, channels], got [batch, 3]",
    );
  });
});
