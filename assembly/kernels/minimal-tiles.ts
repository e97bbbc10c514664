import { madd } from '../simd';

/*
 * The innermost loops of minimal filtering: tiles of 4 rows x 8 columns of C = A · B, `groups` of them below each other, of
 * few k, a multiple of 4. Rows of A [4 · groups, k] lie one after the other, B is a panel [k][8]; each sum begins with 0 and
 * runs over k in order. Without tables of rows and runs (directTiles8 in tiles.ts, where it says how V8 has to be talked to)
 * the convolutions of 16 channels take 0.88 of the time in Node 20 and 0.96 in Node 24. Four steps in a turn of the fused
 * loop take 1.2 times as long there: V8 loads all of them first.
 */
export function minimalTiles8(a: usize, b: usize, c: usize, cStride: usize, groups: i32, k: i32): void {
  if (ASC_FEATURE_RELAXED_SIMD) plainTiles(a, b, c, cStride, groups, k);
  else steppedTiles(a, b, c, cStride, groups, k);
}

// @ts-ignore: decorator
@inline
function store8(c: usize, left: v128, right: v128): void {
  v128.store(c, left);
  v128.store(c, right, 16);
}

function steppedTiles(a: usize, b: usize, c: usize, cStride: usize, groups: i32, k: i32): void {
  const s = (<usize>k) << 2;
  const end = b + ((<usize>k) << 5);
  // the first turn begins in the middle where k is no multiple of 8
  const first = -k & 7;
  b -= (<usize>first) << 5;
  a -= (<usize>first) << 2;
  for (; groups > 0; groups--, a += s << 2) {
    let b0: v128, b1: v128, x: v128;
    let c00 = f32x4.splat(0);
    let c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
    let a0 = a, a1 = a0 + s, a2 = a1 + s, a3 = a2 + s;
    let p = b;
    let skip = first;
    do {
      if (skip < 1) {
        b0 = v128.load(p, 0);
        b1 = v128.load(p, 16);
        x = v128.load32_splat(a3, 0);
        c31 = madd(x, b1, c31);
        c30 = madd(x, b0, c30);
        x = v128.load32_splat(a2, 0);
        c21 = madd(x, b1, c21);
        c20 = madd(x, b0, c20);
        x = v128.load32_splat(a1, 0);
        c11 = madd(x, b1, c11);
        c10 = madd(x, b0, c10);
        x = v128.load32_splat(a0, 0);
        c01 = madd(x, b1, c01);
        c00 = madd(x, b0, c00);
      }
      if (skip < 2) {
        b0 = v128.load(p, 32);
        b1 = v128.load(p, 48);
        x = v128.load32_splat(a3, 4);
        c31 = madd(x, b1, c31);
        c30 = madd(x, b0, c30);
        x = v128.load32_splat(a2, 4);
        c21 = madd(x, b1, c21);
        c20 = madd(x, b0, c20);
        x = v128.load32_splat(a1, 4);
        c11 = madd(x, b1, c11);
        c10 = madd(x, b0, c10);
        x = v128.load32_splat(a0, 4);
        c01 = madd(x, b1, c01);
        c00 = madd(x, b0, c00);
      }
      if (skip < 3) {
        b0 = v128.load(p, 64);
        b1 = v128.load(p, 80);
        x = v128.load32_splat(a3, 8);
        c31 = madd(x, b1, c31);
        c30 = madd(x, b0, c30);
        x = v128.load32_splat(a2, 8);
        c21 = madd(x, b1, c21);
        c20 = madd(x, b0, c20);
        x = v128.load32_splat(a1, 8);
        c11 = madd(x, b1, c11);
        c10 = madd(x, b0, c10);
        x = v128.load32_splat(a0, 8);
        c01 = madd(x, b1, c01);
        c00 = madd(x, b0, c00);
      }
      if (skip < 4) {
        b0 = v128.load(p, 96);
        b1 = v128.load(p, 112);
        x = v128.load32_splat(a3, 12);
        c31 = madd(x, b1, c31);
        c30 = madd(x, b0, c30);
        x = v128.load32_splat(a2, 12);
        c21 = madd(x, b1, c21);
        c20 = madd(x, b0, c20);
        x = v128.load32_splat(a1, 12);
        c11 = madd(x, b1, c11);
        c10 = madd(x, b0, c10);
        x = v128.load32_splat(a0, 12);
        c01 = madd(x, b1, c01);
        c00 = madd(x, b0, c00);
      }
      if (skip < 5) {
        b0 = v128.load(p, 128);
        b1 = v128.load(p, 144);
        x = v128.load32_splat(a3, 16);
        c31 = madd(x, b1, c31);
        c30 = madd(x, b0, c30);
        x = v128.load32_splat(a2, 16);
        c21 = madd(x, b1, c21);
        c20 = madd(x, b0, c20);
        x = v128.load32_splat(a1, 16);
        c11 = madd(x, b1, c11);
        c10 = madd(x, b0, c10);
        x = v128.load32_splat(a0, 16);
        c01 = madd(x, b1, c01);
        c00 = madd(x, b0, c00);
      }
      if (skip < 6) {
        b0 = v128.load(p, 160);
        b1 = v128.load(p, 176);
        x = v128.load32_splat(a3, 20);
        c31 = madd(x, b1, c31);
        c30 = madd(x, b0, c30);
        x = v128.load32_splat(a2, 20);
        c21 = madd(x, b1, c21);
        c20 = madd(x, b0, c20);
        x = v128.load32_splat(a1, 20);
        c11 = madd(x, b1, c11);
        c10 = madd(x, b0, c10);
        x = v128.load32_splat(a0, 20);
        c01 = madd(x, b1, c01);
        c00 = madd(x, b0, c00);
      }
      if (skip < 7) {
        b0 = v128.load(p, 192);
        b1 = v128.load(p, 208);
        x = v128.load32_splat(a3, 24);
        c31 = madd(x, b1, c31);
        c30 = madd(x, b0, c30);
        x = v128.load32_splat(a2, 24);
        c21 = madd(x, b1, c21);
        c20 = madd(x, b0, c20);
        x = v128.load32_splat(a1, 24);
        c11 = madd(x, b1, c11);
        c10 = madd(x, b0, c10);
        x = v128.load32_splat(a0, 24);
        c01 = madd(x, b1, c01);
        c00 = madd(x, b0, c00);
      }
      if (skip < 8) {
        b0 = v128.load(p, 224);
        b1 = v128.load(p, 240);
        x = v128.load32_splat(a0, 28);
        c00 = madd(x, b0, c00);
        c01 = madd(x, b1, c01);
        x = v128.load32_splat(a1, 28);
        c10 = madd(x, b0, c10);
        c11 = madd(x, b1, c11);
        x = v128.load32_splat(a2, 28);
        c20 = madd(x, b0, c20);
        c21 = madd(x, b1, c21);
        x = v128.load32_splat(a3, 28);
        c30 = madd(x, b0, c30);
        c31 = madd(x, b1, c31);
      }
      a0 += 32;
      a1 += 32;
      a2 += 32;
      a3 += 32;
      p += 256;
      skip = 0;
    } while (p != end);
    store8(c, c00, c01);
    c += cStride;
    store8(c, c10, c11);
    c += cStride;
    store8(c, c20, c21);
    c += cStride;
    store8(c, c30, c31);
    c += cStride;
  }
}

