import { expect, it } from 'vitest';
import type { SymbolicTensor } from '../../src/index.ts';
import { concatenate, dense, gru, input, model, multiHeadAttention, reshape } from '../../src/index.ts';

it('layers are applied as functions or by `apply`, as models and custom layers are', async () => {
  const made = (by: 'call' | 'apply') => {
    const x = input([6]);
    const steps = by === 'call' ? reshape([3, 2])(x) : reshape([3, 2]).apply(x);
    const attention = multiHeadAttention({ numHeads: 1 });
    const seen = by === 'call' ? attention([steps, steps]) : attention.apply([steps, steps]);
    const read = gru(2, { returnState: true });
    const [y, h] = by === 'call' ? read(seen) : read.apply(seen);
    const again = gru(2);
    const options = { initialState: [h] };
    const z = by === 'call' ? again(seen, options) : again.apply(seen, options);
    const all = by === 'call' ? concatenate()([y, z]) : concatenate().apply([y, z]);
    return model({ inputs: x, outputs: by === 'call' ? dense(2)(all) : dense(2).apply(all), seed: 1 });
  };
  const rows = [[1, 2, 3, 4, 5, 6]];
  expect(await made('apply').predict(rows)).toEqual(await made('call').predict(rows));
});

it('a layer is applied to each of a list by map', () => {
  const inputs = [input([6]), input([6])];
  const shared = dense(2);
  const made = model({ inputs, outputs: concatenate()(inputs.map(shared)) });
  expect(made.outputShape).toEqual([-1, 4]);
  expect(made.parameterCount).toBe(6 * 2 + 2);
  const each: (x: SymbolicTensor) => SymbolicTensor = gru(4);
  expect([input([3, 2])].map(each).map(({ shape }) => shape)).toEqual([[-1, 4]]);
});
