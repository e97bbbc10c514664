import { address, word } from '../fields';
import { madd } from '../simd';
import { Gemm, GemmFlag } from '../tape';
import { first, last } from '../threads';
import { epilogue } from './gemm';

/**
 * The same product without packing, for few rows or few products in all. Any strides.
 * Sums run over K in the same order as in gemm: the same bits.
 */
export function thinGemm(p: usize): void {
  const M = word(p, Gemm.M);
  const N = word(p, Gemm.N);
  const K = <usize>word(p, Gemm.K);
  const flags = word(p, Gemm.Flags);
  const add = (flags & GemmFlag.Accumulate) != 0;
  const aStride = address(p, Gemm.AStride) << 2;
  const bStride = address(p, Gemm.BStride) << 2;
  const cStride = address(p, Gemm.CStride) << 2;
  const aRow: usize = flags & GemmFlag.TransposedA ? 4 : aStride;
  const aStep: usize = flags & GemmFlag.TransposedA ? aStride : 4;
  const turned = (flags & GemmFlag.TransposedB) != 0;
  const bColumn: usize = turned ? bStride : 4;
  const bStep: usize = turned ? 4 : bStride;
  const from = first(N, 4);
  const to = last(N, 4);
  const c = address(p, Gemm.C);
  if (from >= to) return;
  for (let m = 0; m < M; m++) {
    const a = address(p, Gemm.A) + <usize>m * aRow;
    for (let n = from; n < to; ) {
      const b = address(p, Gemm.B) + <usize>n * bColumn;
      const q = c + <usize>m * cStride + (<usize>n << 2);
      const width = to - n;
      if (width >= 16 && !turned) {
        wideRow(a, aStep, b, bStep, q, K, add);
        n += 16;
        continue;
      }
      let sum = f32x4.splat(0);
      if (add) sum = width >= 4 ? v128.load(q) : v128.load32_zero(q);
      let s = a;
      let t = b;
      for (let k = K; k > 0; k--, s += aStep, t += bStep) {
        sum = madd(v128.load32_splat(s), columns4(t, bColumn, width), sum);
      }
      if (width >= 4) {
        v128.store(q, sum);
        n += 4;
      } else {
        v128.store_lane<f32>(q, sum, 0);
        n++;
      }
    }
  }
  epilogue(p, 0, M, from, to - from);
}

/** Four columns of one row of B, or one column alone where fewer are left. */
// @ts-ignore: decorator
@inline
function columns4(t: usize, column: usize, width: i32): v128 {
  if (width < 4) return v128.load32_zero(t);
  if (column == 4) return v128.load(t);
  let v = v128.load32_zero(t);
  v = v128.load_lane<f32>(t + column, v, 1);
  v = v128.load_lane<f32>(t + column * 2, v, 2);
  return v128.load_lane<f32>(t + column * 3, v, 3);
}

/** 16 columns of one row of C. */
function wideRow(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, K: usize, add: bool): void {
  let c0 = f32x4.splat(0);
  let c1 = c0, c2 = c0, c3 = c0;
  if (add) {
    c0 = v128.load(c);
    c1 = v128.load(c, 16);
    c2 = v128.load(c, 32);
    c3 = v128.load(c, 48);
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
