import { seed, step } from '../clock';
import { address, float, word } from '../fields';
import { bits32x4, keyOf } from '../random';
import { madd, nmadd } from '../simd';
import { GEMM_PANEL, GEMM_ROWS } from '../tape/dense';
import { Attention, AttentionFlag } from '../tape/sequence';
import { thread } from '../threads';
import { turn4x4 } from './pack';
import { tiles } from './wide';

/*
 * What both directions of attention (attention.ts) need: which instruction, batch row and head is at hand, and passes
 * over panels of 8 scores: bias and masks, dropout, products whose sums go on, turning back.
 */

// of the instruction at hand; globals belong to an instance, that is to a thread
export let size: i32 = 0;
export let queries: i32 = 0;
/** Keys of the batch row at hand, and what is added to the index of a query to get the key at its own position. */
export let keys: i32 = 0;
export let shift: i32 = 0;
export let causal: bool = false;
/** The mask of the batch row at hand, or 0. */
export let mask: usize = 0;
/** Whether something is added to every score. */
export let biased: bool = false;
let slope: f32 = 0;
export let rate: f32 = 0;
let keyLow: i32 = 0;
let keyHigh: i32 = 0;
/** Of the head's scores among all: where dropout's random numbers begin. */
let numbers: i32 = 0;
export let capacity: i32 = 0;

// @ts-ignore: decorator
@inline
export function up(n: i32, unit: i32): i32 {
  return (n + unit - 1) & -unit;
}

// @ts-ignore: decorator
@inline
export function floats(rows: i32, columns: i32): usize {
  return (<usize>rows * <usize>columns) << 2;
}

export function useInstruction(p: usize): usize {
  size = word(p, Attention.Size);
  queries = word(p, Attention.Queries);
  capacity = word(p, Attention.Keys);
  causal = (word(p, Attention.Flags) & AttentionFlag.Causal) != 0;
  rate = float(p, Attention.Rate);
  const key = keyOf(seed(), step, word(p, Attention.Stream));
  keyLow = <i32>key;
  keyHigh = <i32>(key >> 32);
  return address(p, Attention.Scratch) + <usize>thread * address(p, Attention.ScratchBytes);
}

export function useRow(p: usize, row: i32): void {
  const positions = address(p, Attention.Positions);
  // of new positions the last query stands at the last key; else both sequences begin at position 0
  keys = positions ? load<i32>(positions + floats(row + 1, queries) - 4) + 1 : capacity;
  shift = positions ? keys - queries : 0;
  mask = address(p, Attention.Mask);
  if (mask) mask += floats(row, capacity);
}

export function useHead(p: usize, row: i32, head: i32): void {
  const heads = word(p, Attention.Heads);
  const alibi = (word(p, Attention.Flags) & AttentionFlag.Alibi) != 0;
  slope = alibi ? slopeOf(head, heads) : 0;
  biased = alibi || mask != 0;
  numbers = (row * heads + head) * queries * capacity;
}

/**
 * Slope of a head (Press et al. 2022, ALiBi): 2^(-8 (head + 1) / heads) for a power of two; the heads past one take
 * every other slope of twice as many, as in the authors' code.
 */
function slopeOf(head: i32, heads: i32): f32 {
  const power = 31 - clz(heads);
  let ratio: f64 = 1.0 / 256;
  for (let i = 0; i < power; i++) ratio = sqrt<f64>(ratio);
  let times = head + 1;
  const past = head - (1 << power);
  if (past >= 0) {
    ratio = sqrt<f64>(ratio);
    times = 2 * past + 1;
  }
  let result: f64 = 1;
  for (; times > 0; times--) result *= ratio;
  return <f32>result;
}

/**
 * Scores [rows][8] with their bias, -slope · |distance|; -Infinity where the key is hidden or ahead of the query.
 * `distance`, from the query to the key, is that of the first score; it grows by `lane` (1 or -1) from lane to lane and
 * falls by it from row to row. A row is hidden where `shown` holds 0, a lane by the bits of hidden0, hidden1.
 */
