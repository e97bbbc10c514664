import { loadPart, storePart } from '../lanes';
import { madd, sigmoid4, tanh4 } from '../simd';
import { Activation } from '../tape';
import { activate4, derive4 } from './activation';

/*
 * One time step of one row of a recurrent layer, forward and backward. z: the projected input with its bias,
 * p = h' · recurrentKernel, h' and c' the states before. Backward takes derivatives from what the activations gave.
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

// @ts-ignore: decorator
@inline
function act(x: v128): v128 {
  return activation == Activation.Tanh ? tanh4(x) : activate4(activation, x, alpha);
}

// @ts-ignore: decorator
@inline
function gate(x: v128): v128 {
  return gateActivation == Activation.Sigmoid ? sigmoid4(x) : activate4(gateActivation, x, gateAlpha);
}

/** dy · act'(x), y = act(x). */
// @ts-ignore: decorator
@inline
function dAct(dy: v128, y: v128): v128 {
  if (activation != Activation.Tanh) return derive4(activation, dy, y, alpha);
  const one = f32x4.splat(1);
  return f32x4.mul(dy, f32x4.mul(f32x4.sub(one, y), f32x4.add(one, y)));
}

// @ts-ignore: decorator
@inline
function dGate(dy: v128, y: v128): v128 {
  if (gateActivation != Activation.Sigmoid) return derive4(gateActivation, dy, y, gateAlpha);
  return f32x4.mul(dy, f32x4.mul(y, f32x4.sub(f32x4.splat(1), y)));
}

// @ts-ignore: decorator
@inline
function get(p: usize, count: i32): v128 {
  return count >= 4 ? v128.load(p) : loadPart(p, count, f32x4.splat(0));
}

// @ts-ignore: decorator
@inline
function put(p: usize, v: v128, count: i32): void {
  if (count >= 4) v128.store(p, v);
  else storePart(p, v, count);
}

/** z + p of one gate. */
// @ts-ignore: decorator
@inline
function sum(z: usize, p: usize, offset: usize, count: i32): v128 {
  return f32x4.add(get(z + offset, count), get(p + offset, count));
}

/**
 * Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000, the columns in Keras' order i, f, g, o:
 * c = f c' + i g, h = o act(c). Saved: i, f, g, o, act(c), c', h'.
 */
export function lstmRow(z: usize, p: usize, c: usize, h: usize, saved: usize, y: usize, units: i32): void {
  const gates = <usize>units << 2;
  const width = <usize>((units + 3) & ~3) << 2;
  for (let n = units; n > 0; n -= 4, z += 16, p += 16, c += 16, h += 16) {
    const i = gate(sum(z, p, 0, n));
    const f = gate(sum(z, p, gates, n));
    const g = act(sum(z, p, gates * 2, n));
    const o = gate(sum(z, p, gates * 3, n));
    const before = v128.load(c);
    const after = madd(f, before, f32x4.mul(i, g));
    const a = act(after);
    const out = f32x4.mul(o, a);
    if (saved) {
      v128.store(saved, i);
      v128.store(saved + width, f);
      v128.store(saved + width * 2, g);
      v128.store(saved + width * 3, o);
      v128.store(saved + width * 4, a);
      v128.store(saved + width * 5, before);
      v128.store(saved + width * 6, v128.load(h));
      saved += 16;
    }
    v128.store(c, after);
    v128.store(h, out);
    if (y) {
      put(y, out, n);
      y += 16;
    }
  }
}

/** dh = dy + p, p from the step after; dc = dc' + dh o act'; di = dc g, df = dc c', dg = dc i, do = dh act(c); dc' = dc f */
export function lstmRowGrad(dy: usize, p: usize, dc: usize, saved: usize, dz: usize, units: i32): void {
  const gates = <usize>units << 2;
  const width = <usize>((units + 3) & ~3) << 2;
  for (let n = units; n > 0; n -= 4, p += 16, dc += 16, saved += 16, dz += 16) {
    let dh = v128.load(p);
    if (dy) {
      dh = f32x4.add(dh, get(dy, n));
      dy += 16;
    }
    const i = v128.load(saved);
    const f = v128.load(saved + width);
    const g = v128.load(saved + width * 2);
    const o = v128.load(saved + width * 3);
    const a = v128.load(saved + width * 4);
    const d = f32x4.add(v128.load(dc), dAct(f32x4.mul(dh, o), a));
    put(dz, dGate(f32x4.mul(d, g), i), n);
    put(dz + gates, dGate(f32x4.mul(d, v128.load(saved + width * 5)), f), n);
    put(dz + gates * 2, dAct(f32x4.mul(d, i), g), n);
    put(dz + gates * 3, dGate(f32x4.mul(dh, a), o), n);
    v128.store(dc, f32x4.mul(d, f));
  }
}

