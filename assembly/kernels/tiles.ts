import { madd } from '../simd';

/*
 * The innermost loops of the matrix product: tiles of 4 rows x 8 (or 4) columns of C, `groups` of them below each
 * other. A is packed in groups [k][4], B in panels [k][8]; each sum runs over k in order. Strides in bytes.
 *
 * V8 hands out 15 vector registers on x64: 8 sums, 2 of B, 1 of A and 1 product fit, wider tiles spill.
 * Without a fused multiply-add the loop needs 16 arithmetic instructions for 6 loads, and how V8 11 (Node 20) orders
 * them decides: with all loads of a step first, Zen 3 runs it at 72 % of its limit, with a load between every four
 * at 94 % (measured on the machine code alone). TurboFan keeps loads together unless a control-flow merge ends the
 * step. Hence tiles8 is unrolled in eight conditional steps: their conditions also take the place of a loop for the
 * last k mod 8 (the first turn starts in the middle, as in Duff's device), and the rows of all but the last step
 * run backwards because V8 turns them around. Steps of the pointers are loaded, so that Binaryen does not fold them
 * into offsets, which V8 11 adds with an instruction at each broadcast load. Together 88 % in Node 20, 80 % in Node 24
 * (the plain loop: 71 and 81 %). With a fused multiply-add the plain loop reaches 99 % (Node 24).
 */

/** Bytes from one k to the next in a group of A, and in a panel of B. */
const STEPS = memory.data<u32>([16, 32]);

/** C = A · B for tiles of 8 columns; the sums begin with the rows at `start`, `startStride` apart, unless that is 0. */
export function tiles8(
  a: usize,
  b: usize,
  c: usize,
  cStride: usize,
  groups: i32,
  k: i32,
  start: usize,
  startStride: usize,
): void {
  if (ASC_FEATURE_RELAXED_SIMD || k < 16) plainTiles8(a, b, c, cStride, groups, k, start, startStride);
  else steppedTiles8(a, b, c, cStride, groups, k, start, startStride);
}

// @ts-ignore: decorator
@inline
function store8(c: usize, left: v128, right: v128): void {
  v128.store(c, left);
  v128.store(c, right, 16);
}

