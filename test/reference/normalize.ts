import type { GroupAttributes, NormalizeAttributes } from '../../src/ops/attributes.ts';
import { make, type Numbers, sum } from './numbers.ts';

/** x [rows, positions, channels] */
export interface Grid {
  readonly rows: number;
  readonly positions: number;
  readonly channels: number;
}

/** The group of each element of x, and the number of groups. */
export function groupsOf(
  { rows, positions, channels }: Grid,
  { over, groupSize }: GroupAttributes,
): { of: number[]; count: number; size: number } {
  const width = groupSize || channels;
  const groups = channels / width;
  const outer = over === 'batch' ? 1 : over === 'positions' ? rows : rows * positions;
  const count = outer * groups;
  const of = make(rows * positions * channels, (i) => {
    const place = Math.floor(i / channels);
    const o = over === 'batch' ? 0 : over === 'positions' ? Math.floor(place / positions) : place;
    return o * groups + Math.floor((i % channels) / width);
  });
  return { of, count, size: of.length / count };
}

/** Sum of the values of each group. */
export function groupSums(of: readonly number[], count: number, value: (i: number) => number): number[] {
  const sums = make(count, () => 0);
  for (const [i, g] of of.entries()) sums[g] = sums[g]! + value(i);
  return sums;
}

/** Planes of mean, 1 / sqrt(variance + epsilon), variance = sum (x - mean)² / n. */
export function moments(
  x: Numbers,
  grid: Grid,
  attributes: GroupAttributes & { centered: boolean; epsilon: number },
): number[] {
  const { of, count, size } = groupsOf(grid, attributes);
  const mean = groupSums(of, count, (i) => x[i]!).map((s) => (attributes.centered ? s / size : 0));
  const variance = groupSums(of, count, (i) => (x[i]! - mean[of[i]!]!) ** 2).map((s) => s / size);
  return [...mean, ...inverseRoots(variance, attributes.epsilon), ...variance];
}

function inverseRoots(variance: Numbers, epsilon: number): number[] {
  return make(variance.length, (g) => 1 / Math.sqrt(variance[g]! + epsilon));
}

export function movingMoments(mean: Numbers, variance: Numbers, epsilon: number): number[] {
  return [...Array.from(mean), ...inverseRoots(variance, epsilon), ...Array.from(variance)];
}

/** y = (x - mean) / sqrt(variance + epsilon) · gamma + beta */
export function normalize(
  x: Numbers,
  statistics: Numbers,
  gamma: Numbers | undefined,
  beta: Numbers | undefined,
  grid: Grid,
  attributes: NormalizeAttributes,
): number[] {
  const h = normalized(x, statistics, grid, attributes);
  const { channels } = grid;
  return make(x.length, (i) => h[i]! * (gamma?.[i % channels] ?? 1) + (beta?.[i % channels] ?? 0));
}

export function normalized(
  x: Numbers,
  statistics: Numbers,
  grid: Grid,
  attributes: GroupAttributes,
): number[] {
  const { of, count } = groupsOf(grid, attributes);
  return make(x.length, (i) => (x[i]! - statistics[of[i]!]!) * statistics[count + of[i]!]!);
}

/** dx by the formulas of Ioffe & Szegedy 2015, section 3. */
export function normalizeGradient(
  dy: Numbers,
  x: Numbers,
  statistics: Numbers,
  gamma: Numbers | undefined,
  grid: Grid,
  attributes: NormalizeAttributes,
): number[] {
  const { of, count, size } = groupsOf(grid, attributes);
  const h = normalized(x, statistics, grid, attributes);
  const d = make(x.length, (i) => dy[i]! * (gamma?.[i % grid.channels] ?? 1));
  const a = groupSums(of, count, (i) => d[i]!).map((s) => (attributes.mode === 'centered' ? s / size : 0));
  const b = groupSums(of, count, (i) => d[i]! * h[i]!).map((s) =>
    attributes.mode === 'fixed' ? 0 : s / size,
  );
  return make(x.length, (i) => {
    const g = of[i]!;
    return (d[i]! - a[g]! - h[i]! * b[g]!) * statistics[count + g]!;
  });
}

/** dgamma [channels] */
export function scaleGradient(
  dy: Numbers,
  x: Numbers,
  statistics: Numbers,
  grid: Grid,
  attributes: GroupAttributes,
): number[] {
  const h = normalized(x, statistics, grid, attributes);
  const { channels } = grid;
  return make(channels, (c) => sum(x.length / channels, (r) => dy[r * channels + c]! * h[r * channels + c]!));
}
