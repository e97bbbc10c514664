import { Pool } from '../../assembly/tape/spatial.ts';
import { Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import { three } from './convolution.ts';
import type { Emitter, Rules } from './rule.ts';
import { BATCH, lastOf, type Tensor } from './tensor.ts';

export const poolingOps: Rules<'pool' | 'poolGrad'> = {
  pool: {
    name: 'pool',
    family: families.spatial,
    shape: ([x], { grid }) => [BATCH, ...grid.slice(5 - x!.shape.length), lastOf(x!.shape)],
    // the largest: dy to the first largest of each window; the mean: dy / count to each
    gradient: (tracer, { inputs: [x], attributes, layer }, dy) => [
      [x!, tracer.add(poolingOps.poolGrad, [x!, dy], attributes, layer)],
    ],
    emit: (e, { tensor, output }) => emitPool(e, Op.Pool, tensor, output),
  },

  poolGrad: {
    name: 'poolGrad',
    family: families.spatial,
    shape: ([x]) => x!.shape,
    gradient: 'none',
    emit: (e, { tensor, output }) => emitPool(e, Op.PoolGrad, tensor, output),
  },
};

function emitPool(
  e: Emitter,
  op: Op,
  { inputs, attributes }: Tensor<'pool' | 'poolGrad'>,
  output: Tensor,
): void {
  const [x, dy] = inputs as [Tensor, Tensor | undefined];
  const { mean, image, grid, taps, strides, before } = attributes;
  e.emit(
    op,
    {
      [Pool.Source]: e.address(x),
      [Pool.Target]: e.address(output),
      [Pool.Gradient]: dy ? e.address(dy) : 0,
      [Pool.Mean]: mean ? 1 : 0,
      [Pool.Images]: e.batch,
      [Pool.Channels]: lastOf(x.shape),
      ...three(Pool.Source0, image),
      ...three(Pool.Grid0, grid),
      ...three(Pool.Taps0, taps),
      ...three(Pool.Stride0, strides),
      ...three(Pool.Before0, before),
    },
    Pool.Length,
    [e.span(x), ...(dy ? [e.span(dy)] : [])],
    [e.span(output)],
  );
}
