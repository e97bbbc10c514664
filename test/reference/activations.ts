import { Activation } from '../../assembly/tape/dense.ts';
import { make, type Numbers, sum } from './numbers.ts';

const SELU_SCALE = 1.0507009873554805;
const SELU_ALPHA = 1.6732632423543772;
const GELU_CUBIC = 0.044715;

/** 2/sqrt(pi) e^(-x²) sum 2^k x^(2k+1) / (2k+1)!! (Abramowitz & Stegun 7.1.6). */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let total = x;
  for (let k = 3; Math.abs(term) > 1e-18 * Math.abs(total); k += 2) {
    term *= (2 * x * x) / k;
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

export function sigmoid(x: number): number {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

export const normalCdf = (x: number): number => 0.5 * (1 + erf(x / Math.SQRT2));
const normalPdf = (x: number): number => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
const geluInner = (x: number): number => Math.sqrt(2 / Math.PI) * (x + GELU_CUBIC * x ** 3);

interface Kind {
  /** f(x) */
  readonly f: (x: number, alpha: number) => number;
  /** f'(x) */
  readonly d: (x: number, alpha: number) => number;
  /** f' from y = f(x); absent where the kernel takes it from x. */
  readonly fromY?: (y: number, alpha: number) => number;
}

/** Total by type: an activation without a twin does not compile. */
const kinds: Record<Activation, Kind> = {
  [Activation.Linear]: { f: (x) => x, d: () => 1, fromY: () => 1 },
  [Activation.Relu]: {
    f: (x) => Math.max(x, 0),
    d: (x) => (x > 0 ? 1 : 0),
    fromY: (y) => (y > 0 ? 1 : 0),
  },
  [Activation.LeakyRelu]: {
    f: (x, alpha) => (x > 0 ? x : alpha * x),
    d: (x, alpha) => (x > 0 ? 1 : alpha),
    fromY: (y, alpha) => (y > 0 ? 1 : alpha),
  },
  [Activation.Elu]: {
    f: (x, alpha) => (x > 0 ? x : alpha * Math.expm1(x)),
    d: (x, alpha) => (x > 0 ? 1 : alpha * Math.exp(x)),
    fromY: (y, alpha) => (y > 0 ? 1 : y + alpha),
  },
  [Activation.Selu]: {
    f: (x) => SELU_SCALE * (x > 0 ? x : SELU_ALPHA * Math.expm1(x)),
    d: (x) => SELU_SCALE * (x > 0 ? 1 : SELU_ALPHA * Math.exp(x)),
    fromY: (y) => (y > 0 ? SELU_SCALE : y + SELU_SCALE * SELU_ALPHA),
  },
  // d sigmoid = s (1 - s)
  [Activation.Sigmoid]: {
    f: sigmoid,
    d: (x) => sigmoid(x) * sigmoid(-x),
    fromY: (y) => y * (1 - y),
  },
  [Activation.HardSigmoid]: {
    f: (x) => Math.min(Math.max(x / 6 + 0.5, 0), 1),
    d: (x) => (Math.abs(x) < 3 ? 1 / 6 : 0),
    fromY: (y) => (y > 0 && y < 1 ? 1 / 6 : 0),
  },
  // d tanh = 1 - tanh² = 1 / cosh²
  [Activation.Tanh]: { f: Math.tanh, d: (x) => 1 / Math.cosh(x) ** 2, fromY: (y) => 1 - y * y },
  // d log(1 + e^x) = sigmoid(x)
  [Activation.Softplus]: { f: softplus, d: sigmoid, fromY: (y) => -Math.expm1(-y) },
  // d x / (1 + |x|) = 1 / (1 + |x|)²
  [Activation.Softsign]: {
    f: (x) => x / (1 + Math.abs(x)),
    d: (x) => 1 / (1 + Math.abs(x)) ** 2,
    fromY: (y) => (1 - Math.abs(y)) ** 2,
  },
  // d x s = s + x s (1 - s)
  [Activation.Silu]: {
    f: (x) => x * sigmoid(x),
    d: (x) => sigmoid(x) * (1 + x * sigmoid(-x)),
  },
  // d x Phi(x) = Phi(x) + x phi(x)
  [Activation.Gelu]: {
    f: (x) => x * normalCdf(x),
    d: (x) => normalCdf(x) + x * normalPdf(x),
  },
  // d x/2 (1 + tanh u) = (1 + tanh u)/2 + x/2 u' / cosh² u, u' = sqrt(2/pi) (1 + 3 · 0.044715 x²)
  [Activation.GeluTanh]: {
    f: (x) => 0.5 * x * (1 + Math.tanh(geluInner(x))),
    d: (x) => {
      const u = geluInner(x);
      const du = Math.sqrt(2 / Math.PI) * (1 + 3 * GELU_CUBIC * x * x);
      return 0.5 * (1 + Math.tanh(u)) + (0.5 * x * du) / Math.cosh(u) ** 2;
    },
  },
  // d x tanh(softplus(x)) = tanh p + x sigmoid(x) / cosh² p
  [Activation.Mish]: {
    f: (x) => x * Math.tanh(softplus(x)),
    d: (x) => Math.tanh(softplus(x)) + (x * sigmoid(x)) / Math.cosh(softplus(x)) ** 2,
  },
  [Activation.Exponential]: { f: Math.exp, d: Math.exp, fromY: (y) => y },
  [Activation.Log]: { f: Math.log, d: (x) => 1 / x },
  [Activation.Sqrt]: { f: Math.sqrt, d: (x) => 0.5 / Math.sqrt(x), fromY: (y) => 0.5 / y },
  [Activation.Abs]: { f: Math.abs, d: Math.sign },
  [Activation.Square]: { f: (x) => x * x, d: (x) => 2 * x },
  [Activation.Sign]: { f: Math.sign, d: () => 0, fromY: () => 0 },
};

/** y = f(x) */
export function activation(kind: Activation, alpha: number, x: Numbers): number[] {
  return make(x.length, (i) => kinds[kind].f(x[i]!, alpha));
}

/** dx = dy · f'(x) */
export function activationGradient(kind: Activation, alpha: number, x: Numbers, dy: Numbers): number[] {
  return make(x.length, (i) => dy[i]! * kinds[kind].d(x[i]!, alpha));
}

/** dx = dy · f', taken from the reference as the kernel has it: y, or x for the kinds that need it. */
export function activationGradientFrom(
  kind: Activation,
  alpha: number,
  reference: Numbers,
  dy: Numbers,
): number[] {
  const slope = kinds[kind].fromY ?? kinds[kind].d;
  return make(dy.length, (i) => dy[i]! * slope(reference[i]!, alpha));
}

/** log(sum e^x) of a row. */
export function logSumExp(x: Numbers, from: number, columns: number): number {
  let largest = -Infinity;
  for (let n = 0; n < columns; n++) largest = Math.max(largest, x[from + n]!);
  return largest + Math.log(sum(columns, (n) => Math.exp(x[from + n]! - largest)));
}

/** Rows of softmax, or of its logarithm: x - log(sum e^x). */
export function softmax(x: Numbers, columns: number, logarithm: boolean): number[] {
  const norms = make(x.length / columns, (r) => logSumExp(x, r * columns, columns));
  return make(x.length, (i) => {
    const y = x[i]! - norms[Math.floor(i / columns)]!;
    return logarithm ? y : Math.exp(y);
  });
}

/** softmax: dx = y (dy - sum(dy y)); log-softmax: dx = dy - e^y sum(dy) */
export function softmaxGradient(dy: Numbers, y: Numbers, columns: number, logarithm: boolean): number[] {
  return make(dy.length, (i) => {
    const from = i - (i % columns);
    if (logarithm) return dy[i]! - Math.exp(y[i]!) * sum(columns, (n) => dy[from + n]!);
    return y[i]! * (dy[i]! - sum(columns, (n) => dy[from + n]! * y[from + n]!));
  });
}
