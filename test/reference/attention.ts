import { make, type Numbers, sum } from './numbers.ts';
import { bits32, keyOf } from './random.ts';

/*
 * The naive twin of attention: the whole matrix of scores. Errors go along, in units of 2^-24 (rounding.ts); where a
 * value is a sum of n products of x and y, of errors ex and ey, its error is sum(n |x y| + |x| ey + |y| ex).
 */

export interface AttentionShape {
  readonly batch: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly size: number;
  readonly queries: number;
  readonly keys: number;
  readonly causal: boolean;
  readonly alibi: boolean;
}

/** What an attention reads; q [batch, queries, heads, size], k and v [batch, keys, keyHeads, size]. */
export interface AttentionOperands {
  readonly q: Numbers;
  readonly k: Numbers;
  readonly v: Numbers;
  readonly mask?: Numbers | undefined;
  readonly positions?: Numbers | undefined;
  /** The mask of dropout, with its scale, [batch, heads, queries, keys]. */
  readonly dropped?: Numbers | undefined;
}

export interface Valued {
  readonly value: number[];
  readonly error: number[];
}

/** exp4 is right to 1.81 units in the last place, log4 to 1.07: each at most 2 · 2^-24 of the value. */
const EXP = 3.62;
const LOG = 2.14;
/** What stands for the logarithm of a sum that has no terms: every score less it has e^ = 0. */
const LARGEST = (2 - 2 ** -23) * 2 ** 127;
/** Keys of a block of assembly/kernels/attention.ts. */
const BLOCK = 64;
/** Dropout's scale: 1 - rate, 1 / it, and the product. */
const DROP = 3;

function slope(head: number, heads: number): number {
  const power = 2 ** Math.floor(Math.log2(heads));
  return head < power ? 2 ** ((-8 * (head + 1)) / power) : 2 ** ((-4 * (2 * (head - power) + 1)) / power);
}

/** The scores of a query, −Infinity where it does not see the key. */
function scoresOf(
  { q, k, mask, positions }: AttentionOperands,
  a: AttentionShape,
  b: number,
  h: number,
  i: number,
) {
  const { heads, keyHeads, size, queries, keys, causal, alibi } = a;
  const kvHead = Math.floor((h * keyHeads) / heads);
  const there = positions ? positions[(b + 1) * queries - 1]! + 1 : keys;
  // of new positions the last query stands at the last key; else both sequences begin at position 0
  const position = positions ? i + there - queries : i;
  const root = Math.sqrt(size);
  const value: number[] = [];
  const error: number[] = [];
  for (let j = 0; j < keys; j++) {
    const hidden = j >= there || (causal && j > position) || mask?.[b * keys + j] === 0;
    if (hidden) {
      value.push(-Infinity);
      error.push(0);
      continue;
    }
    let total = 0;
    let magnitude = 0;
    for (let n = 0; n < size; n++) {
      const product =
        (q[((b * queries + i) * heads + h) * size + n]! *
          k[((b * keys + j) * keyHeads + kvHead) * size + n]!) /
        root;
      total += product;
      magnitude += Math.abs(product);
    }
    const bias = alibi ? slope(h, heads) * Math.abs(j - position) : 0;
    value.push(total - bias);
    // the scale and its product with q, then the sum; the slope, its product, the difference
    error.push((size + 2) * magnitude + (alibi ? 2 * bias + Math.abs(total - bias) : 0));
  }
  return { value, error };
}

interface RowSums {
  readonly logSum: number;
  readonly error: number;
  /** Probabilities and their errors relative to the row's sum. */
  readonly p: readonly number[];
  readonly relative: readonly number[];
}

function softmaxOf({ value, error }: Valued): RowSums {
  const m = Math.max(...value);
  if (m === -Infinity)
    return { logSum: LARGEST, error: 0, p: value.map(() => 0), relative: value.map(() => 0) };
  const total = sum(value.length, (j) => Math.exp(value[j]! - m));
  const blocks = Math.ceil(value.length / BLOCK);
  const p = value.map((s) => Math.exp(s - m) / total);
  // s - m, e^, for each later block once more and a product, and the sums
  const relative = value.map((s, j) =>
    p[j]! > 0 ? error[j]! + Math.abs(s - m) + blocks * (EXP + 1) + value.length + blocks : 0,
  );
  const inherited = sum(p.length, (j) => p[j]! * relative[j]!);
  const logSum = m + Math.log(total);
  return { logSum, error: inherited + LOG * Math.abs(Math.log(total)) + Math.abs(logSum), p, relative };
}

const ofRow = (a: AttentionShape, b: number, h: number, i: number): number =>
  (b * a.heads + h) * a.queries + i;

