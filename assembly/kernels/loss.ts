import { address, float, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { log4, madd, nmadd, sigmoid4, softplus4, sum4 } from '../simd';
import { Loss, LossForm } from '../tape/training';
import { first, last } from '../threads';
import { logOf, rowExp, rowMax, rowScale } from './softmax';

/*
 * Each kernel makes the loss of every row and, in the same pass, the gradient of scale · sum(loss).
 * Gradient address 0: the loss alone.
 */

/** sum (x - t)²; 2 (x - t) */
export function meanSquaredError(p: usize): void {
  const columns = word(p, Loss.Columns);
  const scale = f32x4.splat(2 * float(p, Loss.Scale));
  const to = last(word(p, Loss.Rows), 1);
  const zero = f32x4.splat(0);
  for (let r = first(word(p, Loss.Rows), 1); r < to; r++) {
    const offset = <usize>(r * columns) << 2;
    let x = address(p, Loss.Prediction) + offset;
    let t = address(p, Loss.Target) + offset;
    const base = address(p, Loss.Gradient);
    let g = base + offset;
    let total = zero;
    let i = columns;
    for (; i >= 4; i -= 4, x += 16, t += 16, g += 16) {
      const d = f32x4.sub(v128.load(x), v128.load(t));
      total = madd(d, d, total);
      if (base) v128.store(g, f32x4.mul(d, scale));
    }
    if (i) {
      const d = f32x4.sub(loadPart(x, i, zero), loadPart(t, i, zero));
      total = madd(d, d, total);
      if (base) storePart(g, f32x4.mul(d, scale), i);
    }
    storeLoss(p, r, sum4(total));
  }
}

// @ts-ignore: decorator
@inline
function storeLoss(p: usize, row: i32, loss: f32): void {
  store<f32>(address(p, Loss.RowLoss) + (<usize>row << 2), loss * float(p, Loss.RowScale));
}

/** One vector: its losses; the gradients are left in `slope`. */
let slope: v128 = f32x4.splat(0);

function binary4(form: i32, x: v128, t: v128, low: v128, high: v128): v128 {
  const kind = form & 3;
  if (kind == LossForm.Logits) {
    // softplus(x) - x t; sigmoid(x) - t
    slope = f32x4.sub(sigmoid4(x), t);
    return nmadd(x, t, softplus4(x));
  }
  // -(t log q + (1 - t) log(1 - q)), q = the clipped probability
  const one = f32x4.splat(1);
  const q = f32x4.pmin(f32x4.pmax(x, low), high);
  const u = f32x4.sub(one, q);
  // q - t for the logit, (q - t) / (q (1 - q)) for the probability
  let d = f32x4.sub(q, t);
  if (kind == LossForm.Probabilities) d = f32x4.div(d, f32x4.mul(q, u));
  if (form & LossForm.ZeroClipped) d = v128.and(d, f32x4.eq(q, x));
  slope = d;
  return f32x4.neg(madd(t, log4(q), f32x4.mul(f32x4.sub(one, t), log4(u))));
}

export function binaryCrossEntropy(p: usize): void {
  const columns = word(p, Loss.Columns);
  const form = word(p, Loss.Form);
  const base = address(p, Loss.Gradient);
  const x = address(p, Loss.Prediction);
  const t = address(p, Loss.Target);
  const losses = address(p, Loss.RowLoss);
  const rowScale = float(p, Loss.RowScale);
  const from = first(word(p, Loss.Rows), 4);
  const to = last(word(p, Loss.Rows), 4);
  if (columns == 1) {
    // rows of one column lie side by side: a vector of losses
    for (let r = from; r < to; r += 4) {
      const offset = <usize>r << 2;
      const count = min<i32>(4, to - r);
      const v = f32x4.mul(binaryVector(p, form, x + offset, t + offset, base ? base + offset : 0, count), f32x4.splat(rowScale));
      if (count == 4) v128.store(losses + offset, v);
      else storePart(losses + offset, v, count);
    }
    return;
  }
  for (let r = from; r < to; r++) {
    let offset = <usize>(r * columns) << 2;
    let total = f32x4.splat(0);
    for (let i = columns; i > 0; i -= 4, offset += 16) {
      let v = binaryVector(p, form, x + offset, t + offset, base ? base + offset : 0, min<i32>(4, i));
      // the lanes past the end do not count
      if (i < 4) v = v128.and(v, i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(i)));
      total = f32x4.add(total, v);
    }
    storeLoss(p, r, sum4(total));
  }
}

