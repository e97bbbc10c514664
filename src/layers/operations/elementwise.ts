import { Activation, BinaryKind } from '../../../assembly/tape/dense.ts';
import { activationOps } from '../../ops/activations.ts';
import { arithmeticOps } from '../../ops/arithmetic.ts';
import { elementwiseOps } from '../../ops/elementwise.ts';
import { isOp, type Tensor } from '../../ops/tensor.ts';
import { type ActivationLike, activationConfig, applyActivation } from '../activations.ts';
import { operand, operands, type TensorLike } from './operand.ts';

function binary(what: string, kind: BinaryKind, a: TensorLike, b: TensorLike): Tensor {
  const [x, y] = operands(what, [a, b]) as [Tensor, Tensor];
  return x.tracer.add(arithmeticOps.binary, [x, y], { kind }) as unknown as Tensor;
}

function affine(what: string, x: TensorLike, scale: number, offset: number): Tensor {
  const tensor = operand(what, x);
  return tensor.tracer.add(elementwiseOps.affine, [tensor], { scale, offset }) as unknown as Tensor;
}

function unary(what: string, kind: Activation, x: TensorLike): Tensor {
  const tensor = operand(what, x);
  return tensor.tracer.add(activationOps.activation, [tensor], { kind, alpha: 0 }) as unknown as Tensor;
}

/** a + b. */
export function add(a: TensorLike, b: TensorLike): Tensor {
  if (typeof b === 'number') return affine('add', a, 1, b);
  if (typeof a === 'number') return affine('add', b, 1, a);
  const [x, y] = operands('add', [a, b]) as [Tensor, Tensor];
  // a bias becomes part of the product
  if (isOp(x, 'matmul') && y.shape.length === 1 && y.shape[0] === x.shape.at(-1)) {
    return x.tracer.add(elementwiseOps.biasAdd, [x, y], {}) as unknown as Tensor;
  }
  return binary('add', BinaryKind.Add, x, y);
}

/** a - b. */
export function sub(a: TensorLike, b: TensorLike): Tensor {
  if (typeof b === 'number') return affine('sub', a, 1, -b);
  if (typeof a === 'number') return affine('sub', b, -1, a);
  return binary('sub', BinaryKind.Subtract, a, b);
}

/** a · b, elementwise. */
export function mul(a: TensorLike, b: TensorLike): Tensor {
  if (typeof b === 'number') return affine('mul', a, b, 0);
  if (typeof a === 'number') return affine('mul', b, a, 0);
  return binary('mul', BinaryKind.Multiply, a, b);
}

/** a / b. */
export function div(a: TensorLike, b: TensorLike): Tensor {
  return binary('div', BinaryKind.Divide, a, b);
}

/**
 * a to the power of b; NaN where a is below 0 and b is not a whole number. The gradient of b is 0 where a is 0, and not
 * a number where a is below 0.
 */
export function pow(a: TensorLike, b: TensorLike): Tensor {
  if (b === 1) return operand('pow', a);
  if (b === 2) return square(a);
  if (b === 0.5) return sqrt(a);
  return binary('pow', BinaryKind.Power, a, b);
}

/** The smaller of the two; where they are equal each gets half of the gradient. */
export function minimum(a: TensorLike, b: TensorLike): Tensor {
  return binary('minimum', BinaryKind.Minimum, a, b);
}

/** The larger of the two; where they are equal each gets half of the gradient. */
export function maximum(a: TensorLike, b: TensorLike): Tensor {
  return binary('maximum', BinaryKind.Maximum, a, b);
}

/** 1 where a > b, else 0. No gradient. */
export function greater(a: TensorLike, b: TensorLike): Tensor {
  return binary('greater', BinaryKind.Greater, a, b);
}

/** 1 where a >= b, else 0. No gradient. */
export function greaterEqual(a: TensorLike, b: TensorLike): Tensor {
  return binary('greaterEqual', BinaryKind.GreaterEqual, a, b);
}

