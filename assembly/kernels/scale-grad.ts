/** The gradients of gamma and beta, in the view of normalize.ts: [outer, inner, groups, width]. Sums are float64. */
import { high, low, narrow } from '../doubles';
import { address, word } from '../fields';
import { loadUpTo, storeUpTo } from '../lanes';
import { ScaleGrad } from '../tape/tensors';
import { first, last, thread } from '../threads';
import { fetchRows } from './fetch';
import { BLOCK_ROWS } from './normalize';

/** Bytes of the sums of four channels: of dy h, then of dy. */
const SUMS = 64;

/**
 * dgamma [channels] = sum over the rows of dy (x - mean) / sqrt(variance + epsilon), dbeta = sum of dy, in order; by blocks
 * of rows that stay in the L1 cache. The sums lie in scratch.
 */
export function scaleGrad(p: usize): void {
  const outer = word(p, ScaleGrad.Outer);
  const inner = word(p, ScaleGrad.Inner);
  const groups = word(p, ScaleGrad.Groups);
  const width = word(p, ScaleGrad.Width);
  const channels = groups * width;
  const stride = (<usize>channels) << 2;
  const plane = (<usize>(outer * groups)) << 2;
  const from = first(channels, 4);
  const to = last(channels, 4);
  const scratch = address(p, ScaleGrad.Scratch) + <usize>thread * address(p, ScaleGrad.ScratchBytes);
  for (let i: usize = 0; i < (<usize>(to - from + 3) >> 2) * SUMS; i += 16) v128.store(scratch + i, i64x2.splat(0));
  // rows that have their own statistics are rows of one block all the same
  const own = inner == 1 && groups == 1;
  const images = own ? 1 : outer;
  const places = own ? outer : inner;
  for (let o = 0; o < images; o++) {
    const mean = address(p, ScaleGrad.Statistics) + ((<usize>(o * groups)) << 2);
    for (let r = 0; r < places; r += BLOCK_ROWS) {
      const rows = min<i32>(BLOCK_ROWS, places - r);
      const start = <usize>(o * places + r) * stride;
      const dy = address(p, ScaleGrad.Gradient) + start;
      const x = address(p, ScaleGrad.Source) + start;
      const m = mean + (own ? (<usize>r) << 2 : 0);
      let sums = scratch;
      if (own) {
        const at = (<usize>from) << 2;
        const bytes = (<usize>(to - from)) << 2;
        fetchRows(dy + at, stride, rows, bytes);
        fetchRows(x + at, stride, rows, bytes);
      }
      for (let c = from; c < to; c += 4, sums += SUMS) {
        const count = min<i32>(4, to - c);
        const offset = (<usize>c) << 2;
        if (own) {
          if (count == 4) addRows(dy + offset, x + offset, rows, stride, 4, m, plane, sums);
          else addRows(dy + offset, x + offset, rows, stride, count, m, plane, sums);
          continue;
        }
        const means = ofChannels(m, c, count, groups, width);
        const inverse = ofChannels(m + plane, c, count, groups, width);
        if (count == 4) addColumn(dy + offset, x + offset, rows, stride, means, inverse, sums);
        else addPart(dy + offset, x + offset, rows, stride, count, means, inverse, sums);
      }
    }
  }
  let sums = scratch;
  for (let c = from; c < to; c += 4, sums += SUMS) {
    const count = min<i32>(4, to - c);
    const offset = (<usize>c) << 2;
    storeUpTo(address(p, ScaleGrad.Target) + offset, narrow(v128.load(sums), v128.load(sums, 16)), count);
    const shift = address(p, ScaleGrad.Shift);
    if (shift) storeUpTo(shift + offset, narrow(v128.load(sums, 32), v128.load(sums, 48)), count);
  }
}

/** Four channels of some rows, whose common factor 1 / sqrt(variance + epsilon) multiplies their sum. */
function addColumn(dy: usize, x: usize, rows: i32, stride: usize, m: v128, inverse: v128, sums: usize): void {
  const m0 = low(m);
  const m1 = high(m);
  let s0 = f64x2.splat(0);
  let s1 = s0;
  let t0 = v128.load(sums, 32);
  let t1 = v128.load(sums, 48);
  do {
    const d0 = low(v128.load64_zero(dy));
    s0 = f64x2.add(s0, f64x2.mul(d0, f64x2.sub(low(v128.load64_zero(x)), m0)));
    t0 = f64x2.add(t0, d0);
    const d1 = low(v128.load64_zero(dy, 8));
    s1 = f64x2.add(s1, f64x2.mul(d1, f64x2.sub(low(v128.load64_zero(x, 8)), m1)));
    t1 = f64x2.add(t1, d1);
    dy += stride;
    x += stride;
    rows--;
  } while (rows > 0);
  v128.store(sums, f64x2.add(v128.load(sums), f64x2.mul(s0, low(inverse))));
  v128.store(sums, f64x2.add(v128.load(sums, 16), f64x2.mul(s1, high(inverse))), 16);
  v128.store(sums, t0, 32);
  v128.store(sums, t1, 48);
}

/** The same of fewer channels. */
function addPart(
  dy: usize,
  x: usize,
  rows: i32,
  stride: usize,
  count: i32,
  m: v128,
  inverse: v128,
  sums: usize,
): void {
  for (; rows > 0; rows--, dy += stride, x += stride) {
    const d = loadUpTo(dy, count);
    const h = f32x4.sub(loadUpTo(x, count), m);
    v128.store(sums, f64x2.add(v128.load(sums), f64x2.mul(f64x2.mul(low(d), low(h)), low(inverse))));
    v128.store(sums, f64x2.add(v128.load(sums, 16), f64x2.mul(f64x2.mul(high(d), high(h)), high(inverse))), 16);
    v128.store(sums, f64x2.add(v128.load(sums, 32), low(d)), 32);
    v128.store(sums, f64x2.add(v128.load(sums, 48), high(d)), 48);
  }
}

/** The same where each row has its statistics. */
// @ts-ignore: decorator
@inline
function addRows(
  dy: usize,
  x: usize,
  rows: i32,
  stride: usize,
  count: i32,
  mean: usize,
  plane: usize,
  sums: usize,
): void {
  let s0 = v128.load(sums);
  let s1 = v128.load(sums, 16);
  let t0 = v128.load(sums, 32);
  let t1 = v128.load(sums, 48);
  do {
    const d = loadUpTo(dy, count);
    const centered = f32x4.sub(loadUpTo(x, count), v128.load32_splat(mean));
    const h = f32x4.mul(centered, v128.load32_splat(mean + plane));
    const d0 = low(d);
    const d1 = high(d);
    s0 = f64x2.add(s0, f64x2.mul(d0, low(h)));
    s1 = f64x2.add(s1, f64x2.mul(d1, high(h)));
    t0 = f64x2.add(t0, d0);
    t1 = f64x2.add(t1, d1);
    dy += stride;
    x += stride;
    mean += 4;
    rows--;
  } while (rows > 0);
  v128.store(sums, s0);
  v128.store(sums, s1, 16);
  v128.store(sums, t0, 32);
  v128.store(sums, t1, 48);
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
