import { flag, integer, knownKeys, number } from '../checks.ts';
import { UsageError } from '../errors.ts';
import { attentionOps } from '../ops/attention.ts';
import type { AttentionAttributes } from '../ops/attributes.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import { matmulOps } from '../ops/matmul.ts';
import { mergeOps } from '../ops/merge.ts';
import { positionOps } from '../ops/positions.ts';
import { lastOf, type Shape, showShape, type Tensor } from '../ops/tensor.ts';
import { type InitializerLike, initializerConfig } from './initializers.ts';
import type { CallContext, ParameterSpec } from './layer.ts';
import { type LayerOptions, layerName, written } from './options.ts';
import { applyRotary } from './positions.ts';
import { type Regularizer, regularizer } from './regularizers.ts';
import { type CallableMany, callable } from './symbolic.ts';

/** Options of an attention that its blocks have too. */
export interface AttentionOptions extends LayerOptions {
  /** Heads of the queries, at least 1. */
  numHeads: number;
  /** Numbers of a head. Default: the channels of the queries / numHeads. */
  keyDim?: number;
  /** Heads of keys and values, each shared by a group of query heads; divides numHeads. Default: numHeads. */
  numKeyValueHeads?: number;
  /** Turns queries and keys by their position (Su et al. 2021). Self-attention only; keyDim must be even. Default false. */
  rotary?: boolean;
  /** Scores fall with the distance (Press et al. 2022). Self-attention only. Default false. */
  alibi?: boolean;
  /** Share of the probabilities set to 0 while training, at least 0, below 1. Default 0. */
  dropout?: number;
  /** The last input is a mask [batch, keys], 0 where a key is not seen, such as padding. Default false. */
  mask?: boolean;
}

export interface MultiHeadAttentionOptions extends AttentionOptions {
  /**
   * A position sees itself and those before it; of a memory position i sees keys 0 to i, however many there are. Default
   * false.
   */
  causal?: boolean;
  /** Default true. */
  useBias?: boolean;
  /** Of the kernels. Default 'glorotUniform'. */
  kernelInitializer?: InitializerLike;
  /** Default 'zeros'. */
  biasInitializer?: InitializerLike;
  /** Penalty on the kernels, part of the reported loss. Default: none. */
  kernelRegularizer?: Regularizer;
  /** False: training leaves the parameters as they are. Default true. */
  trainable?: boolean;
}

/** The names of `AttentionOptions`. */
export const ATTENTION_KEYS = [
  ...['name', 'numHeads', 'keyDim', 'numKeyValueHeads', 'rotary', 'alibi', 'dropout', 'mask'],
] as const;
const keys = [
  ...ATTENTION_KEYS,
  ...['causal', 'useBias', 'kernelInitializer', 'biasInitializer', 'kernelRegularizer', 'trainable'],
];

/**
 * Multi-head attention (Vaswani et al. 2017), softmax(q · kᵀ / √keyDim) · v in each head, computed by blocks without the
 * matrix of scores; grouped-query attention (Ainslie et al. 2023) with fewer heads of keys and values.
 *
 * - Self-attention: `multiHeadAttention({ numHeads: 4 })(x)`, x and y [batch, positions, channels]; kernel
 *   [channels, (numHeads + 2 numKeyValueHeads) keyDim]: queries, keys and values side by side, heads within them.
 * - Cross-attention: `(…)([x, memory])`, memory [batch, keys, channels of its own]; queryKernel and keyValueKernel.
 * - With `mask: true` a mask [batch, keys] comes last. Otherwise the mask of the memory counts, where `masking` or an
 *   embedding made one. Where no key is seen y is the output bias.
 * - y has the mask of x.
 *
 * outputKernel [numHeads · keyDim, channels], and a bias for each kernel.
 * @throws UsageError on an unknown name or an option out of range; on inputs that do not fit, when it is applied.
 */
