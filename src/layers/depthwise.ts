import { integer, knownKeys } from '../checks.ts';
import type { Graph } from '../graph/graph.ts';
import type { DepthwiseAttributes } from '../ops/attributes.ts';
import { depthwiseOps } from '../ops/depthwise.ts';
import { matmulOps } from '../ops/matmul.ts';
import { resamplingOps } from '../ops/resampling.ts';
import { sourceOps } from '../ops/sources.ts';
import { lastOf, type Shape, sizeOf, type Tensor } from '../ops/tensor.ts';
import type { InitializerLike } from './initializers.ts';
import { type BiasOptions, biasAndActivation, kernelConfig, kernelKeys, kernelsAndBias } from './kernel.ts';
import { type LayerOptions, layerName, written } from './options.ts';
import type { Regularizer } from './regularizers.ts';
import { type CallableLayer, callable } from './symbolic.ts';
import { checkImage, type Sizes, triple, type WindowOptions, windowOptions, windows } from './windows.ts';

export interface DepthwiseOptions extends LayerOptions, BiasOptions, WindowOptions {
  /** Filters of each channel: output c · depthMultiplier + m is filter m of channel c. Default 1. */
  depthMultiplier?: number;
  /** Of the depthwise kernel. Default 'glorotUniform'. */
  depthwiseInitializer?: InitializerLike;
  /** Penalty on the depthwise kernel. Default: none. */
  depthwiseRegularizer?: Regularizer;
}

export interface SeparableOptions extends DepthwiseOptions {
  /** Of the pointwise kernel. Default 'glorotUniform'. */
  pointwiseInitializer?: InitializerLike;
  /** Penalty on the pointwise kernel. Default: none. */
  pointwiseRegularizer?: Regularizer;
}

const KEYS = ['name', 'strides', 'padding', 'depthMultiplier', 'dilationRate'];

/**
 * Convolution over time in which each channel has filters of its own: [batch, steps, channels] to [batch, new steps,
 * channels · depthMultiplier]; kernel [size, channels, depthMultiplier], bias [channels · depthMultiplier].
 * @param kernelSize Steps that a window covers.
 * @throws UsageError on an unknown name or an option out of range; when the model is made, on an input that does not fit.
 */
export function depthwiseConv1d(kernelSize: Sizes, options: DepthwiseOptions = {}): CallableLayer {
  return depthwiseLayer('depthwiseConv1d', 1, kernelSize, options);
}

/**
 * Convolution over images in which each channel has filters of its own: [batch, height, width, channels] to [batch, new
 * height, new width, channels · depthMultiplier]; kernel [height, width, channels, depthMultiplier].
 */
export function depthwiseConv2d(kernelSize: Sizes, options: DepthwiseOptions = {}): CallableLayer {
  return depthwiseLayer('depthwiseConv2d', 2, kernelSize, options);
}

/**
 * A depthwise convolution over time, then a mixture of its channels at each step (Chollet 2017, arXiv:1610.02357):
 * depthwiseKernel [size, channels, depthMultiplier], pointwiseKernel [channels · depthMultiplier, filters], bias
 * [filters]; bias and activation come last.
 * @param filters Outputs of each position, at least 1.
 * @param kernelSize Steps that a window covers.
 */
export function separableConv1d(
  filters: number,
  kernelSize: Sizes,
  options: SeparableOptions = {},
): CallableLayer {
  return separableLayer('separableConv1d', 1, filters, kernelSize, options);
}

/** The same over images: depthwiseKernel [height, width, channels, depthMultiplier]. */
export function separableConv2d(
  filters: number,
  kernelSize: Sizes,
  options: SeparableOptions = {},
): CallableLayer {
  return separableLayer('separableConv2d', 2, filters, kernelSize, options);
}

