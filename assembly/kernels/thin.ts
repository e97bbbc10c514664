import { address, word } from '../fields';
import { loadPart, loadUpTo, storePart, storeUpTo } from '../lanes';
import { madd } from '../simd';
import { Gemm, GemmFlag } from '../tape/dense';
import { first, last } from '../threads';
import { epilogue, sumColumns } from './gemm';

/*
 * The same product without packing, for few rows or few products in all, or with a vector. Any strides: `aRow`, `bColumn`
 * are the bytes to the next row or column of C, `aStep`, `bStep` those to the next k. Sums run over K in the same order
 * as in gemm, and each in a lane of a vector: the same bits.
 */

export function thinGemm(p: usize): void {
  const K = word(p, Gemm.K);
  const flags = word(p, Gemm.Flags);
  let rows = word(p, Gemm.M);
  let N = word(p, Gemm.N);
  let a = address(p, Gemm.A);
  let b = address(p, Gemm.B);
  let c = address(p, Gemm.C);
  const cStride = address(p, Gemm.CStride) << 2;
  let aRow = address(p, Gemm.AStride) << 2;
  let bStep = address(p, Gemm.BStride) << 2;
  let aStep: usize = 4;
  let bColumn: usize = 4;
  if (flags & GemmFlag.TransposedA) {
    aStep = aRow;
    aRow = 4;
  }
  if (flags & GemmFlag.TransposedB) {
    bColumn = bStep;
    bStep = 4;
  }
  // C [M, 1] has its floats where those of its transpose Bᵀ · Aᵀ [1, M] are: a row of vectors
  const turned = N == 1 && rows > 1 && cStride == 4;
  if (turned) {
    const x = a;
    a = b;
    b = x;
    const row = aRow;
    aRow = bColumn;
    bColumn = row;
    const step = aStep;
    aStep = bStep;
    bStep = step;
    N = rows;
    rows = 1;
  }
  const from = first(N, 4);
  const columns = last(N, 4) - from;
  if (columns <= 0) return;
  const offset = <usize>from << 2;
  b += <usize>from * bColumn;
  c += offset;
  let start: usize = 0;
  let startRow: usize = 0;
  if (flags & GemmFlag.Accumulate) {
    start = c;
    startRow = cStride;
  } else {
    const bias = address(p, Gemm.Bias);
    if (bias) {
      start = bias + offset;
      if (turned) {
        start = c;
        for (let i = 0; i < columns; i++) store<f32>(c + (<usize>i << 2), load<f32>(bias));
      }
    }
  }
  let m = rows;
  for (; m >= 4; m -= 4) {
    fourRows(a, aRow, aStep, b, bColumn, bStep, c, cStride, columns, K, start, startRow);
    a += aRow << 2;
    c += cStride << 2;
    start += startRow << 2;
  }
  for (; m > 0; m--) {
    if (bColumn == 4) straightRow(a, aStep, b, bStep, c, columns, K, start);
    else turnedRow(a, aStep, b, bColumn, bStep, c, columns, K, start);
    a += aRow;
    c += cStride;
    start += startRow;
  }
  if (turned) {
    if (address(p, Gemm.Sums) && from == 0) sumColumns(p, 0, 1, 0, K);
    epilogue(p, from, columns, 0, 1);
  } else {
    if (address(p, Gemm.Sums)) sumColumns(p, from, columns, 0, K);
    epilogue(p, 0, rows, from, columns);
  }
}

/** `count` (1..4) floats, `step` bytes apart; the other lanes hold 0. */
// @ts-ignore: decorator
@inline
function gather(p: usize, step: usize, count: i32): v128 {
  let v = v128.load32_zero(p);
  if (count > 1) v = v128.load_lane<f32>(p + step, v, 1);
  if (count > 2) v = v128.load_lane<f32>(p + step * 2, v, 2);
  if (count > 3) v = v128.load_lane<f32>(p + step * 3, v, 3);
  return v;
}

