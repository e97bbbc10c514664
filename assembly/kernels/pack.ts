import { GEMM_PANEL, GEMM_ROWS } from '../tape/dense';

/*
 * Operands of a matrix product in the order in which its tiles read them: B in panels of 8 columns, [k][8], A in
 * groups of 4 rows, [k][4]; what is missing in the last panel or group is zero. Strides in bytes.
 */

/** Rows s, s + stride … of 4 floats become columns: rows of 4 floats `step` bytes apart at d. */
// @ts-ignore: decorator
@inline
export function turn4x4(s: usize, stride: usize, d: usize, step: usize): void {
  const r0 = v128.load(s);
  const r1 = v128.load(s + stride);
  const r2 = v128.load(s + stride * 2);
  const r3 = v128.load(s + stride * 3);
  const t0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const t1 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const t2 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const t3 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(d, v128.shuffle<f32>(t0, t1, 0, 1, 4, 5));
  v128.store(d + step, v128.shuffle<f32>(t0, t1, 2, 3, 6, 7));
  v128.store(d + step * 2, v128.shuffle<f32>(t2, t3, 0, 1, 4, 5));
  v128.store(d + step * 3, v128.shuffle<f32>(t2, t3, 2, 3, 6, 7));
}

/** `count` (4 or fewer) rows of k floats become 4 columns, `step` bytes apart; missing ones are zero. */
export function turnRows(s: usize, stride: usize, count: i32, k: i32, d: usize, step: usize): void {
  if (count == 4) {
    for (; k >= 4; k -= 4, s += 16, d += step * 4) turn4x4(s, stride, d, step);
  }
  for (; k > 0; k--, s += 4, d += step) {
    v128.store(d, f32x4.splat(0));
    for (let r = 0; r < count; r++) store<f32>(d + ((<usize>r) << 2), load<f32>(s + <usize>r * stride));
  }
}

/** k rows of `count` (4 or fewer) floats, `step` bytes apart in the result, filled up with zeros. */
function copyPart(s: usize, stride: usize, count: i32, k: i32, d: usize, step: usize): void {
  if (count == 4) {
    for (; k > 0; k--, s += stride, d += step) v128.store(d, v128.load(s));
    return;
  }
  for (; k > 0; k--, s += stride, d += step) {
    v128.store(d, f32x4.splat(0));
    for (let n = 0; n < count; n++) store<f32>(d + ((<usize>n) << 2), load<f32>(s + ((<usize>n) << 2)));
  }
}

/** `rows` rows of A [rows, k]. */
export function packRows(a: usize, stride: usize, rows: i32, k: i32, target: usize): void {
  for (; rows > 0; rows -= GEMM_ROWS, a += stride << 2, target += (<usize>k) << 4) {
    turnRows(a, stride, min<i32>(rows, GEMM_ROWS), k, target, 16);
  }
}

/** `rows` rows of A that is stored [k, rows]; groups `group` bytes apart. Four groups at once read whole cache lines. */
export function packColumns(a: usize, stride: usize, rows: i32, k: i32, target: usize, group: usize): void {
  const bytes = (<usize>k) << 4;
  for (; rows >= 16; rows -= 16, a += 64, target += group * 4) {
    let s = a;
    for (let d = target; d != target + bytes; d += 16, s += stride) {
      v128.store(d, v128.load(s));
      v128.store(d + group, v128.load(s, 16));
      v128.store(d + group * 2, v128.load(s, 32));
      v128.store(d + group * 3, v128.load(s, 48));
    }
  }
  for (; rows > 0; rows -= 4, a += 16, target += group) copyPart(a, stride, min<i32>(4, rows), k, target, 16);
}

/** `columns` columns of B [k, columns]; panels `panel` bytes apart. */
export function packPanels(
  b: usize,
  stride: usize,
  columns: i32,
  k: i32,
  target: usize,
  panel: usize,
): void {
  for (; columns >= 16; columns -= 16, b += 64, target += panel * 2) copyPanels(b, stride, k, panel, target);
  if (columns >= 8) {
    copyPart(b, stride, 4, k, target, 32);
    copyPart(b + 16, stride, 4, k, target + 16, 32);
    columns -= 8;
    b += 32;
    target += panel;
  }
  if (columns > 0) {
    copyPart(b, stride, min<i32>(4, columns), k, target, 32);
    copyPart(b + 16, stride, columns - 4, k, target + 16, 32);
  }
}

/** Two panels at once: a cache line of each row. */
function copyPanels(b: usize, stride: usize, k: i32, panel: usize, target: usize): void {
  const end = target + ((<usize>k) << 5);
  for (; target != end; target += 32, b += stride) {
    v128.store(target, v128.load(b));
    v128.store(target, v128.load(b, 16), 16);
    v128.store(target + panel, v128.load(b, 32));
    v128.store(target + panel, v128.load(b, 48), 16);
  }
}

/** The same, and the sums of its columns at y, behind those that are there if they have `begun`. */
export function sumPanels(
  b: usize,
  stride: usize,
  k: i32,
  panel: usize,
  target: usize,
  y: usize,
  begun: bool,
): void {
  let s0 = f32x4.splat(0);
  let s1 = s0, s2 = s0, s3 = s0;
  if (begun) {
    s0 = v128.load(y);
    s1 = v128.load(y, 16);
    s2 = v128.load(y, 32);
    s3 = v128.load(y, 48);
  }
  const end = target + ((<usize>k) << 5);
  for (; target != end; target += 32, b += stride) {
    const v0 = v128.load(b);
    const v1 = v128.load(b, 16);
    const v2 = v128.load(b, 32);
    const v3 = v128.load(b, 48);
    v128.store(target, v0);
    v128.store(target, v1, 16);
    v128.store(target + panel, v2);
    v128.store(target + panel, v3, 16);
    s0 = f32x4.add(s0, v0);
    s1 = f32x4.add(s1, v1);
    s2 = f32x4.add(s2, v2);
    s3 = f32x4.add(s3, v3);
  }
  v128.store(y, s0);
  v128.store(y, s1, 16);
  v128.store(y, s2, 32);
  v128.store(y, s3, 48);
}

/** `columns` columns of B that is stored [columns, k]; panels `panel` bytes apart. */
export function turnPanels(b: usize, stride: usize, columns: i32, k: i32, target: usize, panel: usize): void {
  for (; columns > 0; columns -= GEMM_PANEL, b += stride << 3, target += panel) {
    turnRows(b, stride, min<i32>(4, columns), k, target, 32);
    turnRows(b + stride * 4, stride, min<i32>(4, columns - 4), k, target + 16, 32);
  }
}
