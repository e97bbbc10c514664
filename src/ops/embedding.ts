import { Embedding, EmbeddingGrad, Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import type { Rules } from './rule.ts';
import { lastOf, type Tensor } from './tensor.ts';

export const embeddingOps: Rules<'embedding' | 'embeddingGrad'> = {
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
      e.emit(
        Op.Embedding,
        {
          [Embedding.Indices]: e.address(indices),
          [Embedding.Table]: e.address(table),
          [Embedding.Target]: e.address(output),
          [Embedding.Count]: e.size(indices),
          [Embedding.Columns]: lastOf(table.shape),
        },
        Embedding.Length,
        [e.span(indices), e.span(table)],
        [e.span(output)],
      );
    },
  },

  embeddingGrad: {
    name: 'embeddingGrad',
    family: families.tensors,
    shape: ([dy], { rows }) => [rows, lastOf(dy!.shape)],
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const [dy, indices] = tensor.inputs as [Tensor, Tensor];
      e.emit(
        Op.EmbeddingGrad,
        {
          [EmbeddingGrad.Gradient]: e.address(dy),
          [EmbeddingGrad.Indices]: e.address(indices),
          [EmbeddingGrad.Target]: e.address(output),
          [EmbeddingGrad.Count]: e.size(indices),
          [EmbeddingGrad.Rows]: tensor.attributes.rows,
          [EmbeddingGrad.Columns]: lastOf(dy.shape),
        },
        EmbeddingGrad.Length,
        [e.span(dy), e.span(indices)],
        [e.span(output)],
      );
    },
  },
};
