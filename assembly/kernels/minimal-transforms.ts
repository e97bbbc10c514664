import { address, word } from '../fields';
import { GEMM_PANEL, Gemm, GemmFlag } from '../tape/dense';
import { Patch } from '../tape/spatial';
import { epilogue } from './gemm';
import { copy, parts, zeros } from './lines';
import { packPanels, turnPanels } from './pack';

/*
 * The transformations of minimal filtering, F(2 x 2, 3 x 3) (Winograd 1980; Lavin & Gray 2016, section 4.1): 16
 * multiplications instead of 36 for 2 x 2 positions y, from the 4 x 4 pixels d that they read:
 *
 *   y = Aᵀ (U ⊙ V) A,   U = G g Gᵀ,   V = Bᵀ d B
 *
 *        1  0 -1  0          1   0   0
 *   Bᵀ = 0  1  1  0      G = ½   ½   ½      Aᵀ = 1  1  1  0
 *        0 -1  1  0          ½  -½   ½           0  1 -1  1
 *        0 -1  0  1          0   0   1
 *
 * The gradient of the filter turns that around: dU = V ⊙ (A dy Aᵀ), dg = Gᵀ dU G. Four channels are taken at a time; the
 * 16 elements of a tile lie `step` bytes apart. They are computed by boxes: several lines of tiles, or a part of one.
 */

// The grid in tiles, and the box: lines of tiles, counted through all images, and columns. Globals are each thread's own.
let lines: i32 = 0, columns: i32 = 0;
let line0: i32 = 0, line1: i32 = 0, column0: i32 = 0, column1: i32 = 0;

/** How many boxes there are. */
export function prepare(p: usize): i32 {
  lines = parts(word(p, Patch.Grid1), 2);
  columns = parts(word(p, Patch.Grid2), 2);
  return parts(word(p, Patch.Images) * lines, word(p, Patch.Box1)) * parts(columns, word(p, Patch.Box2));
}

/** Makes box `index` the current one; its tiles. */
export function enterBox(p: usize, index: i32): i32 {
  const across = parts(columns, word(p, Patch.Box2));
  line0 = (index / across) * word(p, Patch.Box1);
  line1 = min<i32>(word(p, Patch.Images) * lines, line0 + word(p, Patch.Box1));
  column0 = (index % across) * word(p, Patch.Box2);
  column1 = min<i32>(columns, column0 + word(p, Patch.Box2));
  return (line1 - line0) * (column1 - column0);
}

/** a, b, c, d times B, at four places `step` bytes apart. */
// @ts-ignore: decorator
@inline
function timesB(a: v128, b: v128, c: v128, d: v128, to: usize, step: usize): void {
  v128.store(to, f32x4.sub(a, c));
  v128.store(to + step, f32x4.add(b, c));
  v128.store(to + step * 2, f32x4.sub(c, b));
  v128.store(to + step * 3, f32x4.sub(d, b));
}

/** V of `count` channels of one tile: 16 values `step` bytes apart, four channels every `group` bytes. */
function transformTile(s: usize, line: usize, pixel: usize, count: i32, to: usize, step: usize, group: usize): void {
  for (; count > 0; count -= 4, s += 16, to += group) {
    const s1 = s + line;
    const s2 = s1 + line;
    const s3 = s2 + line;
    const q = pixel * 2;
    const r = pixel * 3;
    const a1 = v128.load(s1), b1 = v128.load(s1 + pixel), c1 = v128.load(s1 + q), d1 = v128.load(s1 + r);
    const a2 = v128.load(s2), b2 = v128.load(s2 + pixel), c2 = v128.load(s2 + q), d2 = v128.load(s2 + r);
    timesB(
      f32x4.sub(v128.load(s), a2),
      f32x4.sub(v128.load(s + pixel), b2),
      f32x4.sub(v128.load(s + q), c2),
      f32x4.sub(v128.load(s + r), d2),
      to,
      step,
    );
    let d = to + step * 4;
    timesB(f32x4.add(a1, a2), f32x4.add(b1, b2), f32x4.add(c1, c2), f32x4.add(d1, d2), d, step);
    d += step * 4;
    timesB(f32x4.sub(a2, a1), f32x4.sub(b2, b1), f32x4.sub(c2, c1), f32x4.sub(d2, d1), d, step);
    d += step * 4;
    timesB(
      f32x4.sub(v128.load(s3), a1),
      f32x4.sub(v128.load(s3 + pixel), b1),
      f32x4.sub(v128.load(s3 + q), c1),
      f32x4.sub(v128.load(s3 + r), d1),
      d,
      step,
    );
  }
}

