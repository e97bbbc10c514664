import { address, float, word } from '../fields';
import { loadUpTo, storeUpTo } from '../lanes';
import { madd } from '../simd';
import { Activation } from '../tape/dense';
import { Depthwise } from '../tape/spatial';
import { first, last } from '../threads';
import { activateRow, deriveRow } from './activation';

/*
 * Depthwise convolution: each channel has a filter of its own, so there is no matrix product in it; channels lie side by
 * side and are the lanes. y[o, c] = bias[c] + sum over taps of x[o, tap, c] · w[tap, c], in the order of the taps, those
 * outside left out; four positions share a load of the filter.
 *
 * In each dimension the pixel under a tap is (position · Mul + tap · Step + Offset) / Div, none where that is no whole
 * number. With Div the strides and Step minus the dilations it is the output that a pixel takes part in, and y the gradient
 * of the image. Taps of whole numbers are TapStep apart; positions Div apart ("a phase") have the same ones.
 */

// Globals, which each thread has for itself. Of the position at hand: its taps inside, in each dimension.
let count0: i32 = 0;
let count1: i32 = 0;
let count2: i32 = 0;
/** Bytes from tap to tap in the image and in the kernel. */
let image0: usize = 0;
let image1: usize = 0;
let image2: usize = 0;
let kernel0: usize = 0;
let kernel1: usize = 0;
let kernel2: usize = 0;

/** The first tap inside that `inside` found, and its pixel. */
let tap: i32 = 0;
let pixel: i32 = 0;

/** How many taps of position i lie inside, in dimension d. */
function inside(p: usize, d: i32, i: i32): i32 {
  const step = word(p, Depthwise.Step0 + d);
  const div = word(p, Depthwise.Div0 + d);
  const tapStep = word(p, Depthwise.TapStep0 + d);
  const taps = word(p, Depthwise.Taps0 + d);
  const extent = word(p, Depthwise.Source0 + d);
  let at = i * word(p, Depthwise.Mul0 + d) + word(p, Depthwise.Offset0 + d);
  let t = 0;
  if (div != 1) {
    while (t < tapStep && at % div != 0) {
      t++;
      at += step;
    }
    if (t == tapStep) t = taps;
    at /= div;
  }
  const move = (step * tapStep) / div;
  while (t < taps && <u32>at >= <u32>extent) {
    t += tapStep;
    at += move;
  }
  tap = t;
  pixel = at;
  let count = 0;
  while (t < taps && <u32>at < <u32>extent) {
    count++;
    t += tapStep;
    at += move;
  }
  return count;
}

/** One position: sixteen channels, or `count`. */
// @ts-ignore: decorator
@inline
function one(x: usize, w: usize, bias: usize, y: usize, count: i32, wide: bool): void {
  let a = bias ? loadUpTo(bias, count) : f32x4.splat(0);
  let b = f32x4.splat(0);
  let c = b;
  let d = b;
  if (wide && bias) {
    b = v128.load(bias, 16);
    c = v128.load(bias, 32);
    d = v128.load(bias, 48);
  }
  for (let k0 = count0; k0 > 0; k0--, x += image0, w += kernel0) {
    let x1 = x;
    let w1 = w;
    for (let k1 = count1; k1 > 0; k1--, x1 += image1, w1 += kernel1) {
      let p = x1;
      let q = w1;
      for (let k2 = count2; k2 > 0; k2--, p += image2, q += kernel2) {
        a = madd(loadUpTo(p, count), loadUpTo(q, count), a);
        if (wide) {
          b = madd(v128.load(p, 16), v128.load(q, 16), b);
          c = madd(v128.load(p, 32), v128.load(q, 32), c);
          d = madd(v128.load(p, 48), v128.load(q, 48), d);
        }
      }
    }
  }
  storeUpTo(y, a, count);
  if (wide) {
    v128.store(y, b, 16);
    v128.store(y, c, 32);
    v128.store(y, d, 48);
  }
}

function oneWide(x: usize, w: usize, bias: usize, y: usize): void {
  one(x, w, bias, y, 4, true);
}

function oneNarrow(x: usize, w: usize, bias: usize, y: usize, count: i32): void {
  one(x, w, bias, y, count, false);
}

