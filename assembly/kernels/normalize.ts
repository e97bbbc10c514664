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
 * Groups of one channel are taken eight at a time, others by the contiguous runs of their channels.
 */
import { high, low, narrow, total } from '../doubles';
import { address, word } from '../fields';
import { loadUpTo, storeUpTo } from '../lanes';
import { madd, nmadd } from '../simd';
import { Normalize, NormalizeGrad, NormalizeMode } from '../tape/tensors';
import { first, last, thread } from '../threads';

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
  addend: usize,
  relu: bool,
): void {
  for (let i: usize = 0; count > 0; count -= 4, i += 16) {
    const scale = f32x4.mul(statistic(own, mean + plane, i, count), factor(gamma, i, count));
    const offset = beta ? loadUpTo(beta + i, count) : f32x4.splat(0);
    const centered = f32x4.sub(loadUpTo(x + i, count), statistic(own, mean, i, count));
    let v = madd(centered, scale, offset);
    if (addend) v = f32x4.add(v, loadUpTo(addend + i, count));
    if (relu) v = positive(v);
    storeUpTo(y + i, v, count);
  }
}

/** max(x, 0) that keeps NaN: pmax(a, b) is a < b ? b : a. */
// @ts-ignore: decorator
@inline
function positive(x: v128): v128 {
  return f32x4.pmax(x, f32x4.splat(0));
}

/** Rows of a block whose channels are normalized eight at a time, so that it stays in the L1 cache. */
export const BLOCK_ROWS = 32;
/** Floats of such a block of few channels, which has more rows, so that preparing it does not count. */
const BLOCK_FLOATS = 2048;

/** y = (x - mean) · (inverse root · gamma) + beta, then + addend and relu. */
export function normalize(p: usize): void {
  const outer = word(p, Normalize.Outer);
  const inner = word(p, Normalize.Inner);
  const groups = word(p, Normalize.Groups);
  const width = word(p, Normalize.Width);
  const gamma = address(p, Normalize.Gamma);
  const beta = address(p, Normalize.Beta);
  const stride = (<usize>(groups * width)) << 2;
  const plane = (<usize>(outer * groups)) << 2;
  const addend = address(p, Normalize.Addend);
  const relu = word(p, Normalize.Relu) != 0;
  const rows = outer * inner;
  const to = last(rows, 1);
  for (let r = first(rows, 1); r < to; ) {
    const x = address(p, Normalize.Source) + <usize>r * stride;
    const y = address(p, Normalize.Target) + <usize>r * stride;
    const add = addend ? addend + <usize>r * stride : 0;
    const o = r / inner;
    const mean = address(p, Normalize.Statistics) + ((<usize>(o * groups)) << 2);
    if (width == 1) {
      // rows of the same statistics
      const count = min<i32>(BLOCK_ROWS, min<i32>(to, (o + 1) * inner) - r);
      let g = 0;
      for (let c: usize = 0; g + 8 <= groups; g += 8, c += 32) {
        const scale = gamma ? gamma + c : 0;
        const offset = beta ? beta + c : 0;
        normalizeColumns(x + c, y + c, count, stride, mean + c, plane, scale, offset, add ? add + c : 0, relu);
      }
      const c = (<usize>g) << 2;
      const scale = gamma ? gamma + c : 0;
      const offset = beta ? beta + c : 0;
      for (let i: usize = 0; i < <usize>count * stride; i += stride) {
        const at = i + c;
        normalizeRun(true, x + at, y + at, groups - g, mean + c, plane, scale, offset, add ? add + at : 0, relu);
      }
      r += count;
      continue;
    }
    const run = (<usize>width) << 2;
    for (let g = 0; g < groups; g++) {
      const c = <usize>g * run;
      const m = mean + ((<usize>g) << 2);
      const scale = gamma ? gamma + c : 0;
      const offset = beta ? beta + c : 0;
      if (add || relu) normalizeRun(false, x + c, y + c, width, m, plane, scale, offset, add ? add + c : 0, relu);
      else normalizeRun(false, x + c, y + c, width, m, plane, scale, offset, 0, false);
    }
    r++;
  }
}

