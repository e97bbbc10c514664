import { Gemm, GemmFlag } from '../../assembly/tape/dense.ts';
import { Patch } from '../../assembly/tape/spatial.ts';
import { Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import type { Triple } from './attributes.ts';
import { isMinimal, isMinimalFilter, minimalBoxes, minimalScratch } from './minimal.ts';
import { boxesOf, type Product, patchScratch, volume } from './patches.ts';
import type { Call, Emitter, Rules, Word } from './rule.ts';
import { BATCH, lastOf, type Shape, showShape, type Tensor } from './tensor.ts';

/** The last of three numbers that a tensor with `dimensions` spatial dimensions has. */
function spatial(three: Triple, dimensions: number): readonly number[] {
  return three.slice(3 - dimensions);
}

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
    epilogue: 'product',
    workspace: (tensor, batch) => scratchBytes(forward(tensor), batch),
    emit: (e, call) => emitProduct(e, call, forward(call.tensor)),
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
    epilogue: 'product',
    workspace: (tensor, batch) => scratchBytes(inputGradient(tensor), batch),
    emit: (e, call) => emitProduct(e, call, inputGradient(call.tensor)),
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
    workspace: (tensor, batch) => scratchBytes(filterGradient(tensor), batch),
    emit: (e, call) => emitProduct(e, call, filterGradient(call.tensor)),
  },
};

const ONES: Triple = [1, 1, 1];
const negative = ([a, b, c]: Triple): Triple => [-a, -b, -c];

function forward({ inputs: [, w], attributes }: Tensor<'convolution'>): Product {
  const { perGroup, filters } = channelsOf(w!.shape);
  const { image, grid, taps, groups, strides, dilations, before } = attributes;
  const columns = filters / groups;
  return {
    ...{ flags: 0, groups, grid, source: image, taps, channels: perGroup, pixel: perGroup * groups, columns },
    ...{ mul: strides, step: dilations, offset: negative(before), div: ONES },
    ...{ bStride: filters, bGroup: columns, cStride: filters },
    minimal: isMinimal(attributes, perGroup, columns),
  };
}

function inputGradient({ inputs: [, w], attributes }: Tensor<'convolutionInput'>): Product {
  const { perGroup, filters } = channelsOf(w!.shape);
  const { image, grid, taps, groups, strides, dilations, before } = attributes;
  const channels = filters / groups;
  return {
    ...{ flags: GemmFlag.TransposedB, groups, grid: image, source: grid, taps, channels, pixel: filters },
    ...{ mul: ONES, step: negative(dilations), offset: before, div: strides, columns: perGroup },
    ...{ bStride: filters, bGroup: channels, cStride: perGroup * groups },
    minimal: isMinimal(attributes, channels, perGroup),
  };
}

function filterGradient({ inputs: [x, dy], attributes }: Tensor<'convolutionFilter'>): Product {
  const [pixel, filters] = [lastOf(x!.shape), lastOf(dy!.shape)];
  const { image, grid, taps, groups, strides, dilations, before } = attributes;
  const [channels, columns] = [pixel / groups, filters / groups];
  return {
    ...{ flags: GemmFlag.TransposedA, groups, grid, source: image, taps, channels, pixel },
    ...{ mul: strides, step: dilations, offset: negative(before), div: ONES, columns },
    ...{ bStride: filters, bGroup: columns, cStride: filters },
    minimal: isMinimalFilter(attributes, channels, columns),
  };
}

function scratchBytes(product: Product, batch: number): number {
  return product.minimal ? minimalScratch(product, batch) : patchScratch(product, batch);
}

/** Three fields in a row. */
export function three(field: number, [a, b, c]: Triple): Readonly<Record<number, Word>> {
  return { [field]: a, [field + 1]: b, [field + 2]: c };
}

/** One product for each group of channels. */
function emitProduct(
  e: Emitter,
  { tensor, output, epilogue }: Call<'convolution' | 'convolutionInput' | 'convolutionFilter'>,
  product: Product,
): void {
  const [a, b] = tensor.inputs as [Tensor, Tensor];
  const { flags, groups, grid, source, taps, mul, step, offset, div, channels, pixel, columns } = product;
  const { bStride, bGroup, cStride } = product;
  const { low, box, images, inside, extent } = product.minimal
    ? minimalBoxes(product, e.batch)
    : boxesOf(product, e.batch);
  const { bias, activation, derivative } = epilogue;
  const form = (activation ?? derivative)?.attributes;
  const reference = derivative?.inputs[1];
  const [positions, patch] = [e.batch * volume(grid), volume(taps) * channels];
  const transposed = (flags & GemmFlag.TransposedA) !== 0;
  for (let g = 0; g < groups; g++) {
    e.emit(
      Op.Convolution,
      {
        [Gemm.A]: e.address(a) + 4 * g * channels,
        [Gemm.AStride]: 0,
        [Gemm.B]: e.address(b) + 4 * g * bGroup,
        [Gemm.BStride]: bStride,
        [Gemm.C]: e.address(output) + 4 * g * columns,
        [Gemm.CStride]: cStride,
        [Gemm.M]: transposed ? patch : positions,
        [Gemm.N]: columns,
        [Gemm.K]: transposed ? positions : patch,
        [Gemm.Flags]:
          flags | (product.minimal ? GemmFlag.Minimal : 0) | (derivative ? GemmFlag.Derivative : 0),
        [Gemm.Bias]: bias ? e.address(bias) + 4 * g * columns : 0,
        [Gemm.Activation]: form?.kind ?? 0,
        [Gemm.Alpha]: { f32: form?.alpha ?? 0 },
        [Gemm.Reference]: reference ? e.address(reference) + 4 * g * columns : 0,
        [Gemm.Scratch]: e.workspace.start,
        [Gemm.ScratchBytes]: scratchBytes(product, e.batch),
        [Gemm.Sums]: 0,
        ...three(Patch.Grid0, grid),
        ...three(Patch.Source0, source),
        ...three(Patch.Taps0, taps),
        ...three(Patch.Mul0, mul),
        ...three(Patch.Step0, step),
        ...three(Patch.Offset0, offset),
        ...three(Patch.Div0, div),
        ...three(Patch.Low0, low),
        ...three(Patch.Box0, box),
        ...three(Patch.Extent0, extent),
        [Patch.Images]: e.batch,
        [Patch.BoxImages]: images,
        [Patch.Channels]: channels,
        [Patch.Pixel]: pixel,
        [Patch.Inside]: inside ? 1 : 0,
        [Patch.TapB]: lastOf(b.shape) * b.shape.at(-2)!,
      },
      Patch.Length,
      [e.span(a), e.span(b), ...(bias ? [e.span(bias)] : []), ...(reference ? [e.span(reference)] : [])],
      [e.span(output), e.workspace],
    );
  }
}
