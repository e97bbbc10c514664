import { address, word } from '../fields';
import { madd, nmadd } from '../simd';
import { GEMM_PANEL, Gemm, GemmFlag } from '../tape/dense';
import { MINIMAL_ELEMENTS, MINIMAL_SIDE, MINIMAL_TILE, Patch } from '../tape/spatial';
import { epilogue } from './gemm';
import { parts, zeros } from './lines';
import { packPanels, turnPanels } from './pack';

/*
 * The transformations of minimal filtering, F(4 x 4, 3 x 3) (Winograd 1980; Lavin & Gray 2016, section 4.1): 36
 * multiplications instead of 144 for 4 x 4 positions y, from the 6 x 6 pixels d that they read:
 *
 *   y = Aᵀ (U ⊙ V) A,   U = G g Gᵀ,   V = Bᵀ d B
 *
 * from the points 0, ±a, ±b and infinity, with a = sqrt(1/2) and b = sqrt(2): their errors are a third of those of the points
 * 1 and 2, twice those of the sums of the definition.
 *
 *        1   0   -5/2   0    1   0          1     0     0
 *        0  -2a  -2     a    1   0        -2/3 -2a/3  -1/3          1   1    1    1    1    0
 *   Bᵀ = 0   2a  -2    -a    1   0    G = -2/3  2a/3  -1/3     Aᵀ = 0   a   -a    b   -b    0
 *        0  -a   -1/2   b    1   0         1/6   b/6   1/3          0  1/2  1/2   2    2    0
 *        0   a   -1/2  -b    1   0         1/6  -b/6   1/3          0  a/2 -a/2  2b  -2b    1
 *        0   1    0   -5/2   0   1          0     0     1
 *
 * The gradient of the filter turns that around: dU = V ⊙ (A dy Aᵀ), dg = Gᵀ dU G. Four channels are taken at a time; the
 * 36 elements of a tile lie `step` bytes apart. They are computed by boxes: several lines of tiles, or a part of one.
 */

const TILE: i32 = MINIMAL_TILE;

/** In memory, because V8 builds a constant anew in each turn of a loop. Each rounded once. */
const FACTORS = memory.data<f32>([
  0.5,
  2,
  2.5,
  0.7071067811865476,
  1.4142135623730951,
  -0.6666666666666666,
  -0.4714045207910317,
  0.16666666666666666,
  0.2357022603955158,
  0.3333333333333333,
]);
const HALF: usize = 0;
const TWO: usize = 4;
const FIVE_HALVES: usize = 8;
const A: usize = 12;
const B: usize = 16;
/** -2/3, -2a/3, 1/6, b/6, 1/3. */
const G1: usize = 20;
const G1A: usize = 24;
const G2: usize = 28;
const G2B: usize = 32;
const THIRD: usize = 36;

// @ts-ignore: decorator
@inline
function the(factor: usize): v128 {
  return v128.load32_splat(FACTORS + factor);
}

// The grid in tiles, and the box: lines of tiles, counted through all images, and columns. Globals are each thread's own.
let lines: i32 = 0, columns: i32 = 0;
let line0: i32 = 0, line1: i32 = 0, column0: i32 = 0, column1: i32 = 0;

