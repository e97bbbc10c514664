import { address, word } from '../fields';
import { loadUpTo, storeUpTo } from '../lanes';
import { Pool } from '../tape/spatial';
import { first, last } from '../threads';

/*
 * Windows over an image, [images, Source0, Source1, Source2, Channels]; four channels at a time. What lies outside the
 * image takes no part: not in a maximum, nor in the count of a mean (as Keras has it).
 */

/**
 * The part of a window that lies inside: how many taps of each dimension, offset in bytes of its first pixel in the image,
 * and the number of its first tap. Globals, which each thread has for itself.
 */
let count0: i32 = 0, count1: i32 = 0, count2: i32 = 0;
let corner: usize = 0;
let number: i32 = 0;
/** Bytes, and tap numbers, from one tap to the next in each dimension. */
let byte0: usize = 0, byte1: usize = 0, byte2: usize = 0;
let number0: i32 = 0, number1: i32 = 0;

function prepare(p: usize): void {
  byte2 = (<usize>word(p, Pool.Channels)) << 2;
  byte1 = byte2 * <usize>word(p, Pool.Source2);
  byte0 = byte1 * <usize>word(p, Pool.Source1);
  number1 = word(p, Pool.Taps2);
  number0 = number1 * word(p, Pool.Taps1);
}

function clip(p: usize, g0: i32, g1: i32, g2: i32): void {
  const at0 = g0 * word(p, Pool.Stride0) - word(p, Pool.Before0);
  const at1 = g1 * word(p, Pool.Stride1) - word(p, Pool.Before1);
  const at2 = g2 * word(p, Pool.Stride2) - word(p, Pool.Before2);
  const from0 = max<i32>(0, -at0);
  const from1 = max<i32>(0, -at1);
  const from2 = max<i32>(0, -at2);
  count0 = min<i32>(word(p, Pool.Taps0), word(p, Pool.Source0) - at0) - from0;
  count1 = min<i32>(word(p, Pool.Taps1), word(p, Pool.Source1) - at1) - from1;
  count2 = min<i32>(word(p, Pool.Taps2), word(p, Pool.Source2) - at2) - from2;
  corner = <usize>(at0 + from0) * byte0 + <usize>(at1 + from1) * byte1 + <usize>(at2 + from2) * byte2;
  number = from0 * number0 + from1 * number1 + from2;
}

/** Number, in the order of the taps, of the first largest of each channel; NaN is larger than all (as PyTorch has it). */
let largest: v128 = f32x4.splat(0);

function maximum4(x: usize, count: i32): v128 {
  let m = f32x4.splat(-Infinity);
  let index = i32x4.splat(0);
  x += corner;
  for (let t0 = 0; t0 < count0; t0++) {
    for (let t1 = 0; t1 < count1; t1++) {
      let s = x + <usize>t0 * byte0 + <usize>t1 * byte1;
      let n = number + t0 * number0 + t1 * number1;
      for (let t2 = count2; t2 > 0; t2--, s += byte2, n++) {
        const v = loadUpTo(s, count);
        const more = v128.or(f32x4.gt(v, m), f32x4.ne(v, v));
        m = v128.bitselect(v, m, more);
        index = v128.bitselect(i32x4.splat(n), index, more);
      }
    }
  }
  largest = index;
  return m;
}

function sum4Of(x: usize, count: i32): v128 {
  let total = f32x4.splat(0);
  x += corner;
  for (let t0 = 0; t0 < count0; t0++) {
    for (let t1 = 0; t1 < count1; t1++) {
      let s = x + <usize>t0 * byte0 + <usize>t1 * byte1;
      for (let t2 = count2; t2 > 0; t2--, s += byte2) total = f32x4.add(total, loadUpTo(s, count));
    }
  }
  return total;
}

// @ts-ignore: decorator
@inline
function share(): f32 {
  return 1 / <f32>(count0 * count1 * count2);
}

/** y[window] = the largest, or the mean, of what the window covers. */
export function pool(p: usize): void {
  const grid0 = word(p, Pool.Grid0);
  const grid1 = word(p, Pool.Grid1);
  const grid2 = word(p, Pool.Grid2);
  const channels = word(p, Pool.Channels);
  const mean = word(p, Pool.Mean) != 0;
  prepare(p);
  const bytes = byte0 * <usize>word(p, Pool.Source0);
  const two = arePairs(p);
  const lines = word(p, Pool.Images) * grid0 * grid1;
  const to = last(lines, 1);
  for (let line = first(lines, 1); line < to; line++) {
    const g1 = line % grid1;
    const rest = line / grid1;
    const image = address(p, Pool.Source) + <usize>(rest / grid0) * bytes;
    let y = address(p, Pool.Target) + ((<usize>line * <usize>(grid2 * channels)) << 2);
    if (two) {
      clip(p, rest % grid0, g1, 0);
      pairs(image + corner, y, grid2, channels, false, 0);
      continue;
    }
    for (let g2 = 0; g2 < grid2; g2++) {
      clip(p, rest % grid0, g1, g2);
      const scale = f32x4.splat(share());
      for (let c = 0; c < channels; c += 4, y += 16) {
        const count = channels - c;
        const x = image + ((<usize>c) << 2);
        if (mean) storeUpTo(y, f32x4.mul(sum4Of(x, count), scale), count);
        else storeUpTo(y, maximum4(x, count), count);
      }
      y -= (<usize>(-channels & 3)) << 2;
    }
  }
}

