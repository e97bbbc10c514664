import { address, float, word } from '../fields';
import { storePart } from '../lanes';
import { expBelow4, log4, madd, sum4 } from '../simd';
import { GEMM_PANEL, GEMM_ROWS } from '../tape/dense';
import { ATTENTION_BLOCK, Attention } from '../tape/sequence';
import { first, last } from '../threads';
import { fetchRows } from './fetch';
import { packColumns, packPanels, packRows, turnPanels, turnRows } from './pack';
import {
  biased,
  biasPanel,
  capacity,
  causal,
  dropPanel,
  floats,
  keys,
  mask,
  queries,
  rate,
  scaleAll,
  shift,
  size,
  tilesOf,
  turnBack,
  up,
  useHead,
  useInstruction,
  useRow,
} from './scores';
import { tiles, wide } from './wide';

/*
 * y = softmax(scale · q · kᵀ + bias) · v for each batch row and head, by blocks of queries and keys with the running
 * softmax, so that the scores never lie in memory as a whole (Dao et al. 2022, FlashAttention; 2023, algorithms 1 and 2).
 * A thread takes (row, key/value head) pairs as a whole: no sum is split, and the query heads of a group add up their
 * dk and dv in one order.
 *
 * All products run in tiles of 4 x 8, or two of them at once (tiles.ts, wide.ts). The scores lie in panels of 8, so that they are an operand of the
 * next product as they come out, and maxima and sums never cross lanes:
 *
 *   forward    s [keys][8 queries] = k · qᵀ      yᵀ [size][8 queries] += vᵀ · p
 *   backward   s [queries][8 keys] = q · kᵀ      dvᵀ [size][8 keys] += dyᵀ · p
 *              dp                  = dy · vᵀ     dkᵀ [size][8 keys] += qᵀ · ds
 *              ds = p (dp - sum(dy y))           dq [queries][size] += ds · k, ds turned by tiles of 4 x 4
 *
 * The scale is put on the packed q. Missing rows and columns of the last tile are computed and left where they are.
 */

/*
 *   scratch of a thread, forward:
 *     | k, [keys / 4][size][4] | v by blocks, [size / 4][keys][4] | q, panels [size][8] | yᵀ, panels [size][8]
 *     | maxima and sums of the panels, [2][8] | scores, [keys][8] |
 */
export function attention(p: usize): void {
  const kvHeads = word(p, Attention.KeyHeads);
  const heads = word(p, Attention.Heads);
  const group = heads / kvHeads;
  const to = last(word(p, Attention.Batch) * kvHeads, 1);
  const packedKeys = useInstruction(p);
  const packedValues = packedKeys + floats(up(capacity, GEMM_ROWS), size);
  const rest = packedValues + floats(capacity, up(size, GEMM_ROWS));
  const stride = address(p, Attention.KeyStride) << 2;
  for (let item = first(word(p, Attention.Batch) * kvHeads, 1); item < to; item++) {
    const row = item / kvHeads;
    const kvHead = item - row * kvHeads;
    useRow(p, row);
    const offset = <usize>(row * capacity) * stride + floats(kvHead, size);
    fetchRows(address(p, Attention.Key) + offset, stride, keys, floats(1, size));
    fetchRows(address(p, Attention.Value) + offset, stride, keys, floats(1, size));
    packRows(address(p, Attention.Key) + offset, stride, keys, size, packedKeys);
    const values = address(p, Attention.Value) + offset;
    for (let k = 0; k < keys; k += ATTENTION_BLOCK) {
      const count = min<i32>(ATTENTION_BLOCK, keys - k);
      packColumns(values + <usize>k * stride, stride, size, count, packedValues + floats(k, up(size, GEMM_ROWS)), (<usize>count) << 4);
    }
    for (let head = kvHead * group; head < (kvHead + 1) * group; head++) {
      useHead(p, row, head);
      for (let q = 0; q < queries; q += ATTENTION_BLOCK) {
        forwardBlock(p, row, head, q, min<i32>(ATTENTION_BLOCK, queries - q), packedKeys, packedValues, rest);
      }
    }
  }
}

