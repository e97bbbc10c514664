import { address, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { Pool } from '../tape';
import { first, last } from '../threads';

/*
 * Windows over an image, [images, Source0, Source1, Source2, Channels]; four channels at a time. What lies outside the
 * image takes no part: not in a maximum, nor in the count of a mean (as Keras has it).
 */

// The part of a window that lies inside: taps [from, to) of each dimension, and where tap 0 would be.
let from0: i32 = 0, from1: i32 = 0, from2: i32 = 0;
let to0: i32 = 0, to1: i32 = 0, to2: i32 = 0;
let at0: i32 = 0, at1: i32 = 0, at2: i32 = 0;

function clip(p: usize, g0: i32, g1: i32, g2: i32): void {
  at0 = g0 * word(p, Pool.Stride0) - word(p, Pool.Before0);
  at1 = g1 * word(p, Pool.Stride1) - word(p, Pool.Before1);
  at2 = g2 * word(p, Pool.Stride2) - word(p, Pool.Before2);
  from0 = max<i32>(0, -at0);
  from1 = max<i32>(0, -at1);
  from2 = max<i32>(0, -at2);
  to0 = min<i32>(word(p, Pool.Taps0), word(p, Pool.Source0) - at0);
  to1 = min<i32>(word(p, Pool.Taps1), word(p, Pool.Source1) - at1);
  to2 = min<i32>(word(p, Pool.Taps2), word(p, Pool.Source2) - at2);
}

/** Offset in bytes of the pixel under a tap, within its image. */
// @ts-ignore: decorator
@inline
function pixelOf(p: usize, t0: i32, t1: i32, t2: i32): usize {
  const index = ((at0 + t0) * word(p, Pool.Source1) + at1 + t1) * word(p, Pool.Source2) + at2 + t2;
  return <usize>index * (<usize>word(p, Pool.Channels) << 2);
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

function maximum4(p: usize, image: usize, count: i32): v128 {
  let m = f32x4.splat(-Infinity);
  let index = i32x4.splat(0);
  for (let t0 = from0; t0 < to0; t0++) {
    for (let t1 = from1; t1 < to1; t1++) {
      for (let t2 = from2; t2 < to2; t2++) {
        const v = load4(image + pixelOf(p, t0, t1, t2), count);
        const more = v128.or(f32x4.gt(v, m), f32x4.ne(v, v));
        const number = (t0 * word(p, Pool.Taps1) + t1) * word(p, Pool.Taps2) + t2;
        m = v128.bitselect(v, m, more);
        index = v128.bitselect(i32x4.splat(number), index, more);
      }
    }
  }
  largest = index;
  return m;
}

function sum4Of(p: usize, image: usize, count: i32): v128 {
  let s = f32x4.splat(0);
  for (let t0 = from0; t0 < to0; t0++) {
    for (let t1 = from1; t1 < to1; t1++) {
      for (let t2 = from2; t2 < to2; t2++) s = f32x4.add(s, load4(image + pixelOf(p, t0, t1, t2), count));
    }
  }
  return s;
}

// @ts-ignore: decorator
@inline
function share(): f32 {
  return 1 / <f32>((to0 - from0) * (to1 - from1) * (to2 - from2));
}

// @ts-ignore: decorator
@inline
function imageBytes(p: usize): usize {
  const pixels = word(p, Pool.Source0) * word(p, Pool.Source1) * word(p, Pool.Source2);
  return (<usize>pixels * <usize>word(p, Pool.Channels)) << 2;
}

/** y[window] = the largest, or the mean, of what the window covers. */
export function pool(p: usize): void {
  const grid0 = word(p, Pool.Grid0);
  const grid1 = word(p, Pool.Grid1);
  const grid2 = word(p, Pool.Grid2);
  const channels = word(p, Pool.Channels);
  const mean = word(p, Pool.Mean) != 0;
  const lines = word(p, Pool.Images) * grid0 * grid1;
  const to = last(lines, 1);
  for (let line = first(lines, 1); line < to; line++) {
    const g1 = line % grid1;
    const rest = line / grid1;
    const image = address(p, Pool.Source) + <usize>(rest / grid0) * imageBytes(p);
    let y = address(p, Pool.Target) + ((<usize>line * <usize>(grid2 * channels)) << 2);
    for (let g2 = 0; g2 < grid2; g2++) {
      clip(p, rest % grid0, g1, g2);
      const scale = f32x4.splat(share());
      for (let c = 0; c < channels; c += 4, y += 16) {
        const count = channels - c;
        const x = image + ((<usize>c) << 2);
        if (mean) store4(y, f32x4.mul(sum4Of(p, x, count), scale), count);
        else store4(y, maximum4(p, x, count), count);
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
  const bytes = imageBytes(p);
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
            if (!mean) maximum4(p, source + offset, count);
            spread(p, target + offset, d, count, mean);
          }
          dy -= (<usize>(-channels & 3)) << 2;
        }
      }
    }
  }
}

/** Adds d to the pixels of a window: to all of them, or to the largest. */
function spread(p: usize, target: usize, d: v128, count: i32, all: bool): void {
  for (let t0 = from0; t0 < to0; t0++) {
    for (let t1 = from1; t1 < to1; t1++) {
      for (let t2 = from2; t2 < to2; t2++) {
        const number = (t0 * word(p, Pool.Taps1) + t1) * word(p, Pool.Taps2) + t2;
        const part = all ? d : v128.and(d, i32x4.eq(largest, i32x4.splat(number)));
        const q = target + pixelOf(p, t0, t1, t2);
        store4(q, f32x4.add(load4(q, count), part), count);
      }
    }
  }
}
