import { address, float, word } from '../fields';
import { madd } from '../simd';
import {
  Activation,
  BinaryKind,
  GEMM_A_BLOCK,
  GEMM_K_BLOCK,
  GEMM_M_BLOCK,
  GEMM_PANEL,
  GEMM_ROWS,
  GEMM_SCRATCH,
  Gemm,
  GemmFlag,
  Pack,
} from '../tape';
import { first, last, thread, threads } from '../threads';
import { activateRow, deriveRow } from './activation';
import { binaryRow } from './elementwise';

/*
 * C [M, N] = A [M, K] · B [K, N], single precision.
 *
 * B lies in panels of 8 columns (pack), so a tile of 4 x 8 reads it in sequence. A is read where it lies, four
 * rows at a time; a stored-transposed A and the last M mod 4 rows are packed by blocks first. K is summed in
 * order, in blocks whose length depends on K alone: neither tile, thread nor position changes a bit of a result.
 * Edges are computed as whole tiles into scratch and copied out: nothing outside C is touched.
 *
 * V8 keeps 15 vector registers on x64: 8 sums + 2 of B + 1 of A + 1 product fit, wider tiles spill
 * (measured on Zen 3, Node 20 / Node 24 relaxed, GFLOP/s: 4x8 42 / 51, 5x8 33 / 47, 6x8 30 / 50; limit 51.8).
 */

/** Length of the blocks that K is cut into: equal ones, at most GEMM_K_BLOCK. */
// @ts-ignore: decorator
@inline
function blockOf(K: i32): i32 {
  const blocks = (K + GEMM_K_BLOCK - 1) / GEMM_K_BLOCK;
  return (K + blocks - 1) / blocks;
}

/** `groups` tiles of 4 rows x 8 columns below each other; A read through four row pointers. Strides in bytes. */
function tilesOfRows(
  a: usize,
  aStride: usize,
  b: usize,
  c: usize,
  cStride: usize,
  groups: i32,
  k: i32,
  add: bool,
): void {
  const end = b + (<usize>k << 5);
  for (; groups > 0; groups--) {
    let a0 = a;
    let a1 = a0 + aStride;
    let a2 = a1 + aStride;
    let a3 = a2 + aStride;
    let p = b;
    let c00 = f32x4.splat(0);
    let c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
    do {
      const b0 = v128.load(p);
      const b1 = v128.load(p, 16);
      let x = v128.load32_splat(a0);
      c00 = madd(x, b0, c00);
      c01 = madd(x, b1, c01);
      x = v128.load32_splat(a1);
      c10 = madd(x, b0, c10);
      c11 = madd(x, b1, c11);
      x = v128.load32_splat(a2);
      c20 = madd(x, b0, c20);
      c21 = madd(x, b1, c21);
      x = v128.load32_splat(a3);
      c30 = madd(x, b0, c30);
      c31 = madd(x, b1, c31);
      a0 += 4;
      a1 += 4;
      a2 += 4;
      a3 += 4;
      p += 32;
    } while (p != end);
    let q = c;
    if (add) {
      c00 = f32x4.add(v128.load(q), c00);
      c01 = f32x4.add(v128.load(q, 16), c01);
      q += cStride;
      c10 = f32x4.add(v128.load(q), c10);
      c11 = f32x4.add(v128.load(q, 16), c11);
      q += cStride;
      c20 = f32x4.add(v128.load(q), c20);
      c21 = f32x4.add(v128.load(q, 16), c21);
      q += cStride;
      c30 = f32x4.add(v128.load(q), c30);
      c31 = f32x4.add(v128.load(q, 16), c31);
      q = c;
    }
    v128.store(q, c00);
    v128.store(q, c01, 16);
    q += cStride;
    v128.store(q, c10);
    v128.store(q, c11, 16);
    q += cStride;
    v128.store(q, c20);
    v128.store(q, c21, 16);
    q += cStride;
    v128.store(q, c30);
    v128.store(q, c31, 16);
    c = q + cStride;
    a += aStride << 2;
  }
}

