import { keyOf, uniform } from '../random';
import { Fill } from '../tape/dense';

/** Standard normal distribution function at ±2. */
const LOW: f64 = 0.022750131948179207;
const MIDDLE: f64 = 0.9544997361036416;

/** `count` floats from a distribution; number i depends on (seed, stream, i) alone. */
export function fill(kind: i32, target: usize, count: i32, a: f64, b: f64, seed: u64, stream: u32): void {
  const key = keyOf(seed, 0xffffffff, stream);
  for (let i = 0; i < count; i++, target += 4) store<f32>(target, <f32>draw(kind, key, i, a, b));
}

function draw(kind: i32, key: u64, i: u64, a: f64, b: f64): f64 {
  if (kind == Fill.Constant) return a;
  const u = uniform(key, i);
  if (kind == Fill.Uniform) return a + (b - a) * u;
  return a + b * quantile(kind == Fill.Normal ? u : LOW + MIDDLE * u);
}

/**
 * `count` orthonormal vectors of `length` elements (count <= length), as the rows of target, times gain; as its
 * columns when `columns` is set. Gaussian vectors, Gram-Schmidt twice (Saxe et al. 2014; Giraud et al. 2005 on
 * "twice is enough"). `scratch` holds count * length float64.
 */
export function orthogonal(
  target: usize,
  scratch: usize,
  count: i32,
  length: i32,
  columns: bool,
  gain: f64,
  seed: u64,
  stream: u32,
): void {
  const key = keyOf(seed, 0xffffffff, stream);
  const bytes = (<usize>length) << 3;
  for (let i = 0; i < count * length; i++) {
    store<f64>(scratch + ((<usize>i) << 3), quantile(uniform(key, i)));
  }
  for (let i = 0; i < count; i++) {
    const v = scratch + <usize>i * bytes;
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < i; j++) {
        const u = scratch + <usize>j * bytes;
        axpy(-dot(u, v, bytes), u, v, bytes);
      }
    }
    const scale = 1 / sqrt<f64>(dot(v, v, bytes));
    for (let k: usize = 0; k < bytes; k += 8) store<f64>(v + k, load<f64>(v + k) * scale);
    for (let k = 0; k < length; k++) {
      const at = columns ? k * count + i : i * length + k;
      store<f32>(target + ((<usize>at) << 2), <f32>(gain * load<f64>(v + ((<usize>k) << 3))));
    }
  }
}

function dot(a: usize, b: usize, bytes: usize): f64 {
  let s: f64 = 0;
  for (let k: usize = 0; k < bytes; k += 8) s += load<f64>(a + k) * load<f64>(b + k);
  return s;
}

function axpy(c: f64, a: usize, b: usize, bytes: usize): void {
  for (let k: usize = 0; k < bytes; k += 8) store<f64>(b + k, load<f64>(b + k) + c * load<f64>(a + k));
}

/** Natural logarithm of a positive normal number: 2 artanh((m - 1) / (m + 1)), |error| < 1e-15. */
function log(x: f64): f64 {
  const bits = reinterpret<u64>(x);
  let e = <i32>(bits >> 52) - 1023;
  let m = reinterpret<f64>((bits & 0xfffffffffffff) | 0x3ff0000000000000);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    e++;
  }
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let series: f64 = 0;
  for (let n: i32 = 21; n > 0; n -= 2) series = series * z + 1 / <f64>n;
  return 2 * s * series + <f64>e * 0.6931471805599453;
}

/** Quantile of the standard normal distribution (Wichura 1988, algorithm AS 241, PPND16: relative error 1e-16). */
export function quantile(u: f64): f64 {
  const q = u - 0.5;
  if (abs<f64>(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return (
      (q *
        (((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r +
          45921.953931549871457) *
          r +
          13731.693765509461125) *
          r +
          1971.5909503065514427) *
          r +
          133.14166789178437745) *
          r +
          3.387132872796366608)) /
      (((((((5226.495278852545925 * r + 28729.085735721942674) * r + 39307.89580009271061) * r +
        21213.794301586595867) *
        r +
        5394.1960214247511077) *
        r +
        687.1870074920579083) *
        r +
        42.313330701600911252) *
        r +
        1)
    );
  }
  let r = sqrt<f64>(-log(q < 0 ? u : 1 - u));
  let x: f64;
  if (r <= 5) {
    r -= 1.6;
    x =
      (((((((7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r + 0.24178072517745061177) * r +
        1.27045825245236838258) *
        r +
        3.64784832476320460504) *
        r +
        5.7694972214606914055) *
        r +
        4.6303378461565452959) *
        r +
        1.42343711074968357734) /
      (((((((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 0.0151986665636164571966) * r +
        0.14810397642748007459) *
        r +
        0.68976733498510000455) *
        r +
        1.6763848301838038494) *
        r +
        2.05319162663775882187) *
        r +
        1);
  } else {
    r -= 5;
    x =
      (((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 0.0012426609473880784386) * r +
        0.026532189526576123093) *
        r +
        0.29656057182850489123) *
        r +
        1.7848265399172913358) *
        r +
        5.4637849111641143699) *
        r +
        6.6579046435011037772) /
      (((((((2.04426310338993978564e-15 * r + 1.4215117583164458887e-7) * r + 1.8463183175100546818e-5) * r +
        7.868691311456132591e-4) *
        r +
        0.0148753612908506148525) *
        r +
        0.13692988092273580531) *
        r +
        0.59983220655588793769) *
        r +
        1);
  }
  return q < 0 ? -x : x;
}
