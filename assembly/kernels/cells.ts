import { loadUpTo, storeUpTo } from '../lanes';
import { madd, sigmoid4, tanh4 } from '../simd';
import { Activation } from '../tape/dense';
import { activate4, derive4, sigmoidSlope, tanhSlope } from './activation';

/*
 * One time step of one row of a recurrent layer, forward and backward. z: the projected input, p = h' · recurrentKernel,
 * h' and c' the states before; with z at 0 their sum lies in the saved step already, with p at 0 in z. Gates go through
 * one loop for each array (`gate`): a loop with one function in it runs 1.5 times as fast as one with all five of an LSTM,
 * and serves every cell. Backward takes derivatives from what the activations gave.
 *
 * Arrays of `units` floats; those in scratch and of the saved step begin at multiples of 4 floats and are padded with
 * what an all-zero column gives, so that they are read and written by whole vectors.
 */

/** Of the instruction at hand. */
let activation: i32 = 0;
let alpha: v128 = f32x4.splat(0);
let gateActivation: i32 = 0;
let gateAlpha: v128 = f32x4.splat(0);

export function useActivations(kind: i32, a: f32, gateKind: i32, b: f32): void {
  activation = kind;
  alpha = f32x4.splat(a);
  gateActivation = gateKind;
  gateAlpha = f32x4.splat(b);
}

/** dy · act'(x), y = act(x). */
// @ts-ignore: decorator
@inline
function dAct(dy: v128, y: v128): v128 {
  return activation == Activation.Tanh ? tanhSlope(dy, y) : derive4(activation, dy, y, alpha);
}

// @ts-ignore: decorator
@inline
function dGate(dy: v128, y: v128): v128 {
  return gateActivation == Activation.Sigmoid ? sigmoidSlope(dy, y) : derive4(gateActivation, dy, y, gateAlpha);
}

// @ts-ignore: decorator
@inline
function widthOf(units: i32): usize {
  return (<usize>((units + 3) & ~3)) << 2;
}

/** d = (z + zBias) + (p + pBias), biases at 0 count as none; p may be 0. */
function sums(z: usize, zBias: usize, p: usize, pBias: usize, d: usize, units: i32): void {
  for (let at: usize = 0; units > 0; units -= 4, at += 16) {
    let v = loadUpTo(z + at, units);
    if (zBias) v = f32x4.add(v, loadUpTo(zBias + at, units));
    if (p) {
      const w = loadUpTo(p + at, units);
      v = f32x4.add(v, pBias ? f32x4.add(w, loadUpTo(pBias + at, units)) : w);
    }
    v128.store(d + at, v);
  }
}

/**
 * d [width] = f(d), whole vectors. Of the usual functions two at a time, in place: a call for each vector takes the
 * recurrence of an LSTM a tenth longer.
 */
function apply(kind: i32, a: v128, d: usize, bytes: usize): void {
  const usual = kind == Activation.Sigmoid || kind == Activation.Tanh;
  let end = d + (usual ? bytes & 16 : bytes);
  for (; d != end; d += 16) v128.store(d, activate4(kind, v128.load(d), a));
  if (!usual) return;
  end += bytes & -32;
  if (kind == Activation.Sigmoid) {
    for (; d != end; d += 32) {
      const y0 = inline.always(sigmoid4(v128.load(d)));
      const y1 = inline.always(sigmoid4(v128.load(d, 16)));
      v128.store(d, y0);
      v128.store(d, y1, 16);
    }
  } else {
    for (; d != end; d += 32) {
      const y0 = inline.always(tanh4(v128.load(d)));
      const y1 = inline.always(tanh4(v128.load(d, 16)));
      v128.store(d, y0);
      v128.store(d, y1, 16);
    }
  }
}

// @ts-ignore: decorator
@inline
function applyGate(d: usize, bytes: usize): void {
  apply(gateActivation, gateAlpha, d, bytes);
}

// @ts-ignore: decorator
@inline
function applyActivation(d: usize, bytes: usize): void {
  apply(activation, alpha, d, bytes);
}

/**
 * Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000, the columns in Keras' order i, f, g, o:
 * c = f c' + i g, h = o act(c). Saved: i, f, g, o, act(c), c', h'.
 */