/** Four positions, xStep and yStep bytes apart; eight channels, or `count`, for which four are read of x. */
// @ts-ignore: decorator
@inline
function four(x: usize, w: usize, bias: usize, y: usize, xStep: usize, yStep: usize, count: i32, wide: bool): void {
  const zero = f32x4.splat(0);
  let a0 = bias ? loadUpTo(bias, count) : zero;
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  let b0 = zero;
  if (wide && bias) b0 = v128.load(bias, 16);
  let b1 = b0;
  let b2 = b0;
  let b3 = b0;
  const step1 = image2;
  const step2 = kernel2;
  const taps = count2;
  if (taps > 0 && count1 > 0) {
    let k0 = count0;
    while (k0 > 0) {
      let x1 = x;
      let w1 = w;
      let k1 = count1;
      do {
        let p0 = x1;
        let q = w1;
        let k2 = taps;
        do {
          const p1 = p0 + xStep;
          const p2 = p1 + xStep;
          const p3 = p2 + xStep;
          const v = loadUpTo(q, count);
          a0 = madd(v128.load(p0), v, a0);
          a1 = madd(v128.load(p1), v, a1);
          a2 = madd(v128.load(p2), v, a2);
          a3 = madd(v128.load(p3), v, a3);
          if (wide) {
            const u = v128.load(q, 16);
            b0 = madd(v128.load(p0, 16), u, b0);
            b1 = madd(v128.load(p1, 16), u, b1);
            b2 = madd(v128.load(p2, 16), u, b2);
            b3 = madd(v128.load(p3, 16), u, b3);
          }
          p0 += step1;
          q += step2;
        } while (--k2);
        x1 += image1;
        w1 += kernel1;
      } while (--k1);
      x += image0;
      w += kernel0;
      k0--;
    }
  }
  storeUpTo(y, a0, count);
  if (wide) v128.store(y, b0, 16);
  y += yStep;
  storeUpTo(y, a1, count);
  if (wide) v128.store(y, b1, 16);
  y += yStep;
  storeUpTo(y, a2, count);
  if (wide) v128.store(y, b2, 16);
  y += yStep;
  storeUpTo(y, a3, count);
  if (wide) v128.store(y, b3, 16);
}

function fourWide(x: usize, w: usize, bias: usize, y: usize, xStep: usize, yStep: usize): void {
  four(x, w, bias, y, xStep, yStep, 4, true);
}

function fourNarrow(x: usize, w: usize, bias: usize, y: usize, xStep: usize, yStep: usize, count: i32): void {
  four(x, w, bias, y, xStep, yStep, count, false);
}

/** Four positions, all channels. The last vector overlaps the one before: the same results once more. */
function allOfFour(x: usize, w: usize, bias: usize, y: usize, xStep: usize, yStep: usize, channels: i32): void {
  let c: i32 = 0;
  for (; c + 8 <= channels; c += 8) {
    const o = (<usize>c) << 2;
    fourWide(x + o, w + o, bias ? bias + o : 0, y + o, xStep, yStep);
  }
  for (; c < channels; c += 4) {
    const o = (<usize>max<i32>(0, min<i32>(c, channels - 4))) << 2;
    fourNarrow(x + o, w + o, bias ? bias + o : 0, y + o, xStep, yStep, channels);
  }
}

function allOfOne(x: usize, w: usize, bias: usize, y: usize, channels: i32): void {
  let c: i32 = 0;
  for (; c + 16 <= channels; c += 16) {
    const o = (<usize>c) << 2;
    oneWide(x + o, w + o, bias ? bias + o : 0, y + o);
  }
  for (; c < channels; c += 4) {
    const o = (<usize>max<i32>(0, min<i32>(c, channels - 4))) << 2;
    oneNarrow(x + o, w + o, bias ? bias + o : 0, y + o, channels);
  }
}

/** The last position of i's phase, from i + 3 Div on, all of whose predecessors up to i have the same taps; else i. */
function runEnd(p: usize, i: i32, count: i32, from: i32): i32 {
  const grid = word(p, Depthwise.Grid2);
  const div = word(p, Depthwise.Div2);
  const fourth = i + 3 * div;
  if (fourth >= grid || inside(p, 2, fourth) != count || tap != from) return i;
  let until = grid - 1 - ((grid - 1 - i) % div);
  while (inside(p, 2, until) != count || tap != from) until -= div;
  return until;
}