export function biasPanel(s: usize, rows: i32, distance: i32, lane: f32, shown: usize, hidden0: v128, hidden1: v128): void {
  const end = s + floats(rows, GEMM_PANEL);
  const slope4 = f32x4.splat(slope);
  const ahead = i32x4.splat(causal ? -1 : 0);
  const step = f32x4.splat(lane);
  let d0 = madd(f32x4(0, 1, 2, 3), step, f32x4.splat(<f32>distance));
  do {
    const hidden = i32x4.splat(shown && load<f32>(shown) == 0 ? -1 : 0);
    const d1 = madd(f32x4.splat(4), step, d0);
    v128.store(s, biased4(v128.load(s), d0, slope4, ahead, v128.or(hidden, hidden0)));
    v128.store(s, biased4(v128.load(s, 16), d1, slope4, ahead, v128.or(hidden, hidden1)), 16);
    d0 = f32x4.sub(d0, step);
    if (shown) shown += 4;
    s += GEMM_PANEL * 4;
  } while (s != end);
}

// @ts-ignore: decorator
@inline
function biased4(s: v128, distance: v128, slope4: v128, ahead: v128, hidden: v128): v128 {
  const sum = nmadd(slope4, f32x4.abs(distance), s);
  const unseen = v128.or(hidden, v128.and(f32x4.gt(distance, f32x4.splat(0)), ahead));
  return v128.bitselect(f32x4.splat(-Infinity), sum, unseen);
}

/** x [count] *= factor, in whole vectors. */
export function scaleAll(x: usize, count: i32, factor: f32): void {
  const by = f32x4.splat(factor);
  const end = x + floats(up(count, 4), 1);
  do {
    v128.store(x, f32x4.mul(v128.load(x), by));
    x += 16;
  } while (x < end);
}

/** Probabilities [rows][8] times the mask of dropout; the index of the first is `index`, `lane` and `row` its steps. */
export function dropPanel(s: usize, rows: i32, index: i32, lane: i32, row: i32): void {
  const low = i32x4.splat(keyLow);
  const high = i32x4.splat(keyHigh);
  const threshold = i32x4.splat(<i32>(<i64>(<f64>rate * 4294967296.0) - 2147483648));
  const scale = f32x4.splat(1 / (1 - rate));
  const lanes = i32x4.mul(i32x4(0, 1, 2, 3), i32x4.splat(lane));
  for (; rows > 0; rows--, index += row, s += GEMM_PANEL * 4) {
    for (let half: usize = 0; half < 2; half++) {
      const i = i32x4.add(i32x4.splat(numbers + index + (<i32>half * 4) * lane), lanes);
      const bits = v128.xor(bits32x4(i, low, high), i32x4.splat(0x80000000));
      const p = s + (half << 4);
      v128.store(p, v128.and(f32x4.mul(v128.load(p), scale), i32x4.ge_s(bits, threshold)));
    }
  }
}

/** Adds products of a few groups of A, `aStep` bytes apart, whose k is a part of what was packed. */
export function tilesOf(
  a: usize,
  aStep: usize,
  b: usize,
  bPanel: usize,
  c: usize,
  cPanel: usize,
  groups: i32,
  k: i32,
  panels: i32,
): void {
  if (k <= 0) return;
  const line: usize = GEMM_PANEL * 4;
  if (aStep == <usize>k << 4) {
    tiles(a, b, bPanel, c, cPanel, line, groups, k, c, line, panels);
    return;
  }
  for (; groups > 0; groups--, a += aStep, c += line * GEMM_ROWS) {
    tiles(a, b, bPanel, c, cPanel, line, 1, k, c, line, panels);
  }
}

/** `count` (8 or fewer) columns of x [size][8] become rows of y, `stride` bytes apart. */
export function turnBack(x: usize, y: usize, stride: usize, count: i32): void {
  const line: usize = GEMM_PANEL * 4;
  for (let i = 0; i < size; i += 4, x += line * 4, y += 16) {
    for (let c = 0; c < count; c += 4) {
      const from = x + ((<usize>c) << 2);
      const to = y + <usize>c * stride;
      if (size - i >= 4 && count - c >= 4) {
        turn4x4(from, line, to, stride);
        continue;
      }
      const columns = min<i32>(4, count - c);
      for (let n = 0; n < min<i32>(4, size - i) * columns; n++) {
        const row = n / columns;
        const column = n - row * columns;
        const value = load<f32>(from + <usize>row * line + ((<usize>column) << 2));
        store<f32>(to + <usize>column * stride + ((<usize>row) << 2), value);
      }
    }
  }
}