/** The 4 x 4 pixels from line y and column x of an image on, zeros where there are none. */
function copyPatch(s: usize, p: usize, y: i32, x: i32, count: i32, target: usize): void {
  const pixel = (<usize>word(p, Patch.Pixel)) << 2;
  const height = word(p, Patch.Source1);
  const width = word(p, Patch.Source2);
  for (let i = y; i < y + 4; i++) {
    for (let j = x; j < x + 4; j++) {
      const inside = <u32>i < <u32>height && <u32>j < <u32>width;
      target = inside ? copy(s + <usize>(i * width + j) * pixel, target, count) : zeros(target, count);
    }
  }
}

/**
 * V of `count` channels, from `channel` on, of the box's tiles. A tile's values lie `tile` bytes after those of the one
 * before. `patch` is scratch of 16 · count floats.
 */
export function transformBox(
  p: usize,
  channel: i32,
  count: i32,
  patch: usize,
  to: usize,
  step: usize,
  tile: usize,
  group: usize,
): void {
  const pixel = (<usize>word(p, Patch.Pixel)) << 2;
  const height = word(p, Patch.Source1);
  const width = word(p, Patch.Source2);
  const line = <usize>width * pixel;
  for (let l = line0; l < line1; l++) {
    const n = l / lines;
    const y = (l - n * lines) * 2 + word(p, Patch.Low1);
    const s = address(p, Gemm.A) + <usize>(n * height) * line + ((<usize>channel) << 2);
    const whole = y >= 0 && y + 4 <= height;
    for (let column = column0; column < column1; column++, to += tile) {
      const x = column * 2 + word(p, Patch.Low2);
      if (whole && x >= 0 && x + 4 <= width) {
        transformTile(s + <usize>y * line + <usize>x * pixel, line, pixel, count, to, step, group);
      } else {
        copyPatch(s, p, y, x, count, patch);
        transformTile(patch, (<usize>count) << 4, (<usize>count) << 2, count, to, step, group);
      }
    }
  }
}

/** The four values of G that a, b, c of a filter become. */
// @ts-ignore: decorator
@inline
function timesG(a: v128, b: v128, c: v128, to: usize, step: usize): void {
  const half = f32x4.splat(0.5);
  const outer = f32x4.mul(f32x4.add(a, c), half);
  const inner = f32x4.mul(b, half);
  v128.store(to, a);
  v128.store(to + step, f32x4.add(outer, inner));
  v128.store(to + step * 2, f32x4.sub(outer, inner));
  v128.store(to + step * 3, c);
}

/**
 * U, 16 times the filter in panels [channels + 1][8]. What a panel begins with is what the sums begin with: zeros, but in
 * element 5, which every position takes once, the bias. `taps` is scratch for the nine taps in panels.
 */