function steppedTiles8(
  a: usize,
  b: usize,
  c: usize,
  cStride: usize,
  groups: i32,
  k: i32,
  start: usize,
  startStride: usize,
): void {
  const aStep = load<u32>(STEPS);
  const bStep = load<u32>(STEPS, 4);
  const end = b + (<usize>k << 5);
  const first = -k & 7;
  b -= <usize>first << 5;
  for (; groups > 0; groups--) {
    a -= <usize>first << 4;
    let p = b;
    let skip = first;
    let b0: v128, b1: v128, x: v128;
    let c00 = f32x4.splat(0);
    let c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
    if (start) {
      c00 = v128.load(start);
      c01 = v128.load(start, 16);
      start += startStride;
      c10 = v128.load(start);
      c11 = v128.load(start, 16);
      start += startStride;
      c20 = v128.load(start);
      c21 = v128.load(start, 16);
      start += startStride;
      c30 = v128.load(start);
      c31 = v128.load(start, 16);
      start += startStride;
    }
    do {
      if (skip < 1) {
        b0 = v128.load(p);
        b1 = v128.load(p, 16);
        x = v128.load32_splat(a, 12);
        c31 = madd(x, b1, c31);
        c30 = madd(x, b0, c30);
        x = v128.load32_splat(a, 8);
        c21 = madd(x, b1, c21);
        c20 = madd(x, b0, c20);
        x = v128.load32_splat(a, 4);
        c11 = madd(x, b1, c11);
        c10 = madd(x, b0, c10);
        x = v128.load32_splat(a);
        c01 = madd(x, b1, c01);
        c00 = madd(x, b0, c00);
      }
      a += aStep;
      p += bStep;
      if (skip < 2) {
        b0 = v128.load(p);
        b1 = v128.load(p, 16);
        x = v128.load32_splat(a, 12);
        c31 = madd(x, b1, c31);
        c30 = madd(x, b0, c30);
        x = v128.load32_splat(a, 8);
        c21 = madd(x, b1, c21);
        c20 = madd(x, b0, c20);
        x = v128.load32_splat(a, 4);
        c11 = madd(x, b1, c11);
        c10 = madd(x, b0, c10);
        x = v128.load32_splat(a);
        c01 = madd(x, b1, c01);
        c00 = madd(x, b0, c00);
      }
      a += aStep;
      p += bStep;
      if (skip < 3) {
        b0 = v128.load(p);
        b1 = v128.load(p, 16);
        x = v128.load32_splat(a, 12);
        c31 = madd(x, b1, c31);
        c30 = madd(x, b0, c30);
        x = v128.load32_splat(a, 8);
        c21 = madd(x, b1, c21);
        c20 = madd(x, b0, c20);
        x = v128.load32_splat(a, 4);
        c11 = madd(x, b1, c11);
        c10 = madd(x, b0, c10);
        x = v128.load32_splat(a);
        c01 = madd(x, b1, c01);
        c00 = madd(x, b0, c00);
      }
      a += aStep;
      p += bStep;
      if (skip < 4) {
        b0 = v128.load(p);
        b1 = v128.load(p, 16);
        x = v128.load32_splat(a, 12);
        c31 = madd(x, b1, c31);
        c30 = madd(x, b0, c30);
        x = v128.load32_splat(a, 8);
        c21 = madd(x, b1, c21);
        c20 = madd(x, b0, c20);
        x = v128.load32_splat(a, 4);
        c11 = madd(x, b1, c11);
        c10 = madd(x, b0, c10);
        x = v128.load32_splat(a);
        c01 = madd(x, b1, c01);
        c00 = madd(x, b0, c00);
      }
      a += aStep;
      p += bStep;
      if (skip < 5) {
        b0 = v128.load(p);
        b1 = v128.load(p, 16);
        x = v128.load32_splat(a, 12);
        c31 = madd(x, b1, c31);
        c30 = madd(x, b0, c30);
        x = v128.load32_splat(a, 8);
        c21 = madd(x, b1, c21);
        c20 = madd(x, b0, c20);
        x = v128.load32_splat(a, 4);
        c11 = madd(x, b1, c11);
        c10 = madd(x, b0, c10);
        x = v128.load32_splat(a);
        c01 = madd(x, b1, c01);
        c00 = madd(x, b0, c00);
      }
      a += aStep;
      p += bStep;
      if (skip < 6) {
        b0 = v128.load(p);
        b1 = v128.load(p, 16);
        x = v128.load32_splat(a, 12);
        c31 = madd(x, b1, c31);
        c30 = madd(x, b0, c30);
        x = v128.load32_splat(a, 8);
        c21 = madd(x, b1, c21);
        c20 = madd(x, b0, c20);
        x = v128.load32_splat(a, 4);
        c11 = madd(x, b1, c11);
        c10 = madd(x, b0, c10);
        x = v128.load32_splat(a);
        c01 = madd(x, b1, c01);
        c00 = madd(x, b0, c00);
      }
      a += aStep;
      p += bStep;
      if (skip < 7) {
        b0 = v128.load(p);
        b1 = v128.load(p, 16);
        x = v128.load32_splat(a, 12);
        c31 = madd(x, b1, c31);
        c30 = madd(x, b0, c30);
        x = v128.load32_splat(a, 8);
        c21 = madd(x, b1, c21);
        c20 = madd(x, b0, c20);
        x = v128.load32_splat(a, 4);
        c11 = madd(x, b1, c11);
        c10 = madd(x, b0, c10);
        x = v128.load32_splat(a);
        c01 = madd(x, b1, c01);
        c00 = madd(x, b0, c00);
      }
      a += aStep;
      p += bStep;
      if (skip < 8) {
        b0 = v128.load(p);
        b1 = v128.load(p, 16);
        x = v128.load32_splat(a);
        c00 = madd(x, b0, c00);
        c01 = madd(x, b1, c01);
        x = v128.load32_splat(a, 4);
        c10 = madd(x, b0, c10);
        c11 = madd(x, b1, c11);
        x = v128.load32_splat(a, 8);
        c20 = madd(x, b0, c20);
        c21 = madd(x, b1, c21);
        x = v128.load32_splat(a, 12);
        c30 = madd(x, b0, c30);
        c31 = madd(x, b1, c31);
      }
      a += aStep;
      p += bStep;
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

function plainTiles8(
  a: usize,
  b: usize,
  c: usize,
  cStride: usize,
  groups: i32,
  k: i32,
  start: usize,
  startStride: usize,
): void {
  const end = b + (<usize>k << 5);
  for (; groups > 0; groups--) {
    let p = b;
    let c00 = f32x4.splat(0);
    let c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
    if (start) {
      c00 = v128.load(start);
      c01 = v128.load(start, 16);
      start += startStride;
      c10 = v128.load(start);
      c11 = v128.load(start, 16);
      start += startStride;
      c20 = v128.load(start);
      c21 = v128.load(start, 16);
      start += startStride;
      c30 = v128.load(start);
      c31 = v128.load(start, 16);
      start += startStride;
    }
    do {
      const b0 = v128.load(p);
      const b1 = v128.load(p, 16);
      let x = v128.load32_splat(a);
      c00 = madd(x, b0, c00);
      c01 = madd(x, b1, c01);
      x = v128.load32_splat(a, 4);
      c10 = madd(x, b0, c10);
      c11 = madd(x, b1, c11);
      x = v128.load32_splat(a, 8);
      c20 = madd(x, b0, c20);
      c21 = madd(x, b1, c21);
      x = v128.load32_splat(a, 12);
      c30 = madd(x, b0, c30);
      c31 = madd(x, b1, c31);
      a += 16;
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

/** The same for the first four columns of a panel. */
export function tiles4(
  a: usize,
  b: usize,
  c: usize,
  cStride: usize,
  groups: i32,
  k: i32,
  start: usize,
  startStride: usize,
): void {
  const end = b + (<usize>k << 5);
  for (; groups > 0; groups--) {
    let p = b;
    let c0 = f32x4.splat(0);
    let c1 = c0, c2 = c0, c3 = c0;
    if (start) {
      c0 = v128.load(start);
      c1 = v128.load(start + startStride);
      c2 = v128.load(start + startStride * 2);
      c3 = v128.load(start + startStride * 3);
      start += startStride << 2;
    }
    do {
      const b0 = v128.load(p);
      c0 = madd(v128.load32_splat(a), b0, c0);
      c1 = madd(v128.load32_splat(a, 4), b0, c1);
      c2 = madd(v128.load32_splat(a, 8), b0, c2);
      c3 = madd(v128.load32_splat(a, 12), b0, c3);
      a += 16;
      p += 32;
    } while (p != end);
    v128.store(c, c0);
    c += cStride;
    v128.store(c, c1);
    c += cStride;
    v128.store(c, c2);
    c += cStride;
    v128.store(c, c3);
    c += cStride;
  }
}

/**
 * Tiles of 8 columns whose rows of A lie where they are, in `count` runs of `length` floats, each of them as far (`runs`,
 * bytes) from the row's beginning. `rows` holds for each row where it begins, from a, and where its sums go, from c. B
 * is a panel whose first row is what the sums begin with. Packed operands are read faster (in Node 20 at 87 % instead of
 * 77 %, in Node 24 97 and 95 %), but a 3 x 3 convolution of 16 channels to 16 in all reaches 70 % in this way, packed 61 %;
 * of 64 to 64 both reach 76 % (Node 20).
 */
export function directTiles8(
  rows: usize,
  a: usize,
  c: usize,
  groups: i32,
  runs: usize,
  count: i32,
  length: i32,
  b: usize,
): void {
  if (ASC_FEATURE_RELAXED_SIMD) plainDirectTiles8(rows, a, c, groups, runs, count, length, b);
  else steppedDirectTiles8(rows, a, c, groups, runs, count, length, b);
}

function steppedDirectTiles8(
  rows: usize,
  a: usize,
  c: usize,
  groups: i32,
  runs: usize,
  count: i32,
  length: i32,
  b: usize,
): void {
  const first = -length & 3;
  const back = <usize>first << 2;
  const bytes = <usize>(length + first) << 5;
  const runEnd = runs + (<usize>count << 2);
  for (; groups > 0; groups--, rows += 32) {
    let b0: v128, b1: v128, x: v128;
    let c00 = v128.load(b);
    let c01 = v128.load(b, 16);
    let c10 = c00, c11 = c01, c20 = c00, c21 = c01, c30 = c00, c31 = c01;
    let p = b + 32;
    let run = runs;
    do {
      const offset = a + load<u32>(run) - back;
      let a0 = offset + load<u32>(rows, 0);
      let a1 = offset + load<u32>(rows, 8);
      let a2 = offset + load<u32>(rows, 16);
      let a3 = offset + load<u32>(rows, 24);
      p -= <usize>first << 5;
      const end = p + bytes;
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
          x = v128.load32_splat(a0, 12);
          c00 = madd(x, b0, c00);
          c01 = madd(x, b1, c01);
          x = v128.load32_splat(a1, 12);
          c10 = madd(x, b0, c10);
          c11 = madd(x, b1, c11);
          x = v128.load32_splat(a2, 12);
          c20 = madd(x, b0, c20);
          c21 = madd(x, b1, c21);
          x = v128.load32_splat(a3, 12);
          c30 = madd(x, b0, c30);
          c31 = madd(x, b1, c31);
        }
        a0 += 16;
        a1 += 16;
        a2 += 16;
        a3 += 16;
        p += 128;
        skip = 0;
      } while (p != end);
      run += 4;
    } while (run != runEnd);
    store8(c + load<u32>(rows, 4), c00, c01);
    store8(c + load<u32>(rows, 12), c10, c11);
    store8(c + load<u32>(rows, 20), c20, c21);
    store8(c + load<u32>(rows, 28), c30, c31);
  }
}

function plainDirectTiles8(
  rows: usize,
  a: usize,
  c: usize,
  groups: i32,
  runs: usize,
  count: i32,
  length: i32,
  b: usize,
): void {
  const bytes = <usize>length << 5;
  const runEnd = runs + (<usize>count << 2);
  for (; groups > 0; groups--, rows += 32) {
    let b0: v128, b1: v128, x: v128;
    let c00 = v128.load(b);
    let c01 = v128.load(b, 16);
    let c10 = c00, c11 = c01, c20 = c00, c21 = c01, c30 = c00, c31 = c01;
    let p = b + 32;
    let run = runs;
    do {
      const offset = a + load<u32>(run);
      let a0 = offset + load<u32>(rows, 0);
      let a1 = offset + load<u32>(rows, 8);
      let a2 = offset + load<u32>(rows, 16);
      let a3 = offset + load<u32>(rows, 24);
      const end = p + bytes;
      do {
        b0 = v128.load(p);
        b1 = v128.load(p, 16);
        x = v128.load32_splat(a0);
        c00 = madd(x, b0, c00);
        c01 = madd(x, b1, c01);
        a0 += 4;
        x = v128.load32_splat(a1);
        c10 = madd(x, b0, c10);
        c11 = madd(x, b1, c11);
        a1 += 4;
        x = v128.load32_splat(a2);
        c20 = madd(x, b0, c20);
        c21 = madd(x, b1, c21);
        a2 += 4;
        x = v128.load32_splat(a3);
        c30 = madd(x, b0, c30);
        c31 = madd(x, b1, c31);
        a3 += 4;
        p += 32;
      } while (p != end);
      run += 4;
    } while (run != runEnd);
    store8(c + load<u32>(rows, 4), c00, c01);
    store8(c + load<u32>(rows, 12), c10, c11);
    store8(c + load<u32>(rows, 20), c20, c21);
    store8(c + load<u32>(rows, 28), c30, c31);
  }
}
