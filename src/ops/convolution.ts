import { Gemm, GemmFlag, Op, Patch } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import type { ConvolutionAttributes, Triple } from './attributes.ts';
import { gemmScratchBytes } from './matmul.ts';
import type { Call, Emitter, Rules, Word } from './rule.ts';
import { BATCH, lastOf, type Shape, showShape, type Tensor } from './tensor.ts';

/** The last of three numbers that a tensor with `dimensions` spatial dimensions has. */
function spatial(three: Triple, dimensions: number): readonly number[] {
  return three.slice(3 - dimensions);
}

const volume = ([a, b, c]: Triple): number => a * b * c;

type Fail = (message: string) => never;

/** Channels that go in, per group, and filters, from a kernel [...taps, in / groups, filters]. */
function channelsOf(kernel: Shape): { perGroup: number; filters: number } {
  return { perGroup: kernel.at(-2)!, filters: lastOf(kernel) };
}

function check(image: Shape, channels: number, size: Triple, kernel: Shape, fail: Fail): void {
  const want = [BATCH, ...spatial(size, image.length - 2), channels];
  if (image.length !== want.length || image.some((d, i) => d !== want[i])) {
    fail(`cannot convolve ${showShape(image)} with ${showShape(kernel)}: it must be ${showShape(want)}`);
  }
}

export const convolutionOps: Rules<'convolution' | 'convolutionInput' | 'convolutionFilter'> = {
  // y[o, f] = sum over taps t and channels c of x[o · stride + t · dilation - before, c] w[t, c, f]
  convolution: {
    name: 'convolution',
    family: families.spatial,
    shape: ([x, w], { image, grid, groups }, fail) => {
      const { perGroup, filters } = channelsOf(w!.shape);
      check(x!.shape, perGroup * groups, image, w!.shape, fail);
      return [BATCH, ...spatial(grid, x!.shape.length - 2), filters];
    },
    gradient: (tracer, { inputs: [x, w], attributes, layer }, dy) => [
      [x!, tracer.add(convolutionOps.convolutionInput, [dy, w!], attributes, layer)],
      [w!, tracer.add(convolutionOps.convolutionFilter, [x!, dy], attributes, layer)],
    ],
    epilogue: true,
    workspace: (tensor, batch) => gemmScratchBytes(forwardSize(tensor, batch)),
    emit: (e, call) => {
      const [x, w] = call.tensor.inputs as [Tensor, Tensor];
      const { image, grid, groups, strides, dilations, before } = call.tensor.attributes;
      const { perGroup, filters } = channelsOf(w.shape);
      emitProduct(e, call, {
        ...{ a: x, b: w, bStride: filters, cStride: filters, groups, flags: 0 },
        ...{ size: forwardSize(call.tensor, e.batch), aGroup: perGroup, bGroup: filters / groups },
        cGroup: filters / groups,
        patch: patchFields(call.tensor.attributes, grid, image, perGroup, perGroup * groups, {
          ...{ mul: strides, step: dilations, offset: negative(before), div: ONES },
          tapB: 0,
        }),
      });
    },
  },

  // dx[i, c] = sum over taps and filters of dy[(i + before - t · dilation) / stride, f] w[t, c, f], where that is whole
  convolutionInput: {
    name: 'convolutionInput',
    family: families.spatial,
    shape: ([dy, w], { image, grid, groups }, fail) => {
      const { perGroup, filters } = channelsOf(w!.shape);
      check(dy!.shape, filters, grid, w!.shape, fail);
      return [BATCH, ...spatial(image, dy!.shape.length - 2), perGroup * groups];
    },
    gradient: (tracer, { inputs: [dy, w], attributes, layer }, dx) => [
      [dy!, tracer.add(convolutionOps.convolution, [dx, w!], attributes, layer)],
      [w!, tracer.add(convolutionOps.convolutionFilter, [dx, dy!], attributes, layer)],
    ],
    epilogue: true,
    workspace: (tensor, batch) => gemmScratchBytes(inputSize(tensor, batch)),
    emit: (e, call) => {
      const [dy, w] = call.tensor.inputs as [Tensor, Tensor];
      const { image, grid, groups, strides, dilations, before } = call.tensor.attributes;
      const { perGroup, filters } = channelsOf(w.shape);
      emitProduct(e, call, {
        ...{ a: dy, b: w, bStride: filters, cStride: perGroup * groups, groups, flags: GemmFlag.TapsOfB },
        ...{ size: inputSize(call.tensor, e.batch), aGroup: filters / groups, bGroup: filters / groups },
        cGroup: perGroup,
        patch: patchFields(call.tensor.attributes, image, grid, filters / groups, filters, {
          ...{ mul: ONES, step: negative(dilations), offset: before, div: strides },
          tapB: perGroup * filters,
        }),
      });
    },
  },

  // dw[t, c, f] = sum over positions o of x[o · stride + t · dilation - before, c] dy[o, f]
  convolutionFilter: {
    name: 'convolutionFilter',
    family: families.spatial,
    shape: ([x, dy], { taps, groups }) => {
      const channels = lastOf(x!.shape) / groups;
      return [...spatial(taps, x!.shape.length - 2), channels, lastOf(dy!.shape)];
    },
    gradient: 'none',
    workspace: (tensor, batch) => gemmScratchBytes(filterSize(tensor, batch)),
    emit: (e, call) => {
      const [x, dy] = call.tensor.inputs as [Tensor, Tensor];
      const { image, grid, groups, strides, dilations, before } = call.tensor.attributes;
      const [channels, filters] = [lastOf(x.shape), lastOf(dy.shape)];
      emitProduct(e, call, {
        ...{ a: x, b: dy, bStride: filters, cStride: filters, groups, flags: GemmFlag.TransposedA },
        ...{ size: filterSize(call.tensor, e.batch), aGroup: channels / groups, bGroup: filters / groups },
        cGroup: filters / groups,
        patch: patchFields(call.tensor.attributes, grid, image, channels / groups, channels, {
          ...{ mul: strides, step: dilations, offset: negative(before), div: ONES },
          tapB: 0,
        }),
      });
    },
  },
};