function plainTiles(a: usize, b: usize, c: usize, cStride: usize, groups: i32, k: i32): void {
  const s = (<usize>k) << 2;
  const end = b + ((<usize>k) << 5);
  for (; groups > 0; groups--, a += s << 2) {
    let b0: v128, b1: v128, x: v128;
    let c00 = f32x4.splat(0);
    let c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
    let a0 = a, a1 = a0 + s, a2 = a1 + s, a3 = a2 + s;
    let p = b;
    do {
      b0 = v128.load(p, 0);
      b1 = v128.load(p, 16);
      x = v128.load32_splat(a0, 0);
      c00 = madd(x, b0, c00);
      c01 = madd(x, b1, c01);
      x = v128.load32_splat(a1, 0);
      c10 = madd(x, b0, c10);
      c11 = madd(x, b1, c11);
      x = v128.load32_splat(a2, 0);
      c20 = madd(x, b0, c20);
      c21 = madd(x, b1, c21);
      x = v128.load32_splat(a3, 0);
      c30 = madd(x, b0, c30);
      c31 = madd(x, b1, c31);
      a0 += 4;
      a1 += 4;
      a2 += 4;
      a3 += 4;
      p += 32;
    } while (p != end);
    store8(c, c00, c01);
    c += cStride;
    store8(c, c10, c11);
    c += cStride;
    store8(c, c20, c21);
    c += cStride;
    store8(c, c30, c31);
    c += cStride;
  }
}
