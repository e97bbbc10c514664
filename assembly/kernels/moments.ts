/**
 * Means and variances of groups, in the view of normalize.ts: [outer, inner, groups, width]. Sums are float64, each made by
 * one thread from first to last. Groups of one channel are taken eight at a time, others by the contiguous runs of their
 * channels.
 */
import { high, low, narrow, total } from '../doubles';
import { address, float, word } from '../fields';
import { loadPart, loadUpTo, storeUpTo } from '../lanes';
import { madd } from '../simd';
import { Moments, MovingAverage, MovingMoments } from '../tape/tensors';
import { first, last } from '../threads';

/** Groups of one channel that are taken at a time. */
const WIDE = 8;

// @ts-ignore: decorator
@inline
function itemsOf(groups: i32, width: i32): i32 {
  return width == 1 ? (groups + WIDE - 1) / WIDE : groups;
}

/**
 * mean = sum x / n (0 where it is not centered), variance = sum (x - mean)² / n. In one pass: with the first element s as
 * the origin the variance is sum (x - s)² / n - (mean - s)², of float64 numbers of one size.
 */
export function moments(p: usize): void {
  const outer = word(p, Moments.Outer);
  const inner = word(p, Moments.Inner);
  const groups = word(p, Moments.Groups);
  const width = word(p, Moments.Width);
  const stride = (<usize>(groups * width)) << 2;
  const items = itemsOf(groups, width);
  const to = last(outer * items, 1);
  for (let item = first(outer * items, 1); item < to; item++) {
    const o = item / items;
    let g = item - o * items;
    if (width == 1) g *= WIDE;
    const x = address(p, Moments.Source) + <usize>(o * inner) * stride + ((<usize>(g * width)) << 2);
    const target = address(p, Moments.Target) + ((<usize>(o * groups + g)) << 2);
    if (width > 1) {
      runMoments(p, x, inner, stride, width, target);
    } else if (g + WIDE <= groups) {
      wideMoments(p, x, inner, stride, target);
    } else {
      for (let i = 0; g + i < groups; i += 4) {
        const offset = (<usize>i) << 2;
        columnMoments(p, x + offset, inner, stride, min<i32>(4, groups - g - i), target + offset);
      }
    }
  }
}

/** Up to four groups of one channel. */
function columnMoments(p: usize, x: usize, rows: i32, stride: usize, count: i32, target: usize): void {
  const origin = word(p, Moments.Centered) ? loadUpTo(x, count) : f32x4.splat(0);
  let s0 = f64x2.splat(0);
  let s1 = s0, q0 = s0, q1 = s0;
  for (let r = rows; r > 0; r--, x += stride) {
    const v = loadUpTo(x, count);
    const d0 = f64x2.sub(low(v), low(origin));
    const d1 = f64x2.sub(high(v), high(origin));
    s0 = f64x2.add(s0, d0);
    s1 = f64x2.add(s1, d1);
    q0 = f64x2.add(q0, f64x2.mul(d0, d0));
    q1 = f64x2.add(q1, f64x2.mul(d1, d1));
  }
  storeMoments(p, target, count, <f64>rows, origin, s0, s1, q0, q1);
}

/** Eight: half a cache line of each row. */
function wideMoments(p: usize, x: usize, rows: i32, stride: usize, target: usize): void {
  const zero = f32x4.splat(0);
  const centered = word(p, Moments.Centered) != 0;
  const originA = centered ? v128.load(x) : zero;
  const originB = centered ? v128.load(x, 16) : zero;
  const a0 = low(originA), a1 = high(originA), b0 = low(originB), b1 = high(originB);
  let s0 = f64x2.splat(0);
  let s1 = s0, s2 = s0, s3 = s0, q0 = s0, q1 = s0, q2 = s0, q3 = s0;
  for (let r = rows; r > 0; r--, x += stride) {
    let d = f64x2.sub(low(v128.load64_zero(x)), a0);
    s0 = f64x2.add(s0, d);
    q0 = f64x2.add(q0, f64x2.mul(d, d));
    d = f64x2.sub(low(v128.load64_zero(x, 8)), a1);
    s1 = f64x2.add(s1, d);
    q1 = f64x2.add(q1, f64x2.mul(d, d));
    d = f64x2.sub(low(v128.load64_zero(x, 16)), b0);
    s2 = f64x2.add(s2, d);
    q2 = f64x2.add(q2, f64x2.mul(d, d));
    d = f64x2.sub(low(v128.load64_zero(x, 24)), b1);
    s3 = f64x2.add(s3, d);
    q3 = f64x2.add(q3, f64x2.mul(d, d));
  }
  storeMoments(p, target, 4, <f64>rows, originA, s0, s1, q0, q1);
  storeMoments(p, target + 16, 4, <f64>rows, originB, s2, s3, q2, q3);
}

