import { BiasAdd } from '../../assembly/tape/dense.ts';
import { Cache, Rotary } from '../../assembly/tape/sequence.ts';
import { Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import { emitReduce } from './broadcast.ts';
import type { Rules } from './rule.ts';
import { lastOf, sameShape, showShape, sizeOf, type Tensor } from './tensor.ts';

export const positionOps: Rules<'rotary' | 'positional' | 'positionalGrad' | 'cache'> = {
  rotary: {
    name: 'rotary',
    family: families.sequence,
    shape: ([x, table], { heads }, fail) => {
      const size = lastOf(table!.shape);
      const time = table!.shape.at(-2);
      if (x!.shape.length !== 3 || time !== x!.shape[1] || heads * size > lastOf(x!.shape) || size % 2 > 0) {
        fail(`cannot turn ${heads} heads of ${showShape(x!.shape)} by angles ${showShape(table!.shape)}`);
      }
      return x!.shape;
    },
    // a rotation's gradient is the rotation back
    gradient: (tracer, { inputs: [x, table], attributes, layer }, dy) => [
      [
        x!,
        tracer.add(positionOps.rotary, [dy, table!], { ...attributes, inverse: !attributes.inverse }, layer),
      ],
    ],
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const [x, table] = tensor.inputs as [Tensor, Tensor];
      const [time, size] = table.shape.slice(-2) as [number, number];
      e.emit(
        Op.Rotary,
        {
          [Rotary.Source]: e.address(x),
          [Rotary.Target]: e.address(output),
          [Rotary.Table]: e.address(table),
          [Rotary.RowStride]: table.shape.length === 3 ? time * size : 0,
          [Rotary.Rows]: e.batch,
          [Rotary.Time]: time,
          [Rotary.Columns]: lastOf(x.shape),
          [Rotary.Heads]: tensor.attributes.heads,
          [Rotary.Size]: size,
          [Rotary.Inverse]: Number(tensor.attributes.inverse),
        },
        Rotary.Length,
        [e.span(x), e.span(table)],
        [e.span(output)],
      );
    },
  },

  positional: {
    name: 'positional',
    shape: ([x, table], _, fail) => {
      if (!sameShape(x!.shape.slice(1), table!.shape)) {
        fail(`cannot add positions ${showShape(table!.shape)} to ${showShape(x!.shape)}`);
      }
      return x!.shape;
    },
    gradient: (tracer, { inputs: [x, table], layer }, dy) => [
      [x!, dy],
      [table!, tracer.add(positionOps.positionalGrad, [dy], {}, layer)],
    ],
    inPlace: true,
    // a batch row is one long row with one long bias
    emit: (e, { tensor, output }) => {
      const [x, table] = tensor.inputs as [Tensor, Tensor];
      e.emit(
        Op.BiasAdd,
        {
          [BiasAdd.Source]: e.address(x),
          [BiasAdd.Bias]: e.address(table),
          [BiasAdd.Target]: e.address(output),
          [BiasAdd.Rows]: e.batch,
          [BiasAdd.Columns]: e.size(table),
        },
        BiasAdd.Length,
        [e.span(x), e.span(table)],
        [e.span(output)],
      );
    },
  },

  positionalGrad: {
    name: 'positionalGrad',
    shape: ([dy]) => dy!.shape.slice(1),
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const dy = tensor.inputs[0]!;
      emitReduce(e, dy, e.span(output), { outer: 1, reduced: e.batch, inner: e.size(output) });
    },
  },

  cache: {
    name: 'cache',
    family: families.sequence,
    shape: ([x], { capacity }) => [x!.shape[0]!, capacity, ...x!.shape.slice(2)],
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const [x, at] = tensor.inputs as [Tensor, Tensor];
      e.emit(
        Op.Cache,
        {
          [Cache.Source]: e.address(x),
          [Cache.Positions]: e.address(at),
          [Cache.Target]: e.address(output),
          [Cache.Rows]: e.batch,
          [Cache.Time]: x.shape[1]!,
          [Cache.Capacity]: tensor.attributes.capacity,
          [Cache.Columns]: sizeOf(x.shape.slice(2), 1),
        },
        Cache.Length,
        [e.span(x), e.span(at)],
        [e.span(output)],
      );
    },
  },
};
