// A step case as a trainer of downhill, and the program that its `fit` would run.
import type { Program } from '../../src/compiler/program.ts';
import { toClasses, toColumn, toIndices } from '../../src/data/arrays.ts';
import {
  activation,
  adam,
  adamw,
  add,
  batchNormalization,
  binaryCrossEntropy,
  conv2d,
  conv2dTranspose,
  crossEntropy,
  dense,
  embedding,
  flatten,
  globalAveragePooling2d,
  input,
  layerNormalization,
  lstm,
  maxPooling2d,
  meanSquaredError,
  model,
  positionEmbedding,
  type SymbolicTensor,
  sgd,
  Trainer,
  transformerDecoder,
} from '../../src/index.ts';
import type { Layer, OptimizerSpec, StepCase, StepData } from '../protocol.ts';

export async function createTrainer(
  { layers, loss, optimizer }: StepCase,
  { weights }: StepData,
): Promise<Trainer> {
  const inputs = input(layers[0]!.inputShape, { name: 'x' });
  const network = model({ inputs, outputs: layers.reduce(applied, inputs) });
  network.setWeights(weights);
  const losses = { binary: binaryCrossEntropy, softmax: crossEntropy, mse: meanSquaredError };
  return Trainer.create(network, {
    loss: losses[loss](),
    optimizer: optimizerOf(optimizer),
  });
}

function optimizerOf({ name, ...constants }: OptimizerSpec) {
  return { sgd, adam, adamw }[name](constants);
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
    case 'embedding':
      return embedding(layer.inputDim, layer.outputDim, { name })(x);
    case 'positionEmbedding':
      return positionEmbedding({ name })(x);
    case 'layerNormalization':
      return layerNormalization({ name, epsilon: 1e-5 })(x);
    case 'transformerDecoder':
      return transformerDecoder({ name, numHeads: layer.numHeads })(x);
    case 'residual': {
      const y = layer.layers.reduce(applied, x);
      return add({ name })([y, layer.shortcut.reduce(applied, x)]);
    }
  }
}

/** Over the case's rows in their order, ready for its first step. */
export function startProgram({ session }: Trainer, spec: StepCase, data: StepData): Program {
  const { rows, batch, loss, layers } = spec;
  const [first, last] = [layers[0]!, layers.at(-1)!];
  const given = { data: data.x, shape: [rows, ...first.inputShape] };
  const x =
    first.type === 'embedding' ? toIndices(given, first.inputDim, 'x', first.name) : toColumn(given, 'x');
  const y = {
    binary: () => toColumn({ data: data.labels, shape: [rows, 1] }, 'y'),
    softmax: () => {
      const shape = [rows, ...last.outputShape.slice(0, -1)];
      return toClasses({ data: data.labels, shape }, last.outputShape.at(-1)!, 'y');
    },
    mse: () => toColumn({ data: data.x, shape: [rows, ...last.outputShape] }, 'y'),
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