export function transformFilter(p: usize, taps: usize, u: usize): void {
  const K = word(p, Patch.Channels);
  const N = word(p, Gemm.N);
  const stride = address(p, Gemm.BStride) << 2;
  const panel = (<usize>K) << 5;
  const panels = parts(N, GEMM_PANEL);
  const tap = panel * panels;
  for (let t = 0; t < 9; t++) {
    // backwards where the source is read backwards
    const at = word(p, Patch.Step2) < 0 ? 8 - t : t;
    const from = address(p, Gemm.B) + ((<usize>(at * word(p, Patch.TapB))) << 2);
    if (word(p, Gemm.Flags) & GemmFlag.TransposedB) turnPanels(from, stride, N, K, taps + tap * t, panel);
    else packPanels(from, stride, N, K, taps + tap * t, panel);
  }
  const step = (panel + 32) * panels;
  const half = f32x4.splat(0.5);
  const bias = address(p, Gemm.Bias);
  for (let j = 0; j < panels; j++) {
    for (let i: usize = 0; i < 16; i++) zeros(u + step * i, GEMM_PANEL);
    if (bias) copy(bias + ((<usize>j) << 5), u + step * 5, min<i32>(GEMM_PANEL, N - j * GEMM_PANEL));
    u += 32;
    const end = taps + panel;
    for (; taps != end; taps += 16, u += 16) {
      // three lines of taps become four
      const a0 = v128.load(taps), b0 = v128.load(taps + tap), c0 = v128.load(taps + tap * 2);
      const a1 = v128.load(taps + tap * 3), b1 = v128.load(taps + tap * 4), c1 = v128.load(taps + tap * 5);
      const a2 = v128.load(taps + tap * 6), b2 = v128.load(taps + tap * 7), c2 = v128.load(taps + tap * 8);
      timesG(a0, b0, c0, u, step);
      timesG(a2, b2, c2, u + step * 12, step);
      let outerA = f32x4.mul(f32x4.add(a0, a2), half), innerA = f32x4.mul(a1, half);
      let outerB = f32x4.mul(f32x4.add(b0, b2), half), innerB = f32x4.mul(b1, half);
      let outerC = f32x4.mul(f32x4.add(c0, c2), half), innerC = f32x4.mul(c1, half);
      timesG(
        f32x4.add(outerA, innerA),
        f32x4.add(outerB, innerB),
        f32x4.add(outerC, innerC),
        u + step * 4,
        step,
      );
      timesG(
        f32x4.sub(outerA, innerA),
        f32x4.sub(outerB, innerB),
        f32x4.sub(outerC, innerC),
        u + step * 8,
        step,
      );
    }
  }
}

/** Positions of the box's tiles, 2 x 2 each, from 16 products `step` bytes apart; rows of `stride` bytes. */
export function transformOutput(p: usize, m: usize, step: usize, stride: usize): void {
  const N = word(p, Gemm.N);
  const height = word(p, Patch.Grid1);
  const width = word(p, Patch.Grid2);
  const pixel = address(p, Gemm.CStride) << 2;
  const below = <usize>width * pixel;
  for (let l = line0; l < line1; l++) {
    const n = l / lines;
    const y = (l - n * lines) * 2;
    const lower = y + 1 < height;
    const start = address(p, Gemm.C) + <usize>((n * height + y) * width) * pixel;
    for (let column = column0; column < column1; column++, m += stride) {
      const right = column * 2 + 1 < width;
      let c = start + (<usize>column * 2) * pixel;
      let s = m;
      for (let i = N; i > 0; i -= 4, s += 16, c += 16) {
        const s1 = s + step * 4;
        const s2 = s1 + step * 4;
        const s3 = s2 + step * 4;
        // Aᵀ times each column
        let x1 = v128.load(s1), x2 = v128.load(s2);
        let y0 = f32x4.add(f32x4.add(v128.load(s), x1), x2);
        let y1 = f32x4.add(f32x4.sub(x1, x2), v128.load(s3));
        let upperLeft = y0, lowerLeft = y1;

        x1 = v128.load(s1 + step);
        x2 = v128.load(s2 + step);
        y0 = f32x4.add(f32x4.add(v128.load(s + step), x1), x2);
        y1 = f32x4.add(f32x4.sub(x1, x2), v128.load(s3 + step));
        upperLeft = f32x4.add(upperLeft, y0);
        lowerLeft = f32x4.add(lowerLeft, y1);
        let upperRight = y0, lowerRight = y1;

        x1 = v128.load(s1 + step * 2);
        x2 = v128.load(s2 + step * 2);
        y0 = f32x4.add(f32x4.add(v128.load(s + step * 2), x1), x2);
        y1 = f32x4.add(f32x4.sub(x1, x2), v128.load(s3 + step * 2));
        v128.store(c, f32x4.add(upperLeft, y0));
        if (lower) v128.store(c + below, f32x4.add(lowerLeft, y1));
        if (!right) continue;
        upperRight = f32x4.sub(upperRight, y0);
        lowerRight = f32x4.sub(lowerRight, y1);

        x1 = v128.load(s1 + step * 3);
        x2 = v128.load(s2 + step * 3);
        y0 = f32x4.add(f32x4.add(v128.load(s + step * 3), x1), x2);
        v128.store(c + pixel, f32x4.add(upperRight, y0));
        if (!lower) continue;
        y1 = f32x4.add(f32x4.sub(x1, x2), v128.load(s3 + step * 3));
        v128.store(c + below + pixel, f32x4.add(lowerRight, y1));
      }
    }
  }
}

