import { Activation } from '../../assembly/tape/dense.ts';
import { Depthwise } from '../../assembly/tape/spatial.ts';
import { Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import type { DepthwiseAttributes, Triple } from './attributes.ts';
import { three } from './convolution.ts';
import type { Call, Emitter, Rules } from './rule.ts';
import { BATCH, lastOf, type Shape, sameShape, showShape, type Tensor } from './tensor.ts';

type Depthwises = 'depthwise' | 'depthwiseInput' | 'depthwiseFilter';

type Fail = (message: string) => never;

/** [...taps, channels / multiplier, multiplier] */
function kernelShape(x: Tensor, { taps, multiplier }: DepthwiseAttributes): Shape {
  return [...taps.slice(5 - x.shape.length), lastOf(x.shape) / multiplier, multiplier];
}

/** x [batch, …from, channels] becomes [batch, …to, channels]. */
function resized(
  x: Tensor,
  w: Tensor,
  attributes: DepthwiseAttributes,
  [from, to]: readonly [Triple, Triple],
  fail: Fail,
): Shape {
  const channels = lastOf(x.shape);
  const first = 5 - x.shape.length;
  const want = [BATCH, ...from.slice(first), channels];
  if (!sameShape(x.shape, want) || !sameShape(w.shape, kernelShape(x, attributes))) {
    fail(`cannot convolve ${showShape(x.shape)} with a filter for each channel, ${showShape(w.shape)}`);
  }
  return [BATCH, ...to.slice(first), channels];
}

const ONES: Triple = [1, 1, 1];
const negative = ([a, b, c]: Triple): Triple => [-a, -b, -c];

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

export const depthwiseOps: Rules<Depthwises> = {
  // y[o, c] = sum over taps of x[o · stride + t · dilation - before, c] w[t, c]
  depthwise: {
    name: 'depthwise',
    family: families.spatial,
    shape: ([x, w], attributes, fail) => {
      const { image, grid } = attributes;
      return resized(x!, w!, attributes, [image, grid], fail);
    },
    gradient: (tracer, { inputs: [x, w], attributes, layer }, dy) => [
      [x!, tracer.add(depthwiseOps.depthwiseInput, [dy, w!], attributes, layer)],
      [w!, tracer.add(depthwiseOps.depthwiseFilter, [x!, dy], attributes, layer)],
    ],
    epilogue: 'product',
    emit: (e, call) => emitDepthwise(e, call, false),
  },

  // dx[i, c] = sum over taps of dy[(i + before - t · dilation) / stride, c] w[t, c], where that is whole
  depthwiseInput: {
    name: 'depthwiseInput',
    family: families.spatial,
    shape: ([dy, w], attributes, fail) => {
      const { image, grid } = attributes;
      return resized(dy!, w!, attributes, [grid, image], fail);
    },
    gradient: (tracer, { inputs: [dy, w], attributes, layer }, dx) => [
      [dy!, tracer.add(depthwiseOps.depthwise, [dx, w!], attributes, layer)],
      [w!, tracer.add(depthwiseOps.depthwiseFilter, [dx, dy!], attributes, layer)],
    ],
    epilogue: 'product',
    emit: (e, call) => emitDepthwise(e, call, true),
  },

  // dw[t, c] = sum over positions o of x[o · stride + t · dilation - before, c] dy[o, c]
  depthwiseFilter: {
    name: 'depthwiseFilter',
    family: families.spatial,
    shape: ([x], attributes) => kernelShape(x!, attributes),
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const [x, dy] = tensor.inputs as [Tensor, Tensor];
      const fields = {
        ...geometry(tensor.attributes, false),
        ...noEpilogue,
        [Depthwise.Kernel]: e.address(dy),
      };
      emit(e, Op.DepthwiseFilter, [x, dy], output, fields);
    },
  },
};

const noEpilogue = {
  [Depthwise.Bias]: 0,
  [Depthwise.Activation]: Activation.Linear,
  [Depthwise.Alpha]: 0,
  [Depthwise.Reference]: 0,
};

function geometry(attributes: DepthwiseAttributes, transposed: boolean): Record<number, number> {
  const { image, grid, taps, strides, dilations, before } = attributes;
  const tapSteps = strides.map((s, d) => s / greatestCommonDivisor(s, dilations[d]!)) as unknown as Triple;
  return {
    ...three(Depthwise.Grid0, transposed ? image : grid),
    ...three(Depthwise.Source0, transposed ? grid : image),
    ...three(Depthwise.Taps0, taps),
    ...three(Depthwise.Mul0, transposed ? ONES : strides),
    ...three(Depthwise.Step0, transposed ? negative(dilations) : dilations),
    ...three(Depthwise.Offset0, transposed ? before : negative(before)),
    ...three(Depthwise.Div0, transposed ? strides : ONES),
    ...three(Depthwise.TapStep0, transposed ? tapSteps : ONES),
  } as Record<number, number>;
}

function emitDepthwise(
  e: Emitter,
  { tensor, output, epilogue }: Call<'depthwise' | 'depthwiseInput'>,
  transposed: boolean,
): void {
  const [x, w] = tensor.inputs as [Tensor, Tensor];
  const { bias, activation, derivative } = epilogue;
  const form = (activation ?? derivative)?.attributes;
  const reference = derivative?.inputs[1];
  const reads = [x, w, ...(bias ? [bias] : []), ...(reference ? [reference] : [])];
  emit(e, Op.Depthwise, reads, output, {
    ...geometry(tensor.attributes, transposed),
    [Depthwise.Kernel]: e.address(w),
    [Depthwise.Bias]: bias ? e.address(bias) : 0,
    [Depthwise.Activation]: form?.kind ?? Activation.Linear,
    [Depthwise.Alpha]: { f32: form?.alpha ?? 0 },
    [Depthwise.Reference]: reference ? e.address(reference) : 0,
  });
}

function emit(
  e: Emitter,
  op: Op,
  reads: readonly Tensor[],
  output: Tensor,
  fields: Parameters<Emitter['emit']>[1],
): void {
  const x = reads[0]!;
  e.emit(
    op,
    {
      ...fields,
      [Depthwise.Source]: e.address(x),
      [Depthwise.Target]: e.address(output),
      [Depthwise.Images]: e.batch,
      [Depthwise.Channels]: lastOf(x.shape),
    },
    Depthwise.Length,
    reads.map((tensor) => e.span(tensor)),
    [e.span(output)],
  );
}