interface Dimensions {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

const ONES: Triple = [1, 1, 1];
const negative = ([a, b, c]: Triple): Triple => [-a, -b, -c];

function forwardSize({ inputs: [, w], attributes }: Tensor<'convolution'>, batch: number): Dimensions {
  const { perGroup, filters } = channelsOf(w!.shape);
  const { grid, taps, groups } = attributes;
  return { M: batch * volume(grid), N: filters / groups, K: volume(taps) * perGroup };
}

function inputSize({ inputs: [, w], attributes }: Tensor<'convolutionInput'>, batch: number): Dimensions {
  const { perGroup, filters } = channelsOf(w!.shape);
  const { image, taps, groups } = attributes;
  return { M: batch * volume(image), N: perGroup, K: (volume(taps) * filters) / groups };
}

function filterSize({ inputs: [x, dy], attributes }: Tensor<'convolutionFilter'>, batch: number): Dimensions {
  const { grid, taps, groups } = attributes;
  const [channels, filters] = [lastOf(x!.shape), lastOf(dy!.shape)];
  return { M: (volume(taps) * channels) / groups, N: filters / groups, K: batch * volume(grid) };
}

interface Map3 {
  readonly mul: Triple;
  readonly step: Triple;
  readonly offset: Triple;
  readonly div: Triple;
  readonly tapB: number;
}

function patchFields(
  { taps }: ConvolutionAttributes,
  grid: Triple,
  source: Triple,
  channels: number,
  pixel: number,
  { mul, step, offset, div, tapB }: Map3,
): Readonly<Record<number, Word>> {
  return {
    ...three(Patch.Grid0, grid),
    ...three(Patch.Source0, source),
    [Patch.Channels]: channels,
    [Patch.Pixel]: pixel,
    [Patch.Taps1]: taps[1],
    [Patch.Taps2]: taps[2],
    ...three(Patch.Mul0, mul),
    ...three(Patch.Step0, step),
    ...three(Patch.Offset0, offset),
    ...three(Patch.Div0, div),
    [Patch.TapB]: tapB,
  };
}

/** Three fields in a row. */
export function three(field: number, [a, b, c]: Triple): Readonly<Record<number, Word>> {
  return { [field]: a, [field + 1]: b, [field + 2]: c };
}

interface Product {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly bStride: number;
  readonly cStride: number;
  readonly size: Dimensions;
  readonly groups: number;
  /** Floats from one group to the next, in each operand. */
  readonly aGroup: number;
  readonly bGroup: number;
  readonly cGroup: number;
  readonly flags: number;
  readonly patch: Readonly<Record<number, Word>>;
}

/** One product for each group of channels. */
function emitProduct(
  e: Emitter,
  { output, epilogue }: Call<'convolution' | 'convolutionInput' | 'convolutionFilter'>,
  { a, b, bStride, cStride, size, groups, aGroup, bGroup, cGroup, flags, patch }: Product,
): void {
  const { bias, activation, derivative } = epilogue;
  const form = (activation ?? derivative)?.attributes;
  const reference = derivative?.inputs[1];
  for (let g = 0; g < groups; g++) {
    e.emit(
      Op.Convolution,
      {
        [Gemm.A]: e.address(a) + 4 * g * aGroup,
        [Gemm.AStride]: 0,
        [Gemm.B]: e.address(b) + 4 * g * bGroup,
        [Gemm.BStride]: bStride,
        [Gemm.C]: e.address(output) + 4 * g * cGroup,
        [Gemm.CStride]: cStride,
        [Gemm.M]: size.M,
        [Gemm.N]: size.N,
        [Gemm.K]: size.K,
        [Gemm.Flags]: flags | GemmFlag.Patches | (derivative ? GemmFlag.Derivative : 0),
        [Gemm.Bias]: bias ? e.address(bias) + 4 * g * cGroup : 0,
        [Gemm.Activation]: form?.kind ?? 0,
        [Gemm.Alpha]: { f32: form?.alpha ?? 0 },
        [Gemm.Reference]: reference ? e.address(reference) + 4 * g * cGroup : 0,
        [Gemm.Scratch]: e.workspace.start,
        [Gemm.ScratchBytes]: gemmScratchBytes(size),
        ...patch,
      },
      Patch.Length,
      [e.span(a), e.span(b), ...(bias ? [e.span(bias)] : []), ...(reference ? [e.span(reference)] : [])],
      [e.span(output), e.workspace],
    );
  }
}