/** x and its bias, unless that is 0. */
// @ts-ignore: decorator
@inline
function plus(x: usize, bias: usize, offset: usize, count: i32): v128 {
  const v = get(x + offset, count);
  return bias ? f32x4.add(v, get(bias + offset, count)) : v;
}

/** h = z h' + (1 - z) g */
// @ts-ignore: decorator
@inline
function mix(z: v128, before: v128, g: v128): v128 {
  return madd(z, f32x4.sub(before, g), g);
}

/**
 * Cho et al. 2014 in the form of cuDNN, Keras and PyTorch; the columns in Keras' order z, r, g: q = p + its bias,
 * g = act(x + r q), h = z h' + (1 - z) g. Saved: z, r, g, q, h'.
 */
export function gruRow(z: usize, p: usize, bias: usize, h: usize, saved: usize, y: usize, units: i32): void {
  const gates = <usize>units << 2;
  const width = <usize>((units + 3) & ~3) << 2;
  const second = bias + gates * 3;
  for (let n = units; n > 0; n -= 4, z += 16, p += 16, h += 16) {
    const at = <usize>(units - n) << 2;
    const here = bias ? bias + at : 0;
    const inner = bias ? second + at : 0;
    const u = gate(f32x4.add(plus(z, here, 0, n), plus(p, inner, 0, n)));
    const r = gate(f32x4.add(plus(z, here, gates, n), plus(p, inner, gates, n)));
    const q = plus(p, inner, gates * 2, n);
    const g = act(madd(r, q, plus(z, here, gates * 2, n)));
    const before = v128.load(h);
    const out = mix(u, before, g);
    if (saved) {
      saveGru(saved, width, u, r, g, q, before);
      saved += 16;
    }
    v128.store(h, out);
    if (y) put(y + at, out, n);
  }
}

// @ts-ignore: decorator
@inline
function saveGru(saved: usize, width: usize, z: v128, r: v128, g: v128, q: v128, before: v128): void {
  v128.store(saved, z);
  v128.store(saved + width, r);
  v128.store(saved + width * 2, g);
  v128.store(saved + width * 3, q);
  v128.store(saved + width * 4, before);
}

/** dg = dh (1 - z) act', dz = dh (h' - g), dr = dg q, dq = dg r; dh' = dh z, and the product's. inner: dz, dr, dq. */
export function gruRowGrad(
  dy: usize,
  p: usize,
  carry: usize,
  saved: usize,
  dz: usize,
  inner: usize,
  units: i32,
): void {
  const gates = <usize>units << 2;
  const width = <usize>((units + 3) & ~3) << 2;
  for (let n = units; n > 0; n -= 4, p += 16, carry += 16, saved += 16, dz += 16, inner += 16) {
    let dh = f32x4.add(v128.load(p), v128.load(carry));
    if (dy) {
      dh = f32x4.add(dh, get(dy, n));
      dy += 16;
    }
    const u = v128.load(saved);
    const r = v128.load(saved + width);
    const g = v128.load(saved + width * 2);
    const dg = dAct(f32x4.mul(dh, f32x4.sub(f32x4.splat(1), u)), g);
    const du = dGate(f32x4.mul(dh, f32x4.sub(v128.load(saved + width * 4), g)), u);
    const dr = dGate(f32x4.mul(dg, v128.load(saved + width * 3)), r);
    put(dz, du, n);
    put(dz + gates, dr, n);
    put(dz + gates * 2, dg, n);
    put(inner, du, n);
    put(inner + gates, dr, n);
    put(inner + gates * 2, f32x4.mul(dg, r), n);
    v128.store(carry, f32x4.mul(dh, u));
  }
}

