import { describe, expect, it } from 'vitest';
import * as api from '../../src/index.ts';
import { randomValues } from '../train/support.ts';

const { conv1d, conv2d, dense, flatten, reshape, sequential, sgd, Trainer } = api;

/*
 * What other JavaScript libraries get wrong, or cannot do, in layers that exist here: tfjs and its WebAssembly backend
 * (wrong gradients of maxima, a bias that is added once for each block, no gradient of convolutions and embeddings, no causal
 * convolution), and the usual slips at edges. All numbers are small integers, so results are exact.
 */

/** The result of a layer for one row. */
function resultOf(layer: api.Layer, inputShape: readonly number[], x: readonly number[]): number[] {
  const model = sequential({ inputShape }, [layer]);
  return [...model.predictSync({ data: Float32Array.from(x), shape: [1, ...inputShape] }).data];
}

/** A layer with its weights set. */
function weighted(
  layer: api.Layer,
  inputShape: readonly number[],
  weights: readonly (readonly number[])[],
  x: readonly number[],
): number[] {
  const model = sequential({ inputShape }, [layer]);
  const named = model.getWeights();
  model.setWeights(named.map((weight, i) => ({ ...weight, data: Float32Array.from(weights[i]!) })));
  return [...model.predictSync({ data: Float32Array.from(x), shape: [1, ...inputShape] }).data];
}

/**
 * The gradient of the sum of a layer's results: the image is the kernel of a dense layer, whose only input is 1; targets half
 * below the results make each dy 1; a step of learning rate 1 takes dx from the image.
 */
async function gradientOf(
  layer: api.Layer,
  shape: readonly number[],
  image: readonly number[],
): Promise<number[]> {
  const model = sequential({ inputShape: [1] }, [
    dense(image.length, { useBias: false }),
    reshape(shape),
    layer,
    flatten(),
  ]);
  const [kernel, ...others] = model.getWeights();
  model.setWeights([{ ...kernel!, data: Float32Array.from(image) }, ...others]);
  const y = model.predictSync([[1]]);
  const target = { ...y, data: y.data.map((v) => v - 0.5) };
  const loss = api.meanSquaredError({ reduction: 'sum' });
  const trainer = await Trainer.create(model, { loss, optimizer: sgd({ learningRate: 1 }) });
  await trainer.fit({ x: [[1]], y: target }, { batchSize: 1 });
  trainer.dispose();
  const after = model.getWeights()[0]!.data;
  return image.map((v, i) => v - after[i]!);
}

/** Every pool of maxima, with one window over all. */
const maxima = (
  [
    [api.maxPooling1d({ poolSize: 4 }), [4, 1]],
    [api.maxPooling2d(), [2, 2, 1]],
    [api.maxPooling3d({ poolSize: [1, 2, 2] }), [1, 2, 2, 1]],
    [api.globalMaxPooling1d(), [4, 1]],
    [api.globalMaxPooling2d(), [2, 2, 1]],
    [api.globalMaxPooling3d(), [2, 2, 1, 1]],
    [api.adaptiveMaxPooling1d(1), [4, 1]],
    [api.adaptiveMaxPooling2d(1), [2, 2, 1]],
    [api.adaptiveMaxPooling3d(1), [1, 2, 2, 1]],
  ] as const
).map(([layer, shape]) => [layer.type, layer, shape] as const);

describe.each(maxima)('%s', (_, layer, shape) => {
  it('takes the largest of negative numbers, not the smallest positive one', () => {
    expect(resultOf(layer, shape, [-4, -3, -1, -2])).toEqual([-1]);
  });

  it('sends the gradient to the largest of negative numbers, and to the first of equal ones', async () => {
    expect(await gradientOf(layer, shape, [-4, -3, -1, -2])).toEqual([0, 0, 1, 0]);
    expect(await gradientOf(layer, shape, [-4, -2, -2, -3])).toEqual([0, 1, 0, 0]);
    expect(await gradientOf(layer, shape, [0, 0, 0, 0])).toEqual([1, 0, 0, 0]);
  });
});

/** With their names in front. */
const named = (...layers: readonly api.Layer[]) => layers.map((layer) => [layer.type, layer] as const);

