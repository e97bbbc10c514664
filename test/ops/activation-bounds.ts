import { Activation } from '../../assembly/tape/dense.ts';
import { ulpOf } from '../math/functions.ts';
import { activation, erf, sigmoid } from '../reference/activations.ts';

/*
 * Rounding errors of the activations, in units of u = 2^-24, operation by operation as assembly/kernels/activation.ts
 * does them: each operation, and each constant that is not a float32, adds one; a function of simd.ts adds twice its
 * ULP (a unit of the last place is at most 2 u of the value); what depends on an inexact argument adds the argument's
 * error times its derivative.
 */
const EXP = 2 * ulpOf('exp');
const EXPM1 = 2 * ulpOf('expm1');
const TANH = 2 * ulpOf('tanh');
const SIGMOID = 2 * ulpOf('sigmoid');
const ERF = 2 * ulpOf('erf');
const SOFTPLUS = 2 * ulpOf('softplus');
const LOG = 2 * ulpOf('log');

const SELU_SCALE = 1.0507009873554805;
const SELU_FLOOR = SELU_SCALE * 1.6732632423543772;

/** Parts of gelu: z = x / sqrt 2 (2 operations), erf z, and the error of erf z. */
function gelu(x: number): { erf: number; error: number; cdf: number; pdf: number } {
  const z = x * Math.SQRT1_2;
  const value = erf(z);
  const slope = (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z);
  return {
    erf: value,
    error: 2 * Math.abs(z) * slope + ERF * Math.abs(value),
    cdf: 0.5 + 0.5 * value,
    pdf: Math.exp(-z * z) / Math.sqrt(2 * Math.PI),
  };
}

/** Parts of geluTanh: t = tanh u, u = sqrt(2/pi) x (1 + 0.044715 x²) in 7 operations, u', and the error of t. */
function geluTanh(x: number): { t: number; error: number; du: number } {
  const c = Math.sqrt(2 / Math.PI);
  const u = c * x * (1 + 0.044715 * x * x);
  const t = Math.tanh(u);
  const error = 7 * Math.abs(u) * (1 - t * t) + TANH * Math.abs(t);
  return { t, error, du: c * (1 + 3 * 0.044715 * x * x) };
}

/** tanh(softplus x), and its relative error: p / (sinh p cosh p) <= 1 passes softplus' on. */
const MISH = SOFTPLUS + TANH;

interface KindBound {
  /** Error of y = f(x). */
  readonly f: (x: number, y: number) => number;
  /** Error of f' from an exact reference r (y, or x where the kernel takes that); d = f'. One more for dy · f'. */
  readonly d: (r: number, d: number) => number;
  /** |d f' / dy|, which passes an error of y on to f'; absent where the reference is x. */
  readonly curvature?: (y: number) => number;
}

const zero = (): number => 0;

