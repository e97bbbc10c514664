import { address, float, word } from '../fields';
import { Activation, GEMM_A_BLOCK, GEMM_K_BLOCK, GEMM_M_BLOCK, GEMM_N_BLOCK, GEMM_PANEL, GEMM_ROWS, Gemm, GemmFlag, ReduceKind } from '../tape/dense';
import { first, last, thread, threads } from '../threads';
import { activateRow, deriveRow } from './activation';
import { foldColumns, foldRow, ONE } from './axes';
import { packColumns, packPanels, packRows, sumPanels, turnPanels } from './pack';
import { tiles4, tiles8 } from './tiles';
import { tiles, wide } from './wide';

/*
 * C [M, N] = A [M, K] · B [K, N], single precision; A may be stored [K, M], B [N, K].
 *
 * Both operands are packed by blocks into the order in which the tiles of 4 x 8 (tiles.ts) read them (pack.ts); blocks
 * of A, and of B where A is one block, fit into the L2 cache. Every sum begins with the bias and runs over K in order, a
 * later block of K going on from the sums of the one before: neither block, tile, thread nor position changes a bit of a
 * result. Edges are computed as whole tiles in scratch: nothing outside C is touched.
 *
 *   scratch of a thread:  | block of A, [rows / 4][k][4] | edge tiles, [rows][8] | block of B, [columns / 8][k][8] |
 */

/** rows x columns floats from one place to another. Strides in bytes. */
function copyTile(s: usize, sStride: usize, d: usize, dStride: usize, rows: i32, columns: i32): void {
  for (; rows > 0; rows--, s += sStride, d += dStride) {
    let i = columns;
    let from = s;
    let to = d;
    if (i & 4) {
      v128.store(to, v128.load(from));
      from += 16;
      to += 16;
      i -= 4;
    }
    if (i == 8) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      continue;
    }
    for (; i > 0; i--, from += 4, to += 4) store<f32>(to, load<f32>(from));
  }
}

/** Tiles at the edge of C, in scratch and from there to C. */
function edgeTiles(
  a: usize,
  b: usize,
  c: usize,
  cStride: usize,
  rows: i32,
  columns: i32,
  k: i32,
  start: usize,
  startStride: usize,
  edge: usize,
): void {
  const stride: usize = GEMM_PANEL * 4;
  const groups = (rows + GEMM_ROWS - 1) / GEMM_ROWS;
  if (start) {
    copyTile(start, startStride, edge, stride, rows, columns);
    start = edge;
  }
  if (columns > 4) tiles8(a, b, edge, stride, groups, k, start, stride);
  else tiles4(a, b, edge, stride, groups, k, start, stride);
  copyTile(edge, stride, c, cStride, rows, columns);
}

/** The activation (or times its derivative) over finished rows of C. */
export function epilogue(p: usize, row: i32, rows: i32, column: i32, columns: i32): void {
  const kind = word(p, Gemm.Activation);
  if (kind == Activation.Linear) return;
  const alpha = float(p, Gemm.Alpha);
  const stride = address(p, Gemm.CStride) << 2;
  const offset = <usize>row * stride + (<usize>column << 2);
  let c = address(p, Gemm.C) + offset;
  let reference = address(p, Gemm.Reference) + offset;
  // whole rows without gaps are one long row
  if (<usize>columns << 2 == stride) {
    columns *= rows;
    rows = 1;
  }
  for (; rows > 0; rows--, c += stride, reference += stride) {
    if (word(p, Gemm.Flags) & GemmFlag.Derivative) deriveRow(kind, c, reference, c, columns, alpha);
    else activateRow(kind, c, c, columns, alpha);
  }
}

/**
 * The sums of columns [column, column + columns) of B, which is not transposed, over k of block k0: in order, behind
 * those of the blocks before. The same bits as Reduce gives.
 */
export function sumColumns(p: usize, column: i32, columns: i32, k0: i32, k: i32): void {
  const stride = address(p, Gemm.BStride) << 2;
  const offset = <usize>column << 2;
  let b = address(p, Gemm.B) + offset;
  let y = address(p, Gemm.Sums) + offset;
  if (stride == 4) {
    if (k0 == 0) v128.store_lane<f32>(y, foldRow(ReduceKind.Sum, b, word(p, Gemm.K)), 0);
    return;
  }
  b += <usize>k0 * stride;
  for (; columns > 0; columns -= 16, b += 64, y += 64) {
    foldColumns(ReduceKind.Sum, b, stride, k, y, min<i32>(16, columns), ONE, k0 != 0);
  }
}

/**
 * packB and sumColumns in one: where panels go in pairs, each row is added as it is packed. (A pass of its own costs a
 * product 28 x 256 x 896 a tenth.)
 */
function packAndSum(p: usize, column: i32, columns: i32, k0: i32, k: i32, target: usize): void {
  const stride = address(p, Gemm.BStride) << 2;
  const panel = (<usize>k) << 5;
  let b = address(p, Gemm.B) + (<usize>k0 * stride + (<usize>column << 2));
  let y = address(p, Gemm.Sums) + (<usize>column << 2);
  for (; columns >= 16; columns -= 16, column += 16) {
    sumPanels(b, stride, k, panel, target, y, k0 != 0);
    b += 64;
    y += 64;
    target += panel * 2;
  }
  if (columns == 0) return;
  packB(p, column, columns, k0, k, target);
  sumColumns(p, column, columns, k0, k);
}

/** Packs rows [row, row + rows) x k of block k0 of A. */
function packA(p: usize, row: i32, rows: i32, k0: i32, k: i32, target: usize): void {
  const flags = word(p, Gemm.Flags);
  const stride = address(p, Gemm.AStride) << 2;
  const a = address(p, Gemm.A);
  if (flags & GemmFlag.TransposedA) {
    packColumns(a + (<usize>k0 * stride + (<usize>row << 2)), stride, rows, k, target, (<usize>k) << 4);
  } else {
    packRows(a + (<usize>row * stride + (<usize>k0 << 2)), stride, rows, k, target);
  }
}

