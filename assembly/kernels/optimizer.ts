import { beta1Power, beta2Power, program } from '../clock';
import { address, float, rowAt, rowCount, word } from '../fields';
import { copysign4, madd, nmadd } from '../simd';
import { Program } from '../tape';
import { OPTIMIZE_SCRATCH, Optimize, OptimizerKind } from '../tape/training';
import { first, last, thread } from '../threads';

/** g + l1 sign(w) + twoL2 w: the gradient of l1 · sum|w| + l2 · sum w² joins in. */
// @ts-ignore: decorator
@inline
export function penalized4(w: v128, g: v128, l1: v128, twoL2: v128): v128 {
  const lasso = v128.and(copysign4(l1, w), f32x4.ne(w, f32x4.splat(0)));
  return f32x4.add(madd(twoL2, w, g), lasso);
}

// What every optimizer does to the gradient and the parameter first; set by prepare().
let plain: bool = true;
let l1: f32 = 0;
let twoL2: f32 = 0;
let clipValue: f32 = 0;
let normScale: f32 = 1;
let keep: f32 = 1; // 1 - rate · weight decay

/** min(max(v, -limit), limit); a limit of 0 is none. */
// @ts-ignore: decorator
@inline
export function clipped4(v: v128, limit: f32): v128 {
  if (limit == 0) return v;
  const c = f32x4.splat(limit);
  return f32x4.pmin(f32x4.pmax(v, f32x4.neg(c)), c);
}

/** The gradient with penalties, clipped by value, then by the norm of what that gave. Each optimizer has a loop for `bare` gradients, which need neither. */
// @ts-ignore: decorator
@inline
function gradient4(w: v128, g: v128, bare: bool): v128 {
  if (bare) return g;
  const v = clipped4(penalized4(w, g, f32x4.splat(l1), f32x4.splat(twoL2)), clipValue);
  return f32x4.mul(v, f32x4.splat(normScale));
}

/** min(1, clipNorm / norm) from the partial sums (Pascanu et al. 2013, algorithm 1). */
function scaleOfNorm(p: usize): f32 {
  const limit = float(p, Optimize.ClipNorm);
  if (limit == 0) return 1;
  let q = address(p, Optimize.Partials);
  let total: f64 = 0;
  for (let i = word(p, Optimize.PartialCount); i > 0; i--, q += 8) total += load<f64>(q);
  const norm = sqrt<f64>(total);
  return norm > <f64>limit ? <f32>(<f64>limit / norm) : 1;
}

function prepare(p: usize, rate: f32): void {
  l1 = float(p, Optimize.L1);
  twoL2 = 2 * float(p, Optimize.L2);
  clipValue = float(p, Optimize.ClipValue);
  normScale = scaleOfNorm(p);
  keep = 1 - rate * float(p, Optimize.WeightDecay);
  plain = l1 == 0 && twoL2 == 0 && clipValue == 0 && normScale == 1;
}

/*
 * The loops end with their condition: V8 moves what does not change in a loop to where it is used first, and out of the
 * loop only where the loop cannot be left before (measured in Node 20: 220 µs for 101,770 parameters of Adam, whose
 * bias correction was done again for every four of them; now 70).
 */

/** w -= rate · g */
// @ts-ignore: decorator
@inline
function sgd(w: usize, g: usize, count: i32, rate: f32, bare: bool): void {
  const r = f32x4.splat(rate);
  const k = f32x4.splat(keep);
  do {
    const v = v128.load(w);
    v128.store(w, nmadd(r, gradient4(v, v128.load(g), bare), f32x4.mul(v, k)));
    w += 16;
    g += 16;
    count -= 4;
  } while (count > 0);
}

/** m = beta m + g; w -= rate · m, or with Nesterov w -= rate (g + beta m) (Sutskever et al. 2013, as PyTorch has it). */
// @ts-ignore: decorator
@inline
function momentum(
  w: usize,
  g: usize,
  m: usize,
  count: i32,
  rate: f32,
  beta: f32,
  nesterov: bool,
  bare: bool,
): void {
  const r = f32x4.splat(rate);
  const b = f32x4.splat(beta);
  const k = f32x4.splat(keep);
  do {
    const v = v128.load(w);
    const d = gradient4(v, v128.load(g), bare);
    const s = madd(b, v128.load(m), d);
    v128.store(m, s);
    v128.store(w, nmadd(r, nesterov ? madd(b, s, d) : s, f32x4.mul(v, k)));
    w += 16;
    g += 16;
    m += 16;
    count -= 4;
  } while (count > 0);
}