/** The epilogue of the box's positions. */
export function finish(p: usize): void {
  const height = word(p, Patch.Grid1);
  const width = word(p, Patch.Grid2);
  const from = column0 * 2;
  const length = min<i32>(width, column1 * 2) - from;
  for (let l = line0; l < line1; l++) {
    const n = l / lines;
    const y = (l - n * lines) * 2;
    const row = (n * height + y) * width + from;
    epilogue(p, row, length, 0, word(p, Gemm.N));
    if (y + 1 < height) epilogue(p, row + width, length, 0, word(p, Gemm.N));
  }
}

/** A times dy of the box's tiles, in panels [tiles][8]; positions outside the grid are zero. */
export function transformGradient(p: usize, tiles: i32, to: usize, step: usize): void {
  const N = word(p, Gemm.N);
  const height = word(p, Patch.Grid1);
  const width = word(p, Patch.Grid2);
  const pixel = address(p, Gemm.BStride) << 2;
  const below = <usize>width * pixel;
  const panel = (<usize>tiles) << 5;
  const none = f32x4.splat(0);
  for (let l = line0; l < line1; l++) {
    const n = l / lines;
    const y = (l - n * lines) * 2;
    const lower = y + 1 < height;
    const start = address(p, Gemm.B) + <usize>((n * height + y) * width) * pixel;
    for (let column = column0; column < column1; column++, to += 32) {
      const right = column * 2 + 1 < width;
      let s = start + (<usize>column * 2) * pixel;
      let d = to;
      for (let i = 0; i < N; i += 4, s += 16) {
        const a = v128.load(s);
        const b = right ? v128.load(s + pixel) : none;
        const c = lower ? v128.load(s + below) : none;
        const e = right && lower ? v128.load(s + below + pixel) : none;
        timesA(a, b, d, step);
        timesA(f32x4.add(a, c), f32x4.add(b, e), d + step * 4, step);
        timesA(f32x4.sub(a, c), f32x4.sub(b, e), d + step * 8, step);
        timesA(c, e, d + step * 12, step);
        d += i & 4 ? panel - 16 : 16;
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function timesA(a: v128, b: v128, to: usize, step: usize): void {
  v128.store(to, a);
  v128.store(to + step, f32x4.add(a, b));
  v128.store(to + step * 2, f32x4.sub(a, b));
  v128.store(to + step * 3, b);
}

/** dg = Gᵀ dU G, of `count` channels from `channel` on. */
export function transformSums(p: usize, channel: i32, count: i32, u: usize, step: usize, stride: usize): void {
  const N = word(p, Gemm.N);
  const row = address(p, Gemm.CStride) << 2;
  const tap = <usize>word(p, Patch.Channels) * row;
  for (let k = channel; k < channel + count; k++, u += stride) {
    let s = u;
    let c = address(p, Gemm.C) + <usize>k * row;
    for (let i = N; i > 0; i -= 4, s += 16, c += 16) {
      for (let j: usize = 0; j < 3; j++) {
        // column j of G, down the four rows of dU
        const a = timesColumn(s, step, j);
        const b = timesColumn(s + step * 4, step, j);
        const d = timesColumn(s + step * 8, step, j);
        const e = timesColumn(s + step * 12, step, j);
        const half = f32x4.splat(0.5);
        const sum = f32x4.mul(f32x4.add(b, d), half);
        v128.store(c + tap * j, f32x4.add(a, sum));
        v128.store(c + tap * (j + 3), f32x4.mul(f32x4.sub(b, d), half));
        v128.store(c + tap * (j + 6), f32x4.add(sum, e));
      }
    }
  }
}

function timesColumn(s: usize, step: usize, j: usize): v128 {
  const half = f32x4.splat(0.5);
  const b = v128.load(s + step);
  const c = v128.load(s + step * 2);
  if (j == 1) return f32x4.mul(f32x4.sub(b, c), half);
  return f32x4.add(v128.load(j ? s + step * 3 : s), f32x4.mul(f32x4.add(b, c), half));
}
