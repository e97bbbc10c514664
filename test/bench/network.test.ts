import { describe, expect, it } from 'vitest';
import { cases } from '../../bench/cases.ts';
import { stepData } from '../../bench/data.ts';
import { describe as describeLayers, network, stepFlops, weightSpecs } from '../../bench/network.ts';
import type { LayerSpec, StepCase } from '../../bench/protocol.ts';
import { createTrainer } from '../../bench/subjects/network.ts';
import { subjects, takes } from '../../bench/subjects.ts';

const convolution = { activation: 'linear', padding: 'same', strides: 2 } as const;
const specs: LayerSpec[] = [
  { type: 'conv2d', filters: 4, size: 3, ...convolution, padding: 'valid' },
  {
    type: 'residual',
    layers: [{ type: 'conv2d', filters: 6, size: 3, ...convolution }, { type: 'batchNormalization' }],
    shortcut: [{ type: 'conv2d', filters: 6, size: 1, ...convolution }],
  },
  { type: 'conv2dTranspose', filters: 2, size: 4, ...convolution },
  { type: 'maxPooling2d', size: 2 },
  { type: 'flatten' },
  { type: 'dense', units: 5, activation: 'linear' },
];
const layers = network([10, 10, 3], specs);

const decoder = network(
  [5],
  [
    { type: 'embedding', inputDim: 11, outputDim: 6 },
    { type: 'positionEmbedding' },
    { type: 'transformerDecoder', numHeads: 2 },
    { type: 'layerNormalization' },
    { type: 'dense', units: 11, activation: 'linear' },
  ],
);

describe('a network of the harness', () => {
  it('has the shapes that its layers make', () => {
    expect(layers.map(({ name, outputShape }) => [name, outputShape.join('x')])).toEqual([
      ['conv2d', '4x4x4'],
      ['residual', '2x2x6'],
      ['conv2dTranspose', '4x4x2'],
      ['maxPooling2d', '2x2x2'],
      ['flatten', '8'],
      ['dense', '5'],
    ]);
    expect(decoder.map(({ outputShape }) => outputShape.join('x'))).toEqual([
      ...['5x6', '5x6', '5x6', '5x6', '5x11'],
    ]);
  });

  it('has the weights of each layer in order, numbered within residuals too', () => {
    expect(weightSpecs(layers).map(({ name, shape }) => `${name} ${shape.join('x')}`)).toEqual([
      'conv2d/kernel 3x3x3x4',
      'conv2d/bias 4',
      'conv2d_1/kernel 3x3x4x6',
      'conv2d_1/bias 6',
      'batchNormalization/gamma 6',
      'batchNormalization/beta 6',
      'batchNormalization/movingMean 6',
      'batchNormalization/movingVariance 6',
      'conv2d_2/kernel 1x1x4x6',
      'conv2d_2/bias 6',
      'conv2dTranspose/kernel 4x4x2x6',
      'conv2dTranspose/bias 2',
      'dense/kernel 8x5',
      'dense/bias 5',
    ]);
  });

  it('counts the products forward, dW, and dX of all layers but the first', () => {
    // multiply-adds forward: results times taps times channels; of a transposed convolution inputs times taps times filters
    const first = 4 * 4 * 4 * 9 * 3;
    const others = 2 * 2 * 6 * 9 * 4 + 2 * 2 * 6 * 4 + 2 * 2 * 6 * 16 * 2 + 8 * 5;
    expect(stepFlops(layers, 7)).toBe(7 * (4 * first + 6 * others));
    const recurrent = network([9, 3], [{ type: 'lstm', units: 5 }]);
    expect(stepFlops(recurrent, 2)).toBe(2 * (4 * 9 * 3 * 20 + 6 * 8 * 5 * 20));
    // behind an embedding all have dX; scores and sums of 2 heads of 3 numbers, half of 5 x 5 positions
    const attention = 2 * 2 * 3 * ((5 * 5) / 2);
    const kernels = 5 * (6 * 18 + 6 * 6 + 6 * 24 + 24 * 6 + 6 * 11);
    expect(stepFlops(decoder, 3)).toBe(3 * 6 * (kernels + attention));
  });

  it('has the weights of a decoder by the names that downhill gives them', async () => {
    const spec = cases.find(({ name }) => name === 'char-gpt') as StepCase;
    const data = stepData(spec);
    const trainer = await createTrainer(spec, data);
    expect(trainer.model.getWeights().map(({ name, shape }) => ({ name, shape }))).toEqual(
      weightSpecs(spec.layers).map(({ name, shape }) => ({ name, shape })),
    );
    // the label of a letter is the next one of its row
    expect([...data.x.subarray(1, 64)]).toEqual([...data.labels.subarray(0, 63)]);
    expect(data.labels).toHaveLength(data.x.length);
    trainer.dispose();
  });

  it('is described in a line', () => {
    expect(describeLayers(layers)).toBe(
      '10x10x3, conv 4c3/2 - residual 6 - transposed conv 2c4/2 - pool 2 - dense 5',
    );
  });

  it('goes to the subjects that train its layers', () => {
    const of = (name: string) => {
      const spec = cases.find((c) => c.name === name)!;
      return subjects.filter((subject) => takes(subject, spec)).map((subject) => subject.name);
    };
    expect(of('resnet-tiny')).toEqual(['downhill', 'tfjs-cpu', 'tfjs-wasm', 'pytorch']);
    expect(of('wide-mlp')).toHaveLength(8);
    expect(of('size')).toContain('brain.js');
  });
});
