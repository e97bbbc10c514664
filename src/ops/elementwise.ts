import { Affine, BiasAdd, Dropout, Op } from '../../assembly/tape.ts';
import { emitReduce } from './broadcast.ts';
import type { Rules } from './rule.ts';
import { lastOf, showShape, type Tensor } from './tensor.ts';

export const elementwise: Rules<'biasAdd' | 'affine' | 'sumRows' | 'dropout'> = {
  biasAdd: {
    shape: ([x, bias], _, fail) => {
      if (bias!.shape.length !== 1 || bias!.shape[0] !== lastOf(x!.shape)) {
        fail(`cannot add a bias of ${showShape(bias!.shape)} to ${showShape(x!.shape)}`);
      }
      return x!.shape;
    },
    // dx = dy, dbias = sum of dy over the rows
    gradient: (tracer, { inputs: [x, bias], layer }, dy) => [
      [x!, dy],
      [bias!, tracer.add('sumRows', [dy], {}, layer)],
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
    shape: ([x]) => x!.shape,
    // d(scale x + offset) = scale dx
    gradient: (tracer, { inputs: [x], attributes: { scale }, layer }, dy) => [
      [x!, tracer.add('affine', [dy], { scale, offset: 0 }, layer)],
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
    shape: ([x]) => [lastOf(x!.shape)],
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const x = tensor.inputs[0]!;
      emitReduce(e, x, e.span(output), { outer: 1, reduced: e.rows(x), inner: lastOf(x.shape) });
    },
  },

  dropout: {
    shape: ([x]) => x!.shape,
    // the same mask, computed again from the counter
    gradient: (tracer, { inputs: [x], attributes, layer }, dy) => [
      [x!, tracer.add('dropout', [dy], attributes, layer)],
    ],
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const x = tensor.inputs[0]!;
      e.emit(
        Op.Dropout,
        {
          [Dropout.Source]: e.address(x),
          [Dropout.Target]: e.address(output),
          [Dropout.Count]: e.size(x),
          [Dropout.Rate]: { f32: tensor.attributes.rate },
          [Dropout.Stream]: tensor.attributes.stream,
        },
        Dropout.Length,
        [e.span(x)],
        [e.span(output)],
      );
    },
  },
};