/** Total by type: an activation without bounds does not compile. */
const kinds: Record<Activation, KindBound> = {
  [Activation.Linear]: { f: zero, d: zero },
  [Activation.Relu]: { f: zero, d: zero },
  [Activation.LeakyRelu]: { f: (_, y) => Math.abs(y), d: zero },
  [Activation.Elu]: {
    f: (x, y) => (x > 0 ? 0 : (EXPM1 + 1) * Math.abs(y)),
    d: (_, d) => d,
    curvature: (y) => (y > 0 ? 0 : 1),
  },
  // the scale and its product; alpha, its product and expm1 where negative
  [Activation.Selu]: {
    f: (x, y) => (x > 0 ? 2 : EXPM1 + 4) * Math.abs(y),
    d: (y, d) => (y > 0 ? d : 3 * SELU_FLOOR + d),
    curvature: (y) => (y > 0 ? 0 : 1),
  },
  [Activation.Sigmoid]: {
    f: (_, y) => SIGMOID * y,
    d: (_, d) => 2 * d,
    curvature: (y) => Math.abs(1 - 2 * y),
  },
  // the sum, 1/6 and the product
  [Activation.HardSigmoid]: { f: (_, y) => 3 * y, d: (_, d) => d },
  [Activation.Tanh]: {
    f: (_, y) => TANH * Math.abs(y),
    d: (_, d) => 3 * d,
    curvature: (y) => 2 * Math.abs(y),
  },
  [Activation.Softplus]: {
    f: (_, y) => SOFTPLUS * y,
    d: (_, d) => EXPM1 * d,
    curvature: (y) => Math.exp(-y),
  },
  [Activation.Softsign]: {
    f: (_, y) => 2 * Math.abs(y),
    d: (_, d) => 3 * d,
    curvature: (y) => 2 * (1 - Math.abs(y)),
  },
  [Activation.Silu]: {
    f: (_, y) => (SIGMOID + 1) * Math.abs(y),
    d: (x, d) => {
      const [s, rest] = [sigmoid(x), sigmoid(-x)];
      return s * (Math.abs(x) * rest * (SIGMOID + 1) + Math.abs(1 + x * rest)) + (SIGMOID + 1) * Math.abs(d);
    },
  },
  [Activation.Gelu]: {
    f: (x, y) => {
      const { erf: value, error } = gelu(x);
      return Math.abs(x / 2) * (error + Math.abs(value)) + Math.abs(y);
    },
    // pdf: -x²/2 log2 e in three operations, which e^(-x²/2) passes on; the polynomial 2^-23.6, its last two operations
    // and a constant, one for those before them; the product
    d: (x, d) => {
      const { error, cdf, pdf } = gelu(x);
      return 0.5 * error + cdf + Math.abs(x) * pdf * (3 * ((x * x) / 2) + 1.3 + 5) + Math.abs(d);
    },
  },
  [Activation.GeluTanh]: {
    f: (x, y) => {
      const { t, error } = geluTanh(x);
      return Math.abs(x / 2) * (error + Math.abs(t)) + Math.abs(y);
    },
    // (1 - t)(1 + t) u': two sums, two products, u' in 7 operations, the error of t twice
    d: (x, d) => {
      const { t, error, du } = geluTanh(x);
      const slope = du * (2 * error + 12 * (1 - t * t));
      return 0.5 * (error + 1 + t + Math.abs(x) * slope) + Math.abs(d);
    },
  },
  [Activation.Mish]: {
    f: (_, y) => (MISH + 1) * Math.abs(y),
    d: (x, d) => {
      const t = activation(Activation.Mish, 0, [x])[0]! / x;
      const error = MISH * t;
      const tail = Math.abs(x) * sigmoid(x) * (2 * error + (5 + SIGMOID) * (1 - t * t));
      return tail + error + Math.abs(d);
    },
  },
  [Activation.Exponential]: { f: (_, y) => EXP * y, d: zero, curvature: () => 1 },
  [Activation.Log]: { f: (_, y) => LOG * Math.abs(y), d: zero },
  [Activation.Sqrt]: { f: (_, y) => y, d: zero, curvature: (y) => 1 / (2 * y * y) },
  [Activation.Abs]: { f: zero, d: zero },
  [Activation.Square]: { f: (_, y) => y, d: zero },
  [Activation.Sign]: { f: zero, d: zero },
};

/** Error of y = f(x). */
export function activationBound(kind: Activation, x: number, y: number): number {
  return kinds[kind].f(x, y);
}

/** Error of dx = dy · f'(reference), the reference exact; d = f'. */
export function derivativeBound(kind: Activation, reference: number, d: number, dy: number): number {
  // the last product is exact where f' is 0 or 1
  const product = d === 0 || d === 1 ? 0 : Math.abs(d);
  return Math.abs(dy) * (kinds[kind].d(reference, d) + product);
}

/** The same through the kernel's own y: its error comes on top. */
export function gradientBound(kind: Activation, x: number, y: number, d: number, dy: number): number {
  const { curvature, f } = kinds[kind];
  const inherited = curvature ? curvature(y) * f(x, y) : 0;
  return derivativeBound(kind, curvature ? y : x, d, dy) + Math.abs(dy) * inherited;
}

/** |d f' / dy| where f' is taken from y. */
export function curvature(kind: Activation, y: number): number {
  return kinds[kind].curvature?.(y) ?? 0;
}
