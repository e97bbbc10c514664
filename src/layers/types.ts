import { show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import {
  adaptiveAveragePooling1d,
  adaptiveAveragePooling2d,
  adaptiveAveragePooling3d,
  adaptiveMaxPooling1d,
  adaptiveMaxPooling2d,
  adaptiveMaxPooling3d,
} from './adaptive.ts';
import { multiHeadAttention } from './attention.ts';
import { type BidirectionalOptions, bidirectional } from './bidirectional.ts';
import { conv1d, conv1dTranspose, conv2d, conv2dTranspose, conv3d } from './convolution.ts';
import { type CustomLayers, customFromConfig, unknownLayer } from './custom.ts';
import { depthwiseConv1d, depthwiseConv2d, separableConv1d, separableConv2d } from './depthwise.ts';
import { dot } from './dot.ts';
import { embedding } from './embedding.ts';
import type { AnyLayer, Layer } from './layer.ts';
import { activation, dense, dropout, flatten, rescaling, reshape } from './layers.ts';
import { masking } from './masking.ts';
import * as merge from './merge.ts';
import {
  alphaDropout,
  gaussianDropout,
  gaussianNoise,
  spatialDropout1d,
  spatialDropout2d,
  spatialDropout3d,
} from './noise.ts';
import {
  batchNormalization,
  groupNormalization,
  instanceNormalization,
  layerNormalization,
  rmsNormalization,
} from './normalization.ts';
import * as pooling from './pooling.ts';
import { positionEmbedding, sinePositionEncoding } from './positions.ts';
import { permute, prelu, repeatVector } from './rearrange.ts';
import { gru, lstm, simpleRnn } from './recurrent.ts';
import * as resizing from './resizing.ts';
import { transformerDecoder, transformerEncoder } from './transformer.ts';

type Config = Readonly<Record<string, unknown>>;

/** Calls a layer function with the entries `names` of a config in front, and the others as its options. */
function from(
  make: (...values: never[]) => AnyLayer,
  ...names: readonly string[]
): (config: Config) => AnyLayer {
  return (config) => {
    const options = Object.fromEntries(Object.entries(config).filter(([key]) => !names.includes(key)));
    return (make as (...values: unknown[]) => AnyLayer)(...names.map((name) => config[name]), options);
  };
}

/**
 * How each type of layer is made again from a file. Options are checked by the functions themselves;
 * test/layers/types.test.ts does not compile where one is missing. A function, so that a page that loads no model has only
 * the layers that it uses.
 */
export const types = () =>
  ({
    dense: from(dense, 'units'),
    activation: from(activation, 'activation'),
    dropout: from(dropout, 'rate'),
    flatten: from(flatten),
    reshape: from(reshape, 'shape'),
    rescaling: from(rescaling, 'scale'),
    conv1d: from(conv1d, 'filters', 'kernelSize'),
    conv2d: from(conv2d, 'filters', 'kernelSize'),
    conv3d: from(conv3d, 'filters', 'kernelSize'),
    conv1dTranspose: from(conv1dTranspose, 'filters', 'kernelSize'),
    conv2dTranspose: from(conv2dTranspose, 'filters', 'kernelSize'),
    ...pooling,
    ...merge,
    dot,
    multiHeadAttention: from(multiHeadAttention),
    transformerEncoder: from(transformerEncoder),
    transformerDecoder: from(transformerDecoder),
    lstm: from(lstm, 'units'),
    gru: from(gru, 'units'),
    simpleRnn: from(simpleRnn, 'units'),
    layerNormalization: from(layerNormalization),
    rmsNormalization: from(rmsNormalization),
    batchNormalization: from(batchNormalization),
    groupNormalization: from(groupNormalization),
    instanceNormalization: from(instanceNormalization),
    embedding: from(embedding, 'inputDim', 'outputDim'),
    depthwiseConv1d: from(depthwiseConv1d, 'kernelSize'),
    depthwiseConv2d: from(depthwiseConv2d, 'kernelSize'),
    separableConv1d: from(separableConv1d, 'filters', 'kernelSize'),
    separableConv2d: from(separableConv2d, 'filters', 'kernelSize'),
    ...resizing,
    adaptiveAveragePooling1d: from(adaptiveAveragePooling1d, 'outputSize'),
    adaptiveAveragePooling2d: from(adaptiveAveragePooling2d, 'outputSize'),
    adaptiveAveragePooling3d: from(adaptiveAveragePooling3d, 'outputSize'),
    adaptiveMaxPooling1d: from(adaptiveMaxPooling1d, 'outputSize'),
    adaptiveMaxPooling2d: from(adaptiveMaxPooling2d, 'outputSize'),
    adaptiveMaxPooling3d: from(adaptiveMaxPooling3d, 'outputSize'),
    masking: from(masking, 'maskValue'),
    positionEmbedding: from(positionEmbedding),
    sinePositionEncoding: from(sinePositionEncoding),
    permute: from(permute, 'dims'),
    repeatVector: from(repeatVector, 'n'),
    prelu: from(prelu),
    bidirectional: ({ layer, ...options }: Config) =>
      bidirectional(layerFromConfig(layer) as Layer, options as BidirectionalOptions),
    spatialDropout1d: from(spatialDropout1d, 'rate'),
    spatialDropout2d: from(spatialDropout2d, 'rate'),
    spatialDropout3d: from(spatialDropout3d, 'rate'),
    gaussianNoise: from(gaussianNoise, 'stddev'),
    gaussianDropout: from(gaussianDropout, 'rate'),
    alphaDropout: from(alphaDropout, 'rate'),
  }) satisfies { readonly [type: string]: (config: Config) => AnyLayer };

/** Makes a layer from `{ type, name, ...config }`: one of the library's, or of `custom`. */
export function layerFromConfig(value: unknown, custom: CustomLayers = {}): AnyLayer {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`a layer must be an object, got ${show(value)}`);
  }
  const { type, ...config } = value as Config;
  const own = customFromConfig(type, config, custom);
  if (own) return own;
  const table: { readonly [type: string]: (config: Config) => AnyLayer } = types();
  if (typeof type !== 'string' || !Object.hasOwn(table, type)) throw unknownLayer(type, Object.keys(table));
  return table[type]!(config);
}
