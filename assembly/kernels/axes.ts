import { address, float, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { Reduce, ReduceKind } from '../tape/dense';
import { Transpose } from '../tape/tensors';
import { first, last } from '../threads';
import { fetchRows } from './fetch';
import { turn4x4 } from './pack';

/** What an axis is folded with. NaN stays NaN. */
// @ts-ignore: decorator
@inline
function fold(kind: i32, a: v128, b: v128): v128 {
  if (kind == ReduceKind.Sum) return f32x4.add(a, b);
  if (kind == ReduceKind.Maximum) return f32x4.max(a, b);
  return f32x4.min(a, b);
}

/** What changes nothing. */
// @ts-ignore: decorator
@inline
function neutral(kind: i32): v128 {
  return f32x4.splat(kind == ReduceKind.Sum ? 0 : kind == ReduceKind.Maximum ? -Infinity : Infinity);
}

/** All of x [count], four at a time, then the lanes as sum4 does. */
export function foldRow(kind: i32, x: usize, count: i32): v128 {
  const none = neutral(kind);
  let s = none;
  for (; count >= 4; count -= 4, x += 16) s = fold(kind, s, v128.load(x));
  if (count) s = fold(kind, s, loadPart(x, count, none));
  s = fold(kind, s, v128.shuffle<f32>(s, s, 2, 3, 0, 1));
  return fold(kind, s, v128.shuffle<f32>(s, s, 1, 0, 3, 2));
}

/** The factor that changes nothing. */
export const ONE = memory.data<f32>([1]);

/**
 * y [columns] = x [rows, columns] folded over the rows, in order, behind those that y has `begun` with; at most 16
 * columns. The results are multiplied by the float at `factor`.
 */
export function foldColumns(
  kind: i32,
  x: usize,
  stride: usize,
  rows: i32,
  y: usize,
  columns: i32,
  factor: usize,
  begun: bool,
): void {
  const none = neutral(kind);
  const scale = v128.load32_splat(factor);
  if (kind == ReduceKind.Sum && columns == 16) {
    let s0 = f32x4.splat(0);
    let s1 = s0, s2 = s0, s3 = s0;
    if (begun) {
      s0 = v128.load(y);
      s1 = v128.load(y, 16);
      s2 = v128.load(y, 32);
      s3 = v128.load(y, 48);
    }
    for (let r = rows; r > 0; r--, x += stride) {
      s0 = f32x4.add(s0, v128.load(x));
      s1 = f32x4.add(s1, v128.load(x, 16));
      s2 = f32x4.add(s2, v128.load(x, 32));
      s3 = f32x4.add(s3, v128.load(x, 48));
    }
    v128.store(y, f32x4.mul(s0, scale));
    v128.store(y, f32x4.mul(s1, scale), 16);
    v128.store(y, f32x4.mul(s2, scale), 32);
    v128.store(y, f32x4.mul(s3, scale), 48);
    return;
  }
  for (; columns > 0; columns -= 4, x += 16, y += 16) {
    let s = !begun ? none : columns >= 4 ? v128.load(y) : loadPart(y, columns, none);
    let from = x;
    for (let r = rows; r > 0; r--, from += stride) {
      s = fold(kind, s, columns >= 4 ? v128.load(from) : loadPart(from, columns, none));
    }
    s = f32x4.mul(s, scale);
    if (columns >= 4) v128.store(y, s);
    else storePart(y, s, columns);
  }
}

/** Rows that are folded in one go: where they are long, a block of them stays in the cache. */
const BLOCK_ROWS = 32;

/** Threads share the results, 16 neighbours at a time: none shares a sum. */
export function reduce(p: usize): void {
  const reduced = word(p, Reduce.Reduced);
  const inner = word(p, Reduce.Inner);
  const kind = word(p, Reduce.Kind);
  const scale = p + (<usize>Reduce.Scale << 2);
  const blocks = (inner + 15) >>> 4;
  const to = last(word(p, Reduce.Outer) * blocks, 1);
  for (let item = first(word(p, Reduce.Outer) * blocks, 1); item < to; ) {
    const outer = item / blocks;
    const column = (item - outer * blocks) << 4;
    const columns = min<i32>(inner - column, (to - item) << 4);
    const x = address(p, Reduce.Source) + (<usize>(outer * reduced * inner + column) << 2);
    const y = address(p, Reduce.Target) + (<usize>(outer * inner + column) << 2);
    if (inner == 1) v128.store_lane<f32>(y, f32x4.mul(foldRow(kind, x, reduced), v128.load32_splat(scale)), 0);
    else foldRows(kind, x, <usize>inner << 2, reduced, y, columns, scale);
    item += (columns + 15) >>> 4;
  }
}

function foldRows(kind: i32, x: usize, stride: usize, rows: i32, y: usize, columns: i32, scale: usize): void {
  let begun = false;
  do {
    const some = min<i32>(rows, BLOCK_ROWS);
    const factor = some == rows ? scale : ONE;
    fetchRows(x, stride, some, <usize>columns << 2);
    for (let c = 0; c < columns; c += 16) {
      const at = <usize>c << 2;
      foldColumns(kind, x + at, stride, some, y + at, min<i32>(16, columns - c), factor, begun);
    }
    x += stride * BLOCK_ROWS;
    rows -= BLOCK_ROWS;
    begun = true;
  } while (rows > 0);
}

/** Rows s [q] [p] become t [p] [q]; strides in bytes. */
function turn(s: usize, sQ: usize, t: usize, tP: usize, q: i32, p: i32): void {
  for (; q >= 4; q -= 4, s += sQ << 2, t += 16) {
    let from = s;
    let to = t;
    let n = p;
    for (; n >= 4; n -= 4, from += 16, to += tP << 2) turn4x4(from, sQ, to, tP);
    for (; n > 0; n--, from += 4, to += tP) {
      for (let i: usize = 0; i < 4; i++) store<u32>(to + (i << 2), load<u32>(from + i * sQ));
    }
  }
  for (; q > 0; q--, s += sQ, t += 4) {
    let from = s;
    let to = t;
    for (let n = p; n > 0; n--, from += 4, to += tP) store<u32>(to, load<u32>(from));
  }
}

/** P is cut into pieces of 16: where rows become columns, each reads whole cache lines. */
export function transpose(p: usize): void {
  const P = word(p, Transpose.P);
  const Q = word(p, Transpose.Q);
  const o1 = word(p, Transpose.O1);
  const o2 = word(p, Transpose.O2);
  const sP = address(p, Transpose.SourceP) << 2;
  const sQ = address(p, Transpose.SourceQ) << 2;
  const tP = address(p, Transpose.TargetP) << 2;
  const blocks = (P + 15) >>> 4;
  const items = word(p, Transpose.O0) * o1 * o2 * blocks;
  const to = last(items, 1);
  for (let item = first(items, 1); item < to; item++) {
    let i = item / blocks;
    const at = (item - i * blocks) << 4;
    const i2 = i % o2;
    i /= o2;
    const i1 = i % o1;
    i /= o1;
    const from = i * word(p, Transpose.Source0) + i1 * word(p, Transpose.Source1) + i2 * word(p, Transpose.Source2);
    const into = i * word(p, Transpose.Target0) + i1 * word(p, Transpose.Target1) + i2 * word(p, Transpose.Target2);
    let s = address(p, Transpose.Source) + (<usize>from << 2) + <usize>at * sP;
    let t = address(p, Transpose.Target) + (<usize>into << 2) + <usize>at * tP;
    let n = min<i32>(16, P - at);
    if (sQ != 4) turn(s, sQ, t, tP, Q, n);
    else for (; n > 0; n--, s += sP, t += tP) memory.copy(t, s, <usize>Q << 2);
  }
}