/*
 * Cho et al. 2014 as printed: q = r h', g = act(x + q · its kernel). A product stands in the middle, so a row takes two
 * calls, and the update gate waits in p.
 */

export function gruGatesRow(z: usize, p: usize, h: usize, q: usize, saved: usize, units: i32): void {
  const gates = <usize>units << 2;
  const width = <usize>((units + 3) & ~3) << 2;
  for (let n = units; n > 0; n -= 4, z += 16, p += 16, h += 16, q += 16) {
    const u = gate(sum(z, p, 0, n));
    const r = gate(sum(z, p, gates, n));
    put(p, u, n);
    if (saved) {
      v128.store(saved + width, r);
      saved += 16;
    }
    v128.store(q, f32x4.mul(r, v128.load(h)));
  }
}

/** p: the update gate; inner: q · kernel. */
export function gruCandidateRow(
  z: usize,
  p: usize,
  inner: usize,
  h: usize,
  q: usize,
  saved: usize,
  y: usize,
  units: i32,
): void {
  const width = <usize>((units + 3) & ~3) << 2;
  z += <usize>units << 3;
  for (let n = units; n > 0; n -= 4, z += 16, p += 16, inner += 16, h += 16, q += 16) {
    const u = get(p, n);
    const g = act(f32x4.add(get(z, n), v128.load(inner)));
    const before = v128.load(h);
    const out = mix(u, before, g);
    if (saved) {
      saveGru(saved, width, u, v128.load(saved + width), g, v128.load(q), before);
      saved += 16;
    }
    v128.store(h, out);
    if (y) {
      put(y, out, n);
      y += 16;
    }
  }
}

/** dg = dh (1 - z) act', dz = dh (h' - g); dh' = dh z, and the products'. */
export function gruCandidateRowGrad(dy: usize, p: usize, carry: usize, saved: usize, dz: usize, units: i32): void {
  const gates = <usize>units << 2;
  const width = <usize>((units + 3) & ~3) << 2;
  for (let n = units; n > 0; n -= 4, p += 16, carry += 16, saved += 16, dz += 16) {
    let dh = f32x4.add(v128.load(p), v128.load(carry));
    if (dy) {
      dh = f32x4.add(dh, get(dy, n));
      dy += 16;
    }
    const u = v128.load(saved);
    const g = v128.load(saved + width * 2);
    put(dz, dGate(f32x4.mul(dh, f32x4.sub(v128.load(saved + width * 4), g)), u), n);
    put(dz + gates * 2, dAct(f32x4.mul(dh, f32x4.sub(f32x4.splat(1), u)), g), n);
    v128.store(carry, f32x4.mul(dh, u));
  }
}

/** dq: that of r h'; dr = dq h', dh' = dq r. */
export function gruGatesRowGrad(dq: usize, carry: usize, saved: usize, dz: usize, units: i32): void {
  const width = <usize>((units + 3) & ~3) << 2;
  dz += <usize>units << 2;
  for (let n = units; n > 0; n -= 4, dq += 16, carry += 16, saved += 16, dz += 16) {
    const d = v128.load(dq);
    const r = v128.load(saved + width);
    put(dz, dGate(f32x4.mul(d, v128.load(saved + width * 4)), r), n);
    v128.store(carry, madd(d, r, v128.load(carry)));
  }
}

/** Elman 1990: h = act(z + p). Saved: h, h'. */
export function simpleRow(z: usize, p: usize, h: usize, saved: usize, y: usize, units: i32): void {
  const width = <usize>((units + 3) & ~3) << 2;
  for (let n = units; n > 0; n -= 4, z += 16, p += 16, h += 16) {
    const out = act(sum(z, p, 0, n));
    if (saved) {
      v128.store(saved, out);
      v128.store(saved + width, v128.load(h));
      saved += 16;
    }
    v128.store(h, out);
    if (y) {
      put(y, out, n);
      y += 16;
    }
  }
}

/** dz = dh act' */
export function simpleRowGrad(dy: usize, p: usize, saved: usize, dz: usize, units: i32): void {
  for (let n = units; n > 0; n -= 4, p += 16, saved += 16, dz += 16) {
    let dh = v128.load(p);
    if (dy) {
      dh = f32x4.add(dh, get(dy, n));
      dy += 16;
    }
    put(dz, dAct(dh, v128.load(saved)), n);
  }
}
