// What follows from the list of a case's layers: shapes, weights, and how much there is to compute.
import type { DenseLayer, Layer, LayerSpec, Place } from './protocol.ts';

/** Layers at their places, one after the other from rows of `inputShape`. */
export function network(inputShape: readonly number[], specs: readonly LayerSpec[]): Layer[] {
  return chain(inputShape, specs, new Map());
}

function chain(
  inputShape: readonly number[],
  specs: readonly LayerSpec[],
  numbered: Map<string, number>,
): Layer[] {
  let shape = [...inputShape];
  return specs.map((spec) => {
    const count = numbered.get(spec.type) ?? 0;
    numbered.set(spec.type, count + 1);
    const name = count === 0 ? spec.type : `${spec.type}_${count}`;
    const place = (outputShape: number[]): Place => ({
      name,
      inputShape: shape,
      outputShape,
      inputs: product(shape),
      outputs: product(outputShape),
    });
    let layer: Layer;
    if (spec.type === 'residual') {
      const layers = chain(shape, spec.layers, numbered);
      const shortcut = chain(shape, spec.shortcut, numbered);
      layer = { type: 'residual', layers, shortcut, ...place(layers.at(-1)!.outputShape) };
    } else {
      layer = { ...spec, ...place(outputShape(spec, shape)) };
    }
    shape = layer.outputShape;
    return layer;
  });
}

function outputShape(spec: Exclude<LayerSpec, { type: 'residual' }>, shape: readonly number[]): number[] {
  const channels = shape.at(-1)!;
  const sides = (side: (n: number) => number): number[] => shape.slice(0, -1).map(side);
  switch (spec.type) {
    case 'dense':
    case 'lstm':
      return [spec.units];
    case 'conv2d': {
      const { size, strides, padding, filters } = spec;
      const covered = padding === 'same' ? 1 : size;
      return [...sides((n) => Math.floor((n - covered) / strides) + 1), filters];
    }
    case 'conv2dTranspose': {
      const { size, strides, padding, filters } = spec;
      return [...sides((n) => (padding === 'same' ? n * strides : (n - 1) * strides + size)), filters];
    }
    case 'maxPooling2d':
      return [...sides((n) => Math.floor(n / spec.size)), channels];
    case 'globalAveragePooling2d':
      return [channels];
    case 'flatten':
      return [product(shape)];
    case 'activation':
    case 'batchNormalization':
      return [...shape];
  }
}

/** A tensor of weights: Glorot-uniform with these fans, or a constant. */
export interface WeightSpec {
  name: string;
  shape: number[];
  start: { fanIn: number; fanOut: number } | number;
}

/** In the order of the layers. */
export function weightSpecs(layers: readonly Layer[]): WeightSpec[] {
  return layers.flatMap((layer): WeightSpec[] => {
    const channels = layer.inputShape.at(-1)!;
    const weight = (name: string, shape: number[], start: WeightSpec['start'] = 0): WeightSpec => ({
      name: `${layer.name}/${name}`,
      shape,
      start,
    });
    switch (layer.type) {
      case 'dense': {
        const { inputs, units } = layer;
        return [weight('kernel', [inputs, units], { fanIn: inputs, fanOut: units }), weight('bias', [units])];
      }
      case 'conv2d':
      case 'conv2dTranspose': {
        const { size, filters } = layer;
        const fans = { fanIn: size * size * channels, fanOut: size * size * filters };
        const ends = layer.type === 'conv2d' ? [channels, filters] : [filters, channels];
        return [weight('kernel', [size, size, ...ends], fans), weight('bias', [filters])];
      }
      case 'lstm': {
        const gates = 4 * layer.units;
        return [
          weight('kernel', [channels, gates], { fanIn: channels, fanOut: gates }),
          weight('recurrentKernel', [layer.units, gates], { fanIn: layer.units, fanOut: gates }),
          weight('bias', [gates]),
        ];
      }
      case 'batchNormalization':
        return [
          weight('gamma', [channels], 1),
          weight('beta', [channels]),
          weight('movingMean', [channels]),
          weight('movingVariance', [channels], 1),
        ];
      case 'residual':
        return weightSpecs([...layer.layers, ...layer.shortcut]);
      default:
        return [];
    }
  });
}

/**
 * Of the products of a training step: 2·M·N·K forward, again for dW, and again for dX of every layer but the first.
 * Passes (activations, pools, normalization, gates, the optimizer) are not counted.
 */
export function stepFlops(layers: readonly Layer[], batch: number): number {
  const [first, ...others] = layers.flatMap(productsOf);
  return batch * (4 * first! + others.reduce((sum, macs) => sum + 6 * macs, 0));
}

/** Multiply-adds of one row in the layer's products, forward. */
function productsOf(layer: Layer): number[] {
  const channels = layer.inputShape.at(-1)!;
  switch (layer.type) {
    case 'dense':
      return [layer.inputs * layer.units];
    case 'conv2d':
      return [layer.outputs * layer.size ** 2 * channels];
    case 'conv2dTranspose':
      return [layer.inputs * layer.size ** 2 * layer.filters];
    case 'lstm': {
      const [time] = layer.inputShape as [number];
      // the first state is zero and needs no product
      return [time * channels * 4 * layer.units, (time - 1) * layer.units * 4 * layer.units];
    }
    case 'residual':
      return [...layer.layers, ...layer.shortcut].flatMap(productsOf);
    default:
      return [];
  }
}

export function denseLayers(layers: readonly Layer[]): DenseLayer[] {
  return layers.map((layer) => {
    if (layer.type !== 'dense') throw new Error(`${layer.name}: only dense networks are possible here`);
    return layer;
  });
}

/** 784-128-10 of a dense network, else a word or two for each layer. */
export function describe(layers: readonly Layer[]): string {
  if (layers.every(({ type }) => type === 'dense')) {
    return [layers[0]!.inputs, ...layers.map(({ outputs }) => outputs)].join('-');
  }
  return `${layers[0]!.inputShape.join('x')}, ${layers.map(word).filter(Boolean).join(' - ')}`;
}

function word(layer: Layer): string {
  switch (layer.type) {
    case 'dense':
      return `dense ${layer.units}`;
    case 'conv2d':
    case 'conv2dTranspose': {
      const kind = layer.type === 'conv2d' ? 'conv' : 'transposed conv';
      const strides = layer.strides === 1 ? '' : `/${layer.strides}`;
      return `${kind} ${layer.filters}c${layer.size}${strides}`;
    }
    case 'maxPooling2d':
      return `pool ${layer.size}`;
    case 'globalAveragePooling2d':
      return 'mean';
    case 'lstm':
      return `lstm ${layer.units}`;
    case 'residual':
      return `residual ${layer.outputShape.at(-1)}`;
    default:
      return '';
  }
}

function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
