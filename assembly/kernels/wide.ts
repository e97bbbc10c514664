import { WIDE } from '../tape';
import { madd } from '../simd';
import { GEMM_PANEL } from '../tape/dense';
import { minimalTiles8 } from './minimal-tiles';
import { directTiles8, tiles8 } from './tiles';

/*
 * Tiles of 16 columns, for engines that join neighbouring vectors of 128 bits to one of 256: V8 since Node 24 with
 * --experimental-wasm-revectorize, on x64 with AVX2. There the tile of 4 x 8 has four sums of 256 bits, too few for a
 * multiply-add that takes four cycles and is begun twice in each; 4 x 16 has eight. A step of wide-mlp takes 5.9 ms instead
 * of 9.7 (`npm run bench`, Node 24, with --revectorize and without). Where vectors are not joined, 16 sums do not fit the
 * registers. Each sum has the same order in both, so the bits are the same.
 *
 * It is an experiment of V8's: where it meets something that it cannot join it may end the process. In Node 24 that is the
 * splat of a variable, multiplied and stored beside its neighbour; in Node 26 also an argument, a global or the result of a
 * call. None is left here: npm run test:wide compiles and runs all kernels with the flag in both.
 */

/** Whether tiles are 16 columns wide: JavaScript says so before it runs anything (src/runtime/engine.ts). */
// @ts-ignore: decorator
@inline
export function wide(): bool {
  return load<u32>(WIDE) != 0;
}

/** `panels` panels of B, `panel` bytes apart, and as many of C, `cPanel` apart: 32 in a row-major C. Else as tiles8. */
export function tiles(
  a: usize,
  b: usize,
  panel: usize,
  c: usize,
  cPanel: usize,
  cStride: usize,
  groups: i32,
  k: i32,
  start: usize,
  startStride: usize,
  panels: i32,
): void {
  let next: usize = 0;
  if (start) next = cPanel;
  if (wide()) {
    for (; panels >= 2; panels -= 2, b += panel << 1, c += cPanel << 1, start += next << 1) {
      tiles16(a, b, panel, c, cPanel, cStride, groups, k, start, startStride);
    }
  }
  for (; panels > 0; panels--, b += panel, c += cPanel, start += next) {
    tiles8(a, b, c, cStride, groups, k, start, startStride);
  }
}

/** `panels` panels of B, `panel` bytes apart, and of a row-major C. Else as directTiles8. */
export function directTiles(
  rows: usize,
  a: usize,
  c: usize,
  groups: i32,
  runs: usize,
  count: i32,
  length: i32,
  b: usize,
  panel: usize,
  panels: i32,
): void {
  if (wide()) {
    for (; panels >= 2; panels -= 2, b += panel << 1, c += GEMM_PANEL * 8) {
      directTiles16(rows, a, c, groups, runs, count, length, b, panel);
    }
  }
  for (; panels > 0; panels--, b += panel, c += GEMM_PANEL * 4) {
    directTiles8(rows, a, c, groups, runs, count, length, b);
  }
}

/** Panels [k][8] of B that lie one after the other, and of a row-major C. Else as minimalTiles8. */
export function minimalTiles(a: usize, b: usize, c: usize, cStride: usize, groups: i32, k: i32, panels: i32): void {
  const panel = <usize>k << 5;
  if (wide()) {
    for (; panels >= 2; panels -= 2, b += panel << 1, c += GEMM_PANEL * 8) minimalTiles16(a, b, c, cStride, groups, k);
  }
  for (; panels > 0; panels--, b += panel, c += GEMM_PANEL * 4) minimalTiles8(a, b, c, cStride, groups, k);
}

