import { network, stepFlops } from './network.ts';
import type {
  ActivationName,
  Case,
  GemmCase,
  LayerSpec,
  PassCase,
  PassName,
  SimpleSpec,
  StepCase,
} from './protocol.ts';

function dense(units: number, activation: ActivationName = 'linear'): LayerSpec {
  return { type: 'dense', units, activation };
}

type ConvolutionSpec = Extract<SimpleSpec, { type: 'conv2d' | 'conv2dTranspose' }>;

function convolution(
  type: ConvolutionSpec['type'],
  filters: number,
  size: number,
  options: Partial<ConvolutionSpec> = {},
): LayerSpec {
  return { strides: 1, padding: 'valid', activation: 'linear', ...options, type, filters, size };
}

const pool: LayerSpec = { type: 'maxPooling2d', size: 2 };
const flatten: LayerSpec = { type: 'flatten' };
const relu: LayerSpec = { type: 'activation', activation: 'relu' };

interface StepSpec extends Omit<StepCase, 'kind' | 'flops' | 'layers'> {
  inputShape: number[];
  layers: LayerSpec[];
}

function step({ inputShape, layers: specs, ...spec }: StepSpec): StepCase {
  const layers = network(inputShape, specs);
  return { kind: 'step', ...spec, layers, flops: stepFlops(layers, spec.batch) };
}

const adam = { name: 'adam', learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

const perceptron = step({
  name: 'perceptron',
  inputShape: [2],
  layers: [dense(4, 'tanh'), dense(1)],
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
  inputShape: [784],
  layers: [dense(128, 'relu'), dense(10)],
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
  inputShape: [784],
  layers: [dense(512, 'relu'), dense(512, 'relu'), dense(10)],
  loss: 'softmax',
  optimizer: adam,
  batch: 128,
  rows: 1024,
  checkSteps: 20,
  checkLoss: 1.3902881754554441,
  stepsPerCall: 1,
});

const mnistCnn = step({
  name: 'mnist-cnn',
  inputShape: [28, 28, 1],
  layers: [
    convolution('conv2d', 16, 3, { activation: 'relu' }),
    pool,
    convolution('conv2d', 32, 3, { activation: 'relu' }),
    pool,
    flatten,
    dense(10),
  ],
  loss: 'softmax',
  optimizer: adam,
  batch: 32,
  rows: 512,
  checkSteps: 6,
  checkLoss: 2.2162728488119923,
  stepsPerCall: 1,
});

/** y = relu(x + conv(relu(conv(x)))), each convolution normalized; strides and more filters want one on the shortcut. */
function block(filters: number, strides: number): LayerSpec[] {
  const normalized = (size: number, stride: number): LayerSpec[] => [
    convolution('conv2d', filters, size, { padding: 'same', strides: stride }),
    { type: 'batchNormalization' },
  ];
  const shortcut = strides === 1 ? [] : normalized(1, strides);
  return [
    { type: 'residual', layers: [...normalized(3, strides), relu, ...normalized(3, 1)], shortcut },
    relu,
  ];
}

/** ResNet-8: the network of He et al. 2016 for CIFAR-10 with one block for each of its three widths. */
const resnetTiny = step({
  name: 'resnet-tiny',
  inputShape: [32, 32, 3],
  layers: [
    convolution('conv2d', 16, 3, { padding: 'same' }),
    { type: 'batchNormalization' },
    relu,
    ...block(16, 1),
    ...block(32, 2),
    ...block(64, 2),
    { type: 'globalAveragePooling2d' },
    dense(10),
  ],
  loss: 'softmax',
  optimizer: adam,
  batch: 32,
  rows: 256,
  checkSteps: 6,
  checkLoss: 2.42534688483306,
  stepsPerCall: 1,
});

const lstm = step({
  name: 'lstm',
  inputShape: [28, 28],
  layers: [{ type: 'lstm', units: 64 }, dense(10)],
  loss: 'softmax',
  optimizer: adam,
  batch: 32,
  rows: 512,
  checkSteps: 20,
  checkLoss: 2.17972250044327,
  stepsPerCall: 1,
});

/** 28 x 28 to 7 x 7 and back. */
const halved = { strides: 2, padding: 'same' } as const;
const autoencoder = step({
  name: 'autoencoder',
  inputShape: [28, 28, 1],
  layers: [
    convolution('conv2d', 16, 4, { ...halved, activation: 'relu' }),
    convolution('conv2d', 32, 4, { ...halved, activation: 'relu' }),
    convolution('conv2dTranspose', 16, 4, { ...halved, activation: 'relu' }),
    convolution('conv2dTranspose', 1, 4, halved),
  ],
  loss: 'mse',
  optimizer: adam,
  batch: 32,
  rows: 512,
  checkSteps: 40,
  checkLoss: 0.0173694081690885,
  stepsPerCall: 1,
});

/** A small GPT (Radford et al. 2018) over bytes: the one of examples/characters.ts. */
const charGpt = step({
  name: 'char-gpt',
  inputShape: [64],
  layers: [
    { type: 'embedding', inputDim: 256, outputDim: 128 },
    { type: 'positionEmbedding' },
    ...Array.from({ length: 4 }, (): LayerSpec => ({ type: 'transformerDecoder', numHeads: 4 })),
    { type: 'layerNormalization' },
    dense(256),
  ],
  loss: 'softmax',
  optimizer: { ...adam, name: 'adamw', weightDecay: 0.1 },
  batch: 16,
  rows: 128,
  checkSteps: 32,
  checkLoss: 3.540700631673268,
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
  mnistCnn,
  resnetTiny,
  lstm,
  autoencoder,
  charGpt,
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