/** 1 where a < b, else 0. No gradient. */
export function less(a: TensorLike, b: TensorLike): Tensor {
  return binary('less', BinaryKind.Greater, b, a);
}

/** 1 where a <= b, else 0. No gradient. */
export function lessEqual(a: TensorLike, b: TensorLike): Tensor {
  return binary('lessEqual', BinaryKind.GreaterEqual, b, a);
}

/** 1 where a is b, else 0. No gradient. */
export function equal(a: TensorLike, b: TensorLike): Tensor {
  return binary('equal', BinaryKind.Equal, a, b);
}

/** 1 where a is not b, else 0. No gradient. */
export function notEqual(a: TensorLike, b: TensorLike): Tensor {
  return affine('notEqual', equal(a, b), -1, 1);
}

/**
 * a where the condition is not 0, else b. What was not chosen plays no part, not even as NaN, and gets no gradient; the
 * condition has none.
 */
export function where(condition: TensorLike, a: TensorLike, b: TensorLike): Tensor {
  const [c, x, y] = operands('where', [condition, a, b]) as [Tensor, Tensor, Tensor];
  const { tracer } = c;
  const chosen = (kind: BinaryKind, of: Tensor): Tensor =>
    tracer.add(arithmeticOps.binary, [of, c], { kind }) as unknown as Tensor;
  if (b === 0) return chosen(BinaryKind.Mask, x);
  if (a === 0) return chosen(BinaryKind.Unmask, y);
  const parts = [chosen(BinaryKind.Mask, x), chosen(BinaryKind.Unmask, y)];
  return tracer.add(arithmeticOps.binary, parts, { kind: BinaryKind.Add }) as unknown as Tensor;
}

/** x, but at least low and at most high. The gradient is 0 outside of them. */
export function clip(x: TensorLike, low: number, high: number): Tensor {
  const inputs = operands('clip', [x, low, high]);
  return inputs[0]!.tracer.add(arithmeticOps.clip, inputs, {}) as unknown as Tensor;
}

/** -x. */
export function neg(x: TensorLike): Tensor {
  return affine('neg', x, -1, 0);
}

/** e^x. */
export function exp(x: TensorLike): Tensor {
  return unary('exp', Activation.Exponential, x);
}

/** The natural logarithm; -Infinity at 0, NaN below. */
export function log(x: TensorLike): Tensor {
  return unary('log', Activation.Log, x);
}

/** The square root; NaN below 0. Its gradient is infinite at 0. */
export function sqrt(x: TensorLike): Tensor {
  return unary('sqrt', Activation.Sqrt, x);
}

/** x². */
export function square(x: TensorLike): Tensor {
  return unary('square', Activation.Square, x);
}

/** |x|. The gradient is 0 at 0. */
export function abs(x: TensorLike): Tensor {
  return unary('abs', Activation.Abs, x);
}

/** 1, 0 or -1. The gradient is 0. */
export function sign(x: TensorLike): Tensor {
  return unary('sign', Activation.Sign, x);
}

/** max(x, 0). */
export function relu(x: TensorLike): Tensor {
  return unary('relu', Activation.Relu, x);
}

/** 1 / (1 + e^-x). */
export function sigmoid(x: TensorLike): Tensor {
  return unary('sigmoid', Activation.Sigmoid, x);
}

/** The hyperbolic tangent. */
export function tanh(x: TensorLike): Tensor {
  return unary('tanh', Activation.Tanh, x);
}

/** log(1 + e^x), without overflow. */
export function softplus(x: TensorLike): Tensor {
  return unary('softplus', Activation.Softplus, x);
}

/**
 * Any activation by its name, or with its option: `activation(x, 'gelu')`.
 * @throws UsageError on an unknown name or an option out of range.
 */
export function activation(x: TensorLike, kind: ActivationLike): Tensor {
  const tensor = operand('activation', x);
  return applyActivation(tensor.tracer, tensor, activationConfig(kind, 'ops.activation'));
}
