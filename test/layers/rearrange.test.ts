import { describe, expect, it } from 'vitest';
import * as api from '../../src/index.ts';
import { layerFromConfig } from '../../src/layers/types.ts';
import { each } from '../errors/support.ts';

const { dense, l2, permute, prelu, repeatVector, sequential } = api;

const predict = async (inputShape: number[], layer: api.Layer, x: api.ArrayInput) => {
  const { data, shape } = await sequential({ inputShape }, [layer]).predict(x);
  return { data: [...data], shape };
};

describe('layers that rearrange', () => {
  it('permute', async () => {
    const x = [[[1, 2, 3], [4, 5, 6]]]; // biome-ignore format: a matrix
    expect(await predict([2, 3], permute([2, 1]), x)).toEqual({ data: [1, 4, 2, 5, 3, 6], shape: [1, 3, 2] });
    expect(sequential({ inputShape: [2, 3, 4] }, [permute([3, 1, 2])]).outputShape).toEqual([-1, 4, 2, 3]);
  });

  it('repeatVector', async () => {
    const x = [[1, 2], [3, 4]]; // biome-ignore format: rows
    expect(await predict([2], repeatVector(3), x)).toEqual({
      data: [1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4],
      shape: [2, 3, 2],
    });
  });

  it('prelu has a slope for each feature, or shares them', async () => {
    const layer = prelu({ alphaInitializer: api.constant(0.5) });
    expect((await predict([3], layer, [[-2, 0, 4]])).data).toEqual([-1, 0, 4]);
    const shared = sequential({ inputShape: [5, 4, 3] }, [prelu({ sharedAxes: [1, 2] })]);
    expect(shared.getWeights()).toEqual([
      { name: 'prelu/alpha', data: new Float32Array(3), shape: [1, 1, 3] },
    ]);
  });

  it('come back from a config and a file', async () => {
    const layers = [
      repeatVector(2),
      permute([2, 1]),
      prelu({ sharedAxes: [2], alphaInitializer: 'heNormal', alphaRegularizer: l2(0.1), trainable: false }),
      dense(2),
    ];
    for (const { type, config } of layers) {
      expect(layerFromConfig({ type, ...config }).config).toEqual(config);
    }
    const net = sequential({ inputShape: [4], seed: 3 }, layers);
    const again = await api.loadModel(net.toBytes());
    const x = [[1, -2, 3, -4]];
    expect(await again.predict(x)).toEqual(await net.predict(x));
  });
});

describe('errors', () => {
  const apply = (inputShape: number[], layer: api.Layer) => sequential({ inputShape }, [layer]);
  each([
    [
      'permute',
      () => permute([1, 3]),
      'permute: dims must name each axis from 1 on once, such as [2, 1], got [1, 3]',
    ],
    [
      'permute of others',
      () => apply([2], permute([2, 1])),
      "layer 'permute': permute([2, 1]) takes 2 axes besides the batch, got [batch, 2]",
    ],
    ['repeatVector', () => repeatVector(0), 'repeatVector: n must be an integer of at least 1, got 0'],
    [
      'repeatVector of matrices',
      () => apply([2, 3], repeatVector(2)),
      "layer 'repeatVector': repeatVector takes [batch, features], got [batch, 2, 3]",
    ],
    ['prelu', () => prelu({ sharedAxes: [0] }), 'prelu: sharedAxes must be an integer of at least 1, got 0'],
    [
      'prelu of others',
      () => apply([2], prelu({ sharedAxes: [2] })),
      "layer 'prelu': sharedAxes has 2, but the input [batch, 2] has 1 axes besides the batch",
    ],
  ]);
});
