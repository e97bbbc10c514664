import { address, float, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { madd } from '../simd';
import { Affine, BiasAdd, Binary, BinaryKind } from '../tape/dense';
import { first, last } from '../threads';

// @ts-ignore: decorator
@inline
function combineFast(kind: i32, a: v128, b: v128): v128 {
  if (kind == BinaryKind.Add) return f32x4.add(a, b);
  if (kind == BinaryKind.Subtract) return f32x4.sub(a, b);
  return f32x4.mul(a, b);
}

// @ts-ignore: decorator
@inline
function combine(kind: i32, a: v128, b: v128): v128 {
  switch (kind) {
    case BinaryKind.Add:
    case BinaryKind.Subtract:
    case BinaryKind.Multiply:
      return combineFast(kind, a, b);
    case BinaryKind.Divide:
      return f32x4.div(a, b);
    case BinaryKind.Minimum:
      return f32x4.min(a, b);
    case BinaryKind.Maximum:
      return f32x4.max(a, b);
    case BinaryKind.Greater:
      return v128.and(f32x4.gt(a, b), f32x4.splat(1));
    case BinaryKind.GreaterEqual:
      return v128.and(f32x4.ge(a, b), f32x4.splat(1));
    case BinaryKind.Equal:
      return v128.and(f32x4.eq(a, b), f32x4.splat(1));
    case BinaryKind.Step:
      return v128.or(
        v128.and(f32x4.gt(a, b), f32x4.splat(1)),
        v128.and(f32x4.eq(a, b), f32x4.splat(0.5)),
      );
    case BinaryKind.Mask:
      return v128.and(a, f32x4.ne(b, f32x4.splat(0)));
    case BinaryKind.Unmask:
      return v128.and(a, f32x4.eq(b, f32x4.splat(0)));
    default:
      return a;
  }
}

/** a^b, one after the other: the standard library's float32 pow is off by at most 0.52 ULP, special cases included. */
function powerRow(a: usize, aStep: usize, b: usize, bStep: usize, target: usize, count: i32): void {
  for (; count > 0; count--, a += aStep >> 2, b += bStep >> 2, target += 4) {
    store<f32>(target, NativeMathf.pow(load<f32>(a), load<f32>(b)));
  }
}

/**
 * y [count] = a (kind) b, count at least 1; an operand with step 0 is one number, else the step is 16. In place when target
 * is a or b. No call in these loops: V8 keeps what lives across one in memory (32 x 1024 products: 35 instead of 15 µs).
 */
function binaryRow(kind: i32, a: usize, aStep: usize, b: usize, bStep: usize, target: usize, count: i32): void {
  if (kind == BinaryKind.Power) {
    powerRow(a, aStep, b, bStep, target, count);
    return;
  }
  let x = v128.load32_splat(a);
  let y = v128.load32_splat(b);
  if (count >= 4) {
    const end = target + (<usize>(count & ~3) << 2);
    if (kind > BinaryKind.Multiply) {
      do {
        if (aStep) x = v128.load(a);
        if (bStep) y = v128.load(b);
        v128.store(target, combine(kind, x, y));
        a += aStep;
        b += bStep;
        target += 16;
      } while (target != end);
    } else if (aStep & bStep) {
      do {
        v128.store(target, combineFast(kind, v128.load(a), v128.load(b)));
        a += 16;
        b += 16;
        target += 16;
      } while (target != end);
    } else {
      do {
        if (aStep) x = v128.load(a);
        if (bStep) y = v128.load(b);
        v128.store(target, combineFast(kind, x, y));
        a += aStep;
        b += bStep;
        target += 16;
      } while (target != end);
    }
    count &= 3;
    if (count == 0) return;
  }
  const zero = f32x4.splat(0);
  if (aStep) x = loadPart(a, count, zero);
  if (bStep) y = loadPart(b, count, zero);
  storePart(target, combineOnce(kind, x, y), count);
}

function combineOnce(kind: i32, a: v128, b: v128): v128 {
  return combine(kind, a, b);
}

/** Rows of the last dimension, one after the other; a thread may begin and end within one. */
export function binary(p: usize): void {
  const count = word(p, Binary.Count);
  let at = first(count, 16);
  const end = last(count, 16);
  if (at >= end) return;
  const kind = word(p, Binary.Kind);
  const inner = word(p, Binary.D4);
  const d3 = word(p, Binary.D3);
  const d2 = word(p, Binary.D2);
  const d1 = word(p, Binary.D1);
  const aStep = address(p, Binary.A4);
  const bStep = address(p, Binary.B4);
  let row = at / inner;
  let column = at - row * inner;
  let i3 = row % d3;
  row /= d3;
  let i2 = row % d2;
  row /= d2;
  let i1 = row % d1;
  let i0 = row / d1;
  do {
    const n = min<i32>(inner - column, end - at);
    const a = offset(p, Binary.A0, i0, i1, i2, i3) + column * <i32>aStep;
    const b = offset(p, Binary.B0, i0, i1, i2, i3) + column * <i32>bStep;
    binaryRow(
      kind,
      address(p, Binary.A) + (<usize>a << 2),
      aStep << 4,
      address(p, Binary.B) + (<usize>b << 2),
      bStep << 4,
      address(p, Binary.Target) + (<usize>at << 2),
      n,
    );
    at += n;
    column = 0;
    if (++i3 == d3) {
      i3 = 0;
      if (++i2 == d2) {
        i2 = 0;
        if (++i1 == d1) {
          i1 = 0;
          i0++;
        }
      }
    }
  } while (at < end);
}

/** Floats to a row, by the strides from field `s` on. */
// @ts-ignore: decorator
@inline
function offset(p: usize, s: i32, i0: i32, i1: i32, i2: i32, i3: i32): i32 {
  return i0 * word(p, s) + i1 * word(p, s + 1) + i2 * word(p, s + 2) + i3 * word(p, s + 3);
}

export function biasAdd(p: usize): void {
  const rows = word(p, BiasAdd.Rows);
  const columns = word(p, BiasAdd.Columns);
  if (columns == 0) return;
  const bias = address(p, BiasAdd.Bias);
  const to = last(rows, 1);
  const stride = <usize>columns << 2;
  for (let r = first(rows, 1); r < to; r++) {
    const offset = <usize>r * stride;
    const source = address(p, BiasAdd.Source) + offset;
    binaryRow(BinaryKind.Add, source, 16, bias, 16, address(p, BiasAdd.Target) + offset, columns);
  }
}

export function affine(p: usize): void {
  let count = word(p, Affine.Count);
  const from = first(count, 16);
  count = last(count, 16) - from;
  let source = address(p, Affine.Source) + (<usize>from << 2);
  let target = address(p, Affine.Target) + (<usize>from << 2);
  const scale = f32x4.splat(float(p, Affine.Scale));
  const offset = f32x4.splat(float(p, Affine.Offset));
  const end = source + (<usize>(count & ~3) << 2);
  for (; source != end; source += 16, target += 16) {
    v128.store(target, madd(v128.load(source), scale, offset));
  }
  count &= 3;
  if (count) storePart(target, madd(loadPart(source, count, offset), scale, offset), count);
}