/** Bytes of a panel of scores. */
const SCORES: usize = ATTENTION_BLOCK * GEMM_PANEL * 4;

/** How many panels from column i of `count` on are worked on at once. */
// @ts-ignore: decorator
@inline
function panelsAt(i: i32, count: i32): i32 {
  return wide() && i + GEMM_PANEL < count ? 2 : 1;
}

/** Some queries of a head. */
function forwardBlock(
  p: usize,
  row: i32,
  head: i32,
  query: i32,
  count: i32,
  packedKeys: usize,
  packedValues: usize,
  packedQueries: usize,
): void {
  const heads = word(p, Attention.Heads);
  const rows = up(size, GEMM_ROWS);
  const panel = floats(GEMM_PANEL, size);
  const outputPanel = floats(GEMM_PANEL, rows);
  const padded = up(count, GEMM_PANEL);
  const outputs = packedQueries + floats(padded, size);
  const states = outputs + floats(padded, rows);
  const scores = states + floats(padded, 2);
  const stride = address(p, Attention.QueryStride) << 2;
  const source = address(p, Attention.Query) + <usize>(row * queries + query) * stride + floats(head, size);
  fetchRows(source, stride, count, floats(1, size));
  turnPanels(source, stride, count, size, packedQueries, panel);
  scaleAll(packedQueries, padded * size, float(p, Attention.Scale));
  memory.fill(outputs, 0, scores - outputs);
  for (let i = 0; i < padded; i += 4) {
    const at = states + floats(i & -GEMM_PANEL, 2) + ((<usize>(i & 4)) << 2);
    v128.store(at, f32x4.splat(-f32.MAX_VALUE));
  }

  for (let key = 0; key < keys; key += ATTENTION_BLOCK) {
    const whole = min<i32>(ATTENTION_BLOCK, keys - key);
    const values = packedValues + floats(key, rows);
    for (let i = 0, panels = 1; i < count; i += panels * GEMM_PANEL) {
      panels = panelsAt(i, count);
      // of two panels the second sees no fewer keys
      const end = query + min<i32>(count, i + panels * GEMM_PANEL) + shift;
      const most = causal ? min<i32>(whole, end - key) : whole;
      if (most <= 0) continue;
      const b = packedQueries + <usize>(i / GEMM_PANEL) * panel;
      let y = outputs + <usize>(i / GEMM_PANEL) * outputPanel;
      const groups = up(most, GEMM_ROWS) / GEMM_ROWS;
      tiles(packedKeys + floats(key, size), b, panel, scores, SCORES, GEMM_PANEL * 4, groups, size, 0, 0, panels);
      let fewest = most;
      for (let j = 0; j < panels; j++) {
        const position = i + j * GEMM_PANEL;
        const s = scores + <usize>j * SCORES;
        const seen = j == panels - 1 ? most : causal ? min<i32>(whole, query + position + GEMM_PANEL + shift - key) : whole;
        fewest = min<i32>(fewest, seen);
        if (seen <= 0) continue;
        softmaxPanel(s, key, seen, query + position + shift, states + floats(position, 2), y + <usize>j * outputPanel);
        if (rate > 0) dropPanel(s, seen, (query + position) * capacity + key, capacity, 1);
      }
      const aStep = (<usize>whole) << 4;
      tilesOf(values, aStep, scores, SCORES, y, outputPanel, rows / GEMM_ROWS, fewest, panels);
      // the rest of the last panel
      fewest = max<i32>(0, fewest);
      const s = scores + <usize>(panels - 1) * SCORES + floats(fewest, GEMM_PANEL);
      y += <usize>(panels - 1) * outputPanel;
      tilesOf(values + floats(fewest, GEMM_ROWS), aStep, s, 0, y, 0, rows / GEMM_ROWS, most - fewest, 1);
    }
  }

  const line = floats(heads, size);
  const target = address(p, Attention.Output) + <usize>(row * queries + query) * line + floats(head, size);
  const sums = address(p, Attention.LogSum);
  for (let i = 0; i < count; i += GEMM_PANEL) {
    const y = outputs + <usize>(i / GEMM_PANEL) * outputPanel;
    const some = min<i32>(GEMM_PANEL, count - i);
    const state = states + floats(i, 2);
    finishPanel(y, state);
    turnBack(y, target + <usize>i * line, line, some);
    if (!sums) continue;
    memory.copy(sums + floats((row * heads + head) * queries + query + i, 1), state, floats(some, 1));
  }
}