function tiles16(
  a: usize,
  b: usize,
  panel: usize,
  c: usize,
  cPanel: usize,
  cStride: usize,
  groups: i32,
  k: i32,
  start: usize,
  startStride: usize,
): void {
  const end = b + (<usize>k << 5);
  for (; groups > 0; groups--) {
    let p = b;
    let q = b + panel;
    let c00 = f32x4.splat(0), c01 = f32x4.splat(0), c02 = f32x4.splat(0), c03 = f32x4.splat(0);
    let c10 = f32x4.splat(0), c11 = f32x4.splat(0), c12 = f32x4.splat(0), c13 = f32x4.splat(0);
    let c20 = f32x4.splat(0), c21 = f32x4.splat(0), c22 = f32x4.splat(0), c23 = f32x4.splat(0);
    let c30 = f32x4.splat(0), c31 = f32x4.splat(0), c32 = f32x4.splat(0), c33 = f32x4.splat(0);
    if (start) {
      let s = start;
      c00 = v128.load(s);
      c01 = v128.load(s, 16);
      c02 = v128.load(s + cPanel);
      c03 = v128.load(s + cPanel, 16);
      s += startStride;
      c10 = v128.load(s);
      c11 = v128.load(s, 16);
      c12 = v128.load(s + cPanel);
      c13 = v128.load(s + cPanel, 16);
      s += startStride;
      c20 = v128.load(s);
      c21 = v128.load(s, 16);
      c22 = v128.load(s + cPanel);
      c23 = v128.load(s + cPanel, 16);
      s += startStride;
      c30 = v128.load(s);
      c31 = v128.load(s, 16);
      c32 = v128.load(s + cPanel);
      c33 = v128.load(s + cPanel, 16);
      start += startStride << 2;
    }
    do {
      const b0 = v128.load(p);
      const b1 = v128.load(p, 16);
      const b2 = v128.load(q);
      const b3 = v128.load(q, 16);
      let x = v128.load32_splat(a);
      c00 = madd(x, b0, c00);
      c01 = madd(x, b1, c01);
      c02 = madd(x, b2, c02);
      c03 = madd(x, b3, c03);
      x = v128.load32_splat(a, 4);
      c10 = madd(x, b0, c10);
      c11 = madd(x, b1, c11);
      c12 = madd(x, b2, c12);
      c13 = madd(x, b3, c13);
      x = v128.load32_splat(a, 8);
      c20 = madd(x, b0, c20);
      c21 = madd(x, b1, c21);
      c22 = madd(x, b2, c22);
      c23 = madd(x, b3, c23);
      x = v128.load32_splat(a, 12);
      c30 = madd(x, b0, c30);
      c31 = madd(x, b1, c31);
      c32 = madd(x, b2, c32);
      c33 = madd(x, b3, c33);
      a += 16;
      p += 32;
      q += 32;
    } while (p != end);
    store16(c, c + cPanel, c00, c01, c02, c03);
    c += cStride;
    store16(c, c + cPanel, c10, c11, c12, c13);
    c += cStride;
    store16(c, c + cPanel, c20, c21, c22, c23);
    c += cStride;
    store16(c, c + cPanel, c30, c31, c32, c33);
    c += cStride;
  }
}

// @ts-ignore: decorator
@inline
function store16(c: usize, d: usize, x0: v128, x1: v128, x2: v128, x3: v128): void {
  v128.store(c, x0);
  v128.store(c, x1, 16);
  v128.store(d, x2);
  v128.store(d, x3, 16);
}