/**
 * s = rho s + (1 - rho) g²; u = g / (sqrt(s - a²) + epsilon), a = mean gradient when centered;
 * with momentum m = beta m + u; w -= rate · m (Hinton 2012, lecture 6e; centered: Graves 2013, eq. 38-40).
 */
// @ts-ignore: decorator
@inline
function rmsProp(
  p: usize,
  w: usize,
  g: usize,
  m: usize,
  s: usize,
  a: usize,
  count: i32,
  rate: f32,
  bare: bool,
): void {
  const r = f32x4.splat(rate);
  const b = f32x4.splat(float(p, Optimize.Beta1));
  const rho = f32x4.splat(float(p, Optimize.Beta2));
  const rest = f32x4.splat(float(p, Optimize.Rest2));
  const epsilon = f32x4.splat(float(p, Optimize.Epsilon));
  const k = f32x4.splat(keep);
  let i: usize = 0;
  do {
    const v = v128.load(w + i);
    const d = gradient4(v, v128.load(g + i), bare);
    const square = madd(rho, v128.load(s + i), f32x4.mul(rest, f32x4.mul(d, d)));
    v128.store(s + i, square);
    let spread = square;
    if (a) {
      const mean = madd(rho, v128.load(a + i), f32x4.mul(rest, d));
      v128.store(a + i, mean);
      spread = f32x4.pmax(nmadd(mean, mean, square), f32x4.splat(0));
    }
    let u = f32x4.div(d, f32x4.add(f32x4.sqrt(spread), epsilon));
    if (m) {
      u = madd(b, v128.load(m + i), u);
      v128.store(m + i, u);
    }
    v128.store(w + i, nmadd(r, u, f32x4.mul(v, k)));
    i += 16;
    count -= 4;
  } while (count > 0);
}

/**
 * m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g²; w -= rate · (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
 * (Kingma & Ba 2015, algorithm 1; with weight decay: Loshchilov & Hutter 2019, algorithm 2).
 */
// @ts-ignore: decorator
@inline
function adam(p: usize, w: usize, g: usize, m: usize, v: usize, count: i32, rate: f32, bare: bool): void {
  const b1 = f32x4.splat(float(p, Optimize.Beta1));
  const b2 = f32x4.splat(float(p, Optimize.Beta2));
  const rest1 = f32x4.splat(float(p, Optimize.Rest1));
  const rest2 = f32x4.splat(float(p, Optimize.Rest2));
  const epsilon = f32x4.splat(float(p, Optimize.Epsilon));
  const r = f32x4.splat(<f32>(<f64>rate / (1 - beta1Power)));
  const c = f32x4.splat(<f32>(1 / sqrt<f64>(1 - beta2Power)));
  const k = f32x4.splat(keep);
  do {
    const x = v128.load(w);
    const d = gradient4(x, v128.load(g), bare);
    const mean = madd(b1, v128.load(m), f32x4.mul(rest1, d));
    const square = madd(b2, v128.load(v), f32x4.mul(rest2, f32x4.mul(d, d)));
    v128.store(m, mean);
    v128.store(v, square);
    const u = f32x4.div(mean, madd(f32x4.sqrt(square), c, epsilon));
    v128.store(w, nmadd(r, u, f32x4.mul(x, k)));
    w += 16;
    g += 16;
    m += 16;
    v += 16;
    count -= 4;
  } while (count > 0);
}

function sgdBare(w: usize, g: usize, count: i32, rate: f32): void {
  sgd(w, g, count, rate, true);
}

function sgdFull(w: usize, g: usize, count: i32, rate: f32): void {
  sgd(w, g, count, rate, false);
}

function momentumBare(p: usize, w: usize, g: usize, m: usize, count: i32, rate: f32): void {
  const nesterov = word(p, Optimize.Kind) == OptimizerKind.Nesterov;
  momentum(w, g, m, count, rate, float(p, Optimize.Beta1), nesterov, true);
}

function momentumFull(p: usize, w: usize, g: usize, m: usize, count: i32, rate: f32): void {
  const nesterov = word(p, Optimize.Kind) == OptimizerKind.Nesterov;
  momentum(w, g, m, count, rate, float(p, Optimize.Beta1), nesterov, false);
}