/**
 * Scores [count keys][8 queries], the first query at `position`, become e^(s - m), m the largest so far; state: m and
 * the sum of those [2][8]. What was summed before is made smaller by e^(m before - m).
 */
function softmaxPanel(s: usize, key: i32, count: i32, position: i32, state: usize, y: usize): void {
  const before0 = v128.load(state);
  const before1 = v128.load(state, 16);
  let m0 = before0;
  let m1 = before1;
  // without a bias, the keys up to the first query's own need no look
  const plain = biased ? 0 : causal ? max<i32>(0, min<i32>(count, position + 1 - key)) : count;
  if (plain < count) {
    const none = i32x4.splat(0);
    const shown = mask ? mask + floats(key + plain, 1) : 0;
    biasPanel(s + floats(plain, GEMM_PANEL), count - plain, key + plain - position, -1, shown, none, none);
  }
  let x = s;
  let end = s + floats(count, GEMM_PANEL);
  do {
    m0 = f32x4.pmax(m0, v128.load(x));
    m1 = f32x4.pmax(m1, v128.load(x, 16));
    x += GEMM_PANEL * 4;
  } while (x != end);
  let l0 = v128.load(state, 32);
  let l1 = v128.load(state, 48);
  v128.store(state, m0);
  v128.store(state, m1, 16);
  if (key > 0 && v128.any_true(v128.or(f32x4.ne(m0, before0), f32x4.ne(m1, before1)))) {
    const c0 = expBelow4(f32x4.sub(before0, m0));
    const c1 = expBelow4(f32x4.sub(before1, m1));
    l0 = f32x4.mul(l0, c0);
    l1 = f32x4.mul(l1, c1);
    end = y + floats(up(size, GEMM_ROWS), GEMM_PANEL);
    do {
      v128.store(y, f32x4.mul(v128.load(y), c0));
      v128.store(y, f32x4.mul(v128.load(y, 16), c1), 16);
      y += GEMM_PANEL * 4;
    } while (y != end);
  }
  end = x;
  do {
    const p0 = expBelow4(f32x4.sub(v128.load(s), m0));
    const p1 = expBelow4(f32x4.sub(v128.load(s, 16), m1));
    v128.store(s, p0);
    v128.store(s, p1, 16);
    l0 = f32x4.add(l0, p0);
    l1 = f32x4.add(l1, p1);
    s += GEMM_PANEL * 4;
  } while (s != end);
  v128.store(state, l0, 32);
  v128.store(state, l1, 48);
}

/** yᵀ [size][8] / sum, 0 where no key is seen; the state's m becomes m + log(sum), the largest number where none is. */
function finishPanel(y: usize, state: usize): void {
  for (let half: usize = 0; half < 32; half += 16) {
    const sum = v128.load(state + half, 32);
    const none = f32x4.eq(sum, f32x4.splat(0));
    const inverse = v128.andnot(f32x4.div(f32x4.splat(1), sum), none);
    const log = f32x4.add(v128.load(state + half), log4(sum));
    v128.store(state + half, v128.bitselect(f32x4.splat(f32.MAX_VALUE), log, none));
    let x = y + half;
    const end = x + floats(up(size, GEMM_ROWS), GEMM_PANEL);
    do {
      v128.store(x, f32x4.mul(v128.load(x), inverse));
      x += GEMM_PANEL * 4;
    } while (x != end);
  }
}