/** Packs k of block k0 x columns [column, column + columns) of B. */
function packB(p: usize, column: i32, columns: i32, k0: i32, k: i32, target: usize): void {
  const stride = address(p, Gemm.BStride) << 2;
  const b = address(p, Gemm.B);
  const flags = word(p, Gemm.Flags);
  if (flags & GemmFlag.TransposedB) {
    turnPanels(b + (<usize>column * stride + (<usize>k0 << 2)), stride, columns, k, target, (<usize>k) << 5);
  } else {
    packPanels(b + (<usize>k0 * stride + (<usize>column << 2)), stride, columns, k, target, (<usize>k) << 5);
  }
}

/** Rows [row, row + rows) x columns [column, column + columns) of C = a packed block of A · one of B. */
export function block(
  p: usize,
  row: i32,
  rows: i32,
  column: i32,
  columns: i32,
  k: i32,
  add: bool,
  a: usize,
  b: usize,
  edge: usize,
): void {
  const stride = address(p, Gemm.CStride) << 2;
  let c = address(p, Gemm.C) + (<usize>row * stride + (<usize>column << 2));
  // the sums go on from C, or begin with the bias, the same for every row
  const bias = address(p, Gemm.Bias);
  let start: usize = add ? c : bias ? bias + (<usize>column << 2) : 0;
  const startStride: usize = add ? stride : 0;
  let step: usize = 0;
  if (start) step = GEMM_PANEL * 4;
  const whole = rows & ~(GEMM_ROWS - 1);
  const rest = a + ((<usize>(whole * k)) << 2);
  const below = <usize>whole * stride;
  const startBelow = <usize>whole * startStride;
  const panel = (<usize>k) << 5;
  const most = wide() ? 2 : 1;
  while (columns >= GEMM_PANEL) {
    const panels = min<i32>(most, columns / GEMM_PANEL);
    if (whole) tiles(a, b, panel, c, GEMM_PANEL * 4, stride, whole / GEMM_ROWS, k, start, startStride, panels);
    for (let i = panels; i > 0; i--) {
      if (rows > whole) {
        edgeTiles(rest, b, c + below, stride, rows - whole, GEMM_PANEL, k, start + startBelow, startStride, edge);
      }
      b += panel;
      c += GEMM_PANEL * 4;
      start += step;
      columns -= GEMM_PANEL;
    }
  }
  if (columns > 0) edgeTiles(a, b, c, stride, rows, columns, k, start, startStride, edge);
}

/** The length of the fewest equal parts of `count` that are no longer than `most`. */
function share(count: i32, most: i32): i32 {
  const parts = (count + most - 1) / most;
  return (count + parts - 1) / parts;
}

export function gemm(p: usize): void {
  const M = word(p, Gemm.M);
  const N = word(p, Gemm.N);
  const K = word(p, Gemm.K);
  // Threads share the columns; the rows where those are many more, or the columns too few.
  const byColumns = N >= GEMM_PANEL * 2 * threads && N * 4 >= M;
  const rowFrom = byColumns ? 0 : first(M, GEMM_ROWS);
  const rowTo = byColumns ? M : last(M, GEMM_ROWS);
  const columnFrom = byColumns ? first(N, GEMM_PANEL) : 0;
  const columnTo = byColumns ? last(N, GEMM_PANEL) : N;
  if (rowFrom >= rowTo || columnFrom >= columnTo) return;

  // blocks as equal as can be
  const kBlock = share(K, GEMM_K_BLOCK);
  const fit = min<i32>(GEMM_M_BLOCK, (GEMM_A_BLOCK / kBlock) & ~(GEMM_ROWS - 1));
  const groups = (share(rowTo - rowFrom, fit) + GEMM_ROWS - 1) / GEMM_ROWS;
  const mBlock = min<i32>(groups * GEMM_ROWS, rowTo - rowFrom);
  // All rows in one block: B is used as soon as a few columns of it are packed. Else B is packed whole.
  const single = mBlock == rowTo - rowFrom;
  const nBlock = single ? GEMM_N_BLOCK : columnTo - columnFrom;

  const a = address(p, Gemm.Scratch) + <usize>thread * address(p, Gemm.ScratchBytes);
  const edge = a + ((<usize>(groups * GEMM_ROWS * kBlock)) << 2);
  const b = edge + ((<usize>(groups * GEMM_ROWS * GEMM_PANEL)) << 2);
  const accumulate = (word(p, Gemm.Flags) & GemmFlag.Accumulate) != 0;
  // of threads that share the rows the first makes the sums
  const sums = address(p, Gemm.Sums) != 0 && rowFrom == 0;
  for (let k0 = 0; k0 < K; k0 += kBlock) {
    const k = min<i32>(kBlock, K - k0);
    const add = accumulate || k0 != 0;
    if (single) packA(p, rowFrom, mBlock, k0, k, a);
    for (let column = columnFrom; column < columnTo; column += nBlock) {
      const columns = min<i32>(nBlock, columnTo - column);
      if (sums) packAndSum(p, column, columns, k0, k, b);
      else packB(p, column, columns, k0, k, b);
      for (let row = rowFrom; row < rowTo; row += mBlock) {
        const rows = min<i32>(mBlock, rowTo - row);
        if (!single) packA(p, row, rows, k0, k, a);
        block(p, row, rows, column, columns, k, add, a, b, edge);
        if (k0 + k == K) epilogue(p, row, rows, column, columns);
      }
    }
  }
}
