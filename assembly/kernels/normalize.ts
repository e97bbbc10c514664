/**
 * Normalization by the mean and variance of groups. All kinds are one view of x:
 *
 *    [outer, inner, groups, width]     statistics for each (outer, group), over inner and width
 *
 *    layer, rms   outer rows    inner 1       groups 1           width channels
 *    batch        outer 1       inner rows    groups channels    width 1
 *    group        outer batch   inner places  groups             width channels / groups
 *
 * gamma and beta [groups · width]. Statistics lie in three planes of outer · groups: mean, 1 / sqrt(variance + epsilon),
 * variance. Sums are float64, each made by one thread from first to last: the same bits for any number of threads.
 * Groups of one channel are taken four at a time, others by the contiguous runs of their channels.
 */
import { address, float, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { madd, nmadd } from '../simd';
import { Moments, MovingAverage, MovingMoments, NormalizeGrad, NormalizeMode, Normalize, ScaleGrad } from '../tape';
import { first, last } from '../threads';

// @ts-ignore: decorator
@inline
function loadUpTo(p: usize, count: i32): v128 {
  return count >= 4 ? v128.load(p) : loadPart(p, count, f32x4.splat(0));
}

// @ts-ignore: decorator
@inline
function storeUpTo(p: usize, v: v128, count: i32): void {
  if (count >= 4) v128.store(p, v);
  else storePart(p, v, count);
}

// @ts-ignore: decorator
@inline
function low(v: v128): v128 {
  return f64x2.promote_low_f32x4(v);
}

// @ts-ignore: decorator
@inline
function high(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3));
}

/** Four float32 from two pairs of float64. */
// @ts-ignore: decorator
@inline
function narrow(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(f32x4.demote_f64x2_zero(a), f32x4.demote_f64x2_zero(b), 0, 1, 4, 5);
}

// @ts-ignore: decorator
@inline
function total(v: v128): f64 {
  return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1);
}

/** Mean and variance: mean = sum x / n (0 where it is not centered), variance = sum (x - mean)² / n. */
export function moments(p: usize): void {
  const outer = word(p, Moments.Outer);
  const inner = word(p, Moments.Inner);
  const groups = word(p, Moments.Groups);
  const width = word(p, Moments.Width);
  const centered = word(p, Moments.Centered) != 0;
  const epsilon = <f64>float(p, Moments.Epsilon);
  const stride = (<usize>(groups * width)) << 2;
  const plane = (<usize>(outer * groups)) << 2;
  const perRow = width == 1 ? (groups + 3) >> 2 : groups;
  const to = last(outer * perRow, 1);
  for (let item = first(outer * perRow, 1); item < to; item++) {
    const o = item / perRow;
    const g = width == 1 ? (item - o * perRow) << 2 : item - o * perRow;
    const x = address(p, Moments.Source) + <usize>(o * inner) * stride + ((<usize>(g * width)) << 2);
    const target = address(p, Moments.Target) + ((<usize>(o * groups + g)) << 2);
    if (width == 1) {
      columnMoments(x, inner, stride, min<i32>(4, groups - g), centered, epsilon, target, plane);
    } else {
      runMoments(x, inner, stride, width, centered, epsilon, target, plane);
    }
  }
}

/** Up to four groups of one channel. */
function columnMoments(
  x: usize,
  rows: i32,
  stride: usize,
  count: i32,
  centered: bool,
  epsilon: f64,
  target: usize,
  plane: usize,
): void {
  const n = f64x2.splat(<f64>rows);
  let m0 = f64x2.splat(0);
  let m1 = m0;
  if (centered) {
    let q = x;
    for (let r = rows; r > 0; r--, q += stride) {
      const v = loadUpTo(q, count);
      m0 = f64x2.add(m0, low(v));
      m1 = f64x2.add(m1, high(v));
    }
    m0 = f64x2.div(m0, n);
    m1 = f64x2.div(m1, n);
  }
  let s0 = f64x2.splat(0);
  let s1 = s0;
  for (let r = rows; r > 0; r--, x += stride) {
    const v = loadUpTo(x, count);
    const d0 = f64x2.sub(low(v), m0);
    const d1 = f64x2.sub(high(v), m1);
    s0 = f64x2.add(s0, f64x2.mul(d0, d0));
    s1 = f64x2.add(s1, f64x2.mul(d1, d1));
  }
  s0 = f64x2.div(s0, n);
  s1 = f64x2.div(s1, n);
  storeUpTo(target, narrow(m0, m1), count);
  storeUpTo(target + plane, narrow(inverseRoot(s0, epsilon), inverseRoot(s1, epsilon)), count);
  storeUpTo(target + 2 * plane, narrow(s0, s1), count);
}