/*
 *   scratch of a thread, backward:
 *     | dkᵀ, dvᵀ: panels [size][8] | q and dy as groups [size][4] and as columns [size / 4][queries][4]
 *     | dq [queries][size] | sum(dy y) [queries] | k and v of a block, panels [size][8], and k [size / 8][keys][8]
 *     | scores, dp [queries][8] | ds, groups [keys][4] |
 */
export function attentionGrad(p: usize): void {
  const kvHeads = word(p, Attention.KeyHeads);
  const heads = word(p, Attention.Heads);
  const group = heads / kvHeads;
  const to = last(word(p, Attention.Batch) * kvHeads, 1);
  const keyGrads = useInstruction(p);
  const rows = up(size, GEMM_ROWS);
  const panel = floats(GEMM_PANEL, rows);
  const valueGrads = keyGrads + floats(up(capacity, GEMM_PANEL), rows);
  const rest = valueGrads + floats(up(capacity, GEMM_PANEL), rows);
  const stride = address(p, Attention.KeyStride) << 2;
  for (let item = first(word(p, Attention.Batch) * kvHeads, 1); item < to; item++) {
    const row = item / kvHeads;
    const kvHead = item - row * kvHeads;
    useRow(p, row);
    memory.fill(keyGrads, 0, rest - keyGrads);
    for (let head = kvHead * group; head < (kvHead + 1) * group; head++) {
      useHead(p, row, head);
      backwardHead(p, row, head, keyGrads, valueGrads, rest);
    }
    if (!address(p, Attention.KeyGrad)) continue;
    const offset = <usize>(row * capacity) * stride + floats(kvHead, size);
    for (let k = 0; k < capacity; k += GEMM_PANEL) {
      const from = <usize>(k / GEMM_PANEL) * panel;
      const into = offset + <usize>k * stride;
      const count = min<i32>(GEMM_PANEL, capacity - k);
      turnBack(keyGrads + from, address(p, Attention.KeyGrad) + into, stride, count);
      turnBack(valueGrads + from, address(p, Attention.ValueGrad) + into, stride, count);
    }
  }
}

