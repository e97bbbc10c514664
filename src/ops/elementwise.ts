import { Affine, BiasAdd, Dropout } from '../../assembly/tape/dense.ts';
import { Op } from '../../assembly/tape.ts';
import type { DropoutAttributes } from './attributes.ts';
import { emitReduce } from './broadcast.ts';
import type { Rules } from './rule.ts';
import { lastOf, showShape, sizeOf, type Tensor } from './tensor.ts';

/** -scale · alpha of SELU: what it tends to (Klambauer et al. 2017). */
const SELU_LIMIT = -1.7580993408473766;

/** y = x · scale + offset where it is kept, else other. */
export function dropoutFactors({ rate, alpha }: DropoutAttributes) {
  const p = Math.fround(rate);
  if (!alpha) return { scale: 1 / (1 - p), offset: 0, other: 0 };
  // Klambauer et al. 2017: a = 1 / sqrt((1 - rate)(1 + rate limit²)), b = -a · rate · limit
  const scale = 1 / Math.sqrt((1 - p) * (1 + p * SELU_LIMIT ** 2));
  if (alpha === 'gradient') return { scale, offset: 0, other: 0 };
  const offset = -scale * p * SELU_LIMIT;
  return { scale, offset, other: scale * SELU_LIMIT + offset };
}

export const elementwiseOps: Rules<'biasAdd' | 'affine' | 'sumRows' | 'dropout'> = {
  biasAdd: {
    name: 'biasAdd',
    shape: ([x, bias], _, fail) => {
      if (bias!.shape.length !== 1 || bias!.shape[0] !== lastOf(x!.shape)) {
        fail(`cannot add a bias of ${showShape(bias!.shape)} to ${showShape(x!.shape)}`);
      }
      return x!.shape;
    },
    // dx = dy, dbias = sum of dy over the rows
    gradient: (tracer, { inputs: [x, bias], layer }, dy) => [
      [x!, dy],
      [bias!, tracer.add(elementwiseOps.sumRows, [dy], {}, layer)],
    ],
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const [x, bias] = tensor.inputs as [Tensor, Tensor];
      e.emit(
        Op.BiasAdd,
        {
          [BiasAdd.Source]: e.address(x),
          [BiasAdd.Bias]: e.address(bias),
          [BiasAdd.Target]: e.address(output),
          [BiasAdd.Rows]: e.rows(x),
          [BiasAdd.Columns]: lastOf(x.shape),
        },
        BiasAdd.Length,
        [e.span(x), e.span(bias)],
        [e.span(output)],
      );
    },
  },

  affine: {
    name: 'affine',
    shape: ([x]) => x!.shape,
    // d(scale x + offset) = scale dx
    gradient: (tracer, { inputs: [x], attributes: { scale }, layer }, dy) => [
      [x!, tracer.add(elementwiseOps.affine, [dy], { scale, offset: 0 }, layer)],
    ],
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const x = tensor.inputs[0]!;
      e.emit(
        Op.Affine,
        {
          [Affine.Source]: e.address(x),
          [Affine.Target]: e.address(output),
          [Affine.Count]: e.size(x),
          [Affine.Scale]: { f32: tensor.attributes.scale },
          [Affine.Offset]: { f32: tensor.attributes.offset },
        },
        Affine.Length,
        [e.span(x)],
        [e.span(output)],
      );
    },
  },

  sumRows: {
    name: 'sumRows',
    shape: ([x]) => [lastOf(x!.shape)],
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const x = tensor.inputs[0]!;
      emitReduce(e, x, e.span(output), { outer: 1, reduced: e.rows(x), inner: lastOf(x.shape) });
    },
  },

  dropout: {
    name: 'dropout',
    shape: ([x]) => x!.shape,
    // the same mask, computed again from the counter
    gradient: (tracer, { inputs: [x], attributes, layer }, dy) => {
      const own = attributes.alpha ? { ...attributes, alpha: 'gradient' as const } : attributes;
      return [[x!, tracer.add(elementwiseOps.dropout, [dy], own, layer)]];
    },
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const x = tensor.inputs[0]!;
      const { rate, stream, shared } = tensor.attributes;
      const { scale, offset, other } = dropoutFactors(tensor.attributes);
      e.emit(
        Op.Dropout,
        {
          [Dropout.Source]: e.address(x),
          [Dropout.Target]: e.address(output),
          [Dropout.Count]: e.size(x),
          [Dropout.Rate]: { f32: rate },
          [Dropout.Stream]: stream,
          [Dropout.Positions]: shared ? sizeOf(x.shape.slice(1, -1), 1) : 1,
          [Dropout.Channels]: lastOf(x.shape),
          [Dropout.Scale]: { f32: scale },
          [Dropout.Offset]: { f32: offset },
          [Dropout.Other]: { f32: other },
        },
        Dropout.Length,
        [e.span(x)],
        [e.span(output)],
      );
    },
  },
};