/** Eight groups of one channel. */
function normalizeColumns(
  x: usize,
  y: usize,
  rows: i32,
  stride: usize,
  mean: usize,
  plane: usize,
  gamma: usize,
  beta: usize,
  addend: usize,
  relu: bool,
): void {
  const zero = f32x4.splat(0);
  const m0 = v128.load(mean);
  const m1 = v128.load(mean, 16);
  const scale0 = f32x4.mul(v128.load(mean + plane), factor(gamma, 0, 4));
  const scale1 = f32x4.mul(v128.load(mean + plane, 16), factor(gamma, 16, 4));
  const offset0 = beta ? v128.load(beta) : zero;
  const offset1 = beta ? v128.load(beta, 16) : zero;
  for (; rows > 0; rows--, x += stride, y += stride) {
    let y0 = madd(f32x4.sub(v128.load(x), m0), scale0, offset0);
    let y1 = madd(f32x4.sub(v128.load(x, 16), m1), scale1, offset1);
    if (addend) {
      y0 = f32x4.add(y0, v128.load(addend));
      y1 = f32x4.add(y1, v128.load(addend, 16));
      addend += stride;
    }
    if (relu) {
      y0 = positive(y0);
      y1 = positive(y1);
    }
    v128.store(y, y0);
    v128.store(y, y1, 16);
  }
}

/**
 * With d = dy · gamma, h = (x - mean) / sqrt(variance + epsilon) and means over the group (Ioffe & Szegedy 2015, section 3):
 *   centered  dx = (d - mean(d) - h mean(d h)) / sqrt(variance + epsilon)
 *   rms       dx = (d - h mean(d h)) / sqrt(…)            fixed statistics  dx = d / sqrt(…)
 */
