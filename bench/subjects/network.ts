// A step case as a trainer of downhill, and the program that its `fit` would run.
import type { Program } from '../../src/compiler/program.ts';
import { toClasses, toColumn } from '../../src/data/arrays.ts';
import {
  activation,
  adam,
  add,
  batchNormalization,
  binaryCrossEntropy,
  conv2d,
  conv2dTranspose,
  crossEntropy,
  dense,
  flatten,
  globalAveragePooling2d,
  input,
  lstm,
  maxPooling2d,
  meanSquaredError,
  model,
  type SymbolicTensor,
  sgd,
  Trainer,
} from '../../src/index.ts';
import type { Layer, StepCase, StepData } from '../protocol.ts';

export async function createTrainer(
  { layers, loss, optimizer }: StepCase,
  { weights }: StepData,
): Promise<Trainer> {
  const inputs = input(layers[0]!.inputShape, { name: 'x' });
  const network = model({ inputs, outputs: layers.reduce(applied, inputs) });
  network.setWeights(weights);
  const { name, ...constants } = optimizer;
  const losses = { binary: binaryCrossEntropy, softmax: crossEntropy, mse: meanSquaredError };
  return Trainer.create(network, {
    loss: losses[loss](),
    optimizer: name === 'sgd' ? sgd(constants) : adam(constants),
  });
}

function applied(x: SymbolicTensor, layer: Layer): SymbolicTensor {
  const { name } = layer;
  switch (layer.type) {
    case 'dense':
      return dense(layer.units, { name, activation: layer.activation })(x);
    case 'conv2d':
    case 'conv2dTranspose': {
      const { filters, size, strides, padding, activation } = layer;
      const make = layer.type === 'conv2d' ? conv2d : conv2dTranspose;
      return make(filters, size, { name, strides, padding, activation })(x);
    }
    case 'maxPooling2d':
      return maxPooling2d({ name, poolSize: layer.size })(x);
    case 'globalAveragePooling2d':
      return globalAveragePooling2d({ name })(x);
    case 'flatten':
      return flatten({ name })(x);
    case 'activation':
      return activation(layer.activation, { name })(x);
    case 'batchNormalization':
      return batchNormalization({ name })(x);
    case 'lstm':
      return lstm(layer.units, { name })(x);
    case 'residual': {
      const y = layer.layers.reduce(applied, x);
      return add({ name })([y, layer.shortcut.reduce(applied, x)]);
    }
  }
}

/** Over the case's rows in their order, ready for its first step. */
export function startProgram({ session }: Trainer, spec: StepCase, data: StepData): Program {
  const { rows, batch, loss, layers } = spec;
  const x = toColumn({ data: data.x, shape: [rows, ...layers[0]!.inputShape] }, 'x');
  const classes = layers.at(-1)!.outputs;
  const y = {
    binary: () => toColumn({ data: data.labels, shape: [rows, 1] }, 'y'),
    softmax: () => toClasses({ data: data.labels, shape: [rows] }, classes, 'y'),
    mse: () => toColumn({ data: data.x, shape: [rows, ...layers.at(-1)!.outputShape] }, 'y'),
  }[loss]();
  session.push();
  const program = session.trainingProgram([loss === 'softmax' ? 'classes' : 'dense'], batch);
  const columns = new Map([
    ['x', x],
    ['y', y],
  ]);
  program.start({ ...session.load({ columns, rows }), batchSize: batch, shuffle: false });
  return program;
}