function backwardHead(p: usize, row: i32, head: i32, keyGrads: usize, valueGrads: usize, queryRows: usize): void {
  const heads = word(p, Attention.Heads);
  const scale = float(p, Attention.Scale);
  const rows = up(size, GEMM_ROWS);
  const columns = up(size, GEMM_PANEL);
  const padded = up(queries, GEMM_ROWS);
  const queryColumns = queryRows + floats(padded, size);
  const outputRows = queryColumns + floats(queries, rows);
  const outputColumns = outputRows + floats(padded, size);
  const queryGrads = outputColumns + floats(queries, rows);
  const dots = queryGrads + floats(padded, columns);
  const keyPanels = dots + floats(padded, 1);
  const valuePanels = keyPanels + floats(ATTENTION_BLOCK, size);
  const keyRows = valuePanels + floats(ATTENTION_BLOCK, size);
  const scores = keyRows + floats(ATTENTION_BLOCK, columns);

  const stride = address(p, Attention.QueryStride) << 2;
  const line = floats(heads, size);
  const queryOffset = <usize>(row * queries) * stride + floats(head, size);
  const offset = <usize>(row * queries) * line + floats(head, size);
  const source = address(p, Attention.Query) + queryOffset;
  const dy = address(p, Attention.Gradient) + offset;
  fetchRows(source, stride, queries, floats(1, size));
  fetchRows(dy, line, queries, floats(1, size));
  fetchRows(address(p, Attention.Output) + offset, line, queries, floats(1, size));
  packRows(source, stride, queries, size, queryRows);
  packColumns(source, stride, size, queries, queryColumns, (<usize>queries) << 4);
  scaleAll(queryRows, padded * size, scale);
  scaleAll(queryColumns, queries * rows, scale);
  packRows(dy, line, queries, size, outputRows);
  packColumns(dy, line, size, queries, outputColumns, (<usize>queries) << 4);
  memory.fill(queryGrads, 0, floats(padded, columns));
  for (let q = 0; q < queries; q++) {
    const at = <usize>q * line;
    store<f32>(dots + floats(q, 1), dot(dy + at, address(p, Attention.Output) + offset + at, size));
  }
  const sums = address(p, Attention.LogSum) + floats((row * heads + head) * queries, 1);

  const keyStride = address(p, Attention.KeyStride) << 2;
  const keyOffset = <usize>(row * capacity) * keyStride + floats(head / (heads / word(p, Attention.KeyHeads)), size);
  for (let key = 0; key < keys; key += ATTENTION_BLOCK) {
    const count = min<i32>(ATTENTION_BLOCK, keys - key);
    const from = keyOffset + <usize>key * keyStride;
    const panel = floats(GEMM_PANEL, size);
    fetchRows(address(p, Attention.Key) + from, keyStride, count, floats(1, size));
    fetchRows(address(p, Attention.Value) + from, keyStride, count, floats(1, size));
    turnPanels(address(p, Attention.Key) + from, keyStride, count, size, keyPanels, panel);
    turnPanels(address(p, Attention.Value) + from, keyStride, count, size, valuePanels, panel);
    packPanels(address(p, Attention.Key) + from, keyStride, size, count, keyRows, (<usize>count) << 5);
    let query = causal ? max<i32>(0, key - shift) & -GEMM_ROWS : 0;
    for (; query < queries; query += ATTENTION_BLOCK) {
      const dk = keyGrads + floats(key, rows);
      const dv = valueGrads + floats(key, rows);
      const groupBytes = floats(up(count, GEMM_PANEL), GEMM_ROWS);
      const end = min<i32>(queries, query + ATTENTION_BLOCK);
      const dp = scores + 2 * SCORES;
      const ds = dp + 2 * SCORES;
      for (let k = 0, panels = 1; k < count; k += panels * GEMM_PANEL) {
        // the queries that see one of these keys
        const begin = causal ? max<i32>(query, (key + k - shift) & -GEMM_ROWS) : query;
        if (begin >= end) break;
        panels = panelsAt(k, count);
        const groups = up(end - begin, GEMM_ROWS) / GEMM_ROWS;
        const tile: usize = GEMM_PANEL * 4;
        const b = floats(k, size);
        tiles(queryRows + floats(begin, size), keyPanels + b, panel, scores, SCORES, tile, groups, size, 0, 0, panels);
        tiles(outputRows + floats(begin, size), valuePanels + b, panel, dp, SCORES, tile, groups, size, 0, 0, panels);
        // of two panels the second is seen by no more queries
        let both = begin;
        for (let j = 0; j < panels; j++) {
          const column = k + j * GEMM_PANEL;
          const from = causal ? max<i32>(query, (key + column - shift) & -GEMM_ROWS) : query;
          both = min<i32>(from, end);
          const some = end - both;
          if (some <= 0) break;
          const at = <usize>j * SCORES + floats(both - begin, GEMM_PANEL);
          const index = both * capacity + key + column;
          if (rate > 0) dropPanel(dp + at, some, index, 1, capacity);
          gradientPanel(scores + at, dp + at, both, some, key + column, sums, dots);
          if (rate > 0) dropPanel(scores + at, some, index, 1, capacity);
          let x = dp + at;
          let t = ds + <usize>((both - query) / GEMM_ROWS) * groupBytes + floats(column, GEMM_ROWS);
          for (let q = some; q > 0; q -= GEMM_ROWS, x += tile * GEMM_ROWS, t += groupBytes) {
            turnRows(x, tile, 4, GEMM_PANEL, t, 16);
          }
        }
        const into = floats(k, rows);
        const aStep = floats(queries, GEMM_ROWS);
        const aFrom = floats(begin, GEMM_ROWS);
        const ahead = both - begin;
        tilesOf(outputColumns + aFrom, aStep, scores, 0, dv + into, 0, rows / GEMM_ROWS, ahead, 1);
        tilesOf(queryColumns + aFrom, aStep, dp, 0, dk + into, 0, rows / GEMM_ROWS, ahead, 1);
        const rest = floats(ahead, GEMM_PANEL);
        const aRest = floats(both, GEMM_ROWS);
        const step = floats(GEMM_PANEL, rows);
        tilesOf(outputColumns + aRest, aStep, scores + rest, SCORES, dv + into, step, rows / GEMM_ROWS, end - both, panels);
        tilesOf(queryColumns + aRest, aStep, dp + rest, SCORES, dk + into, step, rows / GEMM_ROWS, end - both, panels);
      }
      // the keys that the group of queries sees, in whole panels: what was made above
      for (let q = query, a = ds; q < end; q += GEMM_ROWS, a += groupBytes) {
        const seen = causal ? min<i32>(count, up(q + GEMM_ROWS + shift - key, GEMM_PANEL)) : count;
        if (seen <= 0) continue;
        const dq = queryGrads + floats(q, columns);
        const line = floats(1, columns);
        const step = floats(count, GEMM_PANEL);
        tiles(a, keyRows, step, dq, GEMM_PANEL * 4, line, 1, seen, dq, line, columns / GEMM_PANEL);
      }
    }
  }
  const by = f32x4.splat(scale);
  for (let q = 0; q < queries; q++) {
    let x = queryGrads + floats(q, columns);
    let y = address(p, Attention.QueryGrad) + queryOffset + <usize>q * stride;
    for (let left = size; left > 0; left -= 4, x += 16, y += 16) {
      const dq = f32x4.mul(v128.load(x), by);
      if (left >= 4) v128.store(y, dq);
      else storePart(y, dq, left);
    }
  }
}