/** How many boxes there are. */
export function prepare(p: usize): i32 {
  lines = parts(word(p, Patch.Grid1), TILE);
  columns = parts(word(p, Patch.Grid2), TILE);
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

/** d0 … d5 times B, at six places `step` bytes apart. */
// @ts-ignore: decorator
@inline
function timesB(
  d0: v128,
  d1: v128,
  d2: v128,
  d3: v128,
  d4: v128,
  d5: v128,
  half: v128,
  two: v128,
  a: v128,
  to: usize,
  step: usize,
): void {
  const fiveHalves = the(FIVE_HALVES);
  v128.store(to, nmadd(d2, fiveHalves, f32x4.add(d0, d4)));
  v128.store(to + step * 5, nmadd(d3, fiveHalves, f32x4.add(d1, d5)));
  let even = nmadd(d2, two, d4);
  let odd = nmadd(d1, two, d3);
  v128.store(to + step, madd(odd, a, even));
  v128.store(to + step * 2, nmadd(odd, a, even));
  even = nmadd(d2, half, d4);
  odd = nmadd(d1, half, d3);
  v128.store(to + step * 3, madd(odd, the(B), even));
  v128.store(to + step * 4, nmadd(odd, the(B), even));
}

/** Six pixels below each other, of `count` channels, times B: six values of four channels, then of the next. */
function transformColumn(
  p0: usize,
  p1: usize,
  p2: usize,
  p3: usize,
  p4: usize,
  p5: usize,
  count: i32,
  to: usize,
): void {
  const half = the(HALF);
  const two = the(TWO);
  const a = the(A);
  const bytes = (<usize>count) << 2;
  for (let i: usize = 0; i != bytes; i += 16, to += 96) {
    timesB(
      v128.load(p0 + i),
      v128.load(p1 + i),
      v128.load(p2 + i),
      v128.load(p3 + i),
      v128.load(p4 + i),
      v128.load(p5 + i),
      half,
      two,
      a,
      to,
      16,
    );
  }
}

/** Six such columns times B: V of a tile, 36 values `step` bytes apart, four channels every `group` bytes. */
function transformLines(
  q0: usize,
  q1: usize,
  q2: usize,
  q3: usize,
  q4: usize,
  q5: usize,
  count: i32,
  to: usize,
  step: usize,
  group: usize,
): void {
  const half = the(HALF);
  const two = the(TWO);
  const a = the(A);
  let i: usize = 0;
  for (; count > 0; count -= 4, to += group) {
    let d = to;
    for (const end = i + 96; i != end; i += 16, d += step * 6) {
      timesB(
        v128.load(q0 + i),
        v128.load(q1 + i),
        v128.load(q2 + i),
        v128.load(q3 + i),
        v128.load(q4 + i),
        v128.load(q5 + i),
        half,
        two,
        a,
        d,
        step,
      );
    }
  }
}

/** Bytes of the scratch of transformBox, for `count` channels. */
// @ts-ignore: decorator
@inline
export function columnBytes(count: i32): usize {
  return (<usize>count) * (MINIMAL_ELEMENTS + 1) * 4;
}

/**
 * V of `count` channels, from `channel` on, of the box's tiles. A tile's values lie `tile` bytes after those of the one
 * before. Scratch holds the last six columns of pixels, of which the next tile takes over two, and a pixel of zeros.
 */
export function transformBox(
  p: usize,
  channel: i32,
  count: i32,
  scratch: usize,
  to: usize,
  step: usize,
  tile: usize,
  group: usize,
): void {
  const pixel = (<usize>word(p, Patch.Pixel)) << 2;
  const height = word(p, Patch.Source1);
  const width = word(p, Patch.Source2);
  const line = <usize>width * pixel;
  const size = (<usize>count) * (MINIMAL_SIDE * 4);
  const none = scratch + size * MINIMAL_SIDE;
  zeros(none, count);
  for (let l = line0; l < line1; l++) {
    const n = l / lines;
    const y = (l - n * lines) * TILE + word(p, Patch.Low1);
    const s = address(p, Gemm.A) + <usize>(n * height) * line + ((<usize>channel) << 2);
    let x = column0 * TILE + word(p, Patch.Low2);
    // the columns' places, in their order
    let q0 = scratch, q1 = q0 + size, q2 = q1 + size, q3 = q2 + size, q4 = q3 + size, q5 = q4 + size;
    columnAt(s, y, x, line, pixel, height, width, count, none, q0);
    columnAt(s, y, x + 1, line, pixel, height, width, count, none, q1);
    for (let column = column0; column < column1; column++, x += TILE, to += tile) {
      columnAt(s, y, x + 2, line, pixel, height, width, count, none, q2);
      columnAt(s, y, x + 3, line, pixel, height, width, count, none, q3);
      columnAt(s, y, x + 4, line, pixel, height, width, count, none, q4);
      columnAt(s, y, x + 5, line, pixel, height, width, count, none, q5);
      transformLines(q0, q1, q2, q3, q4, q5, count, to, step, group);
      const r0 = q0, r1 = q1;
      q0 = q4;
      q1 = q5;
      q4 = q2;
      q5 = q3;
      q2 = r0;
      q3 = r1;
    }
  }
}

/** Column x of the pixels from line y on, zeros outside of the image. */
function columnAt(
  s: usize,
  y: i32,
  x: i32,
  line: usize,
  pixel: usize,
  height: i32,
  width: i32,
  count: i32,
  none: usize,
  to: usize,
): void {
  if (<u32>x >= <u32>width) {
    zeros(to, count * MINIMAL_SIDE);
    return;
  }
  s += <usize>x * pixel + <usize>y * line;
  let p0 = s, p1 = p0 + line, p2 = p1 + line, p3 = p2 + line, p4 = p3 + line, p5 = p4 + line;
  if (y < 0 || y + MINIMAL_SIDE > height) {
    if (<u32>y >= <u32>height) p0 = none;
    if (<u32>(y + 1) >= <u32>height) p1 = none;
    if (<u32>(y + 2) >= <u32>height) p2 = none;
    if (<u32>(y + 3) >= <u32>height) p3 = none;
    if (<u32>(y + 4) >= <u32>height) p4 = none;
    if (<u32>(y + 5) >= <u32>height) p5 = none;
  }
  transformColumn(p0, p1, p2, p3, p4, p5, count, to);
}

/** The six values of G that three of a filter become. */
// @ts-ignore: decorator
@inline
function timesG(x: v128, y: v128, z: v128, to: usize, step: usize): void {
  let even = f32x4.mul(madd(z, the(HALF), x), the(G1));
  let odd = f32x4.mul(y, the(G1A));
  v128.store(to, x);
  v128.store(to + step, f32x4.add(even, odd));
  v128.store(to + step * 2, f32x4.sub(even, odd));
  even = f32x4.mul(madd(z, the(TWO), x), the(G2));
  odd = f32x4.mul(y, the(G2B));
  v128.store(to + step * 3, f32x4.add(even, odd));
  v128.store(to + step * 4, f32x4.sub(even, odd));
  v128.store(to + step * 5, z);
}

/**
 * U, 36 times the filter in panels [channels][8], `step` bytes apart. `taps` is scratch for the nine taps in panels, `three`
 * for three columns of six vectors.
 */
export function transformFilter(p: usize, three: usize, taps: usize, u: usize, step: usize): void {
  const K = word(p, Patch.Channels);
  const N = word(p, Gemm.N);
  const stride = address(p, Gemm.BStride) << 2;
  const panel = (<usize>K) << 5;
  const tap = panel * <usize>parts(N, GEMM_PANEL);
  for (let t = 0; t < 9; t++) {
    // backwards where the source is read backwards
    const at = word(p, Patch.Step2) < 0 ? 8 - t : t;
    const from = address(p, Gemm.B) + ((<usize>(at * word(p, Patch.TapB))) << 2);
    if (word(p, Gemm.Flags) & GemmFlag.TransposedB) turnPanels(from, stride, N, K, taps + tap * t, panel);
    else packPanels(from, stride, N, K, taps + tap * t, panel);
  }
  for (const end = taps + tap; taps != end; taps += 16, u += 16) {
    let s = taps;
    for (let i: usize = 0; i < 48; i += 16, s += tap) {
      timesG(v128.load(s), v128.load(s + tap * 3), v128.load(s + tap * 6), three + i, 48);
    }
    let d = u;
    for (let i: usize = 0; i < 288; i += 48, d += step * 6) {
      timesG(v128.load(three + i), v128.load(three + i, 16), v128.load(three + i, 32), d, step);
    }
  }
}

/** Aᵀ times six values `step` bytes apart, and `start`: y0 … y3, `toStep` bytes apart. */
// @ts-ignore: decorator
@inline
function timesTurnedA(
  s: usize,
  step: usize,
  half: v128,
  two: v128,
  a: v128,
  start: v128,
  add: bool,
  to: usize,
  toStep: usize,
): void {
  const s1 = v128.load(s + step), s2 = v128.load(s + step * 2);
  const s3 = v128.load(s + step * 3), s4 = v128.load(s + step * 4);
  const even = f32x4.add(s1, s2), wide = f32x4.add(s3, s4);
  const odd = f32x4.mul(f32x4.sub(s1, s2), a), far = f32x4.mul(f32x4.sub(s3, s4), the(B));
  const y0 = f32x4.add(f32x4.add(v128.load(s), even), wide);
  const y1 = f32x4.add(odd, far);
  const y2 = madd(wide, two, f32x4.mul(even, half));
  const y3 = madd(odd, half, madd(far, two, v128.load(s + step * 5)));
  v128.store(to, add ? f32x4.add(y0, start) : y0);
  v128.store(to + toStep, add ? f32x4.add(y1, start) : y1);
  v128.store(to + toStep * 2, add ? f32x4.add(y2, start) : y2);
  v128.store(to + toStep * 3, add ? f32x4.add(y3, start) : y3);
}

/**
 * Positions of the box's tiles, 4 x 4 each, from 36 products `step` bytes apart; rows of `stride` bytes. `work` is scratch
 * for 28 vectors.
 */
export function transformOutput(p: usize, work: usize, m: usize, step: usize, stride: usize): void {
  const N = word(p, Gemm.N);
  const height = word(p, Patch.Grid1);
  const width = word(p, Patch.Grid2);
  const pixel = address(p, Gemm.CStride) << 2;
  const line = <usize>width * pixel;
  const bias = address(p, Gemm.Bias);
  const half = the(HALF);
  const two = the(TWO);
  const a = the(A);
  const none = f32x4.splat(0);
  const edge = work + 384;
  for (let l = line0; l < line1; l++) {
    const n = l / lines;
    const y = (l - n * lines) * TILE;
    const down = min<i32>(TILE, height - y);
    const start = address(p, Gemm.C) + <usize>((n * height + y) * width) * pixel;
    for (let column = column0; column < column1; column++, m += stride) {
      const right = min<i32>(TILE, width - column * TILE);
      let c = start + <usize>(column * TILE) * pixel;
      for (let i: usize = 0; i < (<usize>N) << 2; i += 16, c += 16) {
        let s = m + i;
        for (let j: usize = 0; j < 96; j += 16, s += step) {
          timesTurnedA(s, step * 6, half, two, a, none, false, work + j, 96);
        }
        const b = bias ? v128.load(bias + i) : none;
        let w = work;
        let d = c;
        for (let r = down; r > 0; r--, w += 96, d += line) {
          if (right == TILE) {
            timesTurnedA(w, 16, half, two, a, b, true, d, pixel);
            continue;
          }
          timesTurnedA(w, 16, half, two, a, b, true, edge, 16);
          let e = edge;
          let f = d;
          for (let k = right; k > 0; k--, e += 16, f += pixel) v128.store(f, v128.load(e));
        }
      }
    }
  }
}

/** The epilogue of the box's positions. */
export function finish(p: usize): void {
  const height = word(p, Patch.Grid1);
  const width = word(p, Patch.Grid2);
  const from = column0 * TILE;
  const length = min<i32>(width, column1 * TILE) - from;
  for (let l = line0; l < line1; l++) {
    const n = l / lines;
    const y = (l - n * lines) * TILE;
    const row = (n * height + y) * width + from;
    for (let i = 0; i < min<i32>(TILE, height - y); i++) epilogue(p, row + i * width, length, 0, word(p, Gemm.N));
  }
}

/** A times y0 … y3, at six places `step` bytes apart. */
// @ts-ignore: decorator
@inline
function timesA(
  y0: v128,
  y1: v128,
  y2: v128,
  y3: v128,
  half: v128,
  two: v128,
  a: v128,
  to: usize,
  step: usize,
): void {
  v128.store(to, y0);
  v128.store(to + step * 5, y3);
  let even = madd(y2, half, y0);
  let odd = madd(y3, half, y1);
  v128.store(to + step, madd(odd, a, even));
  v128.store(to + step * 2, nmadd(odd, a, even));
  even = madd(y2, two, y0);
  odd = madd(y3, two, y1);
  v128.store(to + step * 3, madd(odd, the(B), even));
  v128.store(to + step * 4, nmadd(odd, the(B), even));
}

/**
 * A times dy of the box's tiles, in panels [tiles][8]; positions outside the grid are zero. `work` is scratch for 24 vectors.
 */
export function transformGradient(p: usize, work: usize, tiles: i32, to: usize, step: usize): void {
  const N = word(p, Gemm.N);
  const height = word(p, Patch.Grid1);
  const width = word(p, Patch.Grid2);
  const pixel = address(p, Gemm.BStride) << 2;
  const line = <usize>width * pixel;
  const panel = (<usize>tiles) << 5;
  const half = the(HALF);
  const two = the(TWO);
  const a = the(A);
  const none = f32x4.splat(0);
  for (let l = line0; l < line1; l++) {
    const n = l / lines;
    const y = (l - n * lines) * TILE;
    const down = height - y;
    const start = address(p, Gemm.B) + <usize>((n * height + y) * width) * pixel;
    for (let column = column0; column < column1; column++, to += 32) {
      const right = min<i32>(TILE, width - column * TILE);
      let s = start + <usize>(column * TILE) * pixel;
      let d = to;
      for (let i = 0; i < N; i += 4, s += 16) {
        let q = s;
        let w = work;
        for (let j = right; j > 0; j--, q += pixel, w += 16) {
          const y1 = down > 1 ? v128.load(q + line) : none;
          const y2 = down > 2 ? v128.load(q + line * 2) : none;
          const y3 = down > 3 ? v128.load(q + line * 3) : none;
          timesA(v128.load(q), y1, y2, y3, half, two, a, w, 64);
        }
        let e = d;
        for (w = work; w != work + 384; w += 64, e += step * 6) {
          const y1 = right > 1 ? v128.load(w, 16) : none;
          const y2 = right > 2 ? v128.load(w, 32) : none;
          const y3 = right > 3 ? v128.load(w, 48) : none;
          timesA(v128.load(w), y1, y2, y3, half, two, a, e, step);
        }
        d += i & 4 ? panel - 16 : 16;
      }
    }
  }
}

/** Gᵀ times six values, `step` bytes apart: three, `toStep` bytes apart. */
// @ts-ignore: decorator
@inline
function timesTurnedG(s: usize, step: usize, to: usize, toStep: usize): void {
  const s1 = v128.load(s + step), s2 = v128.load(s + step * 2);
  const s3 = v128.load(s + step * 3), s4 = v128.load(s + step * 4);
  const even = f32x4.add(s1, s2), wide = f32x4.add(s3, s4);
  v128.store(to, madd(wide, the(G2), madd(even, the(G1), v128.load(s))));
  v128.store(to + toStep, madd(f32x4.sub(s3, s4), the(G2B), f32x4.mul(f32x4.sub(s1, s2), the(G1A))));
  v128.store(to + toStep * 2, madd(f32x4.sub(wide, even), the(THIRD), v128.load(s + step * 5)));
}

/** dg = Gᵀ dU G, of `count` channels from `channel` on. `work` is scratch for 18 vectors. */
export function transformSums(
  p: usize,
  work: usize,
  channel: i32,
  count: i32,
  u: usize,
  step: usize,
  stride: usize,
): void {
  const N = word(p, Gemm.N);
  const row = address(p, Gemm.CStride) << 2;
  const tap = <usize>word(p, Patch.Channels) * row;
  for (let k = channel; k < channel + count; k++, u += stride) {
    let c = address(p, Gemm.C) + <usize>k * row;
    for (let i: usize = 0; i < (<usize>N) << 2; i += 16, c += 16) {
      let s = u + i;
      for (let j: usize = 0; j < 96; j += 16, s += step) timesTurnedG(s, step * 6, work + j, 96);
      for (let t: usize = 0; t < 3; t++) timesTurnedG(work + t * 96, 16, c + tap * 3 * t, tap);
    }
  }
}
