import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { lossConfig } from '../../src/train/losses.ts';
import { modelFromConfig } from '../../src/train/model-config.ts';
import { adam, adamw, type Optimizer, rmsprop, sgd } from '../../src/train/optimizers.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { deviation } from './support.ts';

interface Values {
  name: string;
  shape: number[];
  data: number[];
}

interface Case {
  name: string;
  inputShape: number[];
  layers: object[];
  loss: { name: string };
  optimizer: { name: string };
  x: Values;
  y: Values;
  initialWeights: Values[];
  losses: number[];
  finalWeights: Values[];
  finalOutput: Values;
}

const cases = ['traces', 'convolution', 'recurrent', 'spatial', 'attention'].flatMap((name): Case[] => {
  const file = new URL(`../golden/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')).cases;
});
const makers = { sgd, rmsprop, adam, adamw } as unknown as Record<string, (options: object) => Optimizer>;

/** 10 full-batch steps from the same weights as PyTorch in float64 (test/golden/make_*.py). */
describe('golden traces', () => {
  it.each(cases)('$name', async ({ inputShape, layers, loss, optimizer, x, y, ...golden }) => {
    const model = modelFromConfig({ type: 'sequential', inputShape, reproducible: true, layers }, {});
    model.setWeights(golden.initialWeights.map((w) => ({ ...w, data: Float32Array.from(w.data) })));
    const { name, ...options } = optimizer;
    const trainer = await Trainer.create(model, {
      loss: lossConfig(loss),
      optimizer: makers[name]!(options),
    });
    const typed = ({ shape, data }: Values) => ({ shape, data: Float32Array.from(data) });
    const losses: number[] = [];
    await trainer.fit(
      { x: typed(x), y: typed(y) },
      { epochs: golden.losses.length, batchSize: x.shape[0]!, onStep: (event) => losses.push(event.loss) },
    );
    expect(deviation(losses, golden.losses)).toBeLessThan(1e-5);
    const weights = model.getWeights();
    expect(weights.map((w) => [w.name, w.shape])).toEqual(golden.finalWeights.map((w) => [w.name, w.shape]));
    weights.forEach((w, i) => {
      expect(deviation(w.data, golden.finalWeights[i]!.data), w.name).toBeLessThan(1e-5);
    });
    const output = await model.predict(typed(x));
    expect(output.shape).toEqual(golden.finalOutput.shape);
    expect(deviation(output.data, golden.finalOutput.data)).toBeLessThan(1e-5);
  });
});