/** dx of the largest += dy; of a mean: dx of each += dy / count. Threads share the images. */
export function poolGrad(p: usize): void {
  const grid0 = word(p, Pool.Grid0);
  const grid1 = word(p, Pool.Grid1);
  const grid2 = word(p, Pool.Grid2);
  const channels = word(p, Pool.Channels);
  const mean = word(p, Pool.Mean) != 0;
  prepare(p);
  const bytes = byte0 * <usize>word(p, Pool.Source0);
  const two = arePairs(p);
  const covered =
    two && grid1 * 2 == word(p, Pool.Source1) && grid2 * 2 == word(p, Pool.Source2) && grid0 == word(p, Pool.Source0);
  const to = last(word(p, Pool.Images), 1);
  for (let n = first(word(p, Pool.Images), 1); n < to; n++) {
    const source = address(p, Pool.Source) + <usize>n * bytes;
    const target = address(p, Pool.Target) + <usize>n * bytes;
    if (!covered) memory.fill(target, 0, bytes);
    let dy = address(p, Pool.Gradient) + ((<usize>(n * grid0 * grid1 * grid2) * <usize>channels) << 2);
    for (let g0 = 0; g0 < grid0; g0++) {
      for (let g1 = 0; g1 < grid1; g1++) {
        if (two) {
          clip(p, g0, g1, 0);
          pairs(source + corner, dy, grid2, channels, true, target - source);
          dy += <usize>grid2 * byte2;
          continue;
        }
        for (let g2 = 0; g2 < grid2; g2++) {
          clip(p, g0, g1, g2);
          const scale = f32x4.splat(mean ? share() : 1);
          for (let c = 0; c < channels; c += 4, dy += 16) {
            const count = channels - c;
            const offset = (<usize>c) << 2;
            const d = f32x4.mul(loadUpTo(dy, count), scale);
            if (!mean) maximum4(source + offset, count);
            spread(target + offset, d, count, mean);
          }
          dy -= (<usize>(-channels & 3)) << 2;
        }
      }
    }
  }
}

/** Adds d to the pixels of a window: to all of them, or to the largest. */
function spread(x: usize, d: v128, count: i32, all: bool): void {
  x += corner;
  for (let t0 = 0; t0 < count0; t0++) {
    for (let t1 = 0; t1 < count1; t1++) {
      let q = x + <usize>t0 * byte0 + <usize>t1 * byte1;
      let n = number + t0 * number0 + t1 * number1;
      for (let t2 = count2; t2 > 0; t2--, q += byte2, n++) {
        const part = all ? d : v128.and(d, i32x4.eq(largest, i32x4.splat(n)));
        storeUpTo(q, f32x4.add(loadUpTo(q, count), part), count);
      }
    }
  }
}

/** Whether all windows are the usual ones, 2 x 2 beside each other and wholly inside, and channels come in fours. */
function arePairs(p: usize): bool {
  return (
    word(p, Pool.Mean) == 0 &&
    (word(p, Pool.Channels) & 3) == 0 &&
    word(p, Pool.Taps0) == 1 &&
    isPair(p, 1) &&
    isPair(p, 2)
  );
}

// @ts-ignore: decorator
@inline
function isPair(p: usize, d: i32): bool {
  return (
    word(p, Pool.Taps0 + d) == 2 &&
    word(p, Pool.Stride0 + d) == 2 &&
    word(p, Pool.Before0 + d) == 0 &&
    word(p, Pool.Grid0 + d) * 2 <= word(p, Pool.Source0 + d)
  );
}

/** Where b takes the place of a, which comes before it. */
// @ts-ignore: decorator
@inline
function more(b: v128, a: v128): v128 {
  return v128.or(f32x4.gt(b, a), f32x4.ne(b, b));
}

/** A line of 2 x 2 windows: the largest to y, or their gradient y to the pixels of dx, which lies `shift` behind x. */
function pairs(x: usize, y: usize, windows: i32, channels: i32, gradient: bool, shift: usize): void {
  const right = byte2;
  const below = byte1;
  for (; windows > 0; windows--, x += byte2) {
    for (let c = channels; c > 0; c -= 4, x += 16, y += 16) {
      const a0 = v128.load(x);
      const a1 = v128.load(x + right);
      const b0 = v128.load(x + below);
      const b1 = v128.load(x + below + right);
      const inA = more(a1, a0);
      const inB = more(b1, b0);
      const a = v128.bitselect(a1, a0, inA);
      const b = v128.bitselect(b1, b0, inB);
      const under = more(b, a);
      if (gradient) {
        const d = v128.load(y);
        const q = x + shift;
        const dA = v128.andnot(d, under);
        const dB = v128.and(d, under);
        v128.store(q, v128.andnot(dA, inA));
        v128.store(q + right, v128.and(dA, inA));
        v128.store(q + below, v128.andnot(dB, inB));
        v128.store(q + below + right, v128.and(dB, inB));
      } else {
        v128.store(y, v128.bitselect(b, a, under));
      }
    }
  }
}