/** The losses of `count` (1..4) outputs; their gradients to g, unless that is 0. */
function binaryVector(p: usize, form: i32, x: usize, t: usize, g: usize, count: i32): v128 {
  const half = f32x4.splat(0.5);
  const low = f32x4.splat(float(p, Loss.Low));
  const high = f32x4.splat(float(p, Loss.High));
  const scale = f32x4.splat(float(p, Loss.Scale));
  if (count == 4) {
    const v = binary4(form, v128.load(x), v128.load(t), low, high);
    if (g) v128.store(g, f32x4.mul(slope, scale));
    return v;
  }
  const v = binary4(form, loadPart(x, count, half), loadPart(t, count, half), low, high);
  if (g) storePart(g, f32x4.mul(slope, scale), count);
  return v;
}

/** On logits: log(sum e^x) - x[class]; softmax(x) - onehot. Dense targets t: sum t (lse - x); softmax · sum t - t. */
export function softmaxCrossEntropy(p: usize): void {
  const columns = word(p, Loss.Columns);
  const sparse = word(p, Loss.Form) != 0;
  const scale = float(p, Loss.Scale);
  const base = address(p, Loss.Gradient);
  const targets = address(p, Loss.Target);
  const to = last(word(p, Loss.Rows), 1);
  for (let r = first(word(p, Loss.Rows), 1); r < to; r++) {
    const offset = <usize>(r * columns) << 2;
    const x = address(p, Loss.Prediction) + offset;
    const g = base ? base + offset : 0;
    const shift = rowMax(x, columns);
    const total = rowExp(x, g, columns, shift);
    const norm = logOf(total) + shift;
    if (sparse) {
      const at = <usize>load<u32>(targets + (<usize>r << 2)) << 2;
      storeLoss(p, r, norm - load<f32>(x + at));
      if (g) {
        rowScale(g, g, columns, scale / total, 0);
        store<f32>(g + at, load<f32>(g + at) - scale);
      }
    } else {
      dense(p, r, x, targets + offset, g, columns, norm, scale, total);
    }
  }
}

function dense(
  p: usize,
  row: i32,
  x: usize,
  t: usize,
  g: usize,
  columns: i32,
  norm: f32,
  scale: f32,
  total: f32,
): void {
  const n = f32x4.splat(norm);
  const zero = f32x4.splat(0);
  let loss = zero;
  let mass = zero;
  let i = columns;
  let q = t;
  for (; i >= 4; i -= 4, x += 16, q += 16) {
    const w = v128.load(q);
    mass = f32x4.add(mass, w);
    loss = madd(w, f32x4.sub(n, v128.load(x)), loss);
  }
  if (i) {
    const w = loadPart(q, i, zero);
    mass = f32x4.add(mass, w);
    loss = madd(w, f32x4.sub(n, loadPart(x, i, zero)), loss);
  }
  storeLoss(p, row, sum4(loss));
  if (g == 0) return;
  const share = f32x4.splat((scale * sum4(mass)) / total);
  const s = f32x4.splat(scale);
  for (i = columns; i >= 4; i -= 4, g += 16, t += 16) {
    v128.store(g, nmadd(v128.load(t), s, f32x4.mul(v128.load(g), share)));
  }
  if (i) storePart(g, nmadd(loadPart(t, i, zero), s, f32x4.mul(loadPart(g, i, zero), share)), i);
}
