import { flag, integer, knownKeys, number } from '../checks.ts';
import { lastOf, type Tensor } from '../ops/tensor.ts';
import { type ActivationLike, activationConfig } from './activations.ts';
import { ATTENTION_KEYS, type AttentionOptions, attentionOptions, multiHeadAttention } from './attention.ts';
import { block, type Use } from './block.ts';
import { dense, dropout } from './layers.ts';
import { add } from './merge.ts';
import { layerNormalization } from './normalization.ts';
import { layerName, written } from './options.ts';
import { type CallableMany, callable } from './symbolic.ts';

export interface TransformerOptions extends AttentionOptions {
  /** Units of the hidden layer. Default: four times the channels. */
  intermediateDim?: number;
  /** Of the hidden layer; null: none. Default 'gelu'. */
  activation?: ActivationLike | null;
  /** True: y = x + f(normalize(x)) (Xiong et al. 2020); false: normalize(x + f(x)), as at first. Default true. */
  normalizeFirst?: boolean;
  /** Of the layer normalizations. Default 1e-5. */
  epsilon?: number;
}

const keys = [...ATTENTION_KEYS, 'intermediateDim', 'activation', 'normalizeFirst', 'epsilon'];

/**
 * A block of a transformer's encoder (Vaswani et al. 2017): self-attention, then two dense layers, each with a residual
 * around it and a layer normalization. x and y [batch, positions, channels]; with `mask: true` it is applied to
 * [x, mask], otherwise a mask that `masking` or an embedding made counts. `dropout` is that of the attention and of what
 * each residual adds.
 * @throws UsageError on an unknown name or an option out of range; on inputs that do not fit, when it is applied.
 */
export function transformerEncoder(options: TransformerOptions): CallableMany {
  return transformer('transformerEncoder', options, false);
}

/**
 * A block of a transformer's decoder: causal self-attention, then attention to an encoder's output where it is applied to
 * [x, memory], then two dense layers, as in transformerEncoder. Applied to x alone it is the block of a model that
 * generates text. With `mask: true` a mask [batch, keys] of the memory, or else of x, comes last.
 * @throws UsageError on an unknown name or an option out of range; on inputs that do not fit, when it is applied.
 */
export function transformerDecoder(options: TransformerOptions): CallableMany {
  return transformer('transformerDecoder', options, true);
}

function transformer(type: string, options: TransformerOptions, decoder: boolean): CallableMany {
  knownKeys(options, keys, type);
  const { dropout: rate, mask, ...attention } = attentionOptions(options, type);
  const intermediateDim =
    options.intermediateDim === undefined
      ? undefined
      : integer(options.intermediateDim, `${type}: intermediateDim`, 1);
  const activation = activationConfig(options.activation, `${type}: activation`, 'gelu');
  const normalizeFirst = flag(options.normalizeFirst ?? true, `${type}: normalizeFirst`);
  const epsilon = number(options.epsilon ?? 1e-5, `${type}: epsilon`, { above: 0 });
  const { numHeads, numKeyValueHeads, keyDim } = attention;

  /** x and what `part` makes of it. */
  const residual = (use: Use, name: string, x: Tensor, part: (x: Tensor) => Tensor): Tensor => {
    const normalize = (z: Tensor) => use(`${name}Normalization`, layerNormalization({ epsilon }), z);
    const y = part(normalizeFirst ? normalize(x) : x);
    const sum = use(`${name}Add`, add(), x, rate > 0 ? use(`${name}Dropout`, dropout(rate), y) : y);
    return normalizeFirst ? sum : normalize(sum);
  };

  const fields = {
    type,
    name: layerName(options, type),
    config: written({
      ...{ ...attention, dropout: rate, mask },
      ...{ intermediateDim, activation, normalizeFirst, epsilon },
    }),
    inputs: { least: 1, most: 1 + Number(mask) + Number(decoder) },
  } as const;
  const layer = block(fields, (inputs, use) => {
    const masks = mask ? inputs.slice(-1) : [];
    const [x, memory] = inputs.slice(0, inputs.length - masks.length) as [Tensor, Tensor?];
    const own = { ...attention, causal: decoder, dropout: rate, mask: mask && !memory };
    let y = residual(use, 'attention', x, (z) =>
      use('attention', multiHeadAttention(defined(own)), z, ...(memory ? [] : masks)),
    );
    if (memory) {
      const cross = { numHeads, numKeyValueHeads, keyDim, dropout: rate, mask };
      y = residual(use, 'crossAttention', y, (z) =>
        use('crossAttention', multiHeadAttention(defined(cross)), z, memory, ...masks),
      );
    }
    const channels = lastOf(x.shape);
    return residual(use, 'dense', y, (z) => {
      const hidden = use('denseIntermediate', dense(intermediateDim ?? 4 * channels, { activation }), z);
      return use('denseOutput', dense(channels), hidden);
    });
  });
  return callable(layer);
}

/** Options without the one that may be undefined. */
function defined<T extends { keyDim: number | undefined }>({ keyDim, ...rest }: T) {
  return keyDim === undefined ? rest : { ...rest, keyDim };
}