/** The positions of one line. x, w: the line and the kernel at the first taps of dimensions 0 and 1; `end` of the image. */
function line(p: usize, x: usize, w: usize, y: usize, end: usize): void {
  const channels = word(p, Depthwise.Channels);
  const grid = word(p, Depthwise.Grid2);
  const div = word(p, Depthwise.Div2);
  const bias = address(p, Depthwise.Bias);
  const bytes = (<usize>channels) << 2;
  const xStep = <usize>word(p, Depthwise.Mul2) * bytes;
  const yStep = <usize>div * bytes;
  const reach = max<i32>(0, (count0 - 1) * <i32>image0) + max<i32>(0, (count1 - 1) * <i32>image1);
  for (let phase = 0; phase < min<i32>(div, grid); phase++) {
    for (let i = phase; i < grid; ) {
      count2 = inside(p, 2, i);
      let xi = x + <usize>pixel * bytes;
      const wi = w + <usize>tap * bytes;
      // positions of the run that four can begin at
      let left = (runEnd(p, i, count2, tap) - i) / div - 2;
      if (channels < 4 && left > 0) {
        // four channels are read where there are fewer: not behind the end of the image
        const more = reach + max<i32>(0, (count2 - 1) * <i32>image2) + 16;
        left = min<i32>(left, (<i32>(end - xi) - more) / <i32>xStep - 2);
      }
      if (left <= 0) {
        allOfOne(xi, wi, bias, y + <usize>i * bytes, channels);
        i += div;
        continue;
      }
      do {
        allOfFour(xi, wi, bias, y + <usize>i * bytes, xStep, yStep, channels);
        xi += 4 * xStep;
        i += 4 * div;
        left -= 4;
      } while (left > 0);
    }
  }
}

/** Threads share the lines. */
export function depthwise(p: usize): void {
  const channels = word(p, Depthwise.Channels);
  const grid0 = word(p, Depthwise.Grid0);
  const grid1 = word(p, Depthwise.Grid1);
  const grid2 = word(p, Depthwise.Grid2);
  const source0 = word(p, Depthwise.Source0);
  const source1 = word(p, Depthwise.Source1);
  const bytes = (<usize>channels) << 2;
  const row = <usize>word(p, Depthwise.Source2) * bytes;
  kernel2 = bytes * <usize>word(p, Depthwise.TapStep2);
  const taps2 = bytes * <usize>word(p, Depthwise.Taps2);
  const taps1 = taps2 * <usize>word(p, Depthwise.Taps1);
  kernel1 = taps2 * <usize>word(p, Depthwise.TapStep1);
  kernel0 = taps1 * <usize>word(p, Depthwise.TapStep0);
  image2 = <usize>pace(p, 2) * bytes;
  image1 = <usize>pace(p, 1) * row;
  image0 = <usize>(pace(p, 0) * source1) * row;
  const kind = word(p, Depthwise.Activation);
  const alpha = float(p, Depthwise.Alpha);
  const source = address(p, Depthwise.Source);
  const images = word(p, Depthwise.Images);
  const end = source + <usize>(images * source0 * source1) * row;
  const lines = images * grid0 * grid1;
  const to = last(lines, 1);
  for (let n = first(lines, 1); n < to; n++) {
    const rest = n / grid1;
    const image = rest / grid0;
    count0 = inside(p, 0, rest - image * grid0);
    let w = address(p, Depthwise.Kernel) + <usize>tap * taps1;
    let at = image * source0 + pixel;
    count1 = inside(p, 1, n - rest * grid1);
    w += <usize>tap * taps2;
    at = at * source1 + pixel;
    const offset = <usize>(n * grid2) * bytes;
    const y = address(p, Depthwise.Target) + offset;
    line(p, source + <usize>at * row, w, y, end);
    if (kind == Activation.Linear) continue;
    const count = grid2 * channels;
    const reference = address(p, Depthwise.Reference);
    if (reference) deriveRow(kind, y, reference + offset, y, count, alpha);
    else activateRow(kind, y, y, count, alpha);
  }
}

/** Pixels from one tap inside to the next, in dimension d. */
function pace(p: usize, d: i32): i32 {
  return (word(p, Depthwise.Step0 + d) * word(p, Depthwise.TapStep0 + d)) / word(p, Depthwise.Div0 + d);
}