/** The depthwise part of both. */
function depthwisePart(type: string, dimensions: number, kernelSize: Sizes, options: DepthwiseOptions) {
  const { size, strides, dilationRate, padding } = windowOptions(
    kernelSize,
    options,
    dimensions,
    type,
    dimensions === 1,
  );
  const multiplier = integer(options.depthMultiplier ?? 1, `${type}: depthMultiplier`, 1);
  const field = sizeOf(size, 1);
  return {
    multiplier,
    config: { kernelSize: size, strides, padding, depthMultiplier: multiplier, dilationRate },
    kernel(shape: Shape, layer: string) {
      checkImage(shape, dimensions, layer, type);
      const channels = lastOf(shape);
      // fans as Keras counts them: the field times the kernel's last two dimensions
      const fans = { fanIn: field * channels, fanOut: field * multiplier };
      return { shape: [...size, channels, multiplier], ...fans };
    },
    call(x: Tensor, kernel: Tensor, graph: Graph): Tensor {
      const attributes: DepthwiseAttributes = {
        ...windows(x.shape, size, strides, dilationRate, padding, graph.layer),
        dilations: triple(dilationRate, 1),
        multiplier,
      };
      const channels = multiplier === 1 ? x : repeatChannels(graph, x, multiplier);
      return graph.add(depthwiseOps.depthwise, [channels, kernel], attributes) as unknown as Tensor;
    },
  };
}

/** Each channel `times` times: the channels of a line as an image of one channel that grows. */
function repeatChannels(graph: Graph, x: Tensor, times: number): Tensor {
  const [first, ...rest] = x.shape.slice(1) as [number, ...number[]];
  const line = sizeOf(rest, 1);
  const image = graph.add(sourceOps.reshape, [x], { shape: [first, line, 1] });
  const sizes = { image: [1, first, line], grid: [1, first, line * times], linear: false } as const;
  const repeated = graph.add(resamplingOps.resample, [image], sizes);
  const shape = [...x.shape.slice(1, -1), lastOf(x.shape) * times];
  return graph.add(sourceOps.reshape, [repeated], { shape }) as unknown as Tensor;
}

function depthwiseLayer(
  type: string,
  dimensions: number,
  kernelSize: Sizes,
  options: DepthwiseOptions,
): CallableLayer {
  knownKeys(options, [...KEYS, ...kernelKeys(['depthwise'])], type);
  const part = depthwisePart(type, dimensions, kernelSize, options);
  const kernel = kernelConfig(options, type, ['depthwise']);
  return callable({
    type,
    name: layerName(options, type),
    config: written({ ...part.config, ...kernel.json }),
    parameters: ([shape], layer) =>
      kernelsAndBias(kernel, [part.kernel(shape, layer)], lastOf(shape) * part.multiplier),
    trace: ([x], { graph, parameters: [weights, bias] }) =>
      biasAndActivation(graph, part.call(x, weights!, graph), bias, kernel),
  });
}

function separableLayer(
  type: string,
  dimensions: number,
  filters: number,
  kernelSize: Sizes,
  options: SeparableOptions,
): CallableLayer {
  integer(filters, `${type}: filters`, 1);
  knownKeys(options, [...KEYS, ...kernelKeys(['depthwise', 'pointwise'])], type);
  const part = depthwisePart(type, dimensions, kernelSize, options);
  const kernel = kernelConfig(options, type, ['depthwise', 'pointwise']);
  return callable({
    type,
    name: layerName(options, type),
    config: written({ filters, ...part.config, ...kernel.json }),
    parameters([shape], layer) {
      const first = { ...part.kernel(shape, layer), name: 'depthwiseKernel' };
      const inputs = lastOf(shape) * part.multiplier;
      const fans = { fanIn: inputs, fanOut: filters };
      const second = { name: 'pointwiseKernel', shape: [inputs, filters], ...fans };
      return kernelsAndBias(kernel, [first, second], filters);
    },
    trace([x], { graph, parameters: [depthwise, pointwise, bias] }) {
      const apart = part.call(x, depthwise!, graph);
      const y = graph.add(matmulOps.matmul, [apart, pointwise!], { transposeA: false, transposeB: false });
      return biasAndActivation(graph, y as unknown as Tensor, bias, kernel);
    },
  });
}
