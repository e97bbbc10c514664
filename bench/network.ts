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
      return [...shape.slice(0, -1), spec.units];
    case 'lstm':
      return [spec.units];
    case 'embedding':
      return [...shape, spec.outputDim];
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
    case 'positionEmbedding':
    case 'layerNormalization':
    case 'transformerDecoder':
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
    const table = (rows: number, columns: number): WeightSpec =>
      weight('embeddings', [rows, columns], { fanIn: rows, fanOut: columns });
    const denseWeights = (fanIn: number, fanOut: number, kernel = 'kernel', bias = 'bias'): WeightSpec[] => [
      weight(kernel, [fanIn, fanOut], { fanIn, fanOut }),
      weight(bias, [fanOut]),
    ];
    const scales = (prefix = ''): WeightSpec[] => [
      weight(`${prefix}gamma`, [channels], 1),
      weight(`${prefix}beta`, [channels]),
    ];
    switch (layer.type) {
      case 'dense':
        return denseWeights(channels, layer.units);
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
        return [...scales(), weight('movingMean', [channels]), weight('movingVariance', [channels], 1)];
      case 'embedding':
        return [table(layer.inputDim, layer.outputDim)];
      case 'positionEmbedding':
        return [table(layer.inputShape[0]!, channels)];
      case 'layerNormalization':
        return scales();
      case 'transformerDecoder':
        return [
          ...scales('attentionNormalization/'),
          ...denseWeights(channels, 3 * channels, 'attention/kernel', 'attention/bias'),
          ...denseWeights(channels, channels, 'attention/outputKernel', 'attention/outputBias'),
          ...scales('denseNormalization/'),
          ...denseWeights(channels, 4 * channels, 'denseIntermediate/kernel', 'denseIntermediate/bias'),
          ...denseWeights(4 * channels, channels, 'denseOutput/kernel', 'denseOutput/bias'),
        ];
      case 'residual':
        return weightSpecs([...layer.layers, ...layer.shortcut]);
      default:
        return [];
    }
  });
}

/**
 * Of the products of a training step: 2·M·N·K forward, again for dW, and again for dX where a layer before is trained.
 * Attention's two products have four in the gradient; what is computed again there is not counted, nor is what causal
 * attention leaves out. Passes (activations, pools, normalization, gates, the optimizer) are not counted.
 */
export function stepFlops(layers: readonly Layer[], batch: number): number {
  const products = layers.flatMap(productsOf);
  const first = layers[0]!.type === 'embedding' ? 0 : products[0]!;
  return batch * (products.reduce((sum, macs) => sum + 6 * macs, 0) - 2 * first);
}

/** Multiply-adds of one row in the layer's products, forward. */
function productsOf(layer: Layer): number[] {
  const channels = layer.inputShape.at(-1)!;
  switch (layer.type) {
    case 'dense':
      return [layer.inputs * layer.units];
    case 'transformerDecoder': {
      const positions = layer.inputShape[0]!;
      // 3 + 1 + 4 + 4 kernels of channels x channels; scores and what they weigh, half of each
      return [12 * layer.inputs * channels, positions * layer.inputs];
    }
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
    case 'embedding':
      return `embedding ${layer.inputDim}x${layer.outputDim}`;
    case 'transformerDecoder':
      return `decoder ${layer.numHeads} heads`;
    case 'residual':
      return `residual ${layer.outputShape.at(-1)}`;
    default:
      return '';
  }
}

function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