function minimalTiles16(a: usize, b: usize, c: usize, cStride: usize, groups: i32, k: i32): void {
  const step = (<usize>k) << 2;
  const end = b + ((<usize>k) << 5);
  for (; groups > 0; groups--, a += step << 2) {
    let a0 = a, a1 = a0 + step, a2 = a1 + step, a3 = a2 + step;
    let p = b;
    let q = end;
    let c00 = f32x4.splat(0), c01 = f32x4.splat(0), c02 = f32x4.splat(0), c03 = f32x4.splat(0);
    let c10 = f32x4.splat(0), c11 = f32x4.splat(0), c12 = f32x4.splat(0), c13 = f32x4.splat(0);
    let c20 = f32x4.splat(0), c21 = f32x4.splat(0), c22 = f32x4.splat(0), c23 = f32x4.splat(0);
    let c30 = f32x4.splat(0), c31 = f32x4.splat(0), c32 = f32x4.splat(0), c33 = f32x4.splat(0);
    do {
      const b0 = v128.load(p);
      const b1 = v128.load(p, 16);
      const b2 = v128.load(q);
      const b3 = v128.load(q, 16);
      let x = v128.load32_splat(a0);
      c00 = madd(x, b0, c00);
      c01 = madd(x, b1, c01);
      c02 = madd(x, b2, c02);
      c03 = madd(x, b3, c03);
      a0 += 4;
      x = v128.load32_splat(a1);
      c10 = madd(x, b0, c10);
      c11 = madd(x, b1, c11);
      c12 = madd(x, b2, c12);
      c13 = madd(x, b3, c13);
      a1 += 4;
      x = v128.load32_splat(a2);
      c20 = madd(x, b0, c20);
      c21 = madd(x, b1, c21);
      c22 = madd(x, b2, c22);
      c23 = madd(x, b3, c23);
      a2 += 4;
      x = v128.load32_splat(a3);
      c30 = madd(x, b0, c30);
      c31 = madd(x, b1, c31);
      c32 = madd(x, b2, c32);
      c33 = madd(x, b3, c33);
      a3 += 4;
      p += 32;
      q += 32;
    } while (p != end);
    store16(c, c + 32, c00, c01, c02, c03);
    c += cStride;
    store16(c, c + 32, c10, c11, c12, c13);
    c += cStride;
    store16(c, c + 32, c20, c21, c22, c23);
    c += cStride;
    store16(c, c + 32, c30, c31, c32, c33);
    c += cStride;
  }
}

function directTiles16(
  rows: usize,
  a: usize,
  c: usize,
  groups: i32,
  runs: usize,
  count: i32,
  length: i32,
  b: usize,
  panel: usize,
): void {
  const bytes = <usize>length << 5;
  const runEnd = runs + (<usize>count << 2);
  for (; groups > 0; groups--, rows += 32) {
    let p = b;
    let q = b + panel;
    let c00 = v128.load(p), c01 = v128.load(p, 16), c02 = v128.load(q), c03 = v128.load(q, 16);
    let c10 = c00, c11 = c01, c12 = c02, c13 = c03;
    let c20 = c00, c21 = c01, c22 = c02, c23 = c03;
    let c30 = c00, c31 = c01, c32 = c02, c33 = c03;
    p += 32;
    q += 32;
    let run = runs;
    do {
      const offset = a + load<u32>(run);
      let a0 = offset + load<u32>(rows, 0);
      let a1 = offset + load<u32>(rows, 8);
      let a2 = offset + load<u32>(rows, 16);
      let a3 = offset + load<u32>(rows, 24);
      const end = p + bytes;
      do {
        const b0 = v128.load(p);
        const b1 = v128.load(p, 16);
        const b2 = v128.load(q);
        const b3 = v128.load(q, 16);
        let x = v128.load32_splat(a0);
        c00 = madd(x, b0, c00);
        c01 = madd(x, b1, c01);
        c02 = madd(x, b2, c02);
        c03 = madd(x, b3, c03);
        a0 += 4;
        x = v128.load32_splat(a1);
        c10 = madd(x, b0, c10);
        c11 = madd(x, b1, c11);
        c12 = madd(x, b2, c12);
        c13 = madd(x, b3, c13);
        a1 += 4;
        x = v128.load32_splat(a2);
        c20 = madd(x, b0, c20);
        c21 = madd(x, b1, c21);
        c22 = madd(x, b2, c22);
        c23 = madd(x, b3, c23);
        a2 += 4;
        x = v128.load32_splat(a3);
        c30 = madd(x, b0, c30);
        c31 = madd(x, b1, c31);
        c32 = madd(x, b2, c32);
        c33 = madd(x, b3, c33);
        a3 += 4;
        p += 32;
        q += 32;
      } while (p != end);
      run += 4;
    } while (run != runEnd);
    store16(c + load<u32>(rows, 4), c + load<u32>(rows, 4) + 32, c00, c01, c02, c03);
    store16(c + load<u32>(rows, 12), c + load<u32>(rows, 12) + 32, c10, c11, c12, c13);
    store16(c + load<u32>(rows, 20), c + load<u32>(rows, 20) + 32, c20, c21, c22, c23);
    store16(c + load<u32>(rows, 28), c + load<u32>(rows, 28) + 32, c30, c31, c32, c33);
  }
}