/** The statistics of four groups from the sums of x - origin and of its square. */
function storeMoments(
  p: usize,
  target: usize,
  count: i32,
  rows: f64,
  origin: v128,
  s0: v128,
  s1: v128,
  q0: v128,
  q1: v128,
): void {
  const plane = (<usize>(word(p, Moments.Outer) * word(p, Moments.Groups))) << 2;
  const n = f64x2.splat(rows);
  let v0 = f64x2.div(q0, n);
  let v1 = f64x2.div(q1, n);
  let mean = f32x4.splat(0);
  if (word(p, Moments.Centered)) {
    s0 = f64x2.div(s0, n);
    s1 = f64x2.div(s1, n);
    v0 = f64x2.max(f64x2.splat(0), f64x2.sub(v0, f64x2.mul(s0, s0)));
    v1 = f64x2.max(f64x2.splat(0), f64x2.sub(v1, f64x2.mul(s1, s1)));
    mean = narrow(f64x2.add(low(origin), s0), f64x2.add(high(origin), s1));
  }
  const epsilon = <f64>float(p, Moments.Epsilon);
  storeUpTo(target, mean, count);
  storeUpTo(target + plane, narrow(inverseRoot(v0, epsilon), inverseRoot(v1, epsilon)), count);
  storeUpTo(target + 2 * plane, narrow(v0, v1), count);
}

// @ts-ignore: decorator
@inline
function inverseRoot(variance: v128, epsilon: f64): v128 {
  return f64x2.div(f64x2.splat(1), f64x2.sqrt(f64x2.add(variance, f64x2.splat(epsilon))));
}

/** One group: `rows` runs of `width` channels. */
function runMoments(p: usize, x: usize, rows: i32, stride: usize, width: i32, target: usize): void {
  const origin = word(p, Moments.Centered) ? v128.load_splat<f32>(x) : f32x4.splat(0);
  const o = low(origin);
  let s0 = f64x2.splat(0);
  let s1 = s0, q0 = s0, q1 = s0;
  for (let r = rows; r > 0; r--, x += stride) {
    let q = x;
    for (let i = width; i > 0; i -= 4, q += 16) {
      // lanes past the end lie at the origin: they add nothing
      const v = i >= 4 ? v128.load(q) : loadPart(q, i, origin);
      const d0 = f64x2.sub(low(v), o);
      const d1 = f64x2.sub(high(v), o);
      s0 = f64x2.add(s0, d0);
      s1 = f64x2.add(s1, d1);
      q0 = f64x2.add(q0, f64x2.mul(d0, d0));
      q1 = f64x2.add(q1, f64x2.mul(d1, d1));
    }
  }
  const sum = f64x2.splat(total(f64x2.add(s0, s1)));
  const square = f64x2.splat(total(f64x2.add(q0, q1)));
  storeMoments(p, target, 1, <f64>rows * <f64>width, origin, sum, sum, square, square);
}

/** Statistics in the same planes from a moving mean and variance. */
export function movingMoments(p: usize): void {
  const count = word(p, MovingMoments.Count);
  const epsilon = <f64>float(p, MovingMoments.Epsilon);
  const plane = (<usize>count) << 2;
  const to = last(count, 4);
  for (let i = first(count, 4); i < to; i += 4) {
    const offset = (<usize>i) << 2;
    const part = min<i32>(4, to - i);
    const target = address(p, MovingMoments.Target) + offset;
    const variance = loadUpTo(address(p, MovingMoments.Variance) + offset, part);
    storeUpTo(target, loadUpTo(address(p, MovingMoments.Mean) + offset, part), part);
    const inverse = narrow(inverseRoot(low(variance), epsilon), inverseRoot(high(variance), epsilon));
    storeUpTo(target + plane, inverse, part);
    storeUpTo(target + 2 * plane, variance, part);
  }
}

/** y = old · momentum + new · (1 - momentum) */
export function movingAverage(p: usize): void {
  const count = word(p, MovingAverage.Count);
  const momentum = f32x4.splat(float(p, MovingAverage.Momentum));
  const rest = f32x4.splat(float(p, MovingAverage.Rest));
  const to = last(count, 4);
  for (let i = first(count, 4); i < to; i += 4) {
    const offset = (<usize>i) << 2;
    const part = min<i32>(4, to - i);
    const old = loadUpTo(address(p, MovingAverage.Old) + offset, part);
    const value = loadUpTo(address(p, MovingAverage.New) + offset, part);
    const y = madd(old, momentum, f32x4.mul(value, rest));
    storeUpTo(address(p, MovingAverage.Target) + offset, y, part);
  }
}
