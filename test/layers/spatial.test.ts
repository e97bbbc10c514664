import { describe, expect, it } from 'vitest';
import * as api from '../../src/index.ts';
import { layerFromConfig } from '../../src/layers/types.ts';
import { randomValues } from '../train/support.ts';

const { dense, flatten, sequential, sgd, Trainer } = api;

type Row = readonly [layer: api.Layer, inputShape: readonly number[], outputShape: readonly number[]];

const layers: readonly Row[] = [
  [api.depthwiseConv1d(3, { padding: 'causal', dilationRate: 2, depthMultiplier: 3 }), [9, 2], [9, 6]],
  [api.depthwiseConv1d(4, { strides: 3, activation: 'tanh' }), [9, 5], [2, 5]],
  [api.depthwiseConv2d(3), [7, 9, 5], [5, 7, 5]],
  [
    api.depthwiseConv2d([3, 2], { strides: [2, 3], padding: 'same', depthMultiplier: 2 }),
    [7, 9, 3],
    [4, 3, 6],
  ],
  [
    api.depthwiseConv2d(3, {
      padding: 'same',
      useBias: false,
      activation: { name: 'leakyRelu', negativeSlope: 0.1 },
      depthwiseInitializer: 'heNormal',
      depthwiseRegularizer: api.l2(1e-3),
    }),
    [6, 5, 8],
    [6, 5, 8],
  ],
  [api.separableConv1d(4, 3, { padding: 'same', activation: 'relu' }), [9, 2], [9, 4]],
  [
    api.separableConv2d(5, [2, 3], {
      strides: 2,
      depthMultiplier: 2,
      pointwiseInitializer: 'heUniform',
      pointwiseRegularizer: api.l1(1e-3),
    }),
    [7, 9, 3],
    [3, 4, 5],
  ],
  [api.zeroPadding1d(), [3, 2], [5, 2]],
  [api.zeroPadding1d({ padding: [0, 3] }), [3, 2], [6, 2]],
  [api.zeroPadding2d({ padding: [2, 1] }), [3, 4, 2], [7, 6, 2]],
  [api.zeroPadding2d({ padding: [[0, 1], 2] }), [3, 4, 2], [4, 8, 2]],
  [api.zeroPadding3d({ padding: [[1, 0], [0, 2], 1] }), [2, 3, 2, 2], [3, 5, 4, 2]],
  [api.cropping1d(), [5, 2], [3, 2]],
  [
    api.cropping2d({
      cropping: [
        [1, 0],
        [2, 1],
      ],
    }),
    [4, 6, 2],
    [3, 3, 2],
  ],
  [api.cropping2d(), [4, 6, 2], [4, 6, 2]],
  [api.cropping3d({ cropping: [1, [0, 1], 0] }), [3, 3, 2, 2], [1, 2, 2, 2]],
  [api.upSampling1d({ size: 3 }), [3, 2], [9, 2]],
  [api.upSampling2d(), [3, 2, 5], [6, 4, 5]],
  [api.upSampling2d({ size: [2, 3], interpolation: 'bilinear' }), [3, 2, 5], [6, 6, 5]],
  [api.upSampling3d({ size: [1, 2, 2] }), [2, 2, 2, 3], [2, 4, 4, 3]],
  [api.adaptiveAveragePooling1d(2), [5, 3], [2, 3]],
  [api.adaptiveAveragePooling2d([3, 2]), [7, 5, 3], [3, 2, 3]],
  [api.adaptiveAveragePooling3d(2), [3, 4, 5, 2], [2, 2, 2, 2]],
  [api.adaptiveMaxPooling1d(3), [5, 3], [3, 3]],
  [api.adaptiveMaxPooling2d(2), [5, 3, 4], [2, 2, 4]],
  [api.adaptiveMaxPooling3d([1, 2, 3]), [3, 4, 5, 2], [1, 2, 3, 2]],
  [api.conv1dTranspose(3, 4, { strides: 3, outputPadding: 2 }), [4, 2], [15, 3]],
  [api.conv2dTranspose(3, 3, { strides: 2, padding: 'same', outputPadding: 1 }), [4, 5, 2], [8, 10, 3]],
  [api.conv2dTranspose(3, [3, 2], { strides: 2, dilationRate: [2, 3] }), [4, 5, 2], [11, 12, 3]],
];

describe.each(layers)('%#', (layer, inputShape, outputShape) => {
  const model = (): api.Model => sequential({ inputShape, seed: 3 }, [layer, flatten(), dense(2)]);
  const size = inputShape.reduce((a, b) => a * b, 1);
  const x = { data: randomValues(5 * size, 1), shape: [5, ...inputShape] };
  const y = { data: randomValues(10, 2), shape: [5, 2] };

  const trained = async (threads: number): Promise<api.Model> => {
    const network = model();
    const options = { loss: 'meanSquaredError', optimizer: sgd({ learningRate: 0.05 }), threads } as const;
    const trainer = await Trainer.create(network, options);
    await trainer.fit({ x, y }, { epochs: 3, batchSize: 2 });
    trainer.dispose();
    return network;
  };

  it(`${layer.type} has its shape`, () => {
    expect(sequential({ inputShape }, [layer]).outputShape.slice(1)).toEqual(outputShape);
  });

  it(`${layer.type} comes through a file, trained; two threads make the same bits`, async () => {
    const { type, config } = layer;
    expect(layerFromConfig({ type, ...config }).config).toEqual(config);
    const network = await trained(1);
    expect((await trained(2)).getWeights()).toEqual(network.getWeights());
    expect(network.getWeights()).not.toEqual(model().getWeights());
    const again = await api.loadModel(network.toBytes());
    expect(again.toConfig()).toEqual(network.toConfig());
    expect(again.predictSync(x)).toEqual(network.predictSync(x));
  });
});

