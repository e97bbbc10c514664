import { flag } from '../checks.ts';
import type { Graph } from '../graph/graph.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import type { Tensor } from '../ops/tensor.ts';
import {
  type ActivationConfig,
  type ActivationLike,
  activationConfig,
  applyActivation,
} from './activations.ts';
import { type InitializerConfig, type InitializerLike, initializerConfig } from './initializers.ts';
import type { ParameterSpec } from './layer.ts';
import { type Regularizer, regularizer } from './regularizers.ts';

/** Options of every layer with a kernel and a bias. */
export interface KernelOptions {
  /** Default 'linear'. */
  activation?: ActivationLike;
  /** Default true. */
  useBias?: boolean;
  /** Default 'glorotUniform'. */
  kernelInitializer?: InitializerLike;
  /** Default 'zeros'. */
  biasInitializer?: InitializerLike;
  /** Default: none. */
  kernelRegularizer?: Regularizer;
  /** Default: none. */
  biasRegularizer?: Regularizer;
  /** False: training leaves the parameters as they are. Default true. */
  trainable?: boolean;
}

export const KERNEL_KEYS: readonly (keyof KernelOptions)[] = [
  'activation',
  'useBias',
  'kernelInitializer',
  'biasInitializer',
  'kernelRegularizer',
  'biasRegularizer',
  'trainable',
];

/** The options, checked and complete. */
export interface KernelConfig {
  readonly activation: ActivationConfig;
  readonly useBias: boolean;
  readonly kernelInitializer: InitializerConfig;
  readonly biasInitializer: InitializerConfig;
  readonly kernelRegularizer: Regularizer | undefined;
  readonly biasRegularizer: Regularizer | undefined;
  readonly trainable: boolean;
}

export function kernelConfig(options: KernelOptions, what: string): KernelConfig {
  const penalty = (key: 'kernelRegularizer' | 'biasRegularizer'): Regularizer | undefined =>
    options[key] === undefined ? undefined : regularizer(options[key], `${what}: ${key}`);
  return {
    activation: activationConfig(options.activation ?? 'linear', `${what}: activation`),
    useBias: flag(options.useBias ?? true, `${what}: useBias`),
    kernelInitializer: initializerConfig(
      options.kernelInitializer ?? 'glorotUniform',
      `${what}: kernelInitializer`,
    ),
    biasInitializer: initializerConfig(options.biasInitializer ?? 'zeros', `${what}: biasInitializer`),
    kernelRegularizer: penalty('kernelRegularizer'),
    biasRegularizer: penalty('biasRegularizer'),
    trainable: flag(options.trainable ?? true, `${what}: trainable`),
  };
}

/** Specs of a kernel of `shape` and, unless switched off, of a bias [units]. */
export function kernelAndBias(
  config: KernelConfig,
  kernel: { shape: readonly number[]; fanIn: number; fanOut: number },
  units: number,
): readonly ParameterSpec[] {
  const common = {
    fanIn: kernel.fanIn,
    fanOut: kernel.fanOut,
    trainable: config.trainable,
    learningRateScale: 1,
  };
  const first = {
    ...common,
    name: 'kernel',
    shape: kernel.shape,
    initializer: config.kernelInitializer,
    regularizer: config.kernelRegularizer,
  };
  const second = {
    ...common,
    name: 'bias',
    shape: [units],
    initializer: config.biasInitializer,
    regularizer: config.biasRegularizer,
  };
  return config.useBias ? [first, second] : [first];
}

/** + bias, then the activation. */
export function biasAndActivation(
  graph: Graph,
  y: Tensor,
  bias: Tensor | undefined,
  config: KernelConfig,
): Tensor {
  const sum: Tensor = bias ? graph.add(elementwiseOps.biasAdd, [y, bias], {}) : y;
  return applyActivation(graph, sum, config.activation);
}
