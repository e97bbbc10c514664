import { Activation } from '../../assembly/tape/dense.ts';
import { knownKeys, named, number } from '../checks.ts';
import { UsageError } from '../errors.ts';
import { activationOps, derivesFromInput } from '../ops/activations.ts';
import type { ActivationAttributes } from '../ops/attributes.ts';
import type { Tracer } from '../ops/rule.ts';
import type { Tensor } from '../ops/tensor.ts';

interface Kind {
  readonly kind: Activation | 'softmax' | 'logSoftmax';
  /** The option that the activation has, with its default. */
  readonly option?: 'alpha' | 'negativeSlope';
  readonly value?: number;
}

const kinds = {
  linear: { kind: Activation.Linear },
  relu: { kind: Activation.Relu },
  leakyRelu: { kind: Activation.LeakyRelu, option: 'negativeSlope', value: 0.2 },
  elu: { kind: Activation.Elu, option: 'alpha', value: 1 },
  selu: { kind: Activation.Selu },
  sigmoid: { kind: Activation.Sigmoid },
  hardSigmoid: { kind: Activation.HardSigmoid },
  tanh: { kind: Activation.Tanh },
  softplus: { kind: Activation.Softplus },
  softsign: { kind: Activation.Softsign },
  silu: { kind: Activation.Silu },
  swish: { kind: Activation.Silu },
  gelu: { kind: Activation.Gelu },
  geluTanh: { kind: Activation.GeluTanh },
  mish: { kind: Activation.Mish },
  exponential: { kind: Activation.Exponential },
  softmax: { kind: 'softmax' },
  logSoftmax: { kind: 'logSoftmax' },
} as const satisfies Record<string, Kind>;

/**
 * Names of activations, elementwise unless said otherwise. relu max(x, 0); leakyRelu x or negativeSlope · x (0.2);
 * elu x or alpha (e^x - 1) (1); selu (Klambauer et al. 2017); hardSigmoid clip(x/6 + 1/2, 0, 1); softplus log(1 + e^x);
 * softsign x / (1 + |x|); silu, also called swish, x · sigmoid(x); gelu x · Phi(x) by erf, geluTanh its tanh form
 * (Hendrycks & Gimpel 2016); mish x · tanh(softplus(x)) (Misra 2019); softmax and logSoftmax over the last axis.
 */
export type ActivationName = keyof typeof kinds;

/** An activation with its options, e.g. `{ name: 'leakyRelu', negativeSlope: 0.1 }`. */
export interface ActivationConfig {
  readonly name: ActivationName;
  /** elu: the value at -infinity is -alpha. Default 1. */
  readonly alpha?: number;
  /** leakyRelu: slope below 0, at least 0. Default 0.2. */
  readonly negativeSlope?: number;
}

export type ActivationLike = ActivationName | ActivationConfig;

/**
 * Checks an activation and completes it; `place` is where it was given. Undefined is the `preset`, null is Keras' None:
 * linear.
 */
export function activationConfig(like: unknown, place: string, preset?: ActivationName): ActivationConfig {
  const value = like === undefined ? preset : (like ?? 'linear');
  const config: { name?: unknown } = typeof value === 'object' ? value : { name: value };
  const kind: Kind = named<Kind>(kinds, config.name, 'activation', place);
  const name = config.name as ActivationName;
  const what = `${place}: activation '${name}'`;
  if (!kind.option) {
    knownKeys(config, ['name'], what);
    return { name };
  }
  knownKeys(config, ['name', kind.option], what);
  const given = (config as Record<string, unknown>)[kind.option] ?? kind.value;
  return { name, [kind.option]: number(given, `${what}: ${kind.option}`, { min: 0 }) };
}

/** y = f(x) on the graph. */
export function applyActivation(tracer: Tracer, x: Tensor, config: ActivationConfig): Tensor {
  const { kind, option }: Kind = kinds[config.name];
  if (kind === Activation.Linear) return x;
  if (kind === 'softmax' || kind === 'logSoftmax') {
    if (x.shape.length < 2)
      throw new UsageError(`${config.name} needs at least one dimension besides the batch`);
    return tracer.add(activationOps.softmax, [x], { logarithm: kind === 'logSoftmax' });
  }
  return tracer.add(activationOps.activation, [x], { kind, alpha: (option && config[option]) ?? 0 });
}

/** An activation inside a recurrent layer, which keeps what it gives and not what it gets. */
export function recurrentActivation(config: ActivationConfig, place: string): ActivationAttributes {
  const { kind, option }: Kind = kinds[config.name];
  if (kind === 'softmax' || kind === 'logSoftmax' || derivesFromInput(kind)) {
    throw new UsageError(
      `${place}: '${config.name}' cannot be used inside a recurrent layer: its derivative does not follow from a unit's ` +
        "output; take 'tanh', 'sigmoid', 'relu' …, or an activation layer after this one",
    );
  }
  return { kind, alpha: (option && config[option]) ?? 0 };
}
