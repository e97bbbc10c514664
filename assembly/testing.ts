/**
 * Entry of the test build (targets testing-simd, testing-relaxed): every function of simd.ts over an array, and its
 * error in ULP over a range of bit patterns, against float64 references computed here.
 */
import { erf4, exp4, expm1_4, geluSlope4, log1p4, log4, sigmoid4, softplus4, tanh4 } from './simd';

// dst[i] = f(src[i]), i < n, n a multiple of 4.

export function mapExp(src: usize, dst: usize, n: usize): void {
  for (const end = src + (n << 2); src < end; src += 16, dst += 16) v128.store(dst, exp4(v128.load(src)));
}

export function mapExpm1(src: usize, dst: usize, n: usize): void {
  for (const end = src + (n << 2); src < end; src += 16, dst += 16) v128.store(dst, expm1_4(v128.load(src)));
}

export function mapLog(src: usize, dst: usize, n: usize): void {
  for (const end = src + (n << 2); src < end; src += 16, dst += 16) v128.store(dst, log4(v128.load(src)));
}

export function mapLog1p(src: usize, dst: usize, n: usize): void {
  for (const end = src + (n << 2); src < end; src += 16, dst += 16) v128.store(dst, log1p4(v128.load(src)));
}

export function mapTanh(src: usize, dst: usize, n: usize): void {
  for (const end = src + (n << 2); src < end; src += 16, dst += 16) v128.store(dst, tanh4(v128.load(src)));
}

export function mapSigmoid(src: usize, dst: usize, n: usize): void {
  for (const end = src + (n << 2); src < end; src += 16, dst += 16) v128.store(dst, sigmoid4(v128.load(src)));
}

export function mapErf(src: usize, dst: usize, n: usize): void {
  for (const end = src + (n << 2); src < end; src += 16, dst += 16) v128.store(dst, erf4(v128.load(src)));
}

export function mapSoftplus(src: usize, dst: usize, n: usize): void {
  for (const end = src + (n << 2); src < end; src += 16, dst += 16)
    v128.store(dst, softplus4(v128.load(src)));
}

export function mapGeluSlope(src: usize, dst: usize, n: usize): void {
  for (const end = src + (n << 2); src < end; src += 16, dst += 16)
    v128.store(dst, geluSlope4(v128.load(src)));
}

// References in float64. AssemblyScript's Math is a port of musl: at most about one ULP of float64.

export function refExp(x: f64): f64 {
  return Math.exp(x);
}

export function refExpm1(x: f64): f64 {
  return Math.expm1(x);
}

export function refLog(x: f64): f64 {
  return Math.log(x);
}

export function refLog1p(x: f64): f64 {
  return Math.log1p(x);
}

export function refTanh(x: f64): f64 {
  return Math.tanh(x);
}

export function refSigmoid(x: f64): f64 {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const t = Math.exp(x);
  return t / (1 + t);
}

export function refSoftplus(x: f64): f64 {
  const t = Math.log1p(Math.exp(-abs(x)));
  return x > 0 ? x + t : t;
}

/** 2/sqrt(pi) e^(-x^2) sum 2^k x^(2k+1) / (2k+1)!! (Abramowitz & Stegun 7.1.6): no cancellation. */
export function refErf(x: f64): f64 {
  if (x != x) return x;
  if (abs(x) > 6) return copysign(1.0, x);
  const z = 2 * x * x;
  let term = x;
  let sum = x;
  for (let k = 3.0; abs(term) > 1e-17 * abs(sum); k += 2) {
    term *= z / k;
    sum += term;
  }
  return 1.1283791670955126 * Math.exp(-x * x) * sum;
}

export function refGeluSlope(x: f64): f64 {
  if (abs(x) > 40) return x > 0 ? 1 : 0;
  return 0.5 + 0.5 * refErf(x * 0.7071067811865475244) + x * 0.3989422804014326779 * Math.exp(-0.5 * x * x);
}

let worst: u32 = 0;

/** Bit pattern of the input that had the error which the last maxUlp returned. */
export function worstInput(): u32 {
  return worst;
}

/** Distance of y from the true value, in units of the last place of a float32 near that (at least 2^-149), or of 2^-24. */
function ulps(y: f32, truth: f64, absolute: bool): f64 {
  if (truth != truth || y != y) return truth != truth && y != y ? 0 : Infinity;
  if (abs(truth) == Infinity) return <f64>y == truth ? 0 : Infinity;
  // Overflow: an infinite float32 counts as 2^128
  const t = min(max(truth, -TWO_128), TWO_128);
  const v = min(max(<f64>y, -TWO_128), TWO_128);
  const e = absolute ? -1 : min(max(<i32>((reinterpret<u64>(t) >> 52) & 0x7ff) - 1023, -126), 127);
  return abs(v - t) * reinterpret<f64>((<u64>(1023 + 23 - e)) << 52);
}

const TWO_128: f64 = 3.4028236692093846346e38;

/** The functions, in the order of the maps above. */
function run(op: i32, src: usize, dst: usize, n: usize): void {
  switch (op) {
    case 0:
      return mapExp(src, dst, n);
    case 1:
      return mapExpm1(src, dst, n);
    case 2:
      return mapLog(src, dst, n);
    case 3:
      return mapLog1p(src, dst, n);
    case 4:
      return mapTanh(src, dst, n);
    case 5:
      return mapSigmoid(src, dst, n);
    case 6:
      return mapErf(src, dst, n);
    case 7:
      return mapSoftplus(src, dst, n);
    case 8:
      return mapGeluSlope(src, dst, n);
  }
}

function reference(op: i32, x: f64): f64 {
  switch (op) {
    case 0:
      return refExp(x);
    case 1:
      return refExpm1(x);
    case 2:
      return refLog(x);
    case 3:
      return refLog1p(x);
    case 4:
      return refTanh(x);
    case 5:
      return refSigmoid(x);
    case 6:
      return refErf(x);
    case 7:
      return refSoftplus(x);
    case 8:
      return refGeluSlope(x);
  }
  return NaN;
}

/**
 * The greatest error in ULP of function `op` at the bit patterns first, first + stride, ...: n of them, n a multiple
 * of 4, with 8 n bytes of scratch; `absolute`: in units of 2^-24. Infinity for a wrong NaN, a wrong Infinity, a value outside low..high, and, where
 * `odd`, for a sign that is not that of the input (zero included).
 */
export function maxUlp(
  op: i32,
  first: u32,
  stride: u32,
  n: u32,
  odd: bool,
  absolute: bool,
  low: f32,
  high: f32,
  scratch: usize,
): f64 {
  const dst = scratch + (n << 2);
  for (let i: u32 = 0; i < n; i++) store<u32>(scratch + (i << 2), first + i * stride);
  run(op, scratch, dst, n);
  let greatest = -1.0;
  for (let i: u32 = 0; i < n; i++) {
    const x = load<f32>(scratch + (i << 2));
    const y = load<f32>(dst + (i << 2));
    let error = ulps(y, reference(op, x), absolute);
    if (y < low || y > high) error = Infinity;
    if (odd && y == y && (reinterpret<u32>(x) ^ reinterpret<u32>(y)) >>> 31) error = Infinity;
    if (error > greatest) {
      greatest = error;
      worst = reinterpret<u32>(x);
    }
  }
  return greatest;
}
