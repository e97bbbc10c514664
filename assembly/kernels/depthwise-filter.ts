import { address, word } from '../fields';
import { loadUpTo, storeUpTo } from '../lanes';
import { madd } from '../simd';
import { Depthwise } from '../tape/spatial';
import { first, last } from '../threads';

/** Zeros in the place of pixels outside. */
const ZEROS = memory.data<f32>([0, 0, 0, 0, 0, 0, 0, 0]);

// @ts-ignore: decorator
@inline
function orZeros(x: usize, i: i32, extent: i32): usize {
  return <u32>i < <u32>extent ? x : ZEROS;
}

/**
 * dw of up to three neighbouring taps += sum over the positions of a line of x · dy, for eight channels or `count`.
 * x: the line's first pixel, or ZEROS; dy: that of the line of outputs.
 */
// @ts-ignore: decorator
@inline
function three(p: usize, x: usize, dy: usize, dw: usize, t2: i32, taps: i32, count: i32, wide: bool): void {
  const bytes = address(p, Depthwise.Channels) << 2;
  const extent = word(p, Depthwise.Source2);
  const mul = word(p, Depthwise.Mul2);
  const step = word(p, Depthwise.Step2);
  let grid = word(p, Depthwise.Grid2);
  let i = t2 * step + word(p, Depthwise.Offset2);
  const stride = <usize>mul * bytes;
  // a tap that is not there repeats the first: its sum is not stored
  const tap1 = taps > 1 ? step : 0;
  const tap2 = taps > 2 ? 2 * step : 0;
  const apart1 = <usize>tap1 * bytes;
  const apart2 = <usize>tap2 * bytes;
  const inner = extent - max<i32>(tap1, tap2);
  let s0 = x + <usize>i * bytes;
  const zero = f32x4.splat(0);
  let a0 = zero;
  let a1 = zero;
  let a2 = zero;
  let b0 = zero;
  let b1 = zero;
  let b2 = zero;
  while (grid > 0) {
    if (i >= 0 && i < inner) {
      let run = min<i32>(grid, (inner - 1 - i) / mul + 1);
      grid -= run;
      i += run * mul;
      do {
        const s1 = s0 + apart1;
        const s2 = s0 + apart2;
        const v = loadUpTo(dy, count);
        a0 = madd(loadUpTo(s0, count), v, a0);
        a1 = madd(loadUpTo(s1, count), v, a1);
        a2 = madd(loadUpTo(s2, count), v, a2);
        if (wide) {
          const u = v128.load(dy, 16);
          b0 = madd(v128.load(s0, 16), u, b0);
          b1 = madd(v128.load(s1, 16), u, b1);
          b2 = madd(v128.load(s2, 16), u, b2);
        }
        s0 += stride;
        dy += bytes;
      } while (--run);
      continue;
    }
    const z0 = orZeros(s0, i, extent);
    const z1 = orZeros(s0 + apart1, i + tap1, extent);
    const z2 = orZeros(s0 + apart2, i + tap2, extent);
    const v = loadUpTo(dy, count);
    a0 = madd(loadUpTo(z0, count), v, a0);
    a1 = madd(loadUpTo(z1, count), v, a1);
    a2 = madd(loadUpTo(z2, count), v, a2);
    if (wide) {
      const u = v128.load(dy, 16);
      b0 = madd(v128.load(z0, 16), u, b0);
      b1 = madd(v128.load(z1, 16), u, b1);
      b2 = madd(v128.load(z2, 16), u, b2);
    }
    i += mul;
    s0 += stride;
    dy += bytes;
    grid--;
  }
  addTo(dw, a0, b0, count, wide);
  if (taps > 1) addTo(dw + bytes, a1, b1, count, wide);
  if (taps > 2) addTo(dw + 2 * bytes, a2, b2, count, wide);
}

// @ts-ignore: decorator
@inline
function addTo(d: usize, a: v128, b: v128, count: i32, wide: bool): void {
  storeUpTo(d, f32x4.add(loadUpTo(d, count), a), count);
  if (wide) v128.store(d, f32x4.add(v128.load(d, 16), b), 16);
}

