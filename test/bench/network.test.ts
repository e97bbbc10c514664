import { describe, expect, it } from 'vitest';
import { cases } from '../../bench/cases.ts';
import { describe as describeLayers, network, stepFlops, weightSpecs } from '../../bench/network.ts';
import type { LayerSpec } from '../../bench/protocol.ts';
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
