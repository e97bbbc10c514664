import { OptimizerKind } from '../../assembly/tape/training.ts';
import { flag, knownKeys, named, number } from '../checks.ts';
import { UsageError } from '../errors.ts';

export interface OptimizerOptions {
  /** At least 0; `trainer.learningRate` changes it later. Default 0.01 for sgd, 0.001 for the others. */
  learningRate?: number | undefined;
  /**
   * Decoupled weight decay: each step also does w -= learningRate · weightDecay · w. (As in Keras; PyTorch's other than
   * AdamW add weightDecay · w to the gradient, as `l2` of half of it does.) Default 0; of adamw 0.01, as in PyTorch (Keras: 0.004).
   */
  weightDecay?: number | undefined;
  /** Largest absolute value of a gradient's element. Default: none. */
  clipValue?: number | undefined;
  /** Largest Euclidean norm of all gradients together, after `clipValue` (Pascanu et al. 2013). Default: none. */
  globalClipNorm?: number | undefined;
}

export interface SgdOptions extends OptimizerOptions {
  /**
   * m = momentum · m + g; w -= learningRate · m, as in PyTorch: a new rate applies to all of m at once (Keras has the rate
   * within m). At least 0, below 1. Default 0.
   */
  momentum?: number | undefined;
  /** Nesterov's form, w -= learningRate · (g + momentum · m) (Sutskever et al. 2013). Default false. */
  nesterov?: boolean | undefined;
}

export interface RmspropOptions extends OptimizerOptions {
  /** Decay of the mean square, at least 0, below 1. Default 0.9 (PyTorch: 0.99). */
  rho?: number | undefined;
  /** Of the divided gradients, at least 0, below 1. Default 0. */
  momentum?: number | undefined;
  /** Added to the root (Keras: to what is under it, 1e-7), at least 2^-126, as a gradient may be 0. Default 1e-8. */
  epsilon?: number | undefined;
  /** Divides by the standard deviation instead (Graves 2013). Default false. */
  centered?: boolean | undefined;
}

export interface AdamOptions extends OptimizerOptions {
  /** Decay of the mean gradient, at least 0, below 1. Default 0.9. */
  beta1?: number | undefined;
  /** Decay of the mean square, at least 0, below 1. Default 0.999. */
  beta2?: number | undefined;
  /** Added to the root, at least 2^-126, as a gradient may be 0. Default 1e-8 (Keras: 1e-7). */
  epsilon?: number | undefined;
}

/** An optimizer with its options, complete; made by `sgd`, `rmsprop`, `adam` or `adamw`. */
export interface Optimizer {
  readonly name: 'sgd' | 'rmsprop' | 'adam' | 'adamw';
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly clipValue: number | undefined;
  readonly globalClipNorm: number | undefined;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly centered: boolean;
  readonly rho: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** A name (with the defaults of its function), or an optimizer. */
export type OptimizerLike = Optimizer['name'] | Optimizer;

const common = ['learningRate', 'weightDecay', 'clipValue', 'globalClipNorm'];

function optimizer(
  name: Optimizer['name'],
  options: SgdOptions & RmspropOptions & AdamOptions,
  own: readonly string[],
  learningRate: number,
  weightDecay = 0,
): Optimizer {
  knownKeys(options, [...common, ...own], name);
  const option = (key: 'clipValue' | 'globalClipNorm'): number | undefined =>
    options[key] === undefined ? undefined : number(options[key], `${name}: ${key}`, { above: 0 });
  const rate = (value: number | undefined, key: string, fallback: number): number =>
    number(value ?? fallback, `${name}: ${key}`, { min: 0, below: 1 });
  const momentum = rate(options.momentum, 'momentum', 0);
  const nesterov = flag(options.nesterov ?? false, `${name}: nesterov`);
  if (nesterov && momentum === 0) throw new UsageError(`${name}: nesterov needs a momentum above 0`);
  return {
    name,
    learningRate: number(options.learningRate ?? learningRate, `${name}: learningRate`, { min: 0 }),
    weightDecay: number(options.weightDecay ?? weightDecay, `${name}: weightDecay`, { min: 0 }),
    clipValue: option('clipValue'),
    globalClipNorm: option('globalClipNorm'),
    momentum,
    nesterov,
    centered: flag(options.centered ?? false, `${name}: centered`),
    rho: rate(options.rho, 'rho', 0.9),
    beta1: rate(options.beta1, 'beta1', 0.9),
    beta2: rate(options.beta2, 'beta2', 0.999),
    epsilon: number(options.epsilon ?? 1e-8, `${name}: epsilon`, { min: 2 ** -126 }),
  };
}

/**
 * Gradient descent: w -= learningRate · g; with momentum, and Nesterov's form of it.
 * @throws UsageError on an option out of range, or on nesterov without momentum.
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  return optimizer('sgd', options, ['momentum', 'nesterov'], 0.01);
}

/**
 * RMSprop: w -= learningRate · g / (sqrt(s) + epsilon), s the running mean of g² (Hinton 2012, lecture 6e).
 * @throws UsageError on an option out of range.
 */
export function rmsprop(options: RmspropOptions = {}): Optimizer {
  return optimizer('rmsprop', options, ['rho', 'momentum', 'epsilon', 'centered'], 0.001);
}

/**
 * Adam (Kingma & Ba 2015, algorithm 1); epsilon is added to the root of the corrected mean square, as there.
 * @throws UsageError on an option out of range.
 */
export function adam(options: AdamOptions = {}): Optimizer {
  return optimizer('adam', options, ['beta1', 'beta2', 'epsilon'], 0.001);
}

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter 2019), on kernels and biases alike. Default weightDecay 0.01.
 * @throws UsageError on an option out of range.
 */
export function adamw(options: AdamOptions = {}): Optimizer {
  return optimizer('adamw', options, ['beta1', 'beta2', 'epsilon'], 0.001, 0.01);
}

const makers = { sgd, rmsprop, adam, adamw } as const;

/** An optimizer from its name, or from a config with some or all of its options; checked. */
export function optimizerConfig(value: unknown): Optimizer {
  const { name, ...options }: { name?: unknown } =
    typeof value === 'object' && value !== null ? value : { name: value };
  const maker = named<(options?: object) => Optimizer>(makers, name, 'optimizer');
  // a complete config also has the options of other optimizers, at their defaults
  const defaults: object = maker();
  const isDefault = ([key, given]: [string, unknown]) =>
    Object.hasOwn(defaults, key) && Reflect.get(defaults, key) === given;
  return maker(Object.fromEntries(Object.entries(options).filter((entry) => !isDefault(entry))));
}

/** Which kernel, and which of the three states it keeps. */
export function kernelOf(o: Optimizer): {
  kind: OptimizerKind;
  states: readonly [boolean, boolean, boolean];
} {
  switch (o.name) {
    case 'sgd':
      if (o.momentum === 0) return { kind: OptimizerKind.Sgd, states: [false, false, false] };
      return {
        kind: o.nesterov ? OptimizerKind.Nesterov : OptimizerKind.Momentum,
        states: [true, false, false],
      };
    case 'rmsprop':
      return { kind: OptimizerKind.RmsProp, states: [o.momentum > 0, true, o.centered] };
    case 'adam':
    case 'adamw':
      return { kind: OptimizerKind.Adam, states: [true, true, false] };
  }
}
