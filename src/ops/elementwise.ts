import { Affine, BiasAdd, Binary, BinaryKind, Dropout, Op, SumRows } from '../../assembly/tape.ts';
import type { Rules } from './rule.ts';
import { lastOf, sameShape, showShape, type Tensor } from './tensor.ts';

export const elementwiseOps: Rules<'biasAdd' | 'binary' | 'affine' | 'sumRows' | 'dropout'> = {
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

  binary: {
    name: 'binary',
    shape: ([a, b], _, fail) => {
      if (!sameShape(a!.shape, b!.shape)) {
        fail(`cannot combine ${showShape(a!.shape)} with ${showShape(b!.shape)}`);
      }
      return a!.shape;
    },
    // d(a + b) = da + db; d(a - b) = da - db; d(a b) = b da + a db
    gradient: (tracer, { inputs: [a, b], attributes: { kind }, layer }, dy) => {
      if (kind === BinaryKind.Add) return [[a!, dy], [b!, dy]]; // biome-ignore format: a pair
      if (kind === BinaryKind.Subtract) {
        return [
          [a!, dy],
          [b!, tracer.add(elementwiseOps.affine, [dy], { scale: -1, offset: 0 }, layer)],
        ];
      }
      return [
        [a!, tracer.add(elementwiseOps.binary, [dy, b!], { kind: BinaryKind.Multiply }, layer)],
        [b!, tracer.add(elementwiseOps.binary, [dy, a!], { kind: BinaryKind.Multiply }, layer)],
      ];
    },
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const [a, b] = tensor.inputs as [Tensor, Tensor];
      e.emit(
        Op.Binary,
        {
          [Binary.A]: e.address(a),
          [Binary.B]: e.address(b),
          [Binary.Target]: e.address(output),
          [Binary.Count]: e.size(a),
          [Binary.Kind]: tensor.attributes.kind,
        },
        Binary.Length,
        [e.span(a), e.span(b)],
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
      e.emit(
        Op.SumRows,
        {
          [SumRows.Source]: e.address(x),
          [SumRows.Target]: e.address(output),
          [SumRows.Rows]: e.rows(x),
          [SumRows.Columns]: lastOf(x.shape),
        },
        SumRows.Length,
        [e.span(x)],
        [e.span(output)],
      );
    },
  },

  dropout: {
    name: 'dropout',
    shape: ([x]) => x!.shape,
    // the same mask, computed again from the counter
    gradient: (tracer, { inputs: [x], attributes, layer }, dy) => [
      [x!, tracer.add(elementwiseOps.dropout, [dy], attributes, layer)],
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