export function lstmRow(z: usize, p: usize, c: usize, h: usize, saved: usize, units: i32): void {
  const gates = <usize>units << 2;
  const width = widthOf(units);
  if (z) {
    const end = saved + width * 4;
    const next: usize = p ? gates : 0;
    for (let d = saved; d != end; d += width, z += gates, p += next) sums(z, 0, p, 0, d, units);
  }
  applyGate(saved, width * 2);
  applyActivation(saved + width * 2, width);
  applyGate(saved + width * 3, width);
  for (let s = saved; s != saved + width; s += 16, c += 16) {
    const before = v128.load(c);
    const after = madd(v128.load(s + width), before, f32x4.mul(v128.load(s), v128.load(s + width * 2)));
    v128.store(c, after);
    v128.store(s + width * 4, after);
    v128.store(s + width * 5, before);
  }
  applyActivation(saved + width * 4, width);
  for (let s = saved; s != saved + width; s += 16, h += 16) {
    v128.store(s + width * 6, v128.load(h));
    v128.store(h, f32x4.mul(v128.load(s + width * 3), v128.load(s + width * 4)));
  }
}

/** dh: from above and the step after; dc = dc' + dh o act'; di = dc g, df = dc c', dg = dc i, do = dh act(c); dc' = dc f */
export function lstmRowGrad(dh: usize, dc: usize, saved: usize, dz: usize, units: i32): void {
  const gates = <usize>units << 2;
  const width = widthOf(units);
  for (let n = units; n > 0; n -= 4, dh += 16, dc += 16, saved += 16, dz += 16) {
    const dy = v128.load(dh);
    const i = v128.load(saved);
    const f = v128.load(saved + width);
    const g = v128.load(saved + width * 2);
    const o = v128.load(saved + width * 3);
    const a = v128.load(saved + width * 4);
    const d = f32x4.add(v128.load(dc), dAct(f32x4.mul(dy, o), a));
    storeUpTo(dz, dGate(f32x4.mul(d, g), i), n);
    storeUpTo(dz + gates, dGate(f32x4.mul(d, v128.load(saved + width * 5)), f), n);
    storeUpTo(dz + gates * 2, dAct(f32x4.mul(d, i), g), n);
    storeUpTo(dz + gates * 3, dGate(f32x4.mul(dy, a), o), n);
    v128.store(dc, f32x4.mul(d, f));
  }
}

/** h = z h' + (1 - z) g; saved: z, r, g, q, h'. */
function mixRow(h: usize, saved: usize, width: usize): void {
  for (const end = saved + width; saved != end; saved += 16, h += 16) {
    const before = v128.load(h);
    const g = v128.load(saved + width * 2);
    v128.store(saved + width * 4, before);
    v128.store(h, madd(v128.load(saved), f32x4.sub(before, g), g));
  }
}

/**
 * Cho et al. 2014 in the form of cuDNN, Keras and PyTorch; the columns in Keras' order z, r, g: q = p + its bias,
 * g = act(x + r q), h = z h' + (1 - z) g. Saved: z, r, g, q, h'.
 */
export function gruRow(z: usize, p: usize, bias: usize, h: usize, saved: usize, units: i32): void {
  const gates = <usize>units << 2;
  const width = widthOf(units);
  const inner = bias ? bias + gates * 3 : 0;
  const second = bias ? bias + gates : 0;
  sums(z, bias, p, inner, saved, units);
  sums(z + gates, second, p + gates, bias ? inner + gates : 0, saved + width, units);
  sums(z + gates * 2, bias ? second + gates : 0, 0, 0, saved + width * 2, units);
  sums(p + gates * 2, bias ? inner + gates * 2 : 0, 0, 0, saved + width * 3, units);
  applyGate(saved, width * 2);
  for (let s = saved + width; s != saved + width * 2; s += 16) {
    v128.store(s + width, madd(v128.load(s), v128.load(s + width * 2), v128.load(s + width)));
  }
  applyActivation(saved + width * 2, width);
  mixRow(h, saved, width);
}

/** dg = dh (1 - z) act', dz = dh (h' - g), dr = dg q, dq = dg r; dh' = dh z, and the product's. inner: dz, dr, dq. */
export function gruRowGrad(dh: usize, carry: usize, saved: usize, dz: usize, inner: usize, units: i32): void {
  const gates = <usize>units << 2;
  const width = widthOf(units);
  for (let n = units; n > 0; n -= 4, dh += 16, carry += 16, saved += 16, dz += 16, inner += 16) {
    const dy = v128.load(dh);
    const u = v128.load(saved);
    const r = v128.load(saved + width);
    const g = v128.load(saved + width * 2);
    const dg = dAct(f32x4.mul(dy, f32x4.sub(f32x4.splat(1), u)), g);
    const du = dGate(f32x4.mul(dy, f32x4.sub(v128.load(saved + width * 4), g)), u);
    const dr = dGate(f32x4.mul(dg, v128.load(saved + width * 3)), r);
    storeUpTo(dz, du, n);
    storeUpTo(dz + gates, dr, n);
    storeUpTo(dz + gates * 2, dg, n);
    storeUpTo(inner, du, n);
    storeUpTo(inner + gates, dr, n);
    storeUpTo(inner + gates * 2, f32x4.mul(dg, r), n);
    v128.store(carry, f32x4.mul(dy, u));
  }
}

