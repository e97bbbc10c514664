import * as families from '../runtime/families.ts';
import type { Rules } from './rule.ts';
import { emitTake, emitTakeGrad } from './take.ts';
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
      emitTake(e, indices, table, output, 0);
    },
  },

  embeddingGrad: {
    name: 'embeddingGrad',
    family: families.tensors,
    shape: ([dy], { rows }) => [rows, lastOf(dy!.shape)],
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const [dy, indices] = tensor.inputs as [Tensor, Tensor];
      emitTakeGrad(e, indices, dy, output, 0);
    },
  },
};
