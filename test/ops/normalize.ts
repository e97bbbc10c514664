import type { GroupAttributes, NormalizeAttributes } from '../../src/ops/attributes.ts';
import { BATCH, type Shape } from '../../src/ops/tensor.ts';
import * as twins from '../reference/normalize.ts';
import { make, type Numbers, sum, uniform } from '../reference/numbers.ts';
import { COLUMNS, type Operand, type Rows, type Size, tensor, type Variant } from './row.ts';

/** Large, so that a central difference stays away from the pole at variance = -epsilon. */
const EPSILON = Math.fround(0.1);

/**
 * Distance to that pole: as a function of one x[j] of n, variance + epsilon is 0 at mean' ± i sqrt((rest + epsilon) n² / (n - 1)),
 * at least 2 sqrt(epsilon) away; of a mean square at least sqrt(epsilon n). Half of sqrt(epsilon), so that f stays of its size.
 */
const REACH = Math.sqrt(EPSILON) / 2;

const KINDS: readonly (GroupAttributes & { name: string })[] = [
  { name: 'features', over: 'features', groupSize: 0 },
  { name: 'groups', over: 'positions', groupSize: 3 },
  { name: 'wide groups', over: 'positions', groupSize: 0 },
  { name: 'instances', over: 'positions', groupSize: 1 },
  { name: 'batch', over: 'batch', groupSize: 1 },
];

/** Of the operands of moments: far from 0, where a variance of mean(x²) - mean(x)² would cancel. */
const CENTER = 100;

const POSITIONS = (n: number): Size => ({ rows: 2, columns: 5, inner: Math.max(n, 1) });
const SOME_ROWS = (n: number): Size => ({ rows: Math.max(n, 1), columns: 5, inner: 2 });
const tails = [COLUMNS, POSITIONS, SOME_ROWS];

/** As many elements whatever the group. */
function gridOf({ rows, columns, inner }: Size, { groupSize }: GroupAttributes): twins.Grid {
  const width = Math.max(groupSize, 1);
  return { rows, positions: Math.ceil(inner / width), channels: columns * width };
}

function statisticsOf(x: Numbers, size: Size, attributes: NormalizeAttributes): number[] {
  const centered = attributes.mode !== 'rms';
  return twins.moments(x, gridOf(size, attributes), { ...attributes, centered, epsilon: EPSILON });
}

/** What the twin takes: the given statistics where they are fixed, else those of x as they really are. */
function exactStatistics(x: Numbers, given: Numbers, size: Size, attributes: NormalizeAttributes): Numbers {
  return attributes.mode === 'fixed' ? given : statisticsOf(x, size, attributes);
}

function grid(
  size: Size,
  attributes: GroupAttributes,
  random: () => number,
  low = -2,
  wanted = true,
): Operand {
  const { positions, channels } = gridOf(size, attributes);
  return tensor([BATCH, positions, channels], size.rows, (n) => uniform(random, n, low), wanted);
}

/** Those of x, rounded to float32. */
function statistics(x: Numbers, size: Size, attributes: NormalizeAttributes): Operand {
  const { positions, channels } = gridOf(size, attributes);
  const groups = channels / (attributes.groupSize || channels);
  const shapes: Record<GroupAttributes['over'], Shape> = {
    features: [BATCH, positions, 3],
    positions: [BATCH, 3, groups],
    batch: [3, groups],
  };
  const values = Float32Array.from(statisticsOf(x, size, attributes));
  return { shape: shapes[attributes.over], values, wanted: false };
}

function channels(size: Size, attributes: GroupAttributes, random: () => number): Operand {
  return tensor([gridOf(size, attributes).channels], 1, (n) => uniform(random, n));
}

function gammaAndBeta(inputs: readonly Numbers[], { scale, center }: NormalizeAttributes, from: number) {
  const rest = inputs.slice(from);
  return { gamma: scale ? rest.shift() : undefined, beta: center ? rest.shift() : undefined };
}