it('parameters have the names and shapes of Keras', () => {
  const model = sequential({ inputShape: [6, 6, 3] }, [
    api.depthwiseConv2d([3, 2], { depthMultiplier: 2 }),
    api.separableConv2d(4, 2, { depthMultiplier: 3 }),
  ]);
  expect(model.getWeights().map(({ name, shape }) => [name, shape])).toEqual([
    ['depthwiseConv2d/kernel', [3, 2, 3, 2]],
    ['depthwiseConv2d/bias', [6]],
    ['separableConv2d/depthwiseKernel', [2, 2, 6, 3]],
    ['separableConv2d/pointwiseKernel', [18, 4]],
    ['separableConv2d/bias', [4]],
  ]);
});

it('output c · depthMultiplier + m is filter m of channel c', () => {
  const model = sequential({ inputShape: [1, 2] }, [
    api.depthwiseConv1d(1, { depthMultiplier: 3, useBias: false }),
  ]);
  model.setWeights([
    { name: 'depthwiseConv1d/kernel', shape: [1, 2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
  ]);
  expect([...model.predictSync([[[10, 100]]]).data]).toEqual([10, 20, 30, 400, 500, 600]);
});

it('bilinear upsampling has half-pixel centers and repeats the edges', () => {
  const model = sequential({ inputShape: [1, 2, 1] }, [
    api.upSampling2d({ size: [1, 4], interpolation: 'bilinear' }),
  ]);
  expect([...model.predictSync([[[[0], [8]]]]).data]).toEqual([0, 0, 1, 3, 5, 7, 8, 8]);
});

describe('errors', () => {
  const make = (layer: api.Layer, inputShape: readonly number[]) => () => sequential({ inputShape }, [layer]);
  it.each([
    [() => api.depthwiseConv2d(0), 'depthwiseConv2d: kernelSize must be an integer of at least 1, got 0'],
    [
      () => api.depthwiseConv2d(3, { depthMultiplier: 0 }),
      'depthwiseConv2d: depthMultiplier must be an integer of at least 1, got 0',
    ],
    [
      () => api.depthwiseConv2d(3, { padding: 'causal' }),
      "depthwiseConv2d: padding must be 'valid' or 'same', got 'causal'",
    ],
    [
      () => api.separableConv2d(2, 3, { pointwiseRegularizer: 'l2' as never }),
      "separableConv2d: pointwiseRegularizer must be l1(), l2() or l1l2(), got 'l2'",
    ],
    [
      make(api.depthwiseConv2d(3), [5, 5]),
      "layer 'depthwiseConv2d': depthwiseConv2d needs an input of shape [batch, height, width, channels], got [batch, 5, 5]",
    ],
    [
      make(api.separableConv1d(3, 4), [3, 2]),
      "layer 'separableConv1d': a window of 4 does not fit into the input [batch, 3, 2]; " +
        "use padding: 'same' or a smaller window",
    ],
    [
      () => api.zeroPadding2d({ padding: [1, 2, 3] }),
      'zeroPadding2d: padding must be a number or [[before, after], [before, after]], got [1, 2, 3]',
    ],
    [
      () => api.zeroPadding1d({ padding: -1 }),
      'zeroPadding1d: padding must be an integer of at least 0, got -1',
    ],
    [
      make(api.cropping1d({ cropping: [2, 1] }), [3, 2]),
      "layer 'cropping1d': cropping [2, 1] leaves nothing of its input [batch, 3, 2]",
    ],
    [
      () => api.upSampling2d({ interpolation: 'cubic' as never }),
      "upSampling2d: interpolation must be 'nearest' or 'bilinear', got 'cubic'",
    ],
    [
      make(api.upSampling3d(), [4, 4, 2]),
      "layer 'upSampling3d': upSampling3d needs an input of shape [batch, depth, height, width, channels], got [batch, 4, 4, 2]",
    ],
    [
      () => api.adaptiveMaxPooling2d(0),
      'adaptiveMaxPooling2d: outputSize must be an integer of at least 1, got 0',
    ],
    [
      make(api.adaptiveAveragePooling1d(2), [4]),
      "layer 'adaptiveAveragePooling1d': adaptiveAveragePooling1d needs an input of shape [batch, steps, channels], got [batch, 4]",
    ],
    [
      () => api.conv2dTranspose(2, 3, { strides: 2, outputPadding: 2 }),
      'conv2dTranspose: outputPadding must be below the strides [2, 2], got [2, 2]',
    ],
    [
      make(api.conv1dTranspose(2, 2, { padding: 'same', outputPadding: 0 }), [1, 1]),
      "layer 'conv1dTranspose': nothing is left of its input [batch, 1, 1]",
    ],
  ] as const)('%#', (work, message) => {
    expect(work).toThrow(new api.UsageError(message));
  });
});
