import { Activation } from '../../assembly/tape/dense.ts';
import { derivesFromInput } from '../../src/ops/activations.ts';
import type { ActivationAttributes } from '../../src/ops/attributes.ts';
import { BATCH } from '../../src/ops/tensor.ts';
import * as twins from '../reference/activations.ts';
import { make, type Numbers, uniform } from '../reference/numbers.ts';
import { activationBound, derivativeBound, gradientBound } from './activation-bounds.ts';
import { COLUMNS, ELEMENTS, matrix, ROWS, type Rows, tensor } from './row.ts';
import {
  logSoftmaxBound,
  logSoftmaxGradientBound,
  softmaxBound,
  softmaxGradientBound,
} from './softmax-bounds.ts';

const ALPHA: Partial<Record<Activation, number>> = { [Activation.LeakyRelu]: 0.2, [Activation.Elu]: 1.5 };

/** Where an activation ends at 0, the smallest operand. */
const LOWEST: Partial<Record<Activation, number>> = { [Activation.Log]: 0.125, [Activation.Sqrt]: 0.125 };

/** Every activation; a new one belongs here, and does not compile without a twin. */
const ACTIVATIONS: Record<Exclude<keyof typeof Activation, 'Linear'>, Activation> = {
  Relu: Activation.Relu,
  LeakyRelu: Activation.LeakyRelu,
  Elu: Activation.Elu,
  Selu: Activation.Selu,
  Sigmoid: Activation.Sigmoid,
  HardSigmoid: Activation.HardSigmoid,
  Tanh: Activation.Tanh,
  Softplus: Activation.Softplus,
  Softsign: Activation.Softsign,
  Silu: Activation.Silu,
  Gelu: Activation.Gelu,
  GeluTanh: Activation.GeluTanh,
  Mish: Activation.Mish,
  Exponential: Activation.Exponential,
  Log: Activation.Log,
  Sqrt: Activation.Sqrt,
  Abs: Activation.Abs,
  Square: Activation.Square,
  Sign: Activation.Sign,
};

export const activationVariants = Object.entries(ACTIVATIONS).map(([name, kind]) => ({
  name,
  attributes: { kind, alpha: Math.fround(ALPHA[kind] ?? 0) },
  reach: kind in LOWEST ? LOWEST[kind]! : 1,
}));

/** Where a derivative jumps. */
const KINKS = [-3, 0, 3];

const ones = (x: Numbers): number[] => make(x.length, () => 1);

/** f'(x) */
const slopes = ({ kind, alpha }: ActivationAttributes, x: Numbers): number[] =>
  twins.activationGradient(kind, alpha, x, ones(x));

const softmaxVariants = [false, true].map((logarithm) => ({
  name: logarithm ? 'logarithm' : 'plain',
  attributes: { logarithm },
}));

export const activations: Rows<'activation' | 'activationGrad' | 'softmax' | 'softmaxGrad' | 'toFloat'> = {
  activation: {
    variants: activationVariants,
    operands: (size, { kind }, random) => [
      tensor([BATCH, size.columns], size.rows, (n) => uniform(random, n, LOWEST[kind] ?? -4, 4, KINKS)),
    ],
    forward: ([x], { kind, alpha }) => twins.activation(kind, alpha, x!),
    forwardBound: ([x], { kind, alpha }) => {
      const y = twins.activation(kind, alpha, x!);
      return make(y.length, (i) => activationBound(kind, x![i]!, y[i]!));
    },
    gradient: {
      twin: ([x], { kind, alpha }, dy) => [twins.activationGradient(kind, alpha, x!, dy)],
      bound: ([x], attributes, dy) => {
        const { kind, alpha } = attributes;
        const y = twins.activation(kind, alpha, x!);
        const d = slopes(attributes, x!);
        return [make(y.length, (i) => gradientBound(kind, x![i]!, y[i]!, d[i]!, dy[i]!))];
      },
    },
    tails: [ELEMENTS],
  },

  activationGrad: {
    variants: activationVariants,
    operands: (size, { kind, alpha }, random) => {
      const x = uniform(random, size.rows * size.columns, LOWEST[kind] ?? -4, 4, KINKS);
      const reference = derivesFromInput(kind) ? x : twins.activation(kind, alpha, x);
      return [
        matrix(size, random, -2, 2, false),
        tensor([BATCH, size.columns], size.rows, () => Float32Array.from(reference), false),
      ];
    },
    forward: ([dy, reference], { kind, alpha }) => twins.activationGradientFrom(kind, alpha, reference!, dy!),
    forwardBound: ([dy, reference], { kind, alpha }) => {
      const d = twins.activationGradientFrom(kind, alpha, reference!, ones(dy!));
      return make(d.length, (i) => derivativeBound(kind, reference![i]!, d[i]!, dy![i]!));
    },
    gradient: 'none',
    tails: [ELEMENTS],
  },

  toFloat: {
    variants: [{ name: 'integers', attributes: {} }],
    operands: ({ rows, columns }, _, random) => {
      const some = (n: number): Int32Array =>
        Int32Array.from({ length: n }, () => Math.floor((random() - 0.5) * 2 ** 32));
      return [tensor([BATCH, columns], rows, some, false)];
    },
    forward: ([x]) => Array.from(x!),
    forwardBound: () => 'exact',
    gradient: 'none',
    tails: [ELEMENTS],
  },

  softmax: {
    variants: softmaxVariants,
    operands: (size, _, random) => [matrix(size, random, -5, 5)],
    forward: ([x], { logarithm }, { columns }) => twins.softmax(x!, columns, logarithm),
    forwardBound: ([x], { logarithm }, { columns }) =>
      logarithm ? logSoftmaxBound(x!, columns) : softmaxBound(x!, columns),
    gradient: {
      twin: ([x], { logarithm }, dy, { columns }) => [
        twins.softmaxGradient(dy, twins.softmax(x!, columns, logarithm), columns, logarithm),
      ],
      bound: ([x], { logarithm }, dy, { columns }) => {
        const y = twins.softmax(x!, columns, logarithm);
        return [
          logarithm
            ? logSoftmaxGradientBound(dy, y, columns, logSoftmaxBound(x!, columns))
            : softmaxGradientBound(dy, y, columns, softmaxBound(x!, columns)),
        ];
      },
    },
    tails: [ROWS, COLUMNS],
  },

  softmaxGrad: {
    variants: softmaxVariants,
    operands: (size, { logarithm }, random) => {
      const x = uniform(random, size.rows * size.columns, -5, 5);
      const y = twins.softmax(x, size.columns, logarithm);
      return [
        matrix(size, random, -2, 2, false),
        tensor([BATCH, size.columns], size.rows, () => Float32Array.from(y), false),
      ];
    },
    forward: ([dy, y], { logarithm }, { columns }) => twins.softmaxGradient(dy!, y!, columns, logarithm),
    forwardBound: ([dy, y], { logarithm }, { columns }) => {
      const exact = make(y!.length, () => 0);
      const bound = logarithm ? logSoftmaxGradientBound : softmaxGradientBound;
      return bound(dy!, y!, columns, exact);
    },
    gradient: 'none',
    tails: [ROWS, COLUMNS],
  },
};
