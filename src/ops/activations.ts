import {
  Activation,
  FROM_INTEGER,
  Softmax,
  SoftmaxGrad,
  Unary,
  UnaryGrad,
} from '../../assembly/tape/dense.ts';
import { Op } from '../../assembly/tape.ts';
import type { Rules } from './rule.ts';
import { lastOf, type Tensor } from './tensor.ts';

/** Kinds whose derivative is taken from the input; that of the others follows from the output. */
const FROM_INPUT: ReadonlySet<Activation> = new Set([
  Activation.Silu,
  Activation.Gelu,
  Activation.GeluTanh,
  Activation.Mish,
  Activation.Log,
  Activation.Abs,
  Activation.Square,
]);

export function derivesFromInput(kind: Activation): boolean {
  return FROM_INPUT.has(kind);
}

export const activationOps: Rules<'activation' | 'activationGrad' | 'softmax' | 'softmaxGrad' | 'toFloat'> = {
  activation: {
    name: 'activation',
    shape: ([x]) => x!.shape,
    // dx = dy · f'
    gradient: (tracer, tensor, dy) => {
      const x = tensor.inputs[0]!;
      const reference: Tensor = derivesFromInput(tensor.attributes.kind) ? x : (tensor as unknown as Tensor);
      return [
        [x, tracer.add(activationOps.activationGrad, [dy, reference], tensor.attributes, tensor.layer)],
      ];
    },
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const x = tensor.inputs[0]!;
      e.emit(
        Op.Unary,
        {
          [Unary.Source]: e.address(x),
          [Unary.Target]: e.address(output),
          [Unary.Count]: e.size(x),
          [Unary.Kind]: tensor.attributes.kind,
          [Unary.Alpha]: { f32: tensor.attributes.alpha },
        },
        Unary.Length,
        [e.span(x)],
        [e.span(output)],
      );
    },
  },

  activationGrad: {
    name: 'activationGrad',
    shape: ([dy]) => dy!.shape,
    gradient: 'none',
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const [dy, reference] = tensor.inputs as [Tensor, Tensor];
      e.emit(
        Op.UnaryGrad,
        {
          [UnaryGrad.Gradient]: e.address(dy),
          [UnaryGrad.Reference]: e.address(reference),
          [UnaryGrad.Target]: e.address(output),
          [UnaryGrad.Count]: e.size(dy),
          [UnaryGrad.Kind]: tensor.attributes.kind,
          [UnaryGrad.Alpha]: { f32: tensor.attributes.alpha },
        },
        UnaryGrad.Length,
        [e.span(dy), e.span(reference)],
        [e.span(output)],
      );
    },
  },

  toFloat: {
    name: 'toFloat',
    shape: ([x]) => x!.shape,
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const x = tensor.inputs[0]!;
      e.emit(
        Op.Unary,
        {
          [Unary.Source]: e.address(x),
          [Unary.Target]: e.address(output),
          [Unary.Count]: e.size(x),
          [Unary.Kind]: FROM_INTEGER,
          [Unary.Alpha]: { f32: 0 },
        },
        Unary.Length,
        [e.span(x)],
        [e.span(output)],
      );
    },
  },

  softmax: {
    name: 'softmax',
    shape: ([x]) => x!.shape,
    // softmax: dx = y (dy - sum(dy y)); log-softmax: dx = dy - e^y sum(dy)
    gradient: (tracer, tensor, dy) => {
      const y = tensor as unknown as Tensor;
      return [
        [tensor.inputs[0]!, tracer.add(activationOps.softmaxGrad, [dy, y], tensor.attributes, tensor.layer)],
      ];
    },
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const x = tensor.inputs[0]!;
      e.emit(
        Op.Softmax,
        {
          [Softmax.Source]: e.address(x),
          [Softmax.Target]: e.address(output),
          [Softmax.Rows]: e.rows(x),
          [Softmax.Columns]: lastOf(x.shape),
          [Softmax.Logarithm]: tensor.attributes.logarithm ? 1 : 0,
        },
        Softmax.Length,
        [e.span(x)],
        [e.span(output)],
      );
    },
  },

  softmaxGrad: {
    name: 'softmaxGrad',
    shape: ([dy]) => dy!.shape,
    gradient: 'none',
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const [dy, y] = tensor.inputs as [Tensor, Tensor];
      e.emit(
        Op.SoftmaxGrad,
        {
          [SoftmaxGrad.Gradient]: e.address(dy),
          [SoftmaxGrad.Output]: e.address(y),
          [SoftmaxGrad.Target]: e.address(output),
          [SoftmaxGrad.Rows]: e.rows(dy),
          [SoftmaxGrad.Columns]: lastOf(dy.shape),
          [SoftmaxGrad.Logarithm]: tensor.attributes.logarithm ? 1 : 0,
        },
        SoftmaxGrad.Length,
        [e.span(dy), e.span(y)],
        [e.span(output)],
      );
    },
  },
};
