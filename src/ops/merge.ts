import { CopyRows, Maximum, MaximumGrad, RowDot, ScaleRows } from '../../assembly/tape/tensors.ts';
import { Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import type { Emitter, Rules } from './rule.ts';
import { sourceOps } from './sources.ts';
import { takeOps } from './take.ts';
import { BATCH, lastOf, type Shape, sameShape, showShape, sizeOf, type Tensor } from './tensor.ts';

type Merge = 'concatenate' | 'slice' | 'maximum' | 'maximumGrad' | 'rowDot' | 'scaleRows';

/** Numbers of a row that is cut at an axis: all from that axis on. */
function widthFrom(shape: Shape, axis: number): number {
  return sizeOf(shape.slice(axis), 1);
}

/** Copies the part of `whole` that begins at entry `from` of an axis to `part`, or the other way. */
function emitCopy(
  e: Emitter,
  { whole, part, axis, from }: { whole: Tensor; part: Tensor; axis: number; from: number },
  toWhole: boolean,
): void {
  const [stride, columns] = [widthFrom(whole.shape, axis), widthFrom(part.shape, axis)];
  const start = e.address(whole) + 4 * from * widthFrom(whole.shape, axis + 1);
  // from the part's first row to the end of its last
  const rows = e.size(part) / columns;
  const inWhole = { start, end: start + 4 * ((rows - 1) * stride + columns) };
  const [source, sourceStride, target, targetStride] = toWhole
    ? [e.address(part), columns, start, stride]
    : [start, stride, e.address(part), columns];
  e.emit(
    Op.CopyRows,
    {
      [CopyRows.Source]: source,
      [CopyRows.SourceStride]: sourceStride,
      [CopyRows.Target]: target,
      [CopyRows.TargetStride]: targetStride,
      [CopyRows.Rows]: rows,
      [CopyRows.Columns]: columns,
    },
    CopyRows.Length,
    [toWhole ? e.span(part) : inWhole],
    [toWhole ? inWhole : e.span(part)],
  );
}

/** Shapes that must be the same. */
function same(
  operation: string,
): (inputs: readonly Tensor[], _: unknown, fail: (message: string) => never) => Shape {
  return ([a, b], _, fail) => {
    if (!sameShape(a!.shape, b!.shape)) {
      fail(`${operation} needs inputs of one shape, got ${showShape(a!.shape)} and ${showShape(b!.shape)}`);
    }
    return a!.shape;
  };
}

export const mergeOps: Rules<Merge> = {
  concatenate: {
    name: 'concatenate',
    family: families.tensors,
    shape: (inputs, { axis }, fail) => {
      const [head] = inputs as [Tensor];
      if (axis >= head.shape.length || head.shape[axis] === BATCH) {
        fail(`cannot concatenate along axis ${axis} of ${showShape(head.shape)}; the batch is axis 0`);
      }
      for (const { shape } of inputs) {
        const fits =
          shape.length === head.shape.length && shape.every((d, i) => i === axis || d === head.shape[i]);
        if (!fits) {
          fail(
            `inputs that are concatenated may differ in axis ${axis} only, got ${showShape(head.shape)} and ` +
              showShape(shape),
          );
        }
      }
      const size = inputs.reduce((sum, { shape }) => sum + shape[axis]!, 0);
      return head.shape.map((d, i) => (i === axis ? size : d));
    },
    // each input gets its slice of dy
    gradient: (tracer, { inputs, attributes: { axis }, layer }, dy) => {
      let from = 0;
      return inputs.map((input) => {
        const size = input.shape[axis]!;
        from += size;
        return [input, tracer.add(mergeOps.slice, [dy], { axis, from: from - size, size }, layer)];
      });
    },
    emit: (e, { tensor, output }) => {
      const { axis } = tensor.attributes;
      let from = 0;
      for (const part of tensor.inputs) {
        emitCopy(e, { whole: output, part, axis, from }, true);
        from += part.shape[axis]!;
      }
    },
  },

  slice: {
    name: 'slice',
    family: families.tensors,
    shape: ([x], { axis, from, size }, fail) => {
      const there = x!.shape[axis] ?? 0;
      if (there === BATCH || from + size > there) {
        fail(`axis ${axis} of ${showShape(x!.shape)} has no entries ${from} to ${from + size - 1}`);
      }
      return x!.shape.map((d, i) => (i === axis ? size : d));
    },
    // dx = dy at its place among zeros
    gradient: (tracer, { inputs: [x], attributes: { axis, from, size }, layer }, dy) => {
      const values = () => Int32Array.from({ length: size }, (_, i) => from + i);
      const places = tracer.add(sourceOps.constant, [], { type: 'i32', values, shape: [size] }, layer);
      return [[x!, tracer.add(takeOps.takeGrad, [dy, places], { axis, size: x!.shape[axis]! }, layer)]];
    },
    emit: (e, { tensor, output }) => {
      const { axis, from } = tensor.attributes;
      emitCopy(e, { whole: tensor.inputs[0]!, part: output, axis, from }, false);
    },
  },

  maximum: {
    name: 'maximum',
    family: families.tensors,
    shape: same('maximum'),
    // da = dy where a > b, db = dy where b > a; halves where they are equal
    gradient: (tracer, { inputs: [a, b], layer }, dy) => [
      [a!, tracer.add(mergeOps.maximumGrad, [dy, a!, b!], {}, layer)],
      [b!, tracer.add(mergeOps.maximumGrad, [dy, b!, a!], {}, layer)],
    ],
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const [a, b] = tensor.inputs as [Tensor, Tensor];
      e.emit(
        Op.Maximum,
        {
          [Maximum.A]: e.address(a),
          [Maximum.B]: e.address(b),
          [Maximum.Target]: e.address(output),
          [Maximum.Count]: e.size(a),
        },
        Maximum.Length,
        [e.span(a), e.span(b)],
        [e.span(output)],
      );
    },
  },

  maximumGrad: {
    name: 'maximumGrad',
    family: families.tensors,
    shape: ([dy]) => dy!.shape,
    gradient: 'none',
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const [dy, a, b] = tensor.inputs as [Tensor, Tensor, Tensor];
      e.emit(
        Op.MaximumGrad,
        {
          [MaximumGrad.Gradient]: e.address(dy),
          [MaximumGrad.A]: e.address(a),
          [MaximumGrad.B]: e.address(b),
          [MaximumGrad.Target]: e.address(output),
          [MaximumGrad.Count]: e.size(dy),
        },
        MaximumGrad.Length,
        [e.span(dy), e.span(a), e.span(b)],
        [e.span(output)],
      );
    },
  },

  rowDot: {
    name: 'rowDot',
    family: families.tensors,
    shape: (inputs, _, fail) => [...same('dot')(inputs, _, fail).slice(0, -1), 1],
    // da = dy b, db = dy a
    gradient: (tracer, { inputs: [a, b], layer }, dy) => [
      [a!, tracer.add(mergeOps.scaleRows, [b!, dy], {}, layer)],
      [b!, tracer.add(mergeOps.scaleRows, [a!, dy], {}, layer)],
    ],
    emit: (e, { tensor, output }) => {
      const [a, b] = tensor.inputs as [Tensor, Tensor];
      e.emit(
        Op.RowDot,
        {
          [RowDot.A]: e.address(a),
          [RowDot.B]: e.address(b),
          [RowDot.Target]: e.address(output),
          [RowDot.Rows]: e.rows(a),
          [RowDot.Columns]: lastOf(a.shape),
        },
        RowDot.Length,
        [e.span(a), e.span(b)],
        [e.span(output)],
      );
    },
  },

  scaleRows: {
    name: 'scaleRows',
    family: families.tensors,
    shape: ([x]) => x!.shape,
    // dx = dy scale, dscale = dy · x
    gradient: (tracer, { inputs: [x, scale], layer }, dy) => {
      const products = tracer.add(mergeOps.rowDot, [dy, x!], {}, layer) as unknown as Tensor;
      return [
        [x!, tracer.add(mergeOps.scaleRows, [dy, scale!], {}, layer)],
        [scale!, tracer.add(sourceOps.reshape, [products], { shape: scale!.shape.slice(1) }, layer)],
      ];
    },
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const [x, scale] = tensor.inputs as [Tensor, Tensor];
      e.emit(
        Op.ScaleRows,
        {
          [ScaleRows.Source]: e.address(x),
          [ScaleRows.Scale]: e.address(scale),
          [ScaleRows.Target]: e.address(output),
          [ScaleRows.Rows]: e.rows(x),
          [ScaleRows.Columns]: lastOf(x.shape),
        },
        ScaleRows.Length,
        [e.span(x), e.span(scale)],
        [e.span(output)],
      );
    },
  },
};
