import type { Case, GemmCase, LayerSpec, PassCase, PassName, StepCase } from './protocol.ts';

/** A multilayer perceptron's layers: hidden ones with `activation`, the last one linear. */
function dense(sizes: number[], activation: LayerSpec['activation']): LayerSpec[] {
  return sizes.slice(1).map((outputs, i) => ({
    inputs: sizes[i]!,
    outputs,
    activation: i === sizes.length - 2 ? 'linear' : activation,
  }));
}

/** Of a training step: 2·M·N·K for the forward GEMM and dW of each layer, and dX of every layer but the first. */
function stepFlops(layers: LayerSpec[], batch: number): number {
  return layers.reduce(
    (sum, { inputs, outputs }, i) => sum + (i === 0 ? 4 : 6) * batch * inputs * outputs,
    0,
  );
}

function step(spec: Omit<StepCase, 'kind' | 'flops'>): StepCase {
  return { kind: 'step', ...spec, flops: stepFlops(spec.layers, spec.batch) };
}

const adam = { name: 'adam', learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

const perceptron = step({
  name: 'perceptron',
  layers: dense([2, 4, 1], 'tanh'),
  loss: 'binary',
  optimizer: { name: 'sgd', learningRate: 0.5 },
  batch: 4,
  rows: 4,
  checkSteps: 1000,
  checkLoss: 0.005409373276445371,
  stepsPerCall: 1000,
});

const mnistMlp = step({
  name: 'mnist-mlp',
  layers: dense([784, 128, 10], 'relu'),
  loss: 'softmax',
  optimizer: adam,
  batch: 64,
  rows: 1024,
  checkSteps: 20,
  checkLoss: 1.9185291567110339,
  stepsPerCall: 4,
});

const wideMlp = step({
  name: 'wide-mlp',
  layers: dense([784, 512, 512, 10], 'relu'),
  loss: 'softmax',
  optimizer: adam,
  batch: 128,
  rows: 1024,
  checkSteps: 20,
  checkLoss: 1.3902881754554441,
  stepsPerCall: 1,
});

function gemm(variant: GemmCase['variant'], m: number, n: number, k: number, name: string): GemmCase {
  return { kind: 'gemm', name: `gemm-${variant}-${name}`, variant, m, n, k, flops: 2 * m * n * k };
}

/** The GEMMs of a step: forward x·W, dW = xᵀ·dY, dX = dY·Wᵀ (not of the first layer). */
function rectangles({ layers, batch }: StepCase): GemmCase[] {
  return layers.flatMap(({ inputs, outputs }, i) => [
    gemm('nn', batch, outputs, inputs, `${batch}x${outputs}x${inputs}`),
    gemm('tn', inputs, outputs, batch, `${inputs}x${outputs}x${batch}`),
    ...(i === 0 ? [] : [gemm('nt', batch, inputs, outputs, `${batch}x${inputs}x${outputs}`)]),
  ]);
}

const sides = [32, 64, 96, 128, 250, 256, 333, 512, 1024];
const squares = (['nn', 'nt', 'tn'] as const).flatMap((v) => sides.map((n) => gemm(v, n, n, n, `${n}`)));

/** As many values as mnist-mlp has parameters: 407 KB an array, past L1, one array within most L2. */
const passLength = 784 * 128 + 128 + 128 * 10 + 10;

function pass(name: PassName, arrays: number): PassCase {
  return { kind: 'pass', name, n: passLength, bytes: arrays * 4 * passLength };
}

export const cases: Case[] = [
  perceptron,
  mnistMlp,
  wideMlp,
  {
    ...mnistMlp,
    kind: 'first-step',
    name: 'first-step-mnist-mlp',
    checkSteps: 1,
    checkLoss: 2.3028308675225637,
  },
  ...squares,
  ...rectangles(mnistMlp),
  ...rectangles(wideMlp),
  pass('copy', 2),
  pass('relu', 2),
  pass('sigmoid', 2),
  pass('tanh', 2),
  pass('exp', 2),
  pass('sgd', 3), // reads p, g; writes p
  pass('momentum', 5), // reads p, g, m; writes p, m
  pass('adam', 7), // reads p, g, m, v; writes p, m, v
  { kind: 'size', name: 'size' },
];