function threeWide(p: usize, x: usize, dy: usize, dw: usize, t2: i32, taps: i32): void {
  three(p, x, dy, dw, t2, taps, 4, true);
}

function threeNarrow(p: usize, x: usize, dy: usize, dw: usize, t2: i32, taps: i32, count: i32): void {
  three(p, x, dy, dw, t2, taps, count, false);
}

/**
 * dw[tap, c] = sum over positions of x[o, tap, c] · dy[o, c]: the sum of each line, then over the lines in order.
 * Threads share blocks of eight channels with a line of taps each.
 */
export function depthwiseFilter(p: usize): void {
  const channels = word(p, Depthwise.Channels);
  const grid0 = word(p, Depthwise.Grid0);
  const grid1 = word(p, Depthwise.Grid1);
  const source0 = word(p, Depthwise.Source0);
  const source1 = word(p, Depthwise.Source1);
  const taps1 = word(p, Depthwise.Taps1);
  const taps2 = word(p, Depthwise.Taps2);
  const bytes = (<usize>channels) << 2;
  const row = <usize>word(p, Depthwise.Source2) * bytes;
  const dyRow = <usize>word(p, Depthwise.Grid2) * bytes;
  const tapLines = word(p, Depthwise.Taps0) * taps1;
  const items = tapLines * ((channels + 7) >> 3);
  const from = first(items, 1);
  const to = last(items, 1);
  if (from == to) return;
  const target = address(p, Depthwise.Target);
  const firstBlock = from / tapLines;
  const firstLine = from - firstBlock * tapLines;
  const firstT0 = firstLine / taps1;
  const firstT1 = firstLine - firstT0 * taps1;
  let dy = address(p, Depthwise.Kernel);
  let fresh = true;
  for (let n = 0; n < word(p, Depthwise.Images); n++) {
    for (let g0 = 0; g0 < grid0; g0++) {
      for (let g1 = 0; g1 < grid1; g1++, dy += dyRow, fresh = false) {
        let t0 = firstT0;
        let t1 = firstT1;
        let c = firstBlock << 3;
        for (let item = from; item < to; item++) {
          const o = (<usize>c) << 2;
          const dw = target + <usize>((t0 * taps1 + t1) * taps2) * bytes + o;
          const width = min<i32>(8, channels - c);
          if (fresh) clear(dw, bytes, width, taps2);
          const i0 = g0 * word(p, Depthwise.Mul0) + t0 * word(p, Depthwise.Step0) + word(p, Depthwise.Offset0);
          const i1 = g1 * word(p, Depthwise.Mul1) + t1 * word(p, Depthwise.Step1) + word(p, Depthwise.Offset1);
          if (<u32>i0 < <u32>source0 && <u32>i1 < <u32>source1) {
            const at = <usize>((n * source0 + i0) * source1 + i1);
            tapLine(p, address(p, Depthwise.Source) + at * row + o, dy + o, dw, width);
          }
          if (++t1 == taps1) {
            t1 = 0;
            if (++t0 * taps1 == tapLines) {
              t0 = 0;
              c += 8;
            }
          }
        }
      }
    }
  }
}

/** One line of taps, up to eight channels. */
function tapLine(p: usize, x: usize, dy: usize, dw: usize, width: i32): void {
  const taps = word(p, Depthwise.Taps2);
  const bytes = address(p, Depthwise.Channels) << 2;
  for (let t = 0; t < taps; t += 3) {
    const d = dw + <usize>t * bytes;
    const count = min<i32>(3, taps - t);
    if (width == 8) {
      threeWide(p, x, dy, d, t, count);
    } else {
      for (let c = 0; c < width; c += 4) {
        const o = (<usize>c) << 2;
        threeNarrow(p, x + o, dy + o, d + o, t, count, width - c);
      }
    }
  }
}

function clear(d: usize, stride: usize, width: i32, taps: i32): void {
  for (; taps > 0; taps--, d += stride) memory.fill(d, 0, (<usize>width) << 2);
}