function rmsPropBare(p: usize, w: usize, g: usize, m: usize, s: usize, a: usize, count: i32, rate: f32): void {
  rmsProp(p, w, g, m, s, a, count, rate, true);
}

function rmsPropFull(p: usize, w: usize, g: usize, m: usize, s: usize, a: usize, count: i32, rate: f32): void {
  rmsProp(p, w, g, m, s, a, count, rate, false);
}

function adamBare(p: usize, w: usize, g: usize, m: usize, v: usize, count: i32, rate: f32): void {
  adam(p, w, g, m, v, count, rate, true);
}

function adamFull(p: usize, w: usize, g: usize, m: usize, v: usize, count: i32, rate: f32): void {
  adam(p, w, g, m, v, count, rate, false);
}

/** `count` elements, a multiple of 4. */
function range(p: usize, w: usize, g: usize, s1: usize, s2: usize, s3: usize, count: i32, rate: f32): void {
  switch (word(p, Optimize.Kind)) {
    case OptimizerKind.Sgd:
      return plain ? sgdBare(w, g, count, rate) : sgdFull(w, g, count, rate);
    case OptimizerKind.Momentum:
    case OptimizerKind.Nesterov:
      return plain ? momentumBare(p, w, g, s1, count, rate) : momentumFull(p, w, g, s1, count, rate);
    case OptimizerKind.RmsProp:
      return plain
        ? rmsPropBare(p, w, g, s1, s2, s3, count, rate)
        : rmsPropFull(p, w, g, s1, s2, s3, count, rate);
    case OptimizerKind.Adam:
      return plain ? adamBare(p, w, g, s1, s2, count, rate) : adamFull(p, w, g, s1, s2, count, rate);
  }
}

function copyFloats(target: usize, source: usize, count: i32): void {
  for (let i: usize = 0; i < <usize>count << 2; i += 4) store<f32>(target + i, load<f32>(source + i));
}

export function optimize(p: usize): void {
  const rate = load<f32>(program + ((<usize>Program.LearningRate) << 2)) * float(p, Optimize.Rate);
  prepare(p, rate);
  const count = word(p, Optimize.Count);
  const rows = address(p, Optimize.Rows);
  if (rows) {
    const bytes = (<usize>count) << 2;
    const all = rowCount(rows);
    const to = last(all, 1);
    for (let i = first(all, 1); i < to; i++) {
      update(p, rowAt(rows, i) * bytes, <usize>i * bytes, count, rate);
    }
    return;
  }
  const from = first(count, 16);
  const offset = (<usize>from) << 2;
  update(p, offset, offset, last(count, 16) - from, rate);
}

/** `count` elements, `offset` bytes into the parameters and their states. */
function update(p: usize, offset: usize, gradientOffset: usize, count: i32, rate: f32): void {
  const w = address(p, Optimize.Parameter) + offset;
  const g = address(p, Optimize.Gradient) + gradientOffset;
  const s1 = at(address(p, Optimize.State1), offset);
  const s2 = at(address(p, Optimize.State2), offset);
  const s3 = at(address(p, Optimize.State3), offset);
  const whole = count & ~3;
  if (whole) range(p, w, g, s1, s2, s3, whole, rate);
  const rest = count - whole;
  if (rest == 0) return;
  const tail = address(p, Optimize.Scratch) + <usize>(thread * OPTIMIZE_SCRATCH);
  const end = <usize>whole << 2;
  for (let i: usize = 0; i < 80; i += 16) v128.store(tail + i, f32x4.splat(0));
  copyFloats(tail, w + end, rest);
  copyFloats(tail + 16, g + end, rest);
  if (s1) copyFloats(tail + 32, s1 + end, rest);
  if (s2) copyFloats(tail + 48, s2 + end, rest);
  if (s3) copyFloats(tail + 64, s3 + end, rest);
  range(p, tail, tail + 16, s1 ? tail + 32 : 0, s2 ? tail + 48 : 0, s3 ? tail + 64 : 0, 4, rate);
  copyFloats(w + end, tail, rest);
  if (s1) copyFloats(s1 + end, tail + 32, rest);
  if (s2) copyFloats(s2 + end, tail + 48, rest);
  if (s3) copyFloats(s3 + end, tail + 64, rest);
}

// @ts-ignore: decorator
@inline
function at(base: usize, offset: usize): usize {
  return base ? base + offset : 0;
}
