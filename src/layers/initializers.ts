import { Fill } from '../../assembly/tape/dense.ts';
import { knownKeys, named, number, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import { sizeOf } from '../ops/tensor.ts';
import type { Engine } from '../runtime/engine.ts';

/** Standard deviation of a standard normal distribution cut at ±2. */
const TRUNCATED = 0.8796256610342398;

/**
 * Where a parameter's first values come from, always the same for the same seed of the model. The scaled ones have the
 * variance of Glorot & Bengio 2010 (2 / (in + out)), He et al. 2015 (2 / in) or LeCun et al. 1998 (1 / in): uniform, or
 * normal cut at two standard deviations.
 */
export type InitializerConfig =
  | { readonly name: 'zeros' | 'ones' }
  | { readonly name: 'constant'; readonly value: number }
  | { readonly name: 'randomUniform'; readonly min: number; readonly max: number }
  | { readonly name: 'randomNormal' | 'truncatedNormal'; readonly mean: number; readonly stddev: number }
  | {
      readonly name:
        | 'glorotUniform'
        | 'glorotNormal'
        | 'heUniform'
        | 'heNormal'
        | 'lecunUniform'
        | 'lecunNormal';
    }
  | { readonly name: 'orthogonal'; readonly gain: number };

export type InitializerName = InitializerConfig['name'];

/**
 * A name, or what a function such as `randomNormal()` returns. By name: randomUniform is from -0.05 to 0.05,
 * randomNormal and truncatedNormal have mean 0 and stddev 0.05, constant is 0, orthogonal has gain 1. glorotNormal, heNormal
 * and lecunNormal are cut at two standard deviations and widened to have their variance, as in Keras (PyTorch cuts nothing).
 */
export type InitializerLike = InitializerName | InitializerConfig;

/** Options of each and their defaults. */
const defaults: { readonly [K in InitializerName]: Readonly<Record<string, number>> } = {
  zeros: {},
  ones: {},
  constant: { value: 0 },
  randomUniform: { min: -0.05, max: 0.05 },
  randomNormal: { mean: 0, stddev: 0.05 },
  truncatedNormal: { mean: 0, stddev: 0.05 },
  glorotUniform: {},
  glorotNormal: {},
  heUniform: {},
  heNormal: {},
  lecunUniform: {},
  lecunNormal: {},
  orthogonal: { gain: 1 },
};

/** Checks an initializer and completes it; `place` is where it was given. */
export function initializerConfig(value: unknown, place: string): InitializerConfig {
  const config: { name?: unknown } = typeof value === 'object' && value !== null ? value : { name: value };
  const options = named(defaults, config.name, 'initializer', place);
  const name = config.name as InitializerName;
  const what = `${place} '${name}'`;
  knownKeys(config, ['name', ...Object.keys(options)], what);
  const given = config as Readonly<Record<string, unknown>>;
  const complete: Record<string, unknown> = { name };
  for (const [key, value] of Object.entries(options)) {
    const range = key === 'stddev' || key === 'gain' ? { min: 0 } : {};
    complete[key] = number(given[key] ?? value, `${what}: ${key}`, range);
  }
  if (name === 'randomUniform' && Number(complete.min) > Number(complete.max)) {
    throw new UsageError(`${what}: min ${show(complete.min)} is above max ${show(complete.max)}`);
  }
  return complete as unknown as InitializerConfig;
}

/** What one of the functions below makes of its options, which may be anything. */
function made(name: InitializerName, options: object): InitializerConfig {
  knownKeys(options, Object.keys(defaults[name]), name);
  return initializerConfig({ ...options, name }, 'initializer');
}

/**
 * Every value the same.
 * @throws UsageError on a number that is not finite.
 */
export function constant(value: number): InitializerConfig {
  return { name: 'constant', value: number(value, 'constant: value') };
}

/**
 * Uniform in [min, max). Defaults -0.05, 0.05.
 * @throws UsageError when min is above max.
 */
export function randomUniform(
  options: { min?: number | undefined; max?: number | undefined } = {},
): InitializerConfig {
  return made('randomUniform', options);
}

/**
 * Normal. Defaults: mean 0, stddev 0.05.
 * @throws UsageError on a stddev below 0.
 */
export function randomNormal(
  options: { mean?: number | undefined; stddev?: number | undefined } = {},
): InitializerConfig {
  return made('randomNormal', options);
}

/**
 * Normal with this mean and stddev, cut at two of them. Defaults: mean 0, stddev 0.05.
 * @throws UsageError on a stddev below 0.
 */
export function truncatedNormal(
  options: { mean?: number | undefined; stddev?: number | undefined } = {},
): InitializerConfig {
  return made('truncatedNormal', options);
}

/**
 * Orthonormal rows (or columns, where those are fewer) times gain (Saxe et al. 2014). Default gain 1.
 * @throws UsageError on a gain below 0.
 */
export function orthogonal(options: { gain?: number | undefined } = {}): InitializerConfig {
  return made('orthogonal', options);
}

/** What an initializer needs to know of a parameter. */
export interface Fans {
  readonly shape: readonly number[];
  readonly fanIn: number;
  readonly fanOut: number;
  /** Elements from the first to before the second are 1, whatever the initializer. */
  readonly ones?: readonly [from: number, to: number];
}

/** Variance of the scaled initializers: Glorot & Bengio 2010 eq. 12 and 16, He et al. 2015 eq. 10, LeCun et al. 1998 §4.6. */
function variance(name: InitializerName, { fanIn, fanOut }: Fans): number {
  if (name.startsWith('glorot')) return 2 / (fanIn + fanOut);
  return (name.startsWith('he') ? 2 : 1) / fanIn;
}

/** Fills `count` floats at `target`, number i a function of (seed, stream, i). @internal */
export function initialize(
  engine: Engine,
  config: InitializerConfig,
  fans: Fans,
  target: number,
  seed: number,
  stream: number,
): void {
  if (config.name === 'orthogonal') {
    orthonormal(engine, fans.shape, config.gain, target, seed, stream);
    return;
  }
  const count = sizeOf(fans.shape, 1);
  const [kind, a, b] = distribution(config, fans);
  engine.core.fill(kind, target, count, a, b, BigInt(seed), stream);
  if (fans.ones) engine.arena.f32(target, count).fill(1, ...fans.ones);
}

/** A distribution of the core and its two parameters. */
function distribution(
  config: Exclude<InitializerConfig, { name: 'orthogonal' }>,
  fans: Fans,
): readonly [Fill, number, number] {
  switch (config.name) {
    case 'zeros':
      return [Fill.Constant, 0, 0];
    case 'ones':
      return [Fill.Constant, 1, 0];
    case 'constant':
      return [Fill.Constant, config.value, 0];
    case 'randomUniform':
      return [Fill.Uniform, config.min, config.max];
    case 'randomNormal':
      return [Fill.Normal, config.mean, config.stddev];
    case 'truncatedNormal':
      return [Fill.TruncatedNormal, config.mean, config.stddev];
    default: {
      const v = variance(config.name, fans);
      if (config.name.endsWith('Uniform')) return [Fill.Uniform, -Math.sqrt(3 * v), Math.sqrt(3 * v)];
      return [Fill.TruncatedNormal, 0, Math.sqrt(v) / TRUNCATED];
    }
  }
}

/** The leading axes are rows; the smaller side is orthonormal. */
function orthonormal(
  engine: Engine,
  shape: readonly number[],
  gain: number,
  target: number,
  seed: number,
  stream: number,
): void {
  const columns = shape.at(-1) ?? 1;
  const rows = sizeOf(shape.slice(0, -1), 1);
  const [count, length] = rows < columns ? [rows, columns] : [columns, rows];
  const scratch = engine.arena.allocate(rows * columns * 8);
  const byColumns = rows < columns ? 0 : 1;
  engine.core.orthogonal(target, scratch, count, length, byColumns, gain, BigInt(seed), stream);
  engine.arena.free(scratch);
}