/** The same sums with A packed: groups of [k][4]. */
function tilesOfPacked(
  a: usize,
  b: usize,
  c: usize,
  cStride: usize,
  groups: i32,
  k: i32,
  add: bool,
): void {
  const end = b + (<usize>k << 5);
  for (; groups > 0; groups--) {
    let p = b;
    let c00 = f32x4.splat(0);
    let c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
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
    let q = c;
    if (add) {
      c00 = f32x4.add(v128.load(q), c00);
      c01 = f32x4.add(v128.load(q, 16), c01);
      q += cStride;
      c10 = f32x4.add(v128.load(q), c10);
      c11 = f32x4.add(v128.load(q, 16), c11);
      q += cStride;
      c20 = f32x4.add(v128.load(q), c20);
      c21 = f32x4.add(v128.load(q, 16), c21);
      q += cStride;
      c30 = f32x4.add(v128.load(q), c30);
      c31 = f32x4.add(v128.load(q, 16), c31);
      q = c;
    }
    v128.store(q, c00);
    v128.store(q, c01, 16);
    q += cStride;
    v128.store(q, c10);
    v128.store(q, c11, 16);
    q += cStride;
    v128.store(q, c20);
    v128.store(q, c21, 16);
    q += cStride;
    v128.store(q, c30);
    v128.store(q, c31, 16);
    c = q + cStride;
  }
}

/** `rows` rows of A into groups of [k][4], the last group filled up with zeros. Strides in bytes. */
function packRows(a: usize, aStride: usize, rows: i32, k: i32, target: usize): void {
  for (; rows > 0; rows -= GEMM_ROWS) {
    for (let r = 0; r < GEMM_ROWS; r++) {
      let q = target + (<usize>r << 2);
      const end = q + (<usize>k << 4);
      if (r < rows) {
        for (let p = a + <usize>r * aStride; q != end; p += 4, q += 16) store<f32>(q, load<f32>(p));
      } else {
        for (; q != end; q += 16) store<f32>(q, 0);
      }
    }
    a += aStride << 2;
    target += <usize>k << 4;
  }
}

/** The same from a stored-transposed A [k, M]. */
function packColumns(a: usize, aStride: usize, rows: i32, k: i32, target: usize): void {
  for (; rows >= GEMM_ROWS; rows -= GEMM_ROWS, a += 16) {
    const end = target + (<usize>k << 4);
    for (let p = a; target != end; p += aStride, target += 16) v128.store(target, v128.load(p));
  }
  if (rows == 0) return;
  const end = target + (<usize>k << 4);
  for (let p = a; target != end; p += aStride, target += 16) {
    v128.store(target, f32x4.splat(0));
    for (let r: usize = 0; r < <usize>rows << 2; r += 4) store<f32>(target + r, load<f32>(p + r));
  }
}

/** C (+)= the valid part of the edge tiles in scratch [rows][8]. */
function copyOut(source: usize, rows: i32, columns: i32, c: usize, cStride: usize, add: bool): void {
  for (; rows > 0; rows--) {
    for (let n: usize = 0; n < <usize>columns << 2; n += 4) {
      const v = load<f32>(source + n);
      store<f32>(c + n, add ? load<f32>(c + n) + v : v);
    }
    source += GEMM_PANEL * 4;
    c += cStride;
  }
}

/** Bias and activation (or times the activation's derivative) over finished rows of C. */
function epilogue(p: usize, row: i32, rows: i32, column: i32, columns: i32): void {
  const flags = word(p, Gemm.Flags);
  const kind = word(p, Gemm.Activation);
  let bias = address(p, Gemm.Bias);
  if (kind == Activation.Linear && bias == 0) return;
  const alpha = float(p, Gemm.Alpha);
  const stride = address(p, Gemm.CStride) << 2;
  const offset = <usize>row * stride + (<usize>column << 2);
  let c = address(p, Gemm.C) + offset;
  let reference = address(p, Gemm.Reference) + offset;
  if (bias) bias += <usize>column << 2;
  for (; rows > 0; rows--, c += stride, reference += stride) {
    if (bias) binaryRow(BinaryKind.Add, c, bias, c, columns);
    if (flags & GemmFlag.Derivative) deriveRow(kind, c, reference, c, columns, alpha);
    else if (kind != Activation.Linear) activateRow(kind, c, c, columns, alpha);
  }
}

