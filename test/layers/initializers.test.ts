import { describe, expect, it } from 'vitest';
import {
  type Fans,
  type InitializerConfig,
  initialize,
  initializerConfig,
} from '../../src/layers/initializers.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { erf } from '../reference/activations.ts';
import { sum } from '../reference/numbers.ts';

const engine = new Engine('simd');
const fans: Fans = { shape: [300, 200], fanIn: 300, fanOut: 200 };
const COUNT = 300 * 200;

/** Standard deviations that an estimate may be off: once in 500 million draws. */
const SIGMAS = 6;

/**
 * A standard normal distribution cut at ±2: with a = 2, E x² = 1 - 2a phi(a) / Z, E x⁴ = 3 E x² - 2a³ phi(a) / Z, Z = Phi(2)
 * - Phi(-2).
 */
const Z = erf(Math.SQRT2);
const EDGE = Math.exp(-2) / Math.sqrt(2 * Math.PI) / Z;
const CUT_VARIANCE = 1 - 4 * EDGE;
const CUT_KURTOSIS = (3 * CUT_VARIANCE - 16 * EDGE) / CUT_VARIANCE ** 2;

interface Moments {
  readonly config: InitializerConfig | InitializerConfig['name'];
  readonly mean: number;
  readonly variance: number;
  /** E (x - mean)⁴ / variance²: how far an estimate of the variance strays. */
  readonly kurtosis: number;
  /** Values lie within, and come near. */
  readonly range: readonly [number, number];
}

/** Uniform in [a, b): variance (b - a)² / 12. */
function uniform(config: Moments['config'], a: number, b: number): Moments {
  return { config, mean: (a + b) / 2, variance: (b - a) ** 2 / 12, kurtosis: 9 / 5, range: [a, b] };
}

/** Of variance v, symmetric: bounds ± sqrt(3 v). */
function scaledUniform(config: Moments['config'], v: number): Moments {
  return uniform(config, -Math.sqrt(3 * v), Math.sqrt(3 * v));
}

/** Cut at two standard deviations of the normal distribution, of which `variance` is left. */
function truncated(config: Moments['config'], mean: number, variance: number): Moments {
  const reach = 2 * Math.sqrt(variance / CUT_VARIANCE);
  return { config, mean, variance, kurtosis: CUT_KURTOSIS, range: [mean - reach, mean + reach] };
}

const drawn: readonly Moments[] = [
  uniform('randomUniform', -0.05, 0.05),
  uniform({ name: 'randomUniform', min: 1, max: 3 }, 1, 3),
  { config: 'randomNormal', mean: 0, variance: 0.05 ** 2, kurtosis: 3, range: [-0.3, 0.3] },
  {
    config: { name: 'randomNormal', mean: 2, stddev: 0.5 },
    mean: 2,
    variance: 0.25,
    kurtosis: 3,
    range: [-1, 5],
  },
  truncated('truncatedNormal', 0, 0.05 ** 2 * CUT_VARIANCE),
  truncated({ name: 'truncatedNormal', mean: 1, stddev: 2 }, 1, 4 * CUT_VARIANCE),
  scaledUniform('glorotUniform', 2 / 500),
  truncated('glorotNormal', 0, 2 / 500),
  scaledUniform('heUniform', 2 / 300),
  truncated('heNormal', 0, 2 / 300),
  scaledUniform('lecunUniform', 1 / 300),
  truncated('lecunNormal', 0, 1 / 300),
];

function valuesOf(config: unknown, { shape, ...rest } = fans, seed = 1): Float32Array {
  const count = shape.reduce((a, b) => a * b, 1);
  const address = engine.arena.allocate(count * 4);
  initialize(engine, initializerConfig(config, 'initializer'), { shape, ...rest }, address, seed, 0);
  const values = engine.arena.f32(address, count).slice();
  engine.arena.free(address);
  return values;
}

describe('initializers', () => {
  it.each([
    ['zeros', 0],
    ['ones', 1],
    [{ name: 'constant', value: 0.25 }, 0.25],
  ])('%o', (config, value) => {
    expect(valuesOf(config).every((x) => x === value)).toBe(true);
  });

  // sd of the mean of n draws: sqrt(v / n); of their variance: v sqrt((kurtosis - 1) / n)
  it.each(drawn)('$config: mean, variance and range', ({ config, mean, variance, kurtosis, range }) => {
    const values = valuesOf(config);
    const m = sum(COUNT, (i) => values[i]!) / COUNT;
    const v = sum(COUNT, (i) => (values[i]! - mean) ** 2) / COUNT;
    expect(Math.abs(m - mean)).toBeLessThanOrEqual(SIGMAS * Math.sqrt(variance / COUNT));
    expect(Math.abs(v - variance)).toBeLessThanOrEqual(SIGMAS * variance * Math.sqrt((kurtosis - 1) / COUNT));
    const slack = 1 + 2 ** -23;
    const [least, greatest] = [Math.min(...values), Math.max(...values)];
    expect(least).toBeGreaterThanOrEqual(mean - (mean - range[0]) * slack);
    expect(greatest).toBeLessThanOrEqual(mean + (range[1] - mean) * slack);
    // a cut or uniform range is filled; a normal one has no end
    if (kurtosis < 3) expect(greatest - least).toBeGreaterThan(0.99 * (range[1] - range[0]));
  });

  it.each([
    [[20, 30], 20, 30],
    [[30, 20], 20, 30],
    [[4, 5, 6], 6, 20],
  ])('orthogonal %o: the smaller side is orthonormal', (shape, count, length) => {
    const values = valuesOf({ name: 'orthogonal', gain: 2 }, { shape, fanIn: 1, fanOut: 1 });
    const columns = shape.at(-1)!;
    const at = (i: number, k: number): number =>
      values[columns === count ? k * columns + i : i * columns + k]!;
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < count; j++) {
        const product = sum(length, (k) => at(i, k) * at(j, k));
        // test/kernels/initialize.test.ts has the bound: 2 u gain²
        expect(Math.abs(product - (i === j ? 4 : 0))).toBeLessThanOrEqual(4 * 2 ** -23 * 1.001);
      }
    }
  });

  it('the same seed gives the same values, another one others', () => {
    const [a, b, c] = [1, 1, 2].map((seed) => valuesOf('heNormal', fans, seed));
    expect(b).toEqual(a);
    expect(c!.filter((x, i) => x === a![i]).length).toBeLessThan(COUNT / 1000);
  });
});