/*
 * Cho et al. 2014 as printed: q = r h', g = act(x + q · its kernel). A product stands in the middle, so a row takes two
 * calls.
 */

export function gruGatesRow(z: usize, p: usize, h: usize, q: usize, saved: usize, units: i32): void {
  const gates = <usize>units << 2;
  const width = widthOf(units);
  sums(z, 0, p, 0, saved, units);
  sums(z + gates, 0, p + gates, 0, saved + width, units);
  applyGate(saved, width * 2);
  for (const end = saved + width; saved != end; saved += 16, h += 16, q += 16) {
    const v = f32x4.mul(v128.load(saved + width), v128.load(h));
    v128.store(saved + width * 3, v);
    v128.store(q, v);
  }
}

/** inner: q · kernel. */
export function gruCandidateRow(z: usize, inner: usize, h: usize, saved: usize, units: i32): void {
  const width = widthOf(units);
  sums(z + (<usize>units << 3), 0, inner, 0, saved + width * 2, units);
  applyActivation(saved + width * 2, width);
  mixRow(h, saved, width);
}

/** dg = dh (1 - z) act', dz = dh (h' - g); dh' = dh z, and the products'. */
export function gruCandidateRowGrad(dh: usize, carry: usize, saved: usize, dz: usize, units: i32): void {
  const gates = <usize>units << 2;
  const width = widthOf(units);
  for (let n = units; n > 0; n -= 4, dh += 16, carry += 16, saved += 16, dz += 16) {
    const dy = v128.load(dh);
    const u = v128.load(saved);
    const g = v128.load(saved + width * 2);
    storeUpTo(dz, dGate(f32x4.mul(dy, f32x4.sub(v128.load(saved + width * 4), g)), u), n);
    storeUpTo(dz + gates * 2, dAct(f32x4.mul(dy, f32x4.sub(f32x4.splat(1), u)), g), n);
    v128.store(carry, f32x4.mul(dy, u));
  }
}

/** dq: that of r h'; dr = dq h', dh' = dq r. */
export function gruGatesRowGrad(dq: usize, carry: usize, saved: usize, dz: usize, units: i32): void {
  const width = widthOf(units);
  dz += <usize>units << 2;
  for (let n = units; n > 0; n -= 4, dq += 16, carry += 16, saved += 16, dz += 16) {
    const d = v128.load(dq);
    const r = v128.load(saved + width);
    storeUpTo(dz, dGate(f32x4.mul(d, v128.load(saved + width * 4)), r), n);
    v128.store(carry, madd(d, r, v128.load(carry)));
  }
}

/** Elman 1990: h = act(z + p). Saved: h, h'. */
export function simpleRow(z: usize, p: usize, h: usize, saved: usize, units: i32): void {
  const width = widthOf(units);
  if (z) sums(z, 0, p, 0, saved, units);
  applyActivation(saved, width);
  for (const end = saved + width; saved != end; saved += 16, h += 16) {
    v128.store(saved + width, v128.load(h));
    v128.store(h, v128.load(saved));
  }
}

/** dz = dh act' */
export function simpleRowGrad(dh: usize, saved: usize, dz: usize, units: i32): void {
  for (let n = units; n > 0; n -= 4, dh += 16, saved += 16, dz += 16) {
    storeUpTo(dz, dAct(v128.load(dh), v128.load(saved)), n);
  }
}

/** d [units] = s, or zeros where s is 0; what lies behind d's end is left. */
export function copyUnits(s: usize, d: usize, units: i32): void {
  for (; units > 0; units -= 4, d += 16) {
    storeUpTo(d, s ? loadUpTo(s, units) : f32x4.splat(0), units);
    if (s) s += 16;
  }
}

/** p = (p + carry) + dy, dy at 0 counts as none; the carry becomes 0. Whole vectors but for dy. */
export function joinRow(p: usize, carry: usize, dy: usize, units: i32): void {
  for (; units > 0; units -= 4, p += 16, carry += 16) {
    let v = f32x4.add(v128.load(p), v128.load(carry));
    if (dy) {
      v = f32x4.add(v, loadUpTo(dy, units));
      dy += 16;
    }
    v128.store(p, v);
    v128.store(carry, f32x4.splat(0));
  }
}

/** x = x · scale [units]. */
export function scaleUnits(x: usize, scale: usize, units: i32): void {
  for (; units > 0; units -= 4, x += 16, scale += 16) {
    v128.store(x, f32x4.mul(v128.load(x), loadUpTo(scale, units)));
  }
}
