import { flag, integer, knownKeys, number } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { GroupAttributes, NormalizeAttributes } from '../ops/attributes.ts';
import { normalizeOps } from '../ops/normalize.ts';
import { lastOf, type Shape, showShape, type Tensor } from '../ops/tensor.ts';
import { type InitializerLike, initializerConfig } from './initializers.ts';
import type { CallContext, ParameterSpec } from './layer.ts';
import { maskedMoments, movedTo, normalizeMasked } from './masked-moments.ts';
import { type LayerOptions, layerName, written } from './options.ts';
import { type Regularizer, regularizer } from './regularizers.ts';
import { type CallableLayer, callable } from './symbolic.ts';

export interface RmsNormalizationOptions extends LayerOptions {
  /** Added to the variance (or mean square), above 0. Default 1e-3; rmsNormalization 1e-6. */
  epsilon?: number;
  /** Whether there is a gamma. Default true. */
  scale?: boolean;
  /** Of gamma [channels]. Default 'ones'. */
  gammaInitializer?: InitializerLike;
  /** Penalty on gamma, part of the reported loss. Default: none. */
  gammaRegularizer?: Regularizer;
  /** False: training leaves the parameters as they are. Default true. */
  trainable?: boolean;
}

export interface NormalizationOptions extends RmsNormalizationOptions {
  /** Whether there is a beta. Default true. */
  center?: boolean;
  /** Of beta [channels]. Default 'zeros'. */
  betaInitializer?: InitializerLike;
  /** Penalty on beta, part of the reported loss. Default: none. */
  betaRegularizer?: Regularizer;
}

export interface BatchNormalizationOptions extends NormalizationOptions {
  /** Share of the old value in the moving mean and variance, from 0 to 1. Default 0.99. */
  momentum?: number;
}

export interface GroupNormalizationOptions extends NormalizationOptions {
  /** Groups of channels; divides the channels. Default 32. */
  groups?: number;
}

const rmsKeys = ['name', 'epsilon', 'scale', 'gammaInitializer', 'gammaRegularizer', 'trainable'];
const keys = [...rmsKeys, 'center', 'betaInitializer', 'betaRegularizer'];

/** What all kinds have in common: their options checked, and gamma and beta. */
function common(what: string, options: NormalizationOptions, defaultEpsilon = 1e-3, centered = true) {
  const name = layerName(options, what);
  const epsilon = number(options.epsilon ?? defaultEpsilon, `${what}: epsilon`, { above: 0 });
  const scale = flag(options.scale ?? true, `${what}: scale`);
  const center = centered && flag(options.center ?? true, `${what}: center`);
  const trainable = flag(options.trainable ?? true, `${what}: trainable`);
  const gammaInitializer = initializerConfig(options.gammaInitializer ?? 'ones', `${what}: gammaInitializer`);
  const betaInitializer = initializerConfig(options.betaInitializer ?? 'zeros', `${what}: betaInitializer`);
  const penalty = (key: 'gammaRegularizer' | 'betaRegularizer'): Regularizer | undefined =>
    regularizer(options[key], `${what}: ${key}`);
  const gammaRegularizer = penalty('gammaRegularizer');
  const betaRegularizer = penalty('betaRegularizer');
  const config = { epsilon, scale, gammaInitializer, gammaRegularizer, trainable };
  const beta = { center, betaInitializer, betaRegularizer };

  /** gamma and beta, where there are any. */
  const parameters = (shape: Shape, layer: string): ParameterSpec[] => {
    if (shape.length === 0) {
      throw new UsageError(
        `layer '${layer}': a row of its input is a single number, shape [batch]; ${what} needs [batch, …, channels]: ` +
          'give inputShape: [1], or reshape([1]) before it',
      );
    }
    const both = [
      { wanted: scale, name: 'gamma', initializer: gammaInitializer, regularizer: gammaRegularizer },
      { wanted: center, name: 'beta', initializer: betaInitializer, regularizer: betaRegularizer },
    ];
    return both
      .filter(({ wanted }) => wanted)
      .map(({ wanted: _, ...spec }) => ({ ...vector(lastOf(shape)), ...spec, trainable }));
  };

  /** y = (x - mean) / sqrt(variance + epsilon) · gamma + beta */
  const apply = (
    x: Tensor,
    { graph, parameters }: CallContext,
    groups: GroupAttributes,
    mode: NormalizeAttributes['mode'],
    statistics: Tensor = graph.add(normalizeOps.moments, [x], {
      ...groups,
      centered: mode === 'centered',
      epsilon,
    }),
  ): Tensor => {
    const factors = parameters.slice(0, Number(scale) + Number(center));
    return graph.add(normalizeOps.normalize, [x, statistics, ...factors], { ...groups, mode, scale, center });
  };
  const factors = ({ parameters }: CallContext) => ({
    gamma: scale ? parameters[0] : undefined,
    beta: center ? parameters[Number(scale)] : undefined,
  });
  const all = centered ? { ...config, ...beta } : config;
  return { name, epsilon, trainable, config: all, parameters, apply, factors };
}

