import { address, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { exp4, expBelow4, log4, madd, max4, nmadd, sum4 } from '../simd';
import { Softmax, SoftmaxGrad } from '../tape/dense';
import { first, last } from '../threads';

/** max x[i] */
export function rowMax(x: usize, count: i32): f32 {
  let m = f32x4.splat(-Infinity);
  for (; count >= 4; count -= 4, x += 16) m = f32x4.max(m, v128.load(x));
  if (count) m = f32x4.max(m, loadPart(x, count, f32x4.splat(-Infinity)));
  return max4(m);
}

/** y[i] = e^(x[i] - shift), no x larger than shift; their sum. y may be 0: the sum alone. */
export function rowExp(x: usize, y: usize, count: i32, shift: f32): f32 {
  const s = f32x4.splat(shift);
  let total = f32x4.splat(0);
  for (; count >= 4; count -= 4, x += 16) {
    const e = expBelow4(f32x4.sub(v128.load(x), s));
    total = f32x4.add(total, e);
    if (y) {
      v128.store(y, e);
      y += 16;
    }
  }
  if (count) {
    const e = exp4(f32x4.sub(loadPart(x, count, f32x4.splat(-Infinity)), s));
    total = f32x4.add(total, e);
    if (y) storePart(y, e, count);
  }
  return sum4(total);
}

export function logOf(x: f32): f32 {
  return f32x4.extract_lane(log4(f32x4.splat(x)), 0);
}

/** y = x * scale + offset */
export function rowScale(x: usize, y: usize, count: i32, scale: f32, offset: f32): void {
  const a = f32x4.splat(scale);
  const b = f32x4.splat(offset);
  for (; count >= 4; count -= 4, x += 16, y += 16) v128.store(y, madd(v128.load(x), a, b));
  if (count) storePart(y, madd(loadPart(x, count, b), a, b), count);
}

/** Rows of softmax, or of log-softmax: x - max - log(sum e^(x - max)). */
export function softmax(p: usize): void {
  const rows = word(p, Softmax.Rows);
  const columns = word(p, Softmax.Columns);
  const to = last(rows, 1);
  for (let r = first(rows, 1); r < to; r++) {
    const offset = <usize>(r * columns) << 2;
    const x = address(p, Softmax.Source) + offset;
    const y = address(p, Softmax.Target) + offset;
    const shift = rowMax(x, columns);
    if (word(p, Softmax.Logarithm)) {
      const norm = logOf(rowExp(x, 0, columns, shift));
      rowScale(x, y, columns, 1, -shift);
      rowScale(y, y, columns, 1, -norm);
    } else {
      const total = rowExp(x, y, columns, shift);
      rowScale(y, y, columns, 1 / total, 0);
    }
  }
}

/** softmax: dx = y (dy - sum(dy y));  log-softmax: dx = dy - e^y sum(dy). */
export function softmaxGrad(p: usize): void {
  const rows = word(p, SoftmaxGrad.Rows);
  const columns = word(p, SoftmaxGrad.Columns);
  const logarithm = word(p, SoftmaxGrad.Logarithm) != 0;
  const to = last(rows, 1);
  const zero = f32x4.splat(0);
  for (let r = first(rows, 1); r < to; r++) {
    const offset = <usize>(r * columns) << 2;
    const dy = address(p, SoftmaxGrad.Gradient) + offset;
    const y = address(p, SoftmaxGrad.Output) + offset;
    const dx = address(p, SoftmaxGrad.Target) + offset;
    const whole = <usize>(columns & ~3) << 2;
    const rest = columns & 3;
    let total = zero;
    for (let i: usize = 0; i < whole; i += 16) {
      total = logarithm
        ? f32x4.add(total, v128.load(dy + i))
        : madd(v128.load(dy + i), v128.load(y + i), total);
    }
    if (rest) {
      const d = loadPart(dy + whole, rest, zero);
      total = logarithm ? f32x4.add(total, d) : madd(d, loadPart(y + whole, rest, zero), total);
    }
    const sum = f32x4.splat(sum4(total));
    for (let i: usize = 0; i < whole; i += 16) {
      v128.store(dx + i, rowGrad(v128.load(dy + i), v128.load(y + i), sum, logarithm));
    }
    if (rest) {
      const v = rowGrad(loadPart(dy + whole, rest, zero), loadPart(y + whole, rest, zero), sum, logarithm);
      storePart(dx + whole, v, rest);
    }
  }
}

// @ts-ignore: decorator
@inline
function rowGrad(dy: v128, y: v128, sum: v128, logarithm: bool): v128 {
  if (logarithm) return nmadd(exp4(y), sum, dy);
  return f32x4.mul(y, f32x4.sub(dy, sum));
}
