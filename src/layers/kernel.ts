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
import {
  type Fans,
  type InitializerConfig,
  type InitializerLike,
  initializerConfig,
} from './initializers.ts';
import type { ParameterSpec } from './layer.ts';
import { type Regularizer, regularizer } from './regularizers.ts';

/** Options of every layer that adds a bias and applies an activation. */
export interface BiasOptions {
  /** Default 'linear', as is null. */
  activation?: ActivationLike | null;
  /** Default true. */
  useBias?: boolean;
  /** Default 'zeros'. */
  biasInitializer?: InitializerLike;
  /** Penalty on the bias. Default: none. */
  biasRegularizer?: Regularizer;
  /** False: training leaves the parameters as they are. Default true. */
  trainable?: boolean;
}

/** Options of every layer with a kernel and a bias. */
export interface KernelOptions extends BiasOptions {
  /** Default 'glorotUniform'. */
  kernelInitializer?: InitializerLike;
  /** Penalty on the kernel, part of the reported loss. Default: none. */
  kernelRegularizer?: Regularizer;
}

/** What options call the kernels of a layer. */
type KernelName = 'kernel' | 'depthwise' | 'pointwise';

type ArrayOptions = {
  readonly [K in `${KernelName | 'bias'}Initializer`]?: InitializerLike;
} & { readonly [K in `${KernelName | 'bias'}Regularizer`]?: Regularizer };

interface ArrayConfig {
  readonly initializer: InitializerConfig;
  readonly regularizer: Regularizer | undefined;
}

/** The options, checked and complete. */
export interface KernelConfig {
  readonly activation: ActivationConfig;
  readonly useBias: boolean;
  readonly kernels: readonly ArrayConfig[];
  readonly bias: ArrayConfig;
  readonly trainable: boolean;
  /** As they are written to a file. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** The keys that a layer with such kernels takes. */
export function kernelKeys(names: readonly KernelName[] = ['kernel']): readonly string[] {
  const arrays = [...names, 'bias'].flatMap((name) => [`${name}Initializer`, `${name}Regularizer`]);
  return ['activation', 'useBias', ...arrays, 'trainable'];
}

export function kernelConfig(
  options: BiasOptions & ArrayOptions,
  what: string,
  names: readonly KernelName[] = ['kernel'],
): KernelConfig {
  const array = (name: KernelName | 'bias'): ArrayConfig => {
    const [initializer, penalty] = [`${name}Initializer`, `${name}Regularizer`] as const;
    const fallback = name === 'bias' ? 'zeros' : 'glorotUniform';
    return {
      initializer: initializerConfig(options[initializer] ?? fallback, `${what}: ${initializer}`),
      regularizer: regularizer(options[penalty], `${what}: ${penalty}`),
    };
  };
  const activation = activationConfig(options.activation, what, 'linear');
  const useBias = flag(options.useBias ?? true, `${what}: useBias`);
  const kernels = names.map(array);
  const bias = array('bias');
  const trainable = flag(options.trainable ?? true, `${what}: trainable`);
  const arrays = [...kernels, bias];
  const all = [...names, 'bias'];
  const json = {
    ...{ activation, useBias },
    ...Object.fromEntries(all.map((name, i) => [`${name}Initializer`, arrays[i]!.initializer])),
    ...Object.fromEntries(all.map((name, i) => [`${name}Regularizer`, arrays[i]!.regularizer])),
    trainable,
  };
  return { activation, useBias, kernels, bias, trainable, json };
}

interface KernelShape extends Fans {
  /** Default 'kernel'. */
  readonly name?: string;
  readonly learningRateScale?: number;
}

/** Specs of the kernels and, unless switched off, of a bias [units], whose fans are those of the first kernel. */
export function kernelsAndBias(
  { kernels, bias, useBias, trainable }: KernelConfig,
  shapes: readonly [KernelShape, ...KernelShape[]],
  units: number,
  biasScale = 1,
): readonly ParameterSpec[] {
  const specs = shapes.map((shape, i) => ({
    ...{ name: 'kernel', learningRateScale: 1, trainable },
    ...shape,
    ...kernels[i]!,
  }));
  const second = { ...specs[0]!, name: 'bias', shape: [units], ...bias, learningRateScale: biasScale };
  return useBias ? [...specs, second] : specs;
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
