import { Embedding, EmbeddingGrad } from '../../assembly/tape/tensors.ts';
import { Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import type { Emitter, Rules } from './rule.ts';
import { type Shape, sizeOf, type Tensor } from './tensor.ts';

interface Sizes {
  readonly outer: number;
  readonly rows: number;
  readonly columns: number;
}

/** What lies before an axis, the axis, and what lies behind it. */
function sizesAt(shape: Shape, axis: number, batch: number): Sizes {
  const size = (part: Shape): number => sizeOf(part, batch);
  return {
    outer: size(shape.slice(0, axis)),
    rows: shape[axis]!,
    columns: size(shape.slice(axis + 1)),
  };
}

/** y [outer, count, columns]: rows of x [outer, rows, columns]. */
export function emitTake(e: Emitter, indices: Tensor, x: Tensor, y: Tensor, axis: number): void {
  const { outer, rows, columns } = sizesAt(x.shape, axis, e.batch);
  e.emit(
    Op.Embedding,
    {
      [Embedding.Indices]: e.address(indices),
      [Embedding.Table]: e.address(x),
      [Embedding.Target]: e.address(y),
      [Embedding.Count]: e.size(indices),
      [Embedding.Columns]: columns,
      [Embedding.Outer]: outer,
      [Embedding.Rows]: rows,
    },
    Embedding.Length,
    [e.span(indices), e.span(x)],
    [e.span(y)],
  );
}

/** dx [outer, rows, columns]: the sums of dy [outer, count, columns] where the indices name a row; `onto` what is there. */
export function emitTakeGrad(
  e: Emitter,
  indices: Tensor,
  dy: Tensor,
  dx: Tensor,
  axis: number,
  onto = false,
): void {
  const { outer, rows, columns } = sizesAt(dx.shape, axis, e.batch);
  e.emit(
    Op.EmbeddingGrad,
    {
      [EmbeddingGrad.Gradient]: e.address(dy),
      [EmbeddingGrad.Indices]: e.address(indices),
      [EmbeddingGrad.Target]: e.address(dx),
      [EmbeddingGrad.Count]: e.size(indices),
      [EmbeddingGrad.Rows]: rows,
      [EmbeddingGrad.Columns]: columns,
      [EmbeddingGrad.Outer]: outer,
      [EmbeddingGrad.RowCount]: 0,
      [EmbeddingGrad.Onto]: onto ? 1 : 0,
    },
    EmbeddingGrad.Length,
    [e.span(dy), e.span(indices)],
    [e.span(dx)],
  );
}

export const takeOps: Rules<'take' | 'takeGrad'> = {
  take: {
    name: 'take',
    family: families.tensors,
    shape: ([x, indices], { axis }) => [
      ...x!.shape.slice(0, axis),
      ...indices!.shape,
      ...x!.shape.slice(axis + 1),
    ],
    // dx = the sum of dy over the places of each index
    gradient: (tracer, { inputs: [x, indices], attributes: { axis }, layer }, dy) => [
      [x!, tracer.add(takeOps.takeGrad, [dy, indices!], { axis, size: x!.shape[axis]! }, layer)],
    ],
    emit: (e, { tensor, output }) => {
      const [x, indices] = tensor.inputs as [Tensor, Tensor];
      emitTake(e, indices, x, output, tensor.attributes.axis);
    },
  },

  takeGrad: {
    name: 'takeGrad',
    family: families.tensors,
    shape: ([dy, indices], { axis, size }) => [
      ...dy!.shape.slice(0, axis),
      size,
      ...dy!.shape.slice(axis + indices!.shape.length),
    ],
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const [dy, indices] = tensor.inputs as [Tensor, Tensor];
      emitTakeGrad(e, indices, dy, output, tensor.attributes.axis);
    },
  },
};