/** y [batch, queries, heads, size], and the logarithms of the sums [batch, heads, queries]. */
export function attention(operands: AttentionOperands, a: AttentionShape): { y: Valued; logSum: Valued } {
  const { batch, heads, keyHeads, size, queries, keys } = a;
  const { v, dropped } = operands;
  const count = batch * queries * heads * size;
  const y = { value: new Array<number>(count), error: new Array<number>(count) };
  const logSum = {
    value: make(batch * heads * queries, () => 0),
    error: make(batch * heads * queries, () => 0),
  };
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const kvHead = Math.floor((h * keyHeads) / heads);
      for (let i = 0; i < queries; i++) {
        const row = softmaxOf(scoresOf(operands, a, b, h, i));
        const r = ofRow(a, b, h, i);
        logSum.value[r] = row.logSum;
        logSum.error[r] = row.error;
        const ofSum = sum(keys, (j) => row.p[j]! * row.relative[j]!);
        for (let n = 0; n < size; n++) {
          let value = 0;
          let error = 0;
          for (let j = 0; j < keys; j++) {
            const share = row.p[j]! * (dropped?.[r * keys + j] ?? 1);
            const product = share * v[((b * keys + j) * keyHeads + kvHead) * size + n]!;
            value += product;
            error += Math.abs(product) * (row.relative[j]! + keys + (dropped ? DROP : 0));
          }
          const at = ((b * queries + i) * heads + h) * size + n;
          y.value[at] = value;
          // and the inverse of the sum, its error, and the product
          y.error[at] = error + Math.abs(value) * (ofSum + 2);
        }
      }
    }
  }
  return { y, logSum };
}

const zeros = (count: number): Valued => ({ value: make(count, () => 0), error: make(count, () => 0) });

/** Adds a product of a sum of `terms`. */
function add(to: Valued, at: number, terms: number, x: number, ex: number, y: number): void {
  to.value[at] = to.value[at]! + x * y;
  to.error[at] = to.error[at]! + terms * Math.abs(x * y) + Math.abs(y) * ex;
}

/** dq, dk and dv from dy, y and the logarithms of the sums, with the errors that these have. */
export function attentionGradient(
  operands: AttentionOperands,
  a: AttentionShape,
  dy: Numbers,
  y: Valued,
  logSum: Valued,
): { dq: Valued; dk: Valued; dv: Valued } {
  const { batch, heads, keyHeads, size, queries, keys } = a;
  const { q, k, v, dropped } = operands;
  const scale = 1 / Math.sqrt(size);
  const dq = zeros(batch * queries * heads * size);
  const dk = zeros(batch * keys * keyHeads * size);
  const dv = zeros(batch * keys * keyHeads * size);
  const terms = (heads / keyHeads) * queries;
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const kvHead = Math.floor((h * keyHeads) / heads);
      for (let i = 0; i < queries; i++) {
        const scores = scoresOf(operands, a, b, h, i);
        const r = ofRow(a, b, h, i);
        const at = ((b * queries + i) * heads + h) * size;
        let whole = 0;
        let wholeError = 0;
        for (let n = 0; n < size; n++) {
          whole += dy[at + n]! * y.value[at + n]!;
          wholeError += Math.abs(dy[at + n]!) * (size * Math.abs(y.value[at + n]!) + y.error[at + n]!);
        }
        for (let j = 0; j < keys; j++) {
          const s = scores.value[j]!;
          const p = Math.exp(s - logSum.value[r]!);
          if (p === 0) continue;
          const relative = scores.error[j]! + logSum.error[r]! + Math.abs(s - logSum.value[r]!) + EXP;
          const factor = dropped?.[r * keys + j] ?? 1;
          const drop = dropped ? DROP : 0;
          const from = ((b * keys + j) * keyHeads + kvHead) * size;
          let dp = 0;
          let magnitude = 0;
          for (let n = 0; n < size; n++) {
            // in the order of `whole`: where one key has all the weight the difference is 0, not a rounding error
            const product = dy[at + n]! * (factor * v[from + n]!);
            dp += product;
            magnitude += Math.abs(product);
          }
          const difference = dp - whole;
          const ds = p * difference;
          const dpError = (size + drop) * magnitude;
          // the difference and the product round
          const dsError = p * (dpError + wholeError) + Math.abs(ds) * (relative + 2);
          const kept = p * factor;
          for (let n = 0; n < size; n++) {
            add(dv, from + n, terms, kept, kept * (relative + drop), dy[at + n]!);
            // the scale, its product
            add(dk, from + n, terms + 2, ds, dsError, q[at + n]! * scale);
            add(dq, at + n, keys + 2, ds, dsError, k[from + n]! * scale);
          }
        }
      }
    }
  }
  return { dq, dk, dv };
}

/** The mask of dropout, with its scale. */
export function droppedOf(
  a: AttentionShape,
  rate: number,
  seed: bigint,
  stream: number,
): number[] | undefined {
  if (rate === 0) return undefined;
  const key = keyOf(seed, 0, stream);
  const p = Math.fround(rate);
  const count = a.batch * a.heads * a.queries * a.keys;
  return make(count, (i) => (bits32(key, i) >= Math.floor(p * 2 ** 32) ? 1 / (1 - p) : 0));
}

/** Pairs (i, i + size / 2) of the first heads turned; x [rows, columns], table [positions, size]. */
export function rotary(
  x: Numbers,
  table: Numbers,
  { rows, columns, heads, size }: { rows: number; columns: number; heads: number; size: number },
  inverse: boolean,
): Valued {
  const half = size / 2;
  const y = zeros(rows * columns);
  for (let r = 0; r < rows; r++) {
    const angles = (r * size) % table.length;
    for (let c = 0; c < columns; c++) {
      const at = r * columns + c;
      const n = c % size;
      y.value[at] = x[at]!;
      if (c >= heads * size) continue;
      const pair = n < half ? at + half : at - half;
      const sine = table[angles + half + (n % half)]! * (n < half !== inverse ? -1 : 1);
      const [first, second] = [x[at]! * table[angles + (n % half)]!, x[pair]! * sine];
      y.value[at] = first + second;
      y.error[at] = 2 * (Math.abs(first) + Math.abs(second));
    }
  }
  return y;
}