describe('windows at edges', () => {
  it('zeros of same padding are split evenly, an odd one comes last', () => {
    expect(weighted(conv1d(1, 2, { padding: 'same', useBias: false }), [3, 1], [[1, 1]], [1, 2, 3])).toEqual([
      3, 5, 3,
    ]);
    const strided = conv1d(1, 3, { padding: 'same', strides: 2, useBias: false });
    expect(weighted(strided, [4, 1], [[1, 1, 1]], [1, 2, 3, 4])).toEqual([6, 7]);
    const apart = api.depthwiseConv1d(3, { padding: 'same', strides: 2, useBias: false });
    expect(weighted(apart, [4, 1], [[1, 1, 1]], [1, 2, 3, 4])).toEqual([6, 7]);
  });

  it('a mean counts what lies inside alone', async () => {
    const pool = api.averagePooling1d({ padding: 'same' });
    expect(resultOf(pool, [3, 1], [2, 4, 6])).toEqual([3, 6]);
    expect(await gradientOf(pool, [3, 1], [2, 4, 6])).toEqual([0.5, 0.5, 1]);
  });

  it('a maximum at an edge is none of the zeros around', async () => {
    const pool = api.maxPooling1d({ poolSize: 3, strides: 1, padding: 'same' });
    expect(resultOf(pool, [3, 1], [-1, -5, -9])).toEqual([-1, -1, -5]);
    expect(await gradientOf(pool, [3, 1], [-1, -5, -9])).toEqual([2, 1, 0]);
  });

  it('an odd size leaves the last out without padding, and its gradient is 0', async () => {
    expect(resultOf(api.maxPooling1d(), [3, 1], [1, 2, 9])).toEqual([2]);
    expect(await gradientOf(api.maxPooling1d(), [3, 1], [1, 2, 9])).toEqual([0, 1, 0]);
    expect(await gradientOf(api.averagePooling2d(), [3, 3, 1], [1, 2, 3, 4, 5, 6, 7, 8, 9])).toEqual([
      0.25, 0.25, 0, 0.25, 0.25, 0, 0, 0, 0,
    ]);
  });

  it('a causal convolution sees no later step', () => {
    const causal = { padding: 'causal', useBias: false } as const;
    expect(weighted(conv1d(1, 2, causal), [3, 1], [[1, 1]], [1, 2, 3])).toEqual([1, 3, 5]);
    const dilated = api.depthwiseConv1d(2, { ...causal, dilationRate: 2 });
    expect(weighted(dilated, [4, 1], [[10, 1]], [1, 2, 3, 4])).toEqual([1, 2, 13, 24]);
  });
});

describe('strides, dilations, groups', () => {
  const x = [1, 2, 3, 4, 5, 6, 7, 8];

  it('strides and dilations together', async () => {
    const options = { dilationRate: 3, strides: 2, useBias: false } as const;
    for (const layer of [conv1d(1, 2, options), api.depthwiseConv1d(2, options)]) {
      expect(weighted(layer, [8, 1], [[1, 10]], x)).toEqual([41, 63, 85]);
    }
    const ones = api.depthwiseConv1d(2, { ...options, depthwiseInitializer: 'ones', trainable: false });
    // x[2 o] and x[2 o + 3], o = 0, 1, 2
    expect(await gradientOf(ones, [8, 1], x)).toEqual([1, 0, 1, 1, 1, 1, 0, 1]);
    const product = conv1d(1, 2, { ...options, kernelInitializer: 'ones', trainable: false });
    expect(await gradientOf(product, [8, 1], x)).toEqual([1, 0, 1, 1, 1, 1, 0, 1]);
  });

  it('strides longer than the window leave steps out, and their gradient is 0', async () => {
    const options = { strides: 3, useBias: false, trainable: false } as const;
    const product = conv1d(1, 1, { ...options, kernelInitializer: 'ones' });
    expect(await gradientOf(product, [8, 1], x)).toEqual([1, 0, 0, 1, 0, 0, 1, 0]);
    const apart = api.depthwiseConv1d(1, { ...options, depthwiseInitializer: 'ones' });
    expect(await gradientOf(apart, [8, 1], x)).toEqual([1, 0, 0, 1, 0, 0, 1, 0]);
  });

  it('groups see their own channels alone', async () => {
    const layer = conv1d(4, 1, { groups: 2, useBias: false });
    expect(weighted(layer, [1, 2], [[1, 2, 3, 4]], [10, 100])).toEqual([10, 20, 300, 400]);
  });
});