/**
 * Of h = (x - mean) · root: two operations; where the statistics follow from x, they come rounded: a mean that is off by
 * |mean|, a root that is off by itself.
 */
function normalizedError(
  x: Numbers,
  s: Numbers,
  size: Size,
  attributes: NormalizeAttributes,
  rounded: boolean,
) {
  const view = gridOf(size, attributes);
  const { of, count } = twins.groupsOf(view, attributes);
  const h = twins.normalized(x, s, view, attributes);
  const error = make(x.length, (i) => {
    const g = of[i]!;
    const own = rounded ? Math.abs(h[i]!) + Math.abs(s[g]!) * s[count + g]! : 0;
    return 2 * Math.abs(h[i]!) + own;
  });
  return { h, error };
}

function forwardBound(inputs: readonly Numbers[], attributes: NormalizeAttributes, size: Size): number[] {
  const [x, given] = inputs as [Numbers, Numbers];
  const { gamma, beta } = gammaAndBeta(inputs, attributes, 2);
  const view = gridOf(size, attributes);
  const s = exactStatistics(x, given, size, attributes);
  const y = twins.normalize(x, s, gamma, beta, view, attributes);
  const { h, error } = normalizedError(x, s, size, attributes, attributes.mode !== 'fixed');
  // the root times gamma, then the sum with beta
  return make(x.length, (i) => {
    const factor = Math.abs(gamma?.[i % view.channels] ?? 1);
    return factor * (error[i]! + Math.abs(h[i]!)) + Math.abs(y[i]!);
  });
}

/** As the kernel computes it, with float64 sums: d = dy gamma, a = mean(d), b = mean(d h), dx = (d - a - h b) root. */
function gradientBound(
  dy: Numbers,
  x: Numbers,
  s: Numbers,
  gamma: Numbers | undefined,
  size: Size,
  attributes: NormalizeAttributes,
  rounded: boolean,
): number[] {
  const view = gridOf(size, attributes);
  const { of, count, size: n } = twins.groupsOf(view, attributes);
  const { h, error } = normalizedError(x, s, size, attributes, rounded);
  const d = make(x.length, (i) => dy[i]! * (gamma?.[i % view.channels] ?? 1));
  const mean = (value: (i: number) => number): number[] =>
    twins.groupSums(of, count, value).map((t) => t / n);
  const none = make(count, () => 0);
  const centered = attributes.mode === 'centered';
  const fixed = attributes.mode === 'fixed';
  const a = centered ? mean((i) => d[i]!) : none;
  const b = fixed ? none : mean((i) => d[i]! * h[i]!);
  const aSums = mean((i) => Math.abs(d[i]!));
  const bSums = mean((i) => Math.abs(d[i]!) * (error[i]! + Math.abs(h[i]!)));
  return make(x.length, (i) => {
    const g = of[i]!;
    const aError = centered ? aSums[g]! + Math.abs(a[g]!) : 0;
    const bError = fixed ? 0 : bSums[g]! + Math.abs(b[g]!);
    const difference = Math.abs(d[i]!) + aError + Math.abs(d[i]! - a[g]!);
    const product = Math.abs(b[g]!) * error[i]! + Math.abs(h[i]! * b[g]!) + Math.abs(h[i]!) * bError;
    // the second difference and the product with the root, which is rounded itself
    const last = (rounded ? 3 : 2) * Math.abs(d[i]! - a[g]! - h[i]! * b[g]!);
    return s[count + g]! * (difference + product + last);
  });
}

/** dgamma: a float64 sum of dy h, rounded once. */
function scaleBound(
  dy: Numbers,
  x: Numbers,
  s: Numbers,
  size: Size,
  attributes: NormalizeAttributes,
  rounded: boolean,
) {
  const view = gridOf(size, attributes);
  const { error } = normalizedError(x, s, size, attributes, rounded);
  const y = twins.scaleGradient(dy, x, s, view, attributes);
  const rows = x.length / view.channels;
  return make(view.channels, (c) => {
    const at = (r: number): number => r * view.channels + c;
    return Math.abs(y[c]!) + sum(rows, (r) => Math.abs(dy[at(r)]!) * error[at(r)]!);
  });
}

