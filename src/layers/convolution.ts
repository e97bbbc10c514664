import { integer, knownKeys, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { ConvolutionAttributes } from '../ops/attributes.ts';
import { convolutionOps } from '../ops/convolution.ts';
import { lastOf, type Shape, showShape, sizeOf, type Tensor } from '../ops/tensor.ts';
import { biasAndActivation, type KernelOptions, kernelConfig, kernelKeys, kernelsAndBias } from './kernel.ts';
import { type LayerOptions, layerName, written } from './options.ts';
import { type CallableLayer, callable } from './symbolic.ts';
import {
  checkImage,
  type Padding,
  type Sizes,
  sizesOption,
  triple,
  type WindowOptions,
  windowOptions,
  windows,
} from './windows.ts';

export interface ConvolutionOptions extends LayerOptions, KernelOptions, WindowOptions {
  /** Groups of channels that are convolved apart, each with its share of the filters. Default 1. */
  groups?: number;
}

type Kind = 'conv1d' | 'conv2d' | 'conv3d' | 'conv1dTranspose' | 'conv2dTranspose';

const KEYS = ['name', 'strides', 'padding', 'dilationRate', 'groups', ...kernelKeys()];

/**
 * Convolution over time, [batch, steps, channels] to [batch, new steps, filters]; kernel [size, channels / groups,
 * filters], bias [filters].
 * @param filters Outputs of each position, at least 1.
 * @param kernelSize Steps that a window covers.
 * @throws UsageError on an unknown name or an option out of range; when the model is made, on an input that does not fit.
 */
export function conv1d(filters: number, kernelSize: Sizes, options: ConvolutionOptions = {}): CallableLayer {
  return convolutionLayer('conv1d', 1, filters, kernelSize, options);
}

/** Convolution over images, [batch, height, width, channels]; kernel [height, width, channels / groups, filters]. */
export function conv2d(filters: number, kernelSize: Sizes, options: ConvolutionOptions = {}): CallableLayer {
  return convolutionLayer('conv2d', 2, filters, kernelSize, options);
}

/** Convolution over volumes, [batch, depth, height, width, channels]; kernel [depth, height, width, channels / groups, filters]. */
export function conv3d(filters: number, kernelSize: Sizes, options: ConvolutionOptions = {}): CallableLayer {
  return convolutionLayer('conv3d', 3, filters, kernelSize, options);
}

function convolutionLayer(
  type: Kind,
  dimensions: number,
  filters: number,
  kernelSize: Sizes,
  options: ConvolutionOptions,
): CallableLayer {
  integer(filters, `${type}: filters`, 1);
  knownKeys(options, KEYS, type);
  const name = layerName(options, type);
  const { size, strides, dilationRate, padding } = windowOptions(
    kernelSize,
    options,
    dimensions,
    type,
    type === 'conv1d',
  );
  const groups = integer(options.groups ?? 1, `${type}: groups`, 1);
  if (filters % groups !== 0) {
    throw new UsageError(`${type}: ${filters} filters cannot be shared by ${groups} groups`);
  }
  const kernel = kernelConfig(options, type);

  const geometry = (x: Shape, layer: string): ConvolutionAttributes => ({
    ...windows(x, size, strides, dilationRate, padding, layer),
    dilations: triple(dilationRate, 1),
    groups,
  });

  return callable({
    type,
    name,
    config: written({ filters, kernelSize: size, strides, padding, dilationRate, groups, ...kernel.json }),
    parameters([shape], layer) {
      checkImage(shape, dimensions, layer, type);
      const channels = lastOf(shape);
      if (channels % groups !== 0) {
        throw new UsageError(`layer '${layer}': ${channels} channels cannot be shared by ${groups} groups`);
      }
      const field = sizeOf(size, 1);
      const perGroup = channels / groups;
      // fans as Keras counts them: the field times the channels of the kernel's last two dimensions
      const fans = { fanIn: field * perGroup, fanOut: field * filters };
      return kernelsAndBias(kernel, [{ shape: [...size, perGroup, filters], ...fans }], filters);
    },
    trace([x], { graph, parameters: [weights, bias] }) {
      const y = graph.add(convolutionOps.convolution, [x, weights!], geometry(x.shape, graph.layer));
      return biasAndActivation(graph, y as unknown as Tensor, bias, kernel);
    },
  });
}

export interface TransposedOptions extends LayerOptions, KernelOptions {
  /** Results for each step of the input. Default 1. */
  strides?: Sizes;
  /**
   * 'valid': (size - 1) · stride + reach results (at least size · stride), reach being what the dilated kernel covers;
   * 'same': size · stride. Default 'valid'.
   */
  padding?: Padding;
  /**
   * Results more than the least that a convolution with these strides makes this input of, below the stride: (size - 1) ·
   * stride + reach + outputPadding for 'valid', 2 · floor(reach / 2) fewer for 'same'. Default: the sizes of `padding`.
   */
  outputPadding?: number | readonly number[];
  /** Distance between the taps of a window. Default 1. */
  dilationRate?: Sizes;
}

/** Transposed convolution over time, [batch, steps, channels] to [batch, more steps, filters]; kernel [size, filters, channels]. */
export function conv1dTranspose(
  filters: number,
  kernelSize: Sizes,
  options: TransposedOptions = {},
): CallableLayer {
  return transposedLayer('conv1dTranspose', 1, filters, kernelSize, options);
}

/**
 * Transposed convolution: the gradient of a convolution with respect to its image, as a layer (Dumoulin & Visin 2016).
 * [batch, height, width, channels] to [batch, height · stride …, width · stride …, filters]; kernel [height, width,
 * filters, channels].
 */
export function conv2dTranspose(
  filters: number,
  kernelSize: Sizes,
  options: TransposedOptions = {},
): CallableLayer {
  return transposedLayer('conv2dTranspose', 2, filters, kernelSize, options);
}

function transposedLayer(
  type: Kind,
  dimensions: number,
  filters: number,
  kernelSize: Sizes,
  options: TransposedOptions,
): CallableLayer {
  integer(filters, `${type}: filters`, 1);
  knownKeys(options, ['name', 'strides', 'padding', 'outputPadding', 'dilationRate', ...kernelKeys()], type);
  const name = layerName(options, type);
  const { size, strides, dilationRate, padding } = windowOptions(kernelSize, options, dimensions, type);
  const outputPadding =
    options.outputPadding === undefined
      ? undefined
      : sizesOption(options.outputPadding, dimensions, `${type}: outputPadding`, 0);
  if (outputPadding?.some((more, i) => more >= strides[i]!)) {
    throw new UsageError(
      `${type}: outputPadding must be below the strides ${show(strides)}, got ${show(outputPadding)}`,
    );
  }
  const kernel = kernelConfig(options, type);
  const reach = size.map((taps, i) => (taps - 1) * dilationRate[i]! + 1);

  /** Results of a dimension of d steps. */
  const resultSize = (d: number, i: number): number => {
    const [stride, more] = [strides[i]!, outputPadding?.[i]];
    if (more === undefined)
      return padding === 'same' ? d * stride : (d - 1) * stride + Math.max(reach[i]!, stride);
    const cut = padding === 'same' ? 2 * Math.floor(reach[i]! / 2) : 0;
    return (d - 1) * stride + reach[i]! - cut + more;
  };

  /** Of the convolution whose image this layer makes; what the windows cover more than the image is split evenly. */
  const geometry = (x: Shape, layer: string): ConvolutionAttributes => {
    const grid = x.slice(1, -1);
    const image = grid.map(resultSize);
    if (image.some((d) => d < 1)) {
      throw new UsageError(`layer '${layer}': nothing is left of its input ${showShape(x)}`);
    }
    const before = grid.map((d, i) =>
      padding === 'same' ? Math.floor(Math.max((d - 1) * strides[i]! + reach[i]! - image[i]!, 0) / 2) : 0,
    );
    return {
      ...{ taps: triple(size, 1), strides: triple(strides, 1), dilations: triple(dilationRate, 1) },
      ...{ image: triple(image, 1), grid: triple(grid, 1), before: triple(before, 0), groups: 1 },
    };
  };

  return callable({
    type,
    name,
    config: written({
      ...{ filters, kernelSize: size, strides, padding, outputPadding, dilationRate },
      ...kernel.json,
    }),
    parameters([shape], layer) {
      checkImage(shape, dimensions, layer, type);
      const channels = lastOf(shape);
      const field = sizeOf(size, 1);
      const fans = { fanIn: field * filters, fanOut: field * channels };
      return kernelsAndBias(kernel, [{ shape: [...size, filters, channels], ...fans }], filters);
    },
    trace([x], { graph, parameters: [weights, bias] }) {
      const y = graph.add(convolutionOps.convolutionInput, [x, weights!], geometry(x.shape, graph.layer));
      return biasAndActivation(graph, y as unknown as Tensor, bias, kernel);
    },
  });
}
