import { address, word } from '../fields';
import { madd } from '../simd';
import { Gemm, GemmFlag } from '../tape/dense';
import { first, last } from '../threads';
import { epilogue } from './gemm';

/**
 * The same product without packing, for few rows or few products in all. Any strides.
 * Sums run over K in the same order as in gemm: the same bits.
 */
export function thinGemm(p: usize): void {
  const K = word(p, Gemm.K);
  const flags = word(p, Gemm.Flags);
  const aStride = address(p, Gemm.AStride) << 2;
  const bStride = address(p, Gemm.BStride) << 2;
  const cStride = address(p, Gemm.CStride) << 2;
  const transposedA = (flags & GemmFlag.TransposedA) != 0;
  const transposedB = (flags & GemmFlag.TransposedB) != 0;
  const aRow: usize = transposedA ? 4 : aStride;
  const aStep: usize = transposedA ? aStride : 4;
  const from = first(word(p, Gemm.N), 4);
  const columns = last(word(p, Gemm.N), 4) - from;
  if (columns <= 0) return;
  const offset = <usize>from << 2;
  let a = address(p, Gemm.A);
  let c = address(p, Gemm.C) + offset;
  const b = address(p, Gemm.B) + (transposedB ? <usize>from * bStride : offset);
  const add = (flags & GemmFlag.Accumulate) != 0;
  const bias = address(p, Gemm.Bias);
  let start: usize = add ? c : bias ? bias + offset : 0;
  const M = word(p, Gemm.M);
  for (let m = M; m > 0; m--, a += aRow, c += cStride) {
    if (transposedB) turnedRow(a, aStep, b, bStride, c, columns, K, start);
    else straightRow(a, aStep, b, bStride, c, columns, K, start);
    if (add) start += cStride;
  }
  epilogue(p, 0, M, from, columns);
}

/** One row of C, B stored [K, N]. The sums begin with the floats at `start`, unless that is 0. */
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
  for (; n > 0; n--, b += 4, c += 4) {
    oneColumn(a, aStep, b, bStep, c, K, start);
    if (start) start += 4;
  }
}

/** The same, B stored [N, K]. */
function turnedRow(a: usize, aStep: usize, b: usize, stride: usize, c: usize, n: i32, K: i32, start: usize): void {
  for (; n >= 4; n -= 4, b += stride << 2, c += 16) {
    let sum = f32x4.splat(0);
    if (start) {
      sum = v128.load(start);
      start += 16;
    }
    let s = a;
    let t = b;
    for (let k = K; k > 0; k--, s += aStep, t += 4) {
      let v = v128.load32_zero(t);
      v = v128.load_lane<f32>(t + stride, v, 1);
      v = v128.load_lane<f32>(t + stride * 2, v, 2);
      v = v128.load_lane<f32>(t + stride * 3, v, 3);
      sum = madd(v128.load32_splat(s), v, sum);
    }
    v128.store(c, sum);
  }
  for (; n > 0; n--, b += stride, c += 4) {
    oneColumn(a, aStep, b, 4, c, K, start);
    if (start) start += 4;
  }
}

/** One element of C, in a vector's first lane, so that it is rounded as in a tile. */
// @ts-ignore: decorator
@inline
function oneColumn(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, K: i32, start: usize): void {
  let sum = start ? v128.load32_zero(start) : f32x4.splat(0);
  for (let k = K; k > 0; k--, a += aStep, b += bStep) sum = madd(v128.load32_zero(a), v128.load32_zero(b), sum);
  v128.store_lane<f32>(c, sum, 0);
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