// @ts-ignore: decorator
@inline
function inverseRoot(variance: v128, epsilon: f64): v128 {
  return f64x2.div(f64x2.splat(1), f64x2.sqrt(f64x2.add(variance, f64x2.splat(epsilon))));
}

/** One group: `rows` runs of `width` channels. */
function runMoments(
  x: usize,
  rows: i32,
  stride: usize,
  width: i32,
  centered: bool,
  epsilon: f64,
  target: usize,
  plane: usize,
): void {
  const n = <f64>rows * <f64>width;
  let mean: f64 = 0;
  if (centered) {
    let a = f64x2.splat(0);
    let b = a;
    let row = x;
    for (let r = rows; r > 0; r--, row += stride) {
      let q = row;
      let i = width;
      for (; i >= 4; i -= 4, q += 16) {
        const v = v128.load(q);
        a = f64x2.add(a, low(v));
        b = f64x2.add(b, high(v));
      }
      for (; i > 0; i--, q += 4) a = f64x2.add(a, f64x2.replace_lane(f64x2.splat(0), 0, <f64>load<f32>(q)));
    }
    mean = total(f64x2.add(a, b)) / n;
  }
  const m = f64x2.splat(mean);
  let a = f64x2.splat(0);
  let b = a;
  for (let r = rows; r > 0; r--, x += stride) {
    let q = x;
    let i = width;
    for (; i >= 4; i -= 4, q += 16) {
      const v = v128.load(q);
      const d0 = f64x2.sub(low(v), m);
      const d1 = f64x2.sub(high(v), m);
      a = f64x2.add(a, f64x2.mul(d0, d0));
      b = f64x2.add(b, f64x2.mul(d1, d1));
    }
    for (; i > 0; i--, q += 4) {
      const d = <f64>load<f32>(q) - mean;
      a = f64x2.add(a, f64x2.replace_lane(f64x2.splat(0), 0, d * d));
    }
  }
  const variance = total(f64x2.add(a, b)) / n;
  store<f32>(target, <f32>mean);
  store<f32>(target + plane, <f32>(1 / sqrt<f64>(variance + epsilon)));
  store<f32>(target + 2 * plane, <f32>variance);
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

/** Statistics of channels: each its own (a vector), or one for all. */
// @ts-ignore: decorator
@inline
function statistic(own: bool, p: usize, i: usize, count: i32): v128 {
  return own ? loadUpTo(p + i, count) : v128.load_splat<f32>(p);
}

// @ts-ignore: decorator
@inline
function factor(gamma: usize, i: usize, count: i32): v128 {
  return gamma ? loadUpTo(gamma + i, count) : f32x4.splat(1);
}

// @ts-ignore: decorator
@inline
function normalizeRun(
  own: bool,
  x: usize,
  y: usize,
  count: i32,
  mean: usize,
  plane: usize,
  gamma: usize,
  beta: usize,
): void {
  for (let i: usize = 0; count > 0; count -= 4, i += 16) {
    const scale = f32x4.mul(statistic(own, mean + plane, i, count), factor(gamma, i, count));
    const offset = beta ? loadUpTo(beta + i, count) : f32x4.splat(0);
    const centered = f32x4.sub(loadUpTo(x + i, count), statistic(own, mean, i, count));
    storeUpTo(y + i, madd(centered, scale, offset), count);
  }
}

/** y = (x - mean) · (inverse root · gamma) + beta */
export function normalize(p: usize): void {
  const outer = word(p, Normalize.Outer);
  const inner = word(p, Normalize.Inner);
  const groups = word(p, Normalize.Groups);
  const width = word(p, Normalize.Width);
  const gamma = address(p, Normalize.Gamma);
  const beta = address(p, Normalize.Beta);
  const stride = (<usize>(groups * width)) << 2;
  const plane = (<usize>(outer * groups)) << 2;
  const rows = outer * inner;
  const to = last(rows, 1);
  for (let r = first(rows, 1); r < to; r++) {
    const x = address(p, Normalize.Source) + <usize>r * stride;
    const y = address(p, Normalize.Target) + <usize>r * stride;
    const mean = address(p, Normalize.Statistics) + ((<usize>((r / inner) * groups)) << 2);
    if (width == 1) {
      normalizeRun(true, x, y, groups, mean, plane, gamma, beta);
      continue;
    }
    const run = (<usize>width) << 2;
    for (let g = 0; g < groups; g++) {
      const c = <usize>g * run;
      const m = mean + ((<usize>g) << 2);
      normalizeRun(false, x + c, y + c, width, m, plane, gamma ? gamma + c : 0, beta ? beta + c : 0);
    }
  }
}

/**
 * With d = dy · gamma, h = (x - mean) / sqrt(variance + epsilon) and means over the group (Ioffe & Szegedy 2015, section 3):
 *   centered  dx = (d - mean(d) - h mean(d h)) / sqrt(variance + epsilon)
 *   rms       dx = (d - h mean(d h)) / sqrt(…)            fixed statistics  dx = d / sqrt(…)
 */
export function normalizeGrad(p: usize): void {
  const outer = word(p, NormalizeGrad.Outer);
  const inner = word(p, NormalizeGrad.Inner);
  const groups = word(p, NormalizeGrad.Groups);
  const width = word(p, NormalizeGrad.Width);
  const mode = word(p, NormalizeGrad.Mode);
  const gamma = address(p, NormalizeGrad.Gamma);
  const stride = (<usize>(groups * width)) << 2;
  const plane = (<usize>(outer * groups)) << 2;
  const perRow = width == 1 ? (groups + 3) >> 2 : groups;
  const to = last(outer * perRow, 1);
  for (let item = first(outer * perRow, 1); item < to; item++) {
    const o = item / perRow;
    const g = width == 1 ? (item - o * perRow) << 2 : item - o * perRow;
    const channel = (<usize>(g * width)) << 2;
    const offset = <usize>(o * inner) * stride + channel;
    const dy = address(p, NormalizeGrad.Gradient) + offset;
    const x = address(p, NormalizeGrad.Source) + offset;
    const dx = address(p, NormalizeGrad.Target) + offset;
    const mean = address(p, NormalizeGrad.Statistics) + ((<usize>(o * groups + g)) << 2);
    const scale = gamma ? gamma + channel : 0;
    if (width == 1) columnGrad(dy, x, dx, inner, stride, min<i32>(4, groups - g), mean, plane, scale, mode);
    else runGrad(dy, x, dx, inner, stride, width, mean, plane, scale, mode);
  }
}

/** Up to four groups of one channel. */
function columnGrad(
  dy: usize,
  x: usize,
  dx: usize,
  rows: i32,
  stride: usize,
  count: i32,
  mean: usize,
  plane: usize,
  gamma: usize,
  mode: i32,
): void {
  const m = loadUpTo(mean, count);
  const inverse = loadUpTo(mean + plane, count);
  const scale = factor(gamma, 0, count);
  let a0 = f64x2.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  if (mode != NormalizeMode.Fixed) {
    let s = dy;
    let q = x;
    for (let r = rows; r > 0; r--, s += stride, q += stride) {
      const d = f32x4.mul(loadUpTo(s, count), scale);
      const h = f32x4.mul(f32x4.sub(loadUpTo(q, count), m), inverse);
      const d0 = low(d);
      const d1 = high(d);
      a0 = f64x2.add(a0, d0);
      a1 = f64x2.add(a1, d1);
      b0 = f64x2.add(b0, f64x2.mul(d0, low(h)));
      b1 = f64x2.add(b1, f64x2.mul(d1, high(h)));
    }
  }
  const n = f64x2.splat(<f64>rows);
  const a = mode == NormalizeMode.Centered ? narrow(f64x2.div(a0, n), f64x2.div(a1, n)) : f32x4.splat(0);
  const b = mode != NormalizeMode.Fixed ? narrow(f64x2.div(b0, n), f64x2.div(b1, n)) : f32x4.splat(0);
  for (let r = rows; r > 0; r--, dy += stride, x += stride, dx += stride) {
    const d = f32x4.mul(loadUpTo(dy, count), scale);
    const h = f32x4.mul(f32x4.sub(loadUpTo(x, count), m), inverse);
    storeUpTo(dx, f32x4.mul(nmadd(h, b, f32x4.sub(d, a)), inverse), count);
  }
}

/** One group: `rows` runs of `width` channels. */
function runGrad(
  dy: usize,
  x: usize,
  dx: usize,
  rows: i32,
  stride: usize,
  width: i32,
  mean: usize,
  plane: usize,
  gamma: usize,
  mode: i32,
): void {
  const m = v128.load_splat<f32>(mean);
  const inverse = v128.load_splat<f32>(mean + plane);
  const n = <f64>rows * <f64>width;
  let a0 = f64x2.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  if (mode != NormalizeMode.Fixed) {
    let s = dy;
    let q = x;
    for (let r = rows; r > 0; r--, s += stride, q += stride) {
      let left = width;
      for (let i: usize = 0; left > 0; left -= 4, i += 16) {
        // the lanes past the end have d = 0: they add nothing
        const d = f32x4.mul(loadUpTo(s + i, left), factor(gamma, i, left));
        const h = f32x4.mul(f32x4.sub(loadUpTo(q + i, left), m), inverse);
        const d0 = low(d);
        const d1 = high(d);
        a0 = f64x2.add(a0, d0);
        a1 = f64x2.add(a1, d1);
        b0 = f64x2.add(b0, f64x2.mul(d0, low(h)));
        b1 = f64x2.add(b1, f64x2.mul(d1, high(h)));
      }
    }
  }
  const centered = mode == NormalizeMode.Centered;
  const a = f32x4.splat(centered ? <f32>(total(f64x2.add(a0, a1)) / n) : 0);
  const b = f32x4.splat(mode != NormalizeMode.Fixed ? <f32>(total(f64x2.add(b0, b1)) / n) : 0);
  for (let r = rows; r > 0; r--, dy += stride, x += stride, dx += stride) {
    let left = width;
    for (let i: usize = 0; left > 0; left -= 4, i += 16) {
      const d = f32x4.mul(loadUpTo(dy + i, left), factor(gamma, i, left));
      const h = f32x4.mul(f32x4.sub(loadUpTo(x + i, left), m), inverse);
      storeUpTo(dx + i, f32x4.mul(nmadd(h, b, f32x4.sub(d, a)), inverse), left);
    }
  }
}

/** dgamma [channels] = sum over the rows of dy (x - mean) / sqrt(variance + epsilon), in order. */
export function scaleGrad(p: usize): void {
  const outer = word(p, ScaleGrad.Outer);
  const inner = word(p, ScaleGrad.Inner);
  const groups = word(p, ScaleGrad.Groups);
  const width = word(p, ScaleGrad.Width);
  const channels = groups * width;
  const stride = (<usize>channels) << 2;
  const plane = (<usize>(outer * groups)) << 2;
  const to = last(channels, 4);
  for (let c = first(channels, 4); c < to; c += 4) {
    const count = min<i32>(4, to - c);
    const offset = (<usize>c) << 2;
    let dy = address(p, ScaleGrad.Gradient) + offset;
    let x = address(p, ScaleGrad.Source) + offset;
    let s0 = f64x2.splat(0);
    let s1 = s0;
    for (let o = 0; o < outer; o++) {
      const mean = address(p, ScaleGrad.Statistics) + ((<usize>(o * groups)) << 2);
      const m = ofChannels(mean, c, count, groups, width);
      const inverse = ofChannels(mean + plane, c, count, groups, width);
      for (let r = inner; r > 0; r--, dy += stride, x += stride) {
        const d = loadUpTo(dy, count);
        const h = f32x4.mul(f32x4.sub(loadUpTo(x, count), m), inverse);
        s0 = f64x2.add(s0, f64x2.mul(low(d), low(h)));
        s1 = f64x2.add(s1, f64x2.mul(high(d), high(h)));
      }
    }
    storeUpTo(address(p, ScaleGrad.Target) + offset, narrow(s0, s1), count);
  }
}

/** A statistic of the groups of channels c, c + 1, … */
// @ts-ignore: decorator
@inline
function ofChannels(p: usize, c: i32, count: i32, groups: i32, width: i32): v128 {
  if (groups == 1) return v128.load_splat<f32>(p);
  if (width == 1) return loadUpTo(p + ((<usize>c) << 2), count);
  let v = v128.load_splat<f32>(p + ((<usize>(c / width)) << 2));
  if (count > 1) v = v128.load_lane<f32>(p + ((<usize>((c + 1) / width)) << 2), v, 1);
  if (count > 2) v = v128.load_lane<f32>(p + ((<usize>((c + 2) / width)) << 2), v, 2);
  if (count > 3) v = v128.load_lane<f32>(p + ((<usize>((c + 3) / width)) << 2), v, 3);
  return v;
}