/** One block: rows [row, row + rows) x columns [column, to) x k of block `k0`. */
function block(p: usize, row: i32, rows: i32, column: i32, to: i32, k0: i32, k: i32, scratch: usize): void {
  const K = word(p, Gemm.K);
  const flags = word(p, Gemm.Flags);
  const transposed = (flags & GemmFlag.TransposedA) != 0;
  const add = k0 != 0 || (flags & GemmFlag.Accumulate) != 0;
  const aStride = address(p, Gemm.AStride) << 2;
  const cStride = address(p, Gemm.CStride) << 2;
  const packed = scratch;
  const edge = scratch + (GEMM_A_BLOCK + 4 * GEMM_K_BLOCK) * 4;
  const groups = rows / GEMM_ROWS;
  const rest = rows - groups * GEMM_ROWS;

  let a = address(p, Gemm.A);
  let restPacked = packed;
  if (transposed) {
    packColumns(a + (<usize>k0 * aStride + (<usize>row << 2)), aStride, rows, k, packed);
    restPacked = packed + <usize>(groups * k) * (GEMM_ROWS * 4);
  } else {
    a += <usize>row * aStride + (<usize>k0 << 2);
    if (rest) packRows(a + <usize>(groups * GEMM_ROWS) * aStride, aStride, rest, k, packed);
  }

  for (let n = column; n < to; n += GEMM_PANEL) {
    const b = address(p, Gemm.B) + (<usize>n * <usize>K + <usize>k0 * GEMM_PANEL) * 4;
    const c = address(p, Gemm.C) + (<usize>row * cStride + (<usize>n << 2));
    const width = min<i32>(GEMM_PANEL, to - n);
    const whole = width == GEMM_PANEL;
    const target = whole ? c : edge;
    const stride = whole ? cStride : <usize>(GEMM_PANEL * 4);
    if (groups) {
      const direct = whole && add;
      if (transposed) tilesOfPacked(packed, b, target, stride, groups, k, direct);
      else tilesOfRows(a, aStride, b, target, stride, groups, k, direct);
      if (!whole) copyOut(edge, groups * GEMM_ROWS, width, c, cStride, add);
    }
    if (rest) {
      tilesOfPacked(restPacked, b, edge, GEMM_PANEL * 4, 1, k, false);
      copyOut(edge, rest, width, c + <usize>(groups * GEMM_ROWS) * cStride, cStride, add);
    }
  }
}

export function gemm(p: usize): void {
  const M = word(p, Gemm.M);
  const N = word(p, Gemm.N);
  const K = word(p, Gemm.K);
  // Threads share the rows, or the panels where there are too few rows.
  const byRows = M >= GEMM_ROWS * 4 * threads;
  const rowFrom = byRows ? first(M, GEMM_ROWS) : 0;
  const rowTo = byRows ? last(M, GEMM_ROWS) : M;
  const columnFrom = byRows ? 0 : first(N, GEMM_PANEL);
  const columnTo = byRows ? N : last(N, GEMM_PANEL);
  if (rowFrom >= rowTo || columnFrom >= columnTo) return;

  const scratch = address(p, Gemm.Scratch) + <usize>thread * GEMM_SCRATCH;
  const kBlock = blockOf(K);
  const mBlock = min<i32>(GEMM_M_BLOCK, (GEMM_A_BLOCK / kBlock) & ~(GEMM_ROWS - 1));
  for (let row = rowFrom; row < rowTo; row += mBlock) {
    const rows = min<i32>(mBlock, rowTo - row);
    for (let k0 = 0; k0 < K; k0 += kBlock) {
      block(p, row, rows, columnFrom, columnTo, k0, min<i32>(kBlock, K - k0), scratch);
    }
    epilogue(p, row, rows, columnFrom, columnTo - columnFrom);
  }
}

/** B [K, N] or stored [N, K] into panels of 8 columns. */
export function pack(p: usize): void {
  const source = address(p, Pack.Source);
  const stride = address(p, Pack.Stride) << 2;
  const K = word(p, Pack.K);
  const N = word(p, Pack.N);
  const to = last(N, GEMM_PANEL);
  const transposed = word(p, Pack.Transposed) != 0;
  for (let n = first(N, GEMM_PANEL); n < to; n += GEMM_PANEL) {
    const target = address(p, Pack.Target) + (<usize>n * <usize>K << 2);
    const width = min<i32>(GEMM_PANEL, N - n);
    if (transposed) packTransposed(source + <usize>n * stride, stride, width, K, target);
    else packStraight(source + (<usize>n << 2), stride, width, K, target);
  }
}

