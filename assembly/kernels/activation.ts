import { address, float, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { abs4, copysign4, erf4, exp4, expm1_4, geluSlope4, log4, madd, sigmoid4, softplus4, tanh4 } from '../simd';
import { Activation, FROM_INTEGER, Unary, UnaryGrad } from '../tape/dense';
import { first, last } from '../threads';

const SELU_SCALE: f32 = 1.0507009873554805; // Klambauer et al. 2017, "Self-normalizing neural networks"
const SELU_ALPHA: f32 = 1.6732632423543772;
const SQRT_HALF: f32 = 0.7071067811865476;
const SQRT_2_OVER_PI: f32 = 0.7978845608028654;
const GELU_CUBIC: f32 = 0.044715; // Hendrycks & Gimpel 2016, the tanh form

// @ts-ignore: decorator
@inline
function splat(x: f32): v128 {
  return f32x4.splat(x);
}

/** x <= 0 ? a : b; NaN takes b. */
// @ts-ignore: decorator
@inline
function whereNegative(x: v128, a: v128, b: v128): v128 {
  return v128.bitselect(a, b, f32x4.le(x, splat(0)));
}

/** max(x, 0) that keeps NaN: pmax(a, b) is a < b ? b : a. */
// @ts-ignore: decorator
@inline
function positive(x: v128): v128 {
  return f32x4.pmax(x, splat(0));
}

/** y = f(x). */
export function activate4(kind: i32, x: v128, alpha: v128): v128 {
  switch (kind) {
    case Activation.Relu:
      return positive(x);
    case Activation.LeakyRelu:
      return whereNegative(x, f32x4.mul(alpha, x), x);
    case Activation.Elu:
      return whereNegative(x, f32x4.mul(alpha, expm1_4(x)), x);
    case Activation.Selu:
      return f32x4.mul(splat(SELU_SCALE), whereNegative(x, f32x4.mul(splat(SELU_ALPHA), expm1_4(x)), x));
    case Activation.Sigmoid:
      return sigmoid4(x);
    case Activation.HardSigmoid: {
      const y = f32x4.mul(f32x4.add(x, splat(3)), splat(1.0 / 6.0));
      return f32x4.pmin(f32x4.pmax(y, splat(0)), splat(1));
    }
    case Activation.Tanh:
      return tanh4(x);
    case Activation.Softplus:
      return softplus4(x);
    case Activation.Softsign:
      return softsign4(x);
    case Activation.Silu:
      return silu4(x);
    case Activation.Gelu:
      return gelu4(x);
    case Activation.GeluTanh: {
      const h = f32x4.mul(x, splat(0.5));
      return madd(h, tanh4(geluInner(x)), h);
    }
    case Activation.Mish:
      return f32x4.mul(x, tanh4(softplus4(x)));
    case Activation.Exponential:
      return exp4(x);
    case Activation.Log:
      return log4(x);
    case Activation.Sqrt:
      return f32x4.sqrt(x);
    case Activation.Abs:
      return abs4(x);
    case Activation.Square:
      return f32x4.mul(x, x);
    case Activation.Sign:
      return sign4(x);
    case FROM_INTEGER:
      return f32x4.convert_i32x4_s(x);
    default:
      return x;
  }
}

/** -1, 1, or x where that is 0 or NaN. */
// @ts-ignore: decorator
@inline
function sign4(x: v128): v128 {
  return v128.bitselect(copysign4(splat(1), x), x, f32x4.gt(abs4(x), splat(0)));
}

/** x / (1 + |x|); the limit ±1 at infinity. */
function softsign4(x: v128): v128 {
  const y = f32x4.div(x, f32x4.add(splat(1), abs4(x)));
  return v128.bitselect(copysign4(splat(1), x), y, f32x4.eq(abs4(x), splat(Infinity)));
}

/** x · sigmoid(x); 0 at -infinity. */
function silu4(x: v128): v128 {
  return f32x4.mul(f32x4.pmax(x, splat(-3.4028234e38)), sigmoid4(x));
}

/** x/2 (1 + erf(x / sqrt 2)) */
// @ts-ignore: decorator
@inline
function gelu4(x: v128): v128 {
  const h = f32x4.mul(x, splat(0.5));
  return madd(h, inline.always(erf4(f32x4.mul(x, splat(SQRT_HALF)))), h);
}

/** sqrt(2/pi) (x + 0.044715 x³) */
// @ts-ignore: decorator
@inline
function geluInner(x: v128): v128 {
  const x2 = f32x4.mul(x, x);
  return f32x4.mul(f32x4.mul(x, splat(SQRT_2_OVER_PI)), madd(x2, splat(GELU_CUBIC), splat(1)));
}

/** dy (1 - y²), y = tanh x. */
// @ts-ignore: decorator
@inline
export function tanhSlope(dy: v128, y: v128): v128 {
  const one = splat(1);
  return f32x4.mul(dy, f32x4.mul(f32x4.sub(one, y), f32x4.add(one, y)));
}

/** dy y (1 - y), y = sigmoid x. */
// @ts-ignore: decorator
@inline
export function sigmoidSlope(dy: v128, y: v128): v128 {
  return f32x4.mul(dy, f32x4.mul(y, f32x4.sub(splat(1), y)));
}

/** dx = dy · f'. The reference r is the output y; for silu, gelu, geluTanh, mish, log, abs and square it is the input x. */
export function derive4(kind: i32, dy: v128, r: v128, alpha: v128): v128 {
  const one = splat(1);
  switch (kind) {
    case Activation.Relu: // d relu = y > 0
      return v128.and(dy, f32x4.gt(r, splat(0)));
    case Activation.LeakyRelu: // y > 0 ? 1 : alpha, for alpha >= 0
      return f32x4.mul(dy, v128.bitselect(one, alpha, f32x4.gt(r, splat(0))));
    case Activation.Elu: // y > 0 ? 1 : y + alpha
      return f32x4.mul(dy, v128.bitselect(one, f32x4.add(r, alpha), f32x4.gt(r, splat(0))));
    case Activation.Selu: // y > 0 ? scale : y + scale alpha
      return f32x4.mul(
        dy,
        v128.bitselect(
          splat(SELU_SCALE),
          f32x4.add(r, splat(SELU_SCALE * SELU_ALPHA)),
          f32x4.gt(r, splat(0)),
        ),
      );
    case Activation.Sigmoid:
      return sigmoidSlope(dy, r);
    case Activation.HardSigmoid: // 0 < y < 1 ? 1/6 : 0
      return v128.and(
        f32x4.mul(dy, splat(1.0 / 6.0)),
        v128.and(f32x4.gt(r, splat(0)), f32x4.lt(r, one)),
      );
    case Activation.Tanh:
      return tanhSlope(dy, r);
    case Activation.Softplus: // sigmoid(x) = 1 - e^-y
      return f32x4.mul(dy, f32x4.neg(expm1_4(f32x4.neg(r))));
    case Activation.Softsign: { // (1 - |y|)²
      const u = f32x4.sub(one, abs4(r));
      return f32x4.mul(dy, f32x4.mul(u, u));
    }
    case Activation.Silu: { // s (1 + x (1 - s)), s = sigmoid(x)
      const s = sigmoid4(r);
      return f32x4.mul(dy, f32x4.mul(s, madd(r, sigmoid4(f32x4.neg(r)), one)));
    }
    case Activation.Gelu: // Phi(x) + x phi(x)
      return f32x4.mul(dy, geluSlope4(r));
    case Activation.GeluTanh: { // (1 + t)/2 + x/2 (1 - t²) u', t = tanh(u), u' = sqrt(2/pi)(1 + 3·0.044715 x²)
      const t = tanh4(geluInner(r));
      const du = f32x4.mul(splat(SQRT_2_OVER_PI), madd(f32x4.mul(r, r), splat(3 * GELU_CUBIC), one));
      const slope = f32x4.mul(f32x4.mul(f32x4.sub(one, t), f32x4.add(one, t)), du);
      return f32x4.mul(dy, f32x4.mul(splat(0.5), f32x4.add(f32x4.add(one, t), f32x4.mul(r, slope))));
    }
    case Activation.Mish: { // t + x (1 - t²) sigmoid(x), t = tanh(softplus(x))
      const t = tanh4(softplus4(r));
      const u = f32x4.mul(f32x4.sub(one, t), f32x4.add(one, t));
      return f32x4.mul(dy, madd(f32x4.mul(r, u), sigmoid4(r), t));
    }
    case Activation.Exponential: // y
      return f32x4.mul(dy, r);
    case Activation.Log: // 1 / x
      return f32x4.div(dy, r);
    case Activation.Sqrt: // 1 / (2 y)
      return f32x4.div(f32x4.mul(dy, splat(0.5)), r);
    case Activation.Abs:
      return f32x4.mul(dy, sign4(r));
    case Activation.Square: // 2 x
      return f32x4.mul(dy, f32x4.add(r, r));
    case Activation.Sign:
      return splat(0);
    default:
      return dy;
  }
}

/*
 * The two functions below have loops of their own for what is common: calling activate4 or derive4 for each vector costs
 * tanh a third more, and its derivative, which is four instructions, five times as much.
 */

/** y [count] = f(x); in place when source == target. */
export function activateRow(kind: i32, source: usize, target: usize, count: i32, alpha: f32): void {
  const a = splat(alpha);
  const end = source + (<usize>(count & ~3) << 2);
  if (kind == Activation.Relu) {
    for (; source != end; source += 16, target += 16) v128.store(target, positive(v128.load(source)));
  } else if (kind == Activation.Gelu) {
    for (; source != end; source += 16, target += 16) v128.store(target, gelu4(v128.load(source)));
  } else if (kind == Activation.Tanh) {
    for (; source != end; source += 16, target += 16) {
      v128.store(target, inline.always(tanh4(v128.load(source))));
    }
  } else {
    for (; source != end; source += 16, target += 16) {
      v128.store(target, activate4(kind, v128.load(source), a));
    }
  }
  count &= 3;
  if (count) storePart(target, activate4(kind, loadPart(source, count, splat(0)), a), count);
}

/** dx [count] = dy · f'(r); in place when dy == target. */
export function deriveRow(kind: i32, dy: usize, r: usize, target: usize, count: i32, alpha: f32): void {
  const a = splat(alpha);
  const end = dy + (<usize>(count & ~3) << 2);
  if (kind == Activation.Relu) {
    for (; dy != end; dy += 16, r += 16, target += 16) {
      v128.store(target, v128.and(v128.load(dy), f32x4.gt(v128.load(r), splat(0))));
    }
  } else if (kind == Activation.Gelu) {
    for (; dy != end; dy += 16, r += 16, target += 16) {
      v128.store(target, f32x4.mul(v128.load(dy), inline.always(geluSlope4(v128.load(r)))));
    }
  } else if (kind == Activation.Tanh) {
    for (; dy != end; dy += 16, r += 16, target += 16) {
      v128.store(target, tanhSlope(v128.load(dy), v128.load(r)));
    }
  } else {
    for (; dy != end; dy += 16, r += 16, target += 16) {
      v128.store(target, derive4(kind, v128.load(dy), v128.load(r), a));
    }
  }
  count &= 3;
  if (count) {
    const v = derive4(kind, loadPart(dy, count, splat(0)), loadPart(r, count, splat(0)), a);
    storePart(target, v, count);
  }
}

export function unary(p: usize): void {
  const count = word(p, Unary.Count);
  const from = first(count, 16);
  const offset = <usize>from << 2;
  activateRow(
    word(p, Unary.Kind),
    address(p, Unary.Source) + offset,
    address(p, Unary.Target) + offset,
    last(count, 16) - from,
    float(p, Unary.Alpha),
  );
}

export function unaryGrad(p: usize): void {
  const count = word(p, UnaryGrad.Count);
  const from = first(count, 16);
  const offset = <usize>from << 2;
  deriveRow(
    word(p, UnaryGrad.Kind),
    address(p, UnaryGrad.Gradient) + offset,
    address(p, UnaryGrad.Reference) + offset,
    address(p, UnaryGrad.Target) + offset,
    last(count, 16) - from,
    float(p, UnaryGrad.Alpha),
  );
}
