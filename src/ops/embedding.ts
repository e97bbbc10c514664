import { DistinctRows, EmbeddingGrad } from '../../assembly/tape/tensors.ts';
import { Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import type { Rules } from './rule.ts';
import { emitTake, emitTakeGrad } from './take.ts';
import { BATCH, lastOf, sizeOf, type Tensor } from './tensor.ts';

type EmbeddingOp = 'embedding' | 'embeddingGrad' | 'distinctRows' | 'embeddingRowsGrad';

export const embeddingOps: Rules<EmbeddingOp> = {
  embedding: {
    name: 'embedding',
    family: families.tensors,
    shape: ([indices, table]) => [...indices!.shape, lastOf(table!.shape)],
    // dtable = the sum of dy over the places of each index
    gradient: (tracer, { inputs: [indices, table], layer }, dy) => [
      [table!, tracer.add(embeddingOps.embeddingGrad, [dy, indices!], { rows: table!.shape[0]! }, layer)],
    ],
    emit: (e, { tensor, output }) => {
      const [indices, table] = tensor.inputs as [Tensor, Tensor];
      emitTake(e, indices, table, output, 0);
    },
  },

  embeddingGrad: {
    name: 'embeddingGrad',
    family: families.tensors,
    shape: ([dy], { rows }) => [rows, lastOf(dy!.shape)],
    gradient: 'none',
    get ofRows() {
      return { distinct: embeddingOps.distinctRows, values: embeddingOps.embeddingRowsGrad };
    },
    emit: (e, { tensor: { inputs }, output }) => {
      for (let i = 0; i < inputs.length; i += 2)
        emitTakeGrad(e, inputs[i + 1]!, inputs[i]!, output, 0, i > 0);
    },
  },

  distinctRows: {
    name: 'distinctRows',
    family: families.tensors,
    shape: (indices) => [BATCH, 2 * indices.reduce((sum, { shape }) => sum + sizeOf(shape, 1), 0) + 1],
    type: () => 'i32',
    gradient: 'none',
    workspace: ({ attributes: { rows } }) => 8 * Math.ceil(rows / 32),
    emit: (e, { tensor, output }) => {
      const { inputs, attributes } = tensor;
      const all = inputs.reduce((sum, indices) => sum + e.size(indices), 0);
      let first = 0;
      for (const indices of inputs) {
        const count = e.size(indices);
        e.emit(
          Op.DistinctRows,
          {
            [DistinctRows.Indices]: e.address(indices),
            [DistinctRows.Count]: count,
            [DistinctRows.Target]: e.address(output),
            [DistinctRows.First]: first,
            [DistinctRows.All]: first + count === all ? all : 0,
            [DistinctRows.Words]: e.size(output),
            [DistinctRows.Rows]: attributes.rows,
            [DistinctRows.Scratch]: e.workspace.start,
          },
          DistinctRows.Length,
          [e.span(indices)],
          [e.span(output), e.workspace],
        );
        first += count;
      }
    },
  },

  embeddingRowsGrad: {
    name: 'embeddingRowsGrad',
    family: families.tensors,
    shape: ([rows, dy]) => [BATCH, placesOf(rows!), lastOf(dy!.shape)],
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const [rows, ...gradients] = tensor.inputs as [Tensor, ...Tensor[]];
      const columns = lastOf(output.shape);
      let first = 0;
      for (const dy of gradients) {
        const count = e.size(dy) / columns;
        e.emit(
          Op.EmbeddingGrad,
          {
            [EmbeddingGrad.Gradient]: e.address(dy),
            [EmbeddingGrad.Indices]: e.address(rows) + 4 * first,
            [EmbeddingGrad.Target]: e.address(output),
            [EmbeddingGrad.Count]: count,
            [EmbeddingGrad.Rows]: 0,
            [EmbeddingGrad.Columns]: columns,
            [EmbeddingGrad.Outer]: 1,
            [EmbeddingGrad.RowCount]: e.address(rows) + 4 * e.batch * placesOf(rows),
            [EmbeddingGrad.Onto]: first > 0 ? 1 : 0,
          },
          EmbeddingGrad.Length,
          [e.span(dy), e.span(rows)],
          [e.span(output)],
        );
        first += count;
      }
    },
  },
};

/** Integers in a row of the batch that `distinctRows` was made from. */
function placesOf({ shape }: Tensor): number {
  return (lastOf(shape) - 1) / 2;
}