export function normalizeGrad(p: usize): void {
  if (word(p, NormalizeGrad.ScaleGrad)) {
    batchGrad(p);
    return;
  }
  const outer = word(p, NormalizeGrad.Outer);
  const inner = word(p, NormalizeGrad.Inner);
  const groups = word(p, NormalizeGrad.Groups);
  const width = word(p, NormalizeGrad.Width);
  const mode = word(p, NormalizeGrad.Mode);
  const gamma = address(p, NormalizeGrad.Gamma);
  const stride = (<usize>(groups * width)) << 2;
  const plane = (<usize>(outer * groups)) << 2;
  const items = width == 1 ? (groups + 3) >> 2 : groups;
  const to = last(outer * items, 1);
  for (let item = first(outer * items, 1); item < to; item++) {
    const o = item / items;
    const g = width == 1 ? (item - o * items) << 2 : item - o * items;
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

/** inverse root · gamma · factor */
// @ts-ignore: decorator
@inline
function coefficient(inverse: v128, gamma: v128, f0: v128, f1: v128): v128 {
  return narrow(
    f64x2.mul(f64x2.mul(low(inverse), low(gamma)), f0),
    f64x2.mul(f64x2.mul(high(inverse), high(gamma)), f1),
  );
}

/** Up to four groups of one channel. dx = dy · scale - shift - (x - mean) · slope */
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
  const g = factor(gamma, 0, count);
  let shift = f32x4.splat(0);
  let slope = shift;
  if (mode != NormalizeMode.Fixed) {
    let t0 = f64x2.splat(0);
    let t1 = t0, s0 = t0, s1 = t0;
    let s = dy;
    let q = x;
    for (let r = rows; r > 0; r--, s += stride, q += stride) {
      const d = loadUpTo(s, count);
      const h = f32x4.sub(loadUpTo(q, count), m);
      t0 = f64x2.add(t0, low(d));
      t1 = f64x2.add(t1, high(d));
      s0 = f64x2.add(s0, f64x2.mul(low(d), low(h)));
      s1 = f64x2.add(s1, f64x2.mul(high(d), high(h)));
    }
    const n = f64x2.splat(<f64>rows);
    const i0 = low(inverse);
    const i1 = high(inverse);
    s0 = f64x2.mul(f64x2.mul(i0, i0), f64x2.div(s0, n));
    s1 = f64x2.mul(f64x2.mul(i1, i1), f64x2.div(s1, n));
    slope = coefficient(inverse, g, s0, s1);
    if (mode == NormalizeMode.Centered) shift = coefficient(inverse, g, f64x2.div(t0, n), f64x2.div(t1, n));
  }
  gradColumn(dy, x, dx, rows, stride, count, m, f32x4.mul(inverse, g), shift, slope);
}

function gradColumn(
  dy: usize,
  x: usize,
  dx: usize,
  rows: i32,
  stride: usize,
  count: i32,
  mean: v128,
  scale: v128,
  shift: v128,
  slope: v128,
): void {
  for (; rows > 0; rows--, dy += stride, x += stride, dx += stride) {
    const d = f32x4.sub(f32x4.mul(loadUpTo(dy, count), scale), shift);
    storeUpTo(dx, nmadd(f32x4.sub(loadUpTo(x, count), mean), slope, d), count);
  }
}

/**
 * Groups of one channel over all rows, whose sums are there already: mean(d) = gamma dbeta / n, mean(d h) = gamma dgamma / n.
 * The factors of the channels lie in scratch: scale, shift and slope, a plane each.
 */
function batchGrad(p: usize): void {
  const rows = word(p, NormalizeGrad.Inner);
  const channels = word(p, NormalizeGrad.Groups);
  const stride = (<usize>channels) << 2;
  const factors = address(p, NormalizeGrad.Scratch) + <usize>thread * address(p, NormalizeGrad.ScratchBytes);
  const plane = (<usize>(channels + 3) >> 2) << 4;
  const to = last(rows, 1);
  const block = max<i32>(BLOCK_ROWS, BLOCK_FLOATS / channels);
  for (let c = 0; c < channels; c += 4) batchFactors(p, c, min<i32>(4, channels - c), factors, plane);
  for (let r = first(rows, 1); r < to; r += block) {
    const count = min<i32>(block, to - r);
    const start = <usize>r * stride;
    const dy = address(p, NormalizeGrad.Gradient) + start;
    const x = address(p, NormalizeGrad.Source) + start;
    const dx = address(p, NormalizeGrad.Target) + start;
    const mean = address(p, NormalizeGrad.Statistics);
    for (let c = 0; c < channels; ) {
      const i = (<usize>c) << 2;
      if (c + 8 <= channels) {
        gradColumns(dy + i, x + i, dx + i, count, stride, mean + i, factors + i, plane);
        c += 8;
        continue;
      }
      const part = min<i32>(4, channels - c);
      const scale = v128.load(factors + i);
      const shift = v128.load(factors + i + plane);
      const slope = v128.load(factors + i + plane * 2);
      gradColumn(dy + i, x + i, dx + i, count, stride, part, loadUpTo(mean + i, part), scale, shift, slope);
      c += 4;
    }
  }
}

/** The factors of `count` channels from c on. */
function batchFactors(p: usize, c: i32, count: i32, factors: usize, plane: usize): void {
  const i = (<usize>c) << 2;
  const n = f64x2.splat(<f64>word(p, NormalizeGrad.Inner));
  const channels = (<usize>word(p, NormalizeGrad.Groups)) << 2;
  const inverse = loadUpTo(address(p, NormalizeGrad.Statistics) + channels + i, count);
  const g = factor(address(p, NormalizeGrad.Gamma), i, count);
  const s = loadUpTo(address(p, NormalizeGrad.ScaleGrad) + i, count);
  const t = loadUpTo(address(p, NormalizeGrad.ShiftGrad) + i, count);
  v128.store(factors + i, f32x4.mul(inverse, g));
  v128.store(factors + i + plane, coefficient(inverse, g, f64x2.div(low(t), n), f64x2.div(high(t), n)));
  const slope0 = f64x2.div(f64x2.mul(low(inverse), low(s)), n);
  const slope1 = f64x2.div(f64x2.mul(high(inverse), high(s)), n);
  v128.store(factors + i + plane * 2, coefficient(inverse, g, slope0, slope1));
}

/** Eight channels: half a cache line of each row. */
function gradColumns(
  dy: usize,
  x: usize,
  dx: usize,
  rows: i32,
  stride: usize,
  mean: usize,
  factors: usize,
  plane: usize,
): void {
  const m0 = v128.load(mean);
  const m1 = v128.load(mean, 16);
  const scale0 = v128.load(factors);
  const scale1 = v128.load(factors, 16);
  const shift0 = v128.load(factors + plane);
  const shift1 = v128.load(factors + plane, 16);
  const slope0 = v128.load(factors + plane * 2);
  const slope1 = v128.load(factors + plane * 2, 16);
  for (; rows > 0; rows--, dy += stride, x += stride, dx += stride) {
    const d0 = f32x4.sub(f32x4.mul(v128.load(dy), scale0), shift0);
    const d1 = f32x4.sub(f32x4.mul(v128.load(dy, 16), scale1), shift1);
    const y0 = nmadd(f32x4.sub(v128.load(x), m0), slope0, d0);
    const y1 = nmadd(f32x4.sub(v128.load(x, 16), m1), slope1, d1);
    v128.store(dx, y0);
    v128.store(dx, y1, 16);
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
  const whole = (<usize>(width & ~3)) << 2;
  const rest = width & 3;
  let a = f64x2.splat(0);
  let b = a;
  if (mode != NormalizeMode.Fixed) {
    let s = dy;
    let q = x;
    for (let r = rows; r > 0; r--, s += stride, q += stride) {
      let a0 = f64x2.splat(0);
      let a1 = a0, b0 = a0, b1 = a0;
      for (let i: usize = 0; i < whole; i += 16) {
        const d = f32x4.mul(v128.load(s + i), factor(gamma, i, 4));
        const h = f32x4.mul(f32x4.sub(v128.load(q + i), m), inverse);
        a0 = f64x2.add(a0, low(d));
        a1 = f64x2.add(a1, high(d));
        b0 = f64x2.add(b0, f64x2.mul(low(d), low(h)));
        b1 = f64x2.add(b1, f64x2.mul(high(d), high(h)));
      }
      a = f64x2.add(a, f64x2.add(a0, a1));
      b = f64x2.add(b, f64x2.add(b0, b1));
      if (rest) {
        // the lanes past the end have d = 0: they add nothing
        const d = f32x4.mul(loadUpTo(s + whole, rest), factor(gamma, whole, rest));
        const h = f32x4.mul(f32x4.sub(loadUpTo(q + whole, rest), m), inverse);
        a = f64x2.add(a, f64x2.add(low(d), high(d)));
        b = f64x2.add(b, f64x2.add(f64x2.mul(low(d), low(h)), f64x2.mul(high(d), high(h))));
      }
    }
  }
  const n = <f64>rows * <f64>width;
  const centered = mode == NormalizeMode.Centered;
  const meanD = f32x4.splat(centered ? <f32>(total(a) / n) : 0);
  const meanDH = f32x4.splat(mode != NormalizeMode.Fixed ? <f32>(total(b) / n) : 0);
  for (; rows > 0; rows--, dy += stride, x += stride, dx += stride) {
    for (let i: usize = 0; i < whole; i += 16) {
      const d = f32x4.mul(v128.load(dy + i), factor(gamma, i, 4));
      const h = f32x4.mul(f32x4.sub(v128.load(x + i), m), inverse);
      v128.store(dx + i, f32x4.mul(nmadd(h, meanDH, f32x4.sub(d, meanD)), inverse));
    }
    if (rest) {
      const d = f32x4.mul(loadUpTo(dy + whole, rest), factor(gamma, whole, rest));
      const h = f32x4.mul(f32x4.sub(loadUpTo(x + whole, rest), m), inverse);
      storeUpTo(dx + whole, f32x4.mul(nmadd(h, meanDH, f32x4.sub(d, meanD)), inverse), rest);
    }
  }
}