/** p = e^(s - log sum) and ds = p (dp - sum(dy y)), of `count` queries from `query` on and 8 keys. */
function gradientPanel(s: usize, dp: usize, query: i32, count: i32, key: i32, sums: usize, dots: usize): void {
  const end = s + floats(count, GEMM_PANEL);
  let at = floats(query, 1);
  // without a bias, the queries from the last key's own on see all 8
  const some = biased ? count : causal ? min<i32>(count, key + GEMM_PANEL - 1 - shift - query) : 0;
  if (some > 0) {
    const hidden0 = mask ? hiddenKeys(key) : i32x4.splat(0);
    const hidden1 = mask ? hiddenKeys(key + 4) : i32x4.splat(0);
    biasPanel(s, some, key - shift - query, 1, 0, hidden0, hidden1);
  }
  do {
    const s0 = v128.load(s);
    const s1 = v128.load(s, 16);
    const sum = v128.load32_splat(sums + at);
    const whole = v128.load32_splat(dots + at);
    const p0 = expBelow4(f32x4.sub(s0, sum));
    const p1 = expBelow4(f32x4.sub(s1, sum));
    v128.store(s, p0);
    v128.store(s, p1, 16);
    v128.store(dp, f32x4.mul(p0, f32x4.sub(v128.load(dp), whole)));
    v128.store(dp, f32x4.mul(p1, f32x4.sub(v128.load(dp, 16), whole)), 16);
    at += 4;
    dp += GEMM_PANEL * 4;
    s += GEMM_PANEL * 4;
  } while (s != end);
}

/** All bits where one of four keys is masked, or not there. */
function hiddenKeys(key: i32): v128 {
  let hidden = i32x4.splat(-1);
  const count = min<i32>(4, keys - key);
  for (let i = 0; i < count; i++) {
    const shown = load<f32>(mask + floats(key + i, 1)) != 0;
    if (!shown) continue;
    const lane = i32x4.eq(i32x4(0, 1, 2, 3), i32x4.splat(i));
    hidden = v128.andnot(hidden, lane);
  }
  return hidden;
}

/** sum x y: four partial sums, then theirs. */
function dot(x: usize, y: usize, count: i32): f32 {
  let total = f32x4.splat(0);
  for (; count >= 4; count -= 4, x += 16, y += 16) total = madd(v128.load(x), v128.load(y), total);
  let rest: f32 = 0;
  for (; count > 0; count--, x += 4, y += 4) rest += load<f32>(x) * load<f32>(y);
  return sum4(total) + rest;
}