function betaBound(dy: Numbers, size: Size, attributes: NormalizeAttributes): number[] {
  const n = gridOf(size, attributes).channels;
  const rows = dy.length / n;
  return make(n, (c) => (rows - 1) * sum(rows, (r) => Math.abs(dy[r * n + c]!)));
}

const normalizeVariants: Variant<'normalize'>[] = [
  ...KINDS.map(({ name, ...kind }) => ({
    name,
    attributes: { ...kind, mode: 'centered', scale: true, center: true } as const,
    reach: REACH,
  })),
  {
    name: 'rms',
    attributes: { over: 'features', groupSize: 0, mode: 'rms', scale: true, center: false },
    reach: REACH,
  },
  {
    name: 'moving statistics',
    attributes: { over: 'batch', groupSize: 1, mode: 'fixed', scale: true, center: true },
  },
  {
    name: 'plain',
    attributes: { over: 'features', groupSize: 0, mode: 'centered', scale: false, center: false },
    reach: REACH,
  },
  {
    name: 'beta alone',
    attributes: { over: 'batch', groupSize: 1, mode: 'centered', scale: false, center: true },
    reach: REACH,
  },
];

const gradientVariants = normalizeVariants.map(({ name, attributes }) => ({ name, attributes }));

export const normalize: Rows<
  'moments' | 'movingMoments' | 'movingAverage' | 'normalize' | 'normalizeGrad' | 'scaleGrad'
