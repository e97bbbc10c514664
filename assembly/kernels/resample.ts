import { address, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { madd } from '../simd';
import { Resample, ResampleMode } from '../tape/spatial';
import { first, last } from '../threads';

/*
 * An image in another size, in each dimension n -> m. Position o of the result covers the pixels from floor(o n / m) to
 * ceil((o + 1) n / m) (PyTorch's adaptive windows): their mean, or their maximum. Where m is a multiple of n that is the
 * nearest pixel. Linear: between the two nearest centers, those of the edges repeated (half-pixel centers).
 * A mean and a linear result are sums with a weight from each dimension, and so are their gradients, gathered line by line;
 * only the gradient of a maximum is scattered over an image.
 */

/** floor(a / b), b > 0. */
function floorDiv(a: i64, b: i64): i32 {
  const q = a / b;
  return <i32>(q - i64(a - q * b < 0));
}

/** The first pixel of the source that position i takes part in, in dimension d; also the gradient's. */
function begin(p: usize, d: i32, i: i32): i32 {
  const source = <i64>word(p, Resample.Source0 + d);
  const target = <i64>word(p, Resample.Grid0 + d);
  const mode = word(p, Resample.Mode);
  if (!(mode & ResampleMode.Linear)) return floorDiv(<i64>i * source, target);
  if (mode & ResampleMode.Gradient) {
    return max<i32>(0, floorDiv((2 * <i64>i - 1) * source - target, 2 * target) + 1);
  }
  return max<i32>(0, floorDiv((2 * <i64>i + 1) * source - target, 2 * target));
}

/** One behind the last. */
function finish(p: usize, d: i32, i: i32): i32 {
  const source = <i64>word(p, Resample.Source0 + d);
  const target = <i64>word(p, Resample.Grid0 + d);
  const mode = word(p, Resample.Mode);
  if (!(mode & ResampleMode.Linear)) return -floorDiv(-(<i64>i + 1) * source, target);
  if (mode & ResampleMode.Gradient) {
    return min<i32>(<i32>source, -floorDiv(target - (2 * <i64>i + 3) * source, 2 * target));
  }
  return min<i32>(<i32>source, begin(p, d, i) + 2);
}

/** The part that pixel i of n has in position o of m, linearly. */
function tent(i: i32, n: i32, o: i32, m: i32): f32 {
  const unit = 2 * <i64>m;
  const at = max<i64>(0, (2 * <i64>o + 1) * <i64>n - <i64>m);
  const left = <i32>(at / unit);
  const right = <f32>(<f64>(at - <i64>left * unit) / <f64>unit);
  return (left == i ? 1 - right : 0) + (min<i32>(left + 1, n - 1) == i ? right : 0);
}

/** The factor of pixel k of the source in position i, in dimension d. */
function weight(p: usize, d: i32, i: i32, k: i32): f32 {
  const source = word(p, Resample.Source0 + d);
  const target = word(p, Resample.Grid0 + d);
  const mode = word(p, Resample.Mode);
  const gradient = (mode & ResampleMode.Gradient) != 0;
  if (mode & ResampleMode.Linear) return gradient ? tent(i, target, k, source) : tent(k, source, i, target);
  if (!gradient) return 1 / <f32>(finish(p, d, i) - begin(p, d, i));
  // of a window of the forward pass, whose grid is the source here
  const from = floorDiv(<i64>k * <i64>target, source);
  return 1 / <f32>(-floorDiv(-(<i64>k + 1) * <i64>target, source) - from);
}

/** y [count] = x · w, or += where it is not the first. */
// @ts-ignore: decorator
@inline
function row(x: usize, y: usize, count: i32, w: f32, fresh: bool): void {
  const v = f32x4.splat(w);
  if (fresh) {
    for (; count >= 4; count -= 4, x += 16, y += 16) v128.store(y, f32x4.mul(v128.load(x), v));
    for (; count > 0; count--, x += 4, y += 4) store<f32>(y, load<f32>(x) * w);
  } else {
    for (; count >= 4; count -= 4, x += 16, y += 16) v128.store(y, madd(v128.load(x), v, v128.load(y)));
    if (count) storePart(y, madd(loadPart(x, count, v), v, loadPart(y, count, v)), count);
  }
}

/** Windows of one size, or one pixel for several positions, of a single channel. */
function narrow(x: usize, y: usize, count: i32, size: i32, repeats: i32, w: f32): void {
  for (; count > 0; count -= repeats) {
    let sum = load<f32>(x) * w;
    x += 4;
    for (let k = size; k > 1; k--, x += 4) sum += load<f32>(x) * w;
    for (let k = repeats; k > 0; k--, y += 4) store<f32>(y, sum);
  }
}

/** A line of the source, times w, into one of the result, linearly; or, for the gradient, back. */
function linearLine(p: usize, x: usize, y: usize, w: f32, fresh: bool): void {
  const channels = word(p, Resample.Channels);
  const bytes = (<usize>channels) << 2;
  const back = (word(p, Resample.Mode) & ResampleMode.Gradient) != 0;
  const source = word(p, Resample.Source2);
  const target = word(p, Resample.Grid2);
  const n = back ? target : source;
  const m = back ? source : target;
  if (back && fresh) memory.fill(y, 0, <usize>target * bytes);
  // position o lies (2 o + 1) n / 2 m - 1/2 pixels from the first center: `left` whole ones and `rest` / 2 m
  let left = 0;
  let rest = n - m;
  for (let o = m; o > 0; o--, rest += 2 * n) {
    while (rest >= 2 * m) {
      rest -= 2 * m;
      left++;
    }
    const part = <f32>(<f64>max<i32>(0, rest) / <f64>(2 * m));
    const a = <usize>left * bytes;
    const b = <usize>min<i32>(left + 1, n - 1) * bytes;
    if (back) {
      row(x, y + a, channels, w * (1 - part), false);
      row(x, y + b, channels, w * part, false);
      x += bytes;
    } else {
      row(x + a, y, channels, w * (1 - part), fresh);
      row(x + b, y, channels, w * part, false);
      y += bytes;
    }
  }
}

/** A line of the source, times w, into one of the result. */
function line(p: usize, x: usize, y: usize, w: f32, fresh: bool): void {
  const source = word(p, Resample.Source2);
  const target = word(p, Resample.Grid2);
  const channels = word(p, Resample.Channels);
  const bytes = (<usize>channels) << 2;
  if (source % target == 0 || target % source == 0) {
    // windows of one size, or one pixel for several positions: nothing to compute for each
    const size = max<i32>(1, source / target);
    const repeats = max<i32>(1, target / source);
    w *= weight(p, 2, 0, 0);
    if (channels == 1 && fresh) {
      narrow(x, y, target, size, repeats, w);
      return;
    }
    let left = repeats;
    for (let i = target; i > 0; i--, y += bytes) {
      let s = x;
      for (let k = size; k > 0; k--, s += bytes) row(s, y, channels, w, fresh && k == size);
      if (--left == 0) {
        left = repeats;
        x = s;
      }
    }
    return;
  }
  for (let i = 0; i < target; i++, y += bytes) {
    const from = begin(p, 2, i);
    const to = finish(p, 2, i);
    for (let k = from; k < to; k++) {
      row(x + <usize>k * bytes, y, channels, w * weight(p, 2, i, k), fresh && k == from);
    }
  }
}

/** Threads share the lines of the result. */
export function resample(p: usize): void {
  const grid0 = word(p, Resample.Grid0);
  const grid1 = word(p, Resample.Grid1);
  const source0 = word(p, Resample.Source0);
  const source1 = word(p, Resample.Source1);
  const bytes = address(p, Resample.Channels) << 2;
  const sourceRow = address(p, Resample.Source2) * bytes;
  const row = address(p, Resample.Grid2) * bytes;
  const linear = (word(p, Resample.Mode) & ResampleMode.Linear) != 0;
  const lines = word(p, Resample.Images) * grid0 * grid1;
  const to = last(lines, 1);
  for (let n = first(lines, 1); n < to; n++) {
    const rest = n / grid1;
    const image = rest / grid0;
    const i0 = rest - image * grid0;
    const i1 = n - rest * grid1;
    const y = address(p, Resample.Target) + <usize>n * row;
    let fresh = true;
    for (let k0 = begin(p, 0, i0); k0 < finish(p, 0, i0); k0++) {
      for (let k1 = begin(p, 1, i1); k1 < finish(p, 1, i1); k1++) {
        const at = (image * source0 + k0) * source1 + k1;
        const w = weight(p, 0, i0, k0) * weight(p, 1, i1, k1);
        const x = address(p, Resample.Source) + <usize>at * sourceRow;
        if (linear) linearLine(p, x, y, w, fresh);
        else line(p, x, y, w, fresh);
        fresh = false;
      }
    }
    // a linear result may have left a line out
    if (fresh) memory.fill(y, 0, row);
  }
}

/**
 * y[window] = the largest of what it covers; or, where there is a gradient of y, dx of the first largest += dy, NaN being
 * larger than all (as PyTorch has it). Threads share the images.
 */
export function adaptiveMaximum(p: usize): void {
  const channels = word(p, Resample.Channels);
  const grid0 = word(p, Resample.Grid0);
  const grid1 = word(p, Resample.Grid1);
  const grid2 = word(p, Resample.Grid2);
  const source1 = word(p, Resample.Source1);
  const source2 = word(p, Resample.Source2);
  const bytes = (<usize>channels) << 2;
  const size = <usize>(word(p, Resample.Source0) * source1 * source2) * bytes;
  const results = <usize>(grid0 * grid1 * grid2) * bytes;
  const gradient = address(p, Resample.Gradient);
  const to = last(word(p, Resample.Images), 1);
  for (let n = first(word(p, Resample.Images), 1); n < to; n++) {
    const x = address(p, Resample.Source) + <usize>n * size;
    const target = address(p, Resample.Target) + <usize>n * (gradient ? size : results);
    let dy = gradient + <usize>n * results;
    let y = target;
    if (gradient) memory.fill(target, 0, size);
    for (let g0 = 0; g0 < grid0; g0++) {
      for (let g1 = 0; g1 < grid1; g1++) {
        for (let g2 = 0; g2 < grid2; g2++, y += bytes, dy += bytes) {
          const from0 = begin(p, 0, g0);
          const to0 = finish(p, 0, g0);
          const from1 = begin(p, 1, g1);
          const to1 = finish(p, 1, g1);
          const from2 = begin(p, 2, g2);
          const to2 = finish(p, 2, g2);
          for (let c = 0; c < channels; c += 4) {
            const o = (<usize>c) << 2;
            const count = channels - c;
            let m = f32x4.splat(-Infinity);
            let where = i32x4.splat((from0 * source1 + from1) * source2 + from2);
            for (let k0 = from0; k0 < to0; k0++) {
              for (let k1 = from1; k1 < to1; k1++) {
                let k = (k0 * source1 + k1) * source2 + from2;
                let s = x + <usize>k * bytes + o;
                for (let k2 = from2; k2 < to2; k2++, k++, s += bytes) {
                  const v = count >= 4 ? v128.load(s) : loadPart(s, count, m);
                  const more = v128.or(f32x4.gt(v, m), f32x4.ne(v, v));
                  m = v128.bitselect(v, m, more);
                  where = v128.bitselect(i32x4.splat(k), where, more);
                }
              }
            }
            if (!gradient) {
              if (count >= 4) v128.store(y + o, m);
              else storePart(y + o, m, count);
              continue;
            }
            addAt(target + o, i32x4.extract_lane(where, 0), bytes, dy + o);
            if (count > 1) addAt(target + o + 4, i32x4.extract_lane(where, 1), bytes, dy + o + 4);
            if (count > 2) addAt(target + o + 8, i32x4.extract_lane(where, 2), bytes, dy + o + 8);
            if (count > 3) addAt(target + o + 12, i32x4.extract_lane(where, 3), bytes, dy + o + 12);
          }
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function addAt(d: usize, pixel: i32, bytes: usize, dy: usize): void {
  d += <usize>pixel * bytes;
  store<f32>(d, load<f32>(d) + load<f32>(dy));
}