function packStraight(b: usize, stride: usize, width: i32, K: i32, target: usize): void {
  const end = target + (<usize>K << 5);
  if (width == GEMM_PANEL) {
    for (; target != end; target += 32, b += stride) {
      v128.store(target, v128.load(b));
      v128.store(target, v128.load(b, 16), 16);
    }
    return;
  }
  for (; target != end; target += 32, b += stride) {
    v128.store(target, f32x4.splat(0));
    v128.store(target, f32x4.splat(0), 16);
    for (let n: usize = 0; n < <usize>width << 2; n += 4) store<f32>(target + n, load<f32>(b + n));
  }
}

/** Rows of B become columns: 4 x 4 blocks are turned in registers. */
function packTransposed(b: usize, stride: usize, width: i32, K: i32, target: usize): void {
  const whole = <usize>(K & ~3);
  for (let half: usize = 0; half < 2; half++, width -= 4) {
    const q = target + (half << 4);
    const b0 = b + (half << 2) * stride;
    if (width >= 4) {
      for (let k: usize = 0; k < whole; k += 4) {
        const s = b0 + (k << 2);
        const r0 = v128.load(s);
        const r1 = v128.load(s + stride);
        const r2 = v128.load(s + stride * 2);
        const r3 = v128.load(s + stride * 3);
        const t0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
        const t1 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
        const t2 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
        const t3 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
        const d = q + (k << 5);
        v128.store(d, v128.shuffle<f32>(t0, t1, 0, 1, 4, 5));
        v128.store(d, v128.shuffle<f32>(t0, t1, 2, 3, 6, 7), 32);
        v128.store(d, v128.shuffle<f32>(t2, t3, 0, 1, 4, 5), 64);
        v128.store(d, v128.shuffle<f32>(t2, t3, 2, 3, 6, 7), 96);
      }
    }
    for (let k = width >= 4 ? whole : 0; k < <usize>K; k++) {
      const d = q + (k << 5);
      for (let n: usize = 0; n < 4; n++) {
        store<f32>(d + (n << 2), <i32>n < width ? load<f32>(b0 + n * stride + (k << 2)) : 0);
      }
    }
  }
}

/**
 * The same product without packing, for few rows or few products in all. Any strides.
 * Sums run over K in the same order and blocks as in gemm: the same bits.
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
  const kBlock = <usize>blockOf(<i32>K);
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
        wideRow(a, aStep, b, bStep, q, K, kBlock, add);
        n += 16;
        continue;
      }
      let sum = f32x4.splat(0);
      if (add) sum = width >= 4 ? v128.load(q) : v128.load32_zero(q);
      for (let k0: usize = 0; k0 < K; k0 += kBlock) {
        let part = f32x4.splat(0);
        const kEnd = min<usize>(K, k0 + kBlock);
        let s = a + k0 * aStep;
        let t = b + k0 * bStep;
        for (let k = k0; k < kEnd; k++, s += aStep, t += bStep) {
          part = madd(v128.load32_splat(s), columns4(t, bColumn, width), part);
        }
        sum = k0 == 0 && !add ? part : f32x4.add(sum, part);
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
function wideRow(
  a: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  c: usize,
  K: usize,
  kBlock: usize,
  add: bool,
): void {
  for (let k0: usize = 0; k0 < K; k0 += kBlock) {
    let c0 = f32x4.splat(0);
    let c1 = c0, c2 = c0, c3 = c0;
    const end = min<usize>(K, k0 + kBlock);
    for (let k = k0; k < end; k++, a += aStep, b += bStep) {
      const x = v128.load32_splat(a);
      c0 = madd(x, v128.load(b), c0);
      c1 = madd(x, v128.load(b, 16), c1);
      c2 = madd(x, v128.load(b, 32), c2);
      c3 = madd(x, v128.load(b, 48), c3);
    }
    if (add || k0 != 0) {
      c0 = f32x4.add(v128.load(c), c0);
      c1 = f32x4.add(v128.load(c, 16), c1);
      c2 = f32x4.add(v128.load(c, 32), c2);
      c3 = f32x4.add(v128.load(c, 48), c3);
    }
    v128.store(c, c0);
    v128.store(c, c1, 16);
    v128.store(c, c2, 32);
    v128.store(c, c3, 48);
  }
}
