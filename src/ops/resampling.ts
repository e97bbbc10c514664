import { Pad, Resample, ResampleMode } from '../../assembly/tape/spatial.ts';
import { Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import type { Triple } from './attributes.ts';
import { three } from './convolution.ts';
import type { Emitter, Rules } from './rule.ts';
import { BATCH, lastOf, type Shape, sameShape, showShape, type Tensor } from './tensor.ts';

type Resampling = 'pad' | 'resample' | 'resampleGrad' | 'adaptiveMaximum' | 'adaptiveMaximumGrad';

const negative = ([a, b, c]: Triple): Triple => [-a, -b, -c];

/** x [batch, …from, channels] becomes [batch, …to, channels]. */
function resized(x: Tensor, from: Triple, to: Triple, fail: (message: string) => never): Shape {
  const first = 5 - x.shape.length;
  const channels = lastOf(x.shape);
  const want = [BATCH, ...from.slice(first), channels];
  if (!sameShape(x.shape, want)) fail(`cannot resize ${showShape(x.shape)}: it must be ${showShape(want)}`);
  return [BATCH, ...to.slice(first), channels];
}

export const resamplingOps: Rules<Resampling> = {
  pad: {
    name: 'pad',
    family: families.spatial,
    shape: ([x], { image, grid }, fail) => resized(x!, image, grid, fail),
    // the other way
    gradient: (tracer, { inputs: [x], attributes: { image, grid, before }, layer }, dy) => [
      [
        x!,
        tracer.add(resamplingOps.pad, [dy], { image: grid, grid: image, before: negative(before) }, layer),
      ],
    ],
    emit: (e, { tensor, output }) => {
      const { image, grid, before } = tensor.attributes;
      const x = tensor.inputs[0]!;
      e.emit(
        Op.Pad,
        {
          [Pad.Source]: e.address(x),
          [Pad.Target]: e.address(output),
          [Pad.Images]: e.batch,
          [Pad.Channels]: lastOf(x.shape),
          ...three(Pad.Source0, image),
          ...three(Pad.Grid0, grid),
          ...three(Pad.Before0, before),
        },
        Pad.Length,
        [e.span(x)],
        [e.span(output)],
      );
    },
  },

  // y[o] = sum over the pixels of weight(o, i) x[i]
  resample: {
    name: 'resample',
    family: families.spatial,
    shape: ([x], { image, grid }, fail) => resized(x!, image, grid, fail),
    gradient: (tracer, { inputs: [x], attributes, layer }, dy) => [
      [x!, tracer.add(resamplingOps.resampleGrad, [dy], attributes, layer)],
    ],
    emit: (e, { tensor, output }) => {
      const { image, grid, linear } = tensor.attributes;
      const mode = linear ? ResampleMode.Linear : ResampleMode.Mean;
      emitResample(e, Op.Resample, tensor.inputs, output, image, grid, mode);
    },
  },

  // dx[i] = sum over the positions of weight(o, i) dy[o]
  resampleGrad: {
    name: 'resampleGrad',
    family: families.spatial,
    shape: ([dy], { image, grid }, fail) => resized(dy!, grid, image, fail),
    gradient: (tracer, { inputs: [dy], attributes, layer }, dx) => [
      [dy!, tracer.add(resamplingOps.resample, [dx], attributes, layer)],
    ],
    emit: (e, { tensor, output }) => {
      const { image, grid, linear } = tensor.attributes;
      const mode = ResampleMode.Gradient | (linear ? ResampleMode.Linear : ResampleMode.Mean);
      emitResample(e, Op.Resample, tensor.inputs, output, grid, image, mode);
    },
  },

  adaptiveMaximum: {
    name: 'adaptiveMaximum',
    family: families.spatial,
    shape: ([x], { image, grid }, fail) => resized(x!, image, grid, fail),
    // dy to the first largest of each window
    gradient: (tracer, { inputs: [x], attributes, layer }, dy) => [
      [x!, tracer.add(resamplingOps.adaptiveMaximumGrad, [x!, dy], attributes, layer)],
    ],
    emit: (e, { tensor, output }) => {
      const { image, grid } = tensor.attributes;
      emitResample(e, Op.AdaptiveMaximum, tensor.inputs, output, image, grid, 0);
    },
  },

  adaptiveMaximumGrad: {
    name: 'adaptiveMaximumGrad',
    family: families.spatial,
    shape: ([x]) => x!.shape,
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const { image, grid } = tensor.attributes;
      emitResample(e, Op.AdaptiveMaximum, tensor.inputs, output, image, grid, 0);
    },
  },
};

function emitResample(
  e: Emitter,
  op: Op,
  [x, dy]: readonly Tensor[],
  output: Tensor,
  source: Triple,
  grid: Triple,
  mode: number,
): void {
  e.emit(
    op,
    {
      [Resample.Source]: e.address(x!),
      [Resample.Target]: e.address(output),
      [Resample.Gradient]: dy ? e.address(dy) : 0,
      [Resample.Mode]: mode,
      [Resample.Images]: e.batch,
      [Resample.Channels]: lastOf(x!.shape),
      ...three(Resample.Source0, source),
      ...three(Resample.Grid0, grid),
    },
    Resample.Length,
    [e.span(x!), ...(dy ? [e.span(dy)] : [])],
    [e.span(output)],
  );
}
