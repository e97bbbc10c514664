import { integer, knownKeys } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { ConvolutionAttributes } from '../ops/attributes.ts';
import { convolutionOps } from '../ops/convolution.ts';
import { lastOf, type Shape, type Tensor } from '../ops/tensor.ts';
import {
  biasAndActivation,
  KERNEL_KEYS,
  type KernelConfig,
  type KernelOptions,
  kernelAndBias,
  kernelConfig,
} from './kernel.ts';
import { type LayerOptions, layerName, written } from './options.ts';
import { type CallableLayer, callable } from './symbolic.ts';
import {
  checkImage,
  type Padding,
  paddingOption,
  type Sizes,
  sizesOption,
  triple,
  windows,
} from './windows.ts';

export interface ConvolutionOptions extends LayerOptions, KernelOptions {
  /** Steps from one window to the next. Default 1. */
  strides?: Sizes;
  /** 'valid' (no padding), 'same' (zeros around; ceil(size / stride) results), in 1-D also 'causal' (zeros before). Default 'valid'. */
  padding?: Padding;
  /** Distance between the taps of a window. Default 1. */
  dilationRate?: Sizes;
  /** Groups of channels that are convolved apart, each with its share of the filters. Default 1. */
  groups?: number;
}

type Kind = 'conv1d' | 'conv2d' | 'conv3d' | 'conv1dTranspose' | 'conv2dTranspose';

const KEYS = ['name', 'strides', 'padding', 'dilationRate', 'groups', ...KERNEL_KEYS];

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
  const size = sizesOption(kernelSize, dimensions, `${type}: kernelSize`);
  const strides = sizesOption(options.strides ?? 1, dimensions, `${type}: strides`);
  const dilationRate = sizesOption(options.dilationRate ?? 1, dimensions, `${type}: dilationRate`);
  const padding = paddingOption(options.padding ?? 'valid', type, type === 'conv1d');
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
    config: written({ filters, kernelSize: size, strides, padding, dilationRate, groups, ...kernel }),
    parameters(shape, layer) {
      checkImage([-1, ...shape], dimensions, layer, type);
      const channels = lastOf(shape);
      if (channels % groups !== 0) {
        throw new UsageError(`layer '${layer}': ${channels} channels cannot be shared by ${groups} groups`);
      }
      const field = size.reduce((a, b) => a * b, 1);
      const perGroup = channels / groups;
      // fans as Keras counts them: the field times the channels of the kernel's last two dimensions
      const fans = { fanIn: field * perGroup, fanOut: field * filters };
      return kernelAndBias(kernel, { shape: [...size, perGroup, filters], ...fans }, filters);
    },
    call(x, { graph, parameters: [weights, bias] }) {
      const y = graph.add(convolutionOps.convolution, [x, weights!], geometry(x.shape, graph.layer));
      return biasAndActivation(graph, y as unknown as Tensor, bias, kernel);
    },
  });
}

export interface TransposedOptions extends LayerOptions, KernelOptions {
  /** Results for each step of the input. Default 1. */
  strides?: Sizes;
  /** 'valid': (size - 1) · stride + kernel results; 'same': size · stride. Default 'valid'. */
  padding?: Padding;
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
  knownKeys(options, ['name', 'strides', 'padding', ...KERNEL_KEYS], type);
  const name = layerName(options, type);
  const size = sizesOption(kernelSize, dimensions, `${type}: kernelSize`);
  const strides = sizesOption(options.strides ?? 1, dimensions, `${type}: strides`);
  const padding = paddingOption(options.padding ?? 'valid', type);
  const kernel: KernelConfig = kernelConfig(options, type);
  const ones = strides.map(() => 1);

  /** Of the convolution whose image this layer makes. */
  const geometry = (x: Shape, layer: string): ConvolutionAttributes => {
    const image = x
      .slice(1, -1)
      .map((d, i) =>
        padding === 'same' ? d * strides[i]! : (d - 1) * strides[i]! + Math.max(size[i]!, strides[i]!),
      );
    const of = windows([-1, ...image, filters], size, strides, ones, padding, layer);
    return { ...of, dilations: triple(ones, 1), groups: 1 };
  };

  return callable({
    type,
    name,
    config: written({ filters, kernelSize: size, strides, padding, ...kernel }),
    parameters(shape, layer) {
      checkImage([-1, ...shape], dimensions, layer, type);
      const channels = lastOf(shape);
      const field = size.reduce((a, b) => a * b, 1);
      const fans = { fanIn: field * filters, fanOut: field * channels };
      return kernelAndBias(kernel, { shape: [...size, filters, channels], ...fans }, filters);
    },
    call(x, { graph, parameters: [weights, bias] }) {
      const y = graph.add(convolutionOps.convolutionInput, [x, weights!], geometry(x.shape, graph.layer));
      return biasAndActivation(graph, y as unknown as Tensor, bias, kernel);
    },
  });
}