function vector(channels: number) {
  return { shape: [channels], fanIn: channels, fanOut: channels, learningRateScale: 1 };
}

const FEATURES = { over: 'features', groupSize: 0 } as const;

/**
 * Layer normalization (Ba et al. 2016): each position by the mean and variance of its channels, the last axis.
 * x and y [batch, …, channels], gamma and beta [channels]; y = (x - mean) / sqrt(variance + epsilon) · gamma + beta.
 * Epsilon is that of Keras, 1e-3; PyTorch's is 1e-5.
 * @throws UsageError on an unknown name or an option out of range.
 */
export function layerNormalization(options: NormalizationOptions = {}): CallableLayer {
  knownKeys(options, keys, 'layerNormalization');
  const { name, config, parameters, apply } = common('layerNormalization', options);
  return callable({
    type: 'layerNormalization',
    passesMask: true,
    name,
    config: written(config),
    parameters: ([shape], layer) => parameters(shape, layer),
    trace: ([x], context) => apply(x, context, FEATURES, 'centered'),
  });
}

/**
 * RMS normalization (Zhang & Sennrich 2019): each position by the root mean square of its channels, the last axis.
 * x and y [batch, …, channels], gamma [channels]; y = x / sqrt(mean(x²) + epsilon) · gamma. Epsilon is that of Keras, 1e-6.
 * @throws UsageError on an unknown name or an option out of range.
 */
export function rmsNormalization(options: RmsNormalizationOptions = {}): CallableLayer {
  knownKeys(options, rmsKeys, 'rmsNormalization');
  const { name, config, parameters, apply } = common('rmsNormalization', options, 1e-6, false);
  return callable({
    type: 'rmsNormalization',
    passesMask: true,
    name,
    config: written(config),
    parameters: ([shape], layer) => parameters(shape, layer),
    trace: ([x], context) => apply(x, context, FEATURES, 'rms'),
  });
}

/**
 * Batch normalization (Ioffe & Szegedy 2015): each channel, the last axis, by its mean and variance over all rows and
 * positions. x and y [batch, …, channels]; gamma, beta, movingMean, movingVariance [channels].
 *
 * Training uses the statistics of the batch and keeps moving ones, moving · momentum + batch · (1 - momentum), of the
 * biased variance as Keras (PyTorch: the unbiased one, and momentum counts the new value); everything else uses
 * those. With `trainable: false` training does too, and leaves them as they are. Applied several times in one model, each
 * application normalizes by its own batch, and moves the statistics on from where the one before left them.
 *
 * Where its input has a mask, mean and variance are those of the steps that count (0 in a batch without any), as in Keras 3;
 * all steps are normalized by them.
 * @throws UsageError on an unknown name or an option out of range.
 */
