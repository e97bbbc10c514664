import { describe, expect, it } from 'vitest';
import * as api from '../../src/index.ts';
import { layerFromConfig } from '../../src/layers/types.ts';

const { conv1d, conv2d, conv2dTranspose, conv3d, dense, flatten, maxPooling2d, model, sequential, Trainer } =
  api;

function summaryShape(inputShape: number[], layer: api.Layer): readonly number[] {
  return sequential({ inputShape }, [layer]).outputShape.slice(1);
}

describe('shapes', () => {
  it.each([
    [conv2d(5, 3), [7, 9, 2], [5, 7, 5]],
    [conv2d(5, [3, 2], { strides: [2, 3], padding: 'same' }), [7, 9, 2], [4, 3, 5]],
    [conv2d(4, 3, { dilationRate: 2, groups: 2 }), [9, 9, 2], [5, 5, 4]],
    [conv1d(4, 3, { padding: 'causal', strides: 2 }), [9, 2], [5, 4]],
    [conv3d(2, 2), [3, 4, 5, 1], [2, 3, 4, 2]],
    [conv2dTranspose(3, 3, { strides: 2 }), [4, 5, 2], [9, 11, 3]],
    [conv2dTranspose(3, 3, { strides: 2, padding: 'same' }), [4, 5, 2], [8, 10, 3]],
    [api.maxPooling2d(), [7, 8, 3], [3, 4, 3]],
    [api.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' }), [7, 8, 3], [4, 4, 3]],
    [api.maxPooling3d({ poolSize: [1, 2, 2] }), [3, 4, 5, 2], [3, 2, 2, 2]],
    [api.globalAveragePooling2d(), [7, 8, 3], [3]],
    [api.globalMaxPooling1d(), [7, 3], [3]],
  ] as const)('%#', (layer, inputShape, expected) => {
    expect(summaryShape([...inputShape], layer)).toEqual(expected);
  });
});

it('comes back from its config and its file with the same bits', async () => {
  const layers = [
    conv2d(4, 3, { padding: 'same', activation: 'relu', groups: 2, kernelRegularizer: api.l2(1e-3) }),
    api.maxPooling2d({ padding: 'same' }),
    conv2dTranspose(3, 2, { strides: 2, activation: 'tanh', useBias: false }),
    api.averagePooling2d({ poolSize: [2, 1] }),
    api.globalMaxPooling2d(),
    dense(2),
  ];
  for (const { type, config } of layers) expect(layerFromConfig({ type, ...config }).config).toEqual(config);
  const model = sequential({ inputShape: [8, 8, 2], seed: 3 }, layers);
  const x = { data: Float32Array.from({ length: 256 }, (_, i) => Math.sin(i)), shape: [2, 8, 8, 2] };
  const again = await api.loadModel(model.toBytes());
  expect((await again.predict(x)).data).toEqual((await model.predict(x)).data);
});

describe('errors', () => {
  it.each([
    [() => conv2d(0, 3), 'conv2d: filters must be an integer of at least 1, got 0'],
    [() => conv2d(4, [3]), 'conv2d: kernelSize must be a number or a list of 2, got [3]'],
    [() => conv2d(4, 3, { padding: 'causal' }), "conv2d: padding must be 'valid' or 'same', got 'causal'"],
    [() => conv2d(3, 3, { groups: 2 }), 'conv2d: 3 filters cannot be shared by 2 groups'],
    [
      () => sequential({ inputShape: [28, 28] }, [conv2d(4, 3)]),
      "layer 'conv2d': conv2d needs an input of shape [batch, height, width, channels], got [batch, 28, 28]",
    ],
    [
      () => sequential({ inputShape: [2, 5, 1] }, [conv2d(4, 3)]),
      "layer 'conv2d': a window of 3 x 3 does not fit into the input [batch, 2, 5, 1]; " +
        "use padding: 'same' or a smaller window",
    ],
    [
      () => sequential({ inputShape: [5, 5, 3] }, [conv2d(4, 3, { groups: 2 })]),
      "layer 'conv2d': 3 channels cannot be shared by 2 groups",
    ],
  ])('%#', (make, message) => {
    expect(make).toThrow(new api.UsageError(message));
  });
});

describe('a maximum after relu', () => {
  const x = { data: Float32Array.from({ length: 4 * 49 }, (_, i) => Math.sin(i * 1.7)), shape: [4, 7, 7, 1] };
  const y = { data: Int32Array.from([0, 1, 2, 1]), shape: [4] };

  it('trains like relu after the maximum, bit for bit', async () => {
    const trained = async (before: boolean) => {
      const net = sequential({ inputShape: [7, 7, 1], seed: 3 }, [
        conv2d(4, 3, { activation: before ? 'relu' : 'linear', biasInitializer: 'randomNormal' }),
        maxPooling2d(),
        ...(before ? [] : [api.activation('relu')]),
        flatten(),
        dense(3),
      ]);
      const trainer = await Trainer.create(net, { loss: 'crossEntropy', optimizer: 'adam' });
      await trainer.fit({ x, y }, { epochs: 5, batchSize: 4 });
      return net.getWeights().map(({ data }) => [...data]);
    };
    expect(await trained(true)).toEqual(await trained(false));
  });

  it('leaves relu to others that read it', async () => {
    const image = api.input([7, 7, 1]);
    const relu = conv2d(4, 3, { activation: 'relu' })(image);
    const both = model({ inputs: image, outputs: { relu, max: maxPooling2d()(relu) }, seed: 3 });
    const { relu: whole, max: pooled } = await both.predict(x);
    const at = (n: number, i: number, j: number, c: number): number =>
      whole.data[((n * 5 + i) * 5 + j) * 4 + c]!;
    for (let n = 0; n < 4; n++) {
      for (let i = 0; i < 2; i++) {
        for (let j = 0; j < 2; j++) {
          for (let c = 0; c < 4; c++) {
            const four = [
              at(n, 2 * i, 2 * j, c),
              at(n, 2 * i, 2 * j + 1, c),
              at(n, 2 * i + 1, 2 * j, c),
              at(n, 2 * i + 1, 2 * j + 1, c),
            ];
            expect(pooled.data[((n * 2 + i) * 2 + j) * 4 + c]).toBe(Math.max(...four));
          }
        }
      }
    }
    expect(Math.min(...whole.data)).toBe(0);
  });
});