describe('a bias is added once, however long the sum', () => {
  // blocks of other libraries end at 48, those here at 384
  it.each([48, 49, 100, 384, 385, 1000])('of %i inputs', (inputs) => {
    const ones = { kernelInitializer: 'ones', biasInitializer: 'ones' } as const;
    const x = new Array<number>(inputs).fill(1);
    expect(resultOf(dense(9, ones), [inputs], x)).toEqual(new Array(9).fill(inputs + 1));
    const relu = dense(9, { ...ones, biasInitializer: api.constant(-inputs - 1), activation: 'relu' });
    expect(resultOf(relu, [inputs], x)).toEqual(new Array(9).fill(0));
    expect(resultOf(conv2d(9, 1, ones), [1, 1, inputs], x)).toEqual(new Array(9).fill(inputs + 1));
  });
});

describe('a batch of one', () => {
  const shape = [6, 5, 4];
  const x = randomValues(3 * 120, 7);
  it.each(
    named(
      conv2d(5, 3, { padding: 'same', strides: 2, activation: 'tanh' }),
      api.conv2dTranspose(3, 3, { strides: 2, outputPadding: 1 }),
      api.depthwiseConv2d(3, { padding: 'same', depthMultiplier: 2 }),
      api.separableConv2d(7, 3),
      api.maxPooling2d(),
      api.averagePooling2d({ padding: 'same', poolSize: 3 }),
      api.adaptiveAveragePooling2d([4, 2]),
      api.upSampling2d({ interpolation: 'bilinear' }),
      api.globalMaxPooling2d(),
    ),
  )('%s gives the bits that it gives within a batch', (_, layer) => {
    const model = sequential({ inputShape: shape, seed: 1 }, [layer]);
    const whole = model.predictSync({ data: x, shape: [3, ...shape] }).data;
    const size = whole.length / 3;
    for (const i of [0, 1, 2]) {
      const alone = model.predictSync({ data: x.slice(i * 120, (i + 1) * 120), shape: [1, ...shape] });
      expect(alone.data).toEqual(whole.slice(i * size, (i + 1) * size));
    }
  });
});

describe('what another WebAssembly backend has no gradient of', () => {
  it('the gradient of embeddings adds up where an index comes twice', async () => {
    const model = sequential({ inputShape: [3] }, [api.embedding(4, 1), flatten()]);
    const [table] = model.getWeights();
    model.setWeights([{ ...table!, data: Float32Array.of(8, 8, 8, 8) }]);
    const loss = api.meanSquaredError({ reduction: 'sum' });
    const trainer = await Trainer.create(model, { loss, optimizer: sgd({ learningRate: 1 }) });
    await trainer.fit({ x: [[1, 3, 1]], y: [[7.5, 7.5, 7.5]] }, { batchSize: 1 });
    expect([...model.getWeights()[0]!.data]).toEqual([8, 6, 8, 7]);
  });

  it.each(
    named(
      conv1d(3, 2),
      api.conv1dTranspose(3, 2, { strides: 2 }),
      api.depthwiseConv1d(2),
      api.separableConv1d(3, 2),
      api.upSampling1d(),
    ),
  )('%s trains: the loss falls', async (_, layer) => {
    const model = sequential({ inputShape: [6, 2], seed: 2 }, [layer, flatten(), dense(1)]);
    const trainer = await Trainer.create(model, {
      loss: 'meanSquaredError',
      optimizer: sgd({ learningRate: 0.02 }),
    });
    const x = { data: randomValues(8 * 12, 3), shape: [8, 6, 2] };
    const y = { data: randomValues(8, 4), shape: [8, 1] };
    const { epochs } = await trainer.fit({ x, y }, { epochs: 20, batchSize: 8 });
    trainer.dispose();
    expect(epochs[19]!.loss!).toBeLessThan(epochs[0]!.loss!);
  });
});