export function batchNormalization(options: BatchNormalizationOptions = {}): CallableLayer {
  const what = 'batchNormalization';
  knownKeys(options, [...keys, 'momentum'], what);
  const { name, config, epsilon, trainable, parameters, apply, factors } = common(what, options);
  const momentum = number(options.momentum ?? 0.99, `${what}: momentum`, { min: 0, max: 1 });
  const groups = { over: 'batch', groupSize: 1 } as const;
  return callable({
    type: what,
    passesMask: true,
    name,
    config: written({ momentum, ...config }),
    parameters([shape], layer) {
      const own = parameters(shape, layer);
      const state = (name: string, initializer: InitializerLike): ParameterSpec => ({
        ...vector(lastOf(shape)),
        name,
        initializer: initializerConfig(initializer, what),
        trainable: false,
      });
      return [...own, state('movingMean', 'zeros'), state('movingVariance', 'ones')];
    },
    trace([x], context) {
      const { graph, training } = context;
      const [mean, variance] = context.parameters.slice(-2) as [Tensor, Tensor];
      if (!training || !trainable || context.frozen) {
        return apply(
          x,
          context,
          groups,
          'fixed',
          graph.add(normalizeOps.movingMoments, [mean, variance], { epsilon }),
        );
      }
      const move = (moving: Tensor, next: (old: Tensor) => Tensor): void =>
        context.update(moving, next(context.current(moving)));
      const mask = graph.masks.get(x);
      if (mask && x.shape.length > 2) {
        const moments = maskedMoments(graph, x, mask);
        move(mean, (old) => movedTo(graph, old, moments.mean, momentum));
        move(variance, (old) => movedTo(graph, old, moments.variance, momentum));
        const { gamma, beta } = factors(context);
        return normalizeMasked(graph, moments, epsilon, gamma, beta);
      }
      const statistics = graph.add(normalizeOps.moments, [x], { ...groups, centered: true, epsilon });
      const towards = (of: 'mean' | 'variance') => (old: Tensor) =>
        graph.add(normalizeOps.movingAverage, [old, statistics], { momentum, of }) as unknown as Tensor;
      move(mean, towards('mean'));
      move(variance, towards('variance'));
      return apply(x, context, groups, 'centered', statistics);
    },
  });
}

/**
 * Group normalization (Wu & He 2018): the channels, the last axis, in groups of neighbours; each row of the batch by the
 * mean and variance of each group over all positions, those that a mask leaves out too. x and y [batch, …space, channels],
 * gamma and beta [channels].
 * @throws UsageError on an unknown name or an option out of range, or when the groups do not divide the channels; that
 *   is known when `sequential` gets the layer.
 */
export function groupNormalization(options: GroupNormalizationOptions = {}): CallableLayer {
  const what = 'groupNormalization';
  knownKeys(options, [...keys, 'groups'], what);
  const { name, config, parameters, apply } = common(what, options);
  const groups = integer(options.groups ?? 32, `${what}: groups`, 1);
  return callable({
    type: what,
    passesMask: true,
    name,
    config: written({ groups, ...config }),
    parameters([shape], layer) {
      const own = parameters(shape, layer);
      const channels = lastOf(shape);
      if (channels % groups !== 0) {
        throw new UsageError(
          `layer '${layer}': ${groups} groups do not divide the ${channels} channels of its input`,
        );
      }
      return own;
    },
    trace: ([x], context) =>
      apply(x, context, { over: 'positions', groupSize: lastOf(x.shape) / groups }, 'centered'),
  });
}

/**
 * Instance normalization (Ulyanov et al. 2016): each channel of each row of the batch by its mean and variance over all
 * positions, those that a mask leaves out too. x and y [batch, …space, channels], gamma and beta [channels].
 * @throws UsageError on an unknown name or an option out of range, or on an input without positions; that is known when
 *   `sequential` gets the layer.
 */
export function instanceNormalization(options: NormalizationOptions = {}): CallableLayer {
  const what = 'instanceNormalization';
  knownKeys(options, keys, what);
  const { name, config, parameters, apply } = common(what, options);
  return callable({
    type: what,
    passesMask: true,
    name,
    config: written(config),
    parameters([shape], layer) {
      if (shape.length < 2) {
        throw new UsageError(
          `layer '${layer}': its input ${showShape([-1, ...shape])} has one number in each channel; ` +
            `${what} needs [batch, …space, channels]`,
        );
      }
      return parameters(shape, layer);
    },
    trace: ([x], context) => apply(x, context, { over: 'positions', groupSize: 1 }, 'centered'),
  });
}
