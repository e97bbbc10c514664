import { address, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { Pool } from '../tape';
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

// @ts-ignore: decorator
@inline
function load4(s: usize, count: i32): v128 {
  return count >= 4 ? v128.load(s) : loadPart(s, count, f32x4.splat(0));
}

// @ts-ignore: decorator
@inline
function store4(d: usize, v: v128, count: i32): void {
  if (count >= 4) v128.store(d, v);
  else storePart(d, v, count);
}

/** Number, in the order of the taps, of the first largest of each channel; NaN is larger than all (as PyTorch has it). */
let largest: v128 = f32x4.splat(0);

function maximum4(x: usize, count: i32): v128 {
  let m = f32x4.splat(-Infinity);
  let index = i32x4.splat(0);
  x += corner;
  // the usual window without loops
  if (count0 == 1 && count1 == 2 && count2 == 2 && count >= 4) {
    const a = v128.load(x);
    const b = v128.load(x + byte2);
    const c = v128.load(x + byte1);
    const d = v128.load(x + byte1 + byte2);
    const n = i32x4.splat(number);
    let more = v128.or(f32x4.gt(b, a), f32x4.ne(b, b));
    m = v128.bitselect(b, a, more);
    index = i32x4.sub(n, more);
    more = v128.or(f32x4.gt(c, m), f32x4.ne(c, c));
    m = v128.bitselect(c, m, more);
    index = v128.bitselect(i32x4.splat(number + number1), index, more);
    more = v128.or(f32x4.gt(d, m), f32x4.ne(d, d));
    largest = v128.bitselect(i32x4.splat(number + number1 + 1), index, more);
    return v128.bitselect(d, m, more);
  }
  for (let t0 = 0; t0 < count0; t0++) {
    for (let t1 = 0; t1 < count1; t1++) {
      let s = x + <usize>t0 * byte0 + <usize>t1 * byte1;
      let n = number + t0 * number0 + t1 * number1;
      for (let t2 = count2; t2 > 0; t2--, s += byte2, n++) {
        const v = load4(s, count);
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
      for (let t2 = count2; t2 > 0; t2--, s += byte2) total = f32x4.add(total, load4(s, count));
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
  const lines = word(p, Pool.Images) * grid0 * grid1;
  const to = last(lines, 1);
  for (let line = first(lines, 1); line < to; line++) {
    const g1 = line % grid1;
    const rest = line / grid1;
    const image = address(p, Pool.Source) + <usize>(rest / grid0) * bytes;
    let y = address(p, Pool.Target) + ((<usize>line * <usize>(grid2 * channels)) << 2);
    for (let g2 = 0; g2 < grid2; g2++) {
      clip(p, rest % grid0, g1, g2);
      const scale = f32x4.splat(share());
      for (let c = 0; c < channels; c += 4, y += 16) {
        const count = channels - c;
        const x = image + ((<usize>c) << 2);
        if (mean) store4(y, f32x4.mul(sum4Of(x, count), scale), count);
        else store4(y, maximum4(x, count), count);
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
  const to = last(word(p, Pool.Images), 1);
  for (let n = first(word(p, Pool.Images), 1); n < to; n++) {
    const source = address(p, Pool.Source) + <usize>n * bytes;
    const target = address(p, Pool.Target) + <usize>n * bytes;
    memory.fill(target, 0, bytes);
    let dy = address(p, Pool.Gradient) + ((<usize>(n * grid0 * grid1 * grid2) * <usize>channels) << 2);
    for (let g0 = 0; g0 < grid0; g0++) {
      for (let g1 = 0; g1 < grid1; g1++) {
        for (let g2 = 0; g2 < grid2; g2++) {
          clip(p, g0, g1, g2);
          const scale = f32x4.splat(mean ? share() : 1);
          for (let c = 0; c < channels; c += 4, dy += 16) {
            const count = channels - c;
            const offset = (<usize>c) << 2;
            const d = f32x4.mul(load4(dy, count), scale);
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
  if (count0 == 1 && count1 == 2 && count2 == 2 && count >= 4 && !all) {
    spread1(x, d, number);
    spread1(x + byte2, d, number + 1);
    spread1(x + byte1, d, number + number1);
    spread1(x + byte1 + byte2, d, number + number1 + 1);
    return;
  }
  for (let t0 = 0; t0 < count0; t0++) {
    for (let t1 = 0; t1 < count1; t1++) {
      let q = x + <usize>t0 * byte0 + <usize>t1 * byte1;
      let n = number + t0 * number0 + t1 * number1;
      for (let t2 = count2; t2 > 0; t2--, q += byte2, n++) {
        const part = all ? d : v128.and(d, i32x4.eq(largest, i32x4.splat(n)));
        store4(q, f32x4.add(load4(q, count), part), count);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function spread1(q: usize, d: v128, n: i32): void {
  v128.store(q, f32x4.add(v128.load(q), v128.and(d, i32x4.eq(largest, i32x4.splat(n)))));
}