/** Four rows of C. The sums begin with the floats at `start`, `startRow` bytes apart, unless that is 0. */
function fourRows(
  a: usize,
  aRow: usize,
  aStep: usize,
  b: usize,
  bColumn: usize,
  bStep: usize,
  c: usize,
  cStride: usize,
  n: i32,
  K: i32,
  start: usize,
  startRow: usize,
): void {
  for (; n > 0; n -= 4, b += bColumn << 2, c += 16) {
    const count = min<i32>(n, 4);
    let c0 = f32x4.splat(0);
    let c1 = c0, c2 = c0, c3 = c0;
    if (start) {
      c0 = loadUpTo(start, count);
      c1 = loadUpTo(start + startRow, count);
      c2 = loadUpTo(start + startRow * 2, count);
      c3 = loadUpTo(start + startRow * 3, count);
      start += 16;
    }
    let s = a;
    let t = b;
    const straight = bColumn == 4 && count == 4;
    for (let k = K; k > 0; k--, s += aStep, t += bStep) {
      const v = straight ? v128.load(t) : gather(t, bColumn, count);
      c0 = madd(v128.load32_splat(s), v, c0);
      c1 = madd(v128.load32_splat(s + aRow), v, c1);
      c2 = madd(v128.load32_splat(s + aRow * 2), v, c2);
      c3 = madd(v128.load32_splat(s + aRow * 3), v, c3);
    }
    storeUpTo(c, c0, count);
    storeUpTo(c + cStride, c1, count);
    storeUpTo(c + cStride * 2, c2, count);
    storeUpTo(c + cStride * 3, c3, count);
  }
}

/** One row of C, B stored [K, N]. */
function straightRow(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, n: i32, K: i32, start: usize): void {
  for (; n >= 16; n -= 16, b += 64, c += 64) {
    wideRow(a, aStep, b, bStep, c, K, start);
    if (start) start += 64;
  }
  for (; n >= 4; n -= 4, b += 16, c += 16) {
    let sum = f32x4.splat(0);
    if (start) {
      sum = v128.load(start);
      start += 16;
    }
    let s = a;
    let t = b;
    for (let k = K; k > 0; k--, s += aStep, t += bStep) sum = madd(v128.load32_splat(s), v128.load(t), sum);
    v128.store(c, sum);
  }
  if (n > 0) partOfRow(a, aStep, b, 4, bStep, c, n, K, start);
}

/** The same, B stored [N, K]. */
function turnedRow(
  a: usize,
  aStep: usize,
  b: usize,
  bColumn: usize,
  bStep: usize,
  c: usize,
  n: i32,
  K: i32,
  start: usize,
): void {
  for (; n >= 4; n -= 4, b += bColumn << 2, c += 16) {
    let sum = f32x4.splat(0);
    if (start) {
      sum = v128.load(start);
      start += 16;
    }
    let s = a;
    let t = b;
    let k = K;
    for (; k >= 4; k -= 4, t += 16) {
      const r0 = v128.load(t);
      const r1 = v128.load(t + bColumn);
      const r2 = v128.load(t + bColumn * 2);
      const r3 = v128.load(t + bColumn * 3);
      const t0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
      const t1 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
      const t2 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
      const t3 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
      sum = madd(v128.load32_splat(s), v128.shuffle<f32>(t0, t1, 0, 1, 4, 5), sum);
      s += aStep;
      sum = madd(v128.load32_splat(s), v128.shuffle<f32>(t0, t1, 2, 3, 6, 7), sum);
      s += aStep;
      sum = madd(v128.load32_splat(s), v128.shuffle<f32>(t2, t3, 0, 1, 4, 5), sum);
      s += aStep;
      sum = madd(v128.load32_splat(s), v128.shuffle<f32>(t2, t3, 2, 3, 6, 7), sum);
      s += aStep;
    }
    for (; k > 0; k--, s += aStep, t += bStep) sum = madd(v128.load32_splat(s), gather(t, bColumn, 4), sum);
    v128.store(c, sum);
  }
  if (n > 0) partOfRow(a, aStep, b, bColumn, bStep, c, n, K, start);
}

/** 1 to 3 columns of one row of C. */
function partOfRow(
  a: usize,
  aStep: usize,
  b: usize,
  bColumn: usize,
  bStep: usize,
  c: usize,
  count: i32,
  K: i32,
  start: usize,
): void {
  let sum = f32x4.splat(0);
  if (start) sum = loadPart(start, count, sum);
  for (let k = K; k > 0; k--, a += aStep, b += bStep) {
    sum = madd(v128.load32_splat(a), gather(b, bColumn, count), sum);
  }
  storePart(c, sum, count);
}

/** 16 columns of one row of C. */
function wideRow(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, K: i32, start: usize): void {
  let c0 = f32x4.splat(0);
  let c1 = c0, c2 = c0, c3 = c0;
  if (start) {
    c0 = v128.load(start);
    c1 = v128.load(start, 16);
    c2 = v128.load(start, 32);
    c3 = v128.load(start, 48);
  }
  for (let k = K; k > 0; k--, a += aStep, b += bStep) {
    const x = v128.load32_splat(a);
    c0 = madd(x, v128.load(b), c0);
    c1 = madd(x, v128.load(b, 16), c1);
    c2 = madd(x, v128.load(b, 32), c2);
    c3 = madd(x, v128.load(b, 48), c3);
  }
  v128.store(c, c0);
  v128.store(c, c1, 16);
  v128.store(c, c2, 32);
  v128.store(c, c3, 48);
}