> = {
  moments: {
    variants: [
      ...KINDS.map(({ name, ...kind }) => ({
        name,
        attributes: { ...kind, centered: true, epsilon: EPSILON },
      })),
      {
        name: 'mean square',
        attributes: { over: 'features', groupSize: 0, centered: false, epsilon: EPSILON },
      },
    ],
    operands: (size, attributes, random) => {
      const x = grid(size, attributes, random, -2, false);
      return [{ ...x, values: x.values.map((v) => v + CENTER) }];
    },
    forward: ([x], attributes, size) => twins.moments(x!, gridOf(size, attributes), attributes),
    // rounded once; the float64 sums of n terms are off by n 2^-53 of their magnitudes
    forwardBound: ([x], attributes, size) => {
      const view = gridOf(size, attributes);
      const { count, size: n } = twins.groupsOf(view, attributes);
      const slack = (power: number): number => n * 2 ** -29 * (CENTER + 2) ** power;
      return twins
        .moments(x!, view, attributes)
        .map((v, i) => Math.abs(v) + (i < count ? slack(1) : i < 2 * count ? 0 : slack(2)));
    },
    gradient: 'none',
    tails,
  },

  movingMoments: {
    variants: [{ name: 'channels', attributes: { epsilon: EPSILON } }],
    operands: ({ columns }, _, random) => [
      tensor([columns], 1, (n) => uniform(random, n), false),
      tensor([columns], 1, (n) => uniform(random, n, 0), false),
    ],
    forward: ([mean, variance], { epsilon }) => twins.movingMoments(mean!, variance!, epsilon),
    // the root alone is computed, in float64
    forwardBound: ([mean, variance], { epsilon }) => {
      const y = twins.movingMoments(mean!, variance!, epsilon);
      return y.map((v, i) => (Math.floor(i / mean!.length) === 1 ? v : 0));
    },
    gradient: 'none',
    tails: [COLUMNS],
  },

  movingAverage: {
    variants: [
      { name: 'mean', attributes: { momentum: 0.99, of: 'mean' } },
      { name: 'variance', attributes: { momentum: 0.9, of: 'variance' } },
    ],
    operands: ({ columns }, _, random) => [
      tensor([columns], 1, (n) => uniform(random, n), false),
      tensor([3, columns], 1, (n) => uniform(random, n), false),
    ],
    forward: ([old, s], { momentum, of }) => {
      const plane = of === 'mean' ? 0 : 2 * old!.length;
      const [m, rest] = [Math.fround(momentum), Math.fround(1 - momentum)];
      return make(old!.length, (i) => old![i]! * m + s![plane + i]! * rest);
    },
    // two products and their sum
    forwardBound: ([old, s], { momentum, of }) => {
      const plane = of === 'mean' ? 0 : 2 * old!.length;
      return make(
        old!.length,
        (i) => 2 * (Math.abs(old![i]! * momentum) + Math.abs(s![plane + i]! * (1 - momentum))),
      );
    },
    gradient: 'none',
    tails: [COLUMNS],
  },

  normalize: {
    variants: normalizeVariants,
    operands: (size, attributes, random) => {
      const x = grid(size, attributes, random);
      return [
        x,
        statistics(x.values, size, attributes),
        ...(attributes.scale ? [channels(size, attributes, random)] : []),
        ...(attributes.center ? [channels(size, attributes, random)] : []),
      ];
    },
    forward: (inputs, attributes, size) => {
      const [x, given] = inputs as [Numbers, Numbers];
      const { gamma, beta } = gammaAndBeta(inputs, attributes, 2);
      const s = exactStatistics(x, given, size, attributes);
      return twins.normalize(x, s, gamma, beta, gridOf(size, attributes), attributes);
    },
    forwardBound,
    gradient: {
      twin: (inputs, attributes, dy, size) => {
        const [x, given] = inputs as [Numbers, Numbers];
        const { gamma, beta } = gammaAndBeta(inputs, attributes, 2);
        const view = gridOf(size, attributes);
        const s = exactStatistics(x, given, size, attributes);
        const n = view.channels;
        return [
          twins.normalizeGradient(dy, x, s, gamma, view, attributes),
          ...(gamma ? [twins.scaleGradient(dy, x, s, view, attributes)] : []),
          ...(beta ? [make(n, (c) => sum(dy.length / n, (r) => dy[r * n + c]!))] : []),
        ];
      },
      bound: (inputs, attributes, dy, size) => {
        const [x, given] = inputs as [Numbers, Numbers];
        const { gamma, beta } = gammaAndBeta(inputs, attributes, 2);
        const s = exactStatistics(x, given, size, attributes);
        const rounded = attributes.mode !== 'fixed';
        return [
          gradientBound(dy, x, s, gamma, size, attributes, rounded),
          ...(gamma ? [scaleBound(dy, x, s, size, attributes, rounded)] : []),
          ...(beta ? [betaBound(dy, size, attributes)] : []),
        ];
      },
    },
    tails,
  },

  normalizeGrad: {
    variants: gradientVariants,
    operands: (size, attributes, random) => {
      const x = grid(size, attributes, random, -2, false);
      return [
        grid(size, attributes, random, -2, false),
        x,
        statistics(x.values, size, attributes),
        ...(attributes.scale ? [channels(size, attributes, random)] : []),
      ];
    },
    forward: ([dy, x, s, gamma], attributes, size) =>
      twins.normalizeGradient(dy!, x!, s!, gamma, gridOf(size, attributes), attributes),
    forwardBound: ([dy, x, s, gamma], attributes, size) =>
      gradientBound(dy!, x!, s!, gamma, size, attributes, false),
    gradient: 'none',
    tails,
  },

  scaleGrad: {
    variants: gradientVariants.filter(({ attributes }) => attributes.scale),
    operands: (size, attributes, random) => {
      const x = grid(size, attributes, random, -2, false);
      return [grid(size, attributes, random, -2, false), x, statistics(x.values, size, attributes)];
    },
    forward: ([dy, x, s], attributes, size) =>
      twins.scaleGradient(dy!, x!, s!, gridOf(size, attributes), attributes),
    forwardBound: ([dy, x, s], attributes, size) => scaleBound(dy!, x!, s!, size, attributes, false),
    gradient: 'none',
    tails,
  },
};