export function multiHeadAttention(options: MultiHeadAttentionOptions): CallableMany {
  const what = 'multiHeadAttention';
  knownKeys(options, keys, what);
  const { numHeads, numKeyValueHeads, keyDim, rotary, alibi, dropout, mask } = attentionOptions(
    options,
    what,
  );
  const on = (key: 'causal' | 'useBias' | 'trainable', preset: boolean): boolean =>
    flag(options[key] ?? preset, `${what}: ${key}`);
  const [causal, useBias, trainable] = [on('causal', false), on('useBias', true), on('trainable', true)];
  const kernelInitializer = initializerConfig(
    options.kernelInitializer ?? 'glorotUniform',
    `${what}: kernelInitializer`,
  );
  const biasInitializer = initializerConfig(options.biasInitializer ?? 'zeros', `${what}: biasInitializer`);
  const kernelRegularizer = regularizer(options.kernelRegularizer, `${what}: kernelRegularizer`);

  /** A kernel of several parts side by side, each initialized as one of its own, and its bias. */
  const projection = (prefix: string, fanIn: number, fanOut: number, columns: number): ParameterSpec[] => {
    const named = (name: string): string => (prefix ? prefix + name[0]!.toUpperCase() + name.slice(1) : name);
    const common = { fanIn, fanOut, trainable, learningRateScale: 1 };
    const kernel = {
      ...{ name: named('kernel'), shape: [fanIn, columns], initializer: kernelInitializer },
      regularizer: kernelRegularizer,
    };
    const bias = { name: named('bias'), shape: [columns], initializer: biasInitializer };
    return useBias
      ? [
          { ...common, ...kernel },
          { ...common, ...bias },
        ]
      : [{ ...common, ...kernel }];
  };

  /** The queries, the memory, and whether that is the queries too. */
  const roles = <T>(inputs: readonly T[]) => {
    const rest = mask ? inputs.slice(0, -1) : inputs;
    return { query: rest[0]!, memory: rest[1] ?? rest[0]!, self: rest.length === 1 };
  };

  const sizeOf = (channels: number): number => keyDim ?? channels / numHeads;

  return callable({
    type: what,
    name: layerName(options, what),
    config: written({
      ...{ numHeads, keyDim, numKeyValueHeads, causal, rotary, alibi, dropout, mask, useBias },
      ...{ kernelInitializer, biasInitializer, kernelRegularizer, trainable },
    }),
    inputs: { least: 1, most: mask ? 3 : 2 },

    parameters(shapes, layer) {
      const fail = (message: string): never => {
        throw new UsageError(`layer '${layer}': ${message}`);
      };
      if (mask && shapes.length < 2) fail('mask is true, so its last input must be a mask [batch, keys]');
      const { query, memory, self } = roles<Shape>(shapes);
      for (const shape of [query, memory]) {
        if (shape.length !== 2) {
          fail(`${what} needs [batch, positions, channels], got ${showShape([-1, ...shape])}`);
        }
      }
      if (!self && (rotary || alibi)) {
        fail(
          `${rotary ? 'rotary' : 'alibi'} needs self-attention: positions of two sequences do not compare`,
        );
      }
      const channels = lastOf(query);
      const size = sizeOf(channels);
      if (!Number.isInteger(size))
        fail(`${numHeads} heads do not divide its ${channels} channels; give keyDim`);
      if (rotary && size % 2 > 0) fail(`rotary turns pairs, so keyDim must be even, got ${size}`);
      const [wide, narrow] = [numHeads * size, numKeyValueHeads * size];
      const output = projection('output', wide, channels, channels);
      if (self) return [...projection('', channels, wide, wide + 2 * narrow), ...output];
      return [
        ...projection('query', channels, wide, wide),
        ...projection('keyValue', lastOf(memory), narrow, 2 * narrow),
        ...output,
      ];
    },

    trace(inputs, context) {
      const { graph, generation, training, stream } = context;
      const { query, memory, self } = roles(inputs);
      const size = sizeOf(lastOf(query.shape));
      const ownMask = graph.masks.get(query);
      const keyMask = mask ? inputs.at(-1) : graph.masks.get(memory);
      const parameters = [...context.parameters];
      const project = (x: Tensor): Tensor => {
        const y: Tensor = graph.add(matmulOps.matmul, [x, parameters.shift()!], {
          transposeA: false,
          transposeB: false,
        });
        return useBias ? graph.add(elementwiseOps.biasAdd, [y, parameters.shift()!], {}) : y;
      };
      const attributes: AttentionAttributes = {
        ...{ heads: numHeads, keyHeads: numKeyValueHeads, causal, alibi, mask: keyMask !== undefined },
        ...{ packed: self, positions: false, rate: training ? dropout : 0, stream },
      };
      const sources = [project(query), ...(self ? [] : [project(memory)])];
      if (rotary) {
        sources[0] = applyRotary(graph, sources[0]!, numHeads + numKeyValueHeads, size, generation);
      }
      if (generation) return project(cached(sources[0]!, numHeads * size, attributes, self, context));
      const operands = keyMask ? [...sources, keyMask] : sources;
      const y = project(graph.add(attentionOps.attention, operands, attributes));
      if (ownMask) graph.masks.set(y, ownMask);
      return y;
    },
  });
}

/** Attention of new positions to all so far, whose keys and values are kept. */
function cached(
  x: Tensor,
  queryColumns: number,
  attributes: AttentionAttributes,
  self: boolean,
  { graph, generation }: CallContext,
): Tensor {
  if (!self || !attributes.causal || attributes.mask) {
    throw new UsageError(
      `layer '${graph.layer}': text is generated by causal self-attention without a mask, as transformerDecoder has it`,
    );
  }
  const { positions, capacity } = generation!;
  const part = (from: number, size: number): Tensor =>
    graph.add(mergeOps.slice, [x], { axis: 2, from, size });
  const queries = part(0, queryColumns);
  const memory: Tensor = graph.add(
    positionOps.cache,
    [part(queryColumns, lastOf(x.shape) - queryColumns), positions],
    {
      capacity,
    },
  );
  return graph.add(attentionOps.attention, [queries, memory, positions], {
    ...attributes,
    packed: false,
    positions: true,
  });
}

/** The options that blocks have too, checked and complete. */
export function attentionOptions(options: AttentionOptions, what: string) {
  const numHeads = integer(options.numHeads, `${what}: numHeads`, 1);
  const numKeyValueHeads = integer(options.numKeyValueHeads ?? numHeads, `${what}: numKeyValueHeads`, 1);
  if (numHeads % numKeyValueHeads !== 0) {
    throw new UsageError(
      `${what}: numKeyValueHeads must divide the ${numHeads} heads of the queries, got ${numKeyValueHeads}`,
    );
  }
  return {
    numHeads,
    numKeyValueHeads,
    keyDim: options.keyDim === undefined ? undefined : integer(options.keyDim, `${what}: keyDim`, 1),
    rotary: flag(options.rotary ?? false, `${what}: rotary`),
    alibi: flag(options.alibi ?? false, `${what}: alibi`),
    dropout: number(options.dropout ?? 0, `${what}: dropout`, { min: 0, below: 1 }),
    mask: flag(options.mask ?? false, `${what}: mask`),
  };
}
