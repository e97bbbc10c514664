import { GEMM_PANEL, GEMM_ROWS } from '../../assembly/tape/dense.ts';
import { ATTENTION_BLOCK, Attention, AttentionFlag } from '../../assembly/tape/sequence.ts';
import { Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import type { AttentionAttributes } from './attributes.ts';
import { recurrentOps } from './recurrent.ts';
import type { Emitter, Rules } from './rule.ts';
import { BATCH, lastOf, type Shape, showShape, type Tensor } from './tensor.ts';

/** The operands of an attention: packed queries, keys and values are one tensor, which stands for both. */
interface Operands {
  readonly queries: Tensor;
  readonly keys: Tensor;
  readonly mask: Tensor | undefined;
  readonly positions: Tensor | undefined;
}

function operands(inputs: readonly Tensor[], { packed, mask, positions }: AttentionAttributes): Operands {
  const rest = [...inputs];
  const queries = rest.shift()!;
  return {
    queries,
    keys: packed ? queries : rest.shift()!,
    mask: mask ? rest.shift() : undefined,
    positions: positions ? rest.shift() : undefined,
  };
}

/** Numbers of a head. */
export function headSize(width: number, { heads, keyHeads, packed }: AttentionAttributes): number {
  return width / (packed ? heads + 2 * keyHeads : heads);
}

function up(n: number, unit: number): number {
  return Math.ceil(n / unit) * unit;
}

/** Bytes that a thread needs: the layouts of assembly/kernels/attention.ts. */
function scratchBytes(queries: number, keys: number, size: number): { forward: number; backward: number } {
  const [rows, columns] = [up(size, GEMM_ROWS), up(size, GEMM_PANEL)];
  const panels = up(Math.min(queries, ATTENTION_BLOCK), GEMM_PANEL);
  const scores = 2 * ATTENTION_BLOCK * GEMM_PANEL;
  const forward = up(keys, GEMM_ROWS) * size + keys * rows + panels * (size + rows + 2) + scores;
  const padded = up(queries, GEMM_ROWS);
  const backward =
    2 * up(keys, GEMM_PANEL) * rows +
    2 * (padded * size + queries * rows) +
    padded * (columns + 1) +
    ATTENTION_BLOCK * (2 * size + columns) +
    2 * scores +
    ATTENTION_BLOCK * ATTENTION_BLOCK;
  return { forward: up(forward * 4, 64), backward: up(backward * 4, 64) };
}

function scratchOf(tensors: Operands, attributes: AttentionAttributes) {
  const { queries, keys } = tensors;
  const size = headSize(lastOf(queries.shape), attributes);
  return scratchBytes(queries.shape[1]!, keys.shape[1]!, size);
}

/** What the instructions of both directions have in common. */
function fields(e: Emitter, tensors: Operands, attributes: AttentionAttributes) {
  const { queries, keys, mask, positions } = tensors;
  const { heads, keyHeads, causal, alibi, packed, rate, stream } = attributes;
  const size = headSize(lastOf(queries.shape), attributes);
  const keysAt = packed ? heads * size : 0;
  return {
    /** Bytes of the keys, and of the values, within a position of their tensor. */
    keyOffset: 4 * keysAt,
    valueOffset: 4 * (keysAt + keyHeads * size),
    common: {
      [Attention.Query]: e.address(queries),
      [Attention.QueryStride]: lastOf(queries.shape),
      [Attention.Key]: e.address(keys) + 4 * keysAt,
      [Attention.Value]: e.address(keys) + 4 * (keysAt + keyHeads * size),
      [Attention.KeyStride]: lastOf(keys.shape),
      [Attention.Mask]: mask ? e.address(mask) : 0,
      [Attention.Positions]: positions ? e.address(positions) : 0,
      [Attention.Batch]: e.batch,
      [Attention.Heads]: heads,
      [Attention.KeyHeads]: keyHeads,
      [Attention.Size]: size,
      [Attention.Queries]: queries.shape[1]!,
      [Attention.Keys]: keys.shape[1]!,
      [Attention.Flags]: (causal ? AttentionFlag.Causal : 0) | (alibi ? AttentionFlag.Alibi : 0),
      [Attention.Scale]: { f32: 1 / Math.sqrt(size) },
      [Attention.Rate]: { f32: rate },
      [Attention.Stream]: stream,
      [Attention.Scratch]: e.workspace.start,
    },
  };
}

function outputShape({ queries }: Operands, attributes: AttentionAttributes): Shape {
  return [BATCH, queries.shape[1]!, attributes.heads * headSize(lastOf(queries.shape), attributes)];
}

export const attentionOps: Rules<'attention' | 'attentionGrad'> = {
  attention: {
    name: 'attention',
    family: families.sequence,
    shape: (inputs, attributes, fail) => {
      const all = operands(inputs, attributes);
      const { queries, keys, mask } = all;
      const { heads, keyHeads, packed } = attributes;
      const size = headSize(lastOf(queries.shape), attributes);
      const fits = queries.shape.length === 3 && keys.shape.length === 3 && Number.isInteger(size);
      if (!fits || (!packed && lastOf(keys.shape) !== 2 * keyHeads * size)) {
        const shapes = packed
          ? showShape(queries.shape)
          : `${showShape(queries.shape)} and ${showShape(keys.shape)}`;
        fail(`cannot attend with ${heads} heads, ${keyHeads} of keys and values, over ${shapes}`);
      }
      if (mask && (mask.shape.length !== 2 || mask.shape[1] !== keys.shape[1])) {
        fail(`a mask needs a number for each key, [batch, ${keys.shape[1]}], got ${showShape(mask.shape)}`);
      }
      return outputShape(all, attributes);
    },
    // Dao et al. 2022, algorithm 4: the scores again, from the sums of their rows
    gradient: (tracer, tensor, dy) => {
      const { inputs, attributes, layer } = tensor;
      const { queries, keys } = operands(inputs, attributes);
      const y = tensor as unknown as Tensor;
      const shape = [attributes.heads * queries.shape[1]!];
      const logSum = tracer.add(recurrentOps.secondResult, [y], { shape }, layer) as unknown as Tensor;
      const dq = tracer.add(
        attentionOps.attentionGrad,
        [dy, y, logSum, ...inputs],
        attributes,
        layer,
      ) as unknown as Tensor;
      if (attributes.packed) return [[queries, dq]];
      return [[queries, dq], [keys, tracer.add(recurrentOps.secondResult, [dq], { shape: keys.shape.slice(1) }, layer)]]; // biome-ignore format: a pair
    },
    workspace: ({ inputs, attributes }) => scratchOf(operands(inputs, attributes), attributes).forward,
    emit: (e, { tensor, output, second }) => {
      const { inputs, attributes } = tensor;
      const tensors = operands(inputs, attributes);
      const { common } = fields(e, tensors, attributes);
      e.emit(
        Op.Attention,
        {
          ...common,
          [Attention.Output]: e.address(output),
          [Attention.LogSum]: second ? e.address(second) : 0,
          [Attention.Gradient]: 0,
          [Attention.QueryGrad]: 0,
          [Attention.KeyGrad]: 0,
          [Attention.ValueGrad]: 0,
          [Attention.ScratchBytes]: scratchOf(tensors, attributes).forward,
        },
        Attention.Length,
        inputs.map((input) => e.span(input)),
        [e.span(output), ...(second ? [e.span(second)] : []), e.workspace],
      );
    },
  },

  attentionGrad: {
    name: 'attentionGrad',
    family: families.sequence,
    shape: ([, , , queries]) => queries!.shape,
    gradient: 'none',
    workspace: ({ inputs, attributes }) =>
      scratchOf(operands(inputs.slice(3), attributes), attributes).backward,
    emit: (e, { tensor, output, second }) => {
      const { inputs, attributes } = tensor;
      const [dy, y, logSum, ...rest] = inputs as [Tensor, Tensor, Tensor, ...Tensor[]];
      const tensors = operands(rest, attributes);
      const { common, keyOffset, valueOffset } = fields(e, tensors, attributes);
      const keyGrads = attributes.packed ? output : second;
      e.emit(
        Op.AttentionGrad,
        {
          ...common,
          [Attention.Output]: e.address(y),
          [Attention.LogSum]: e.address(logSum),
          [Attention.Gradient]: e.address(dy),
          [Attention.QueryGrad]: e.address(output),
          [Attention.KeyGrad]: keyGrads ? e.address(keyGrads) + keyOffset : 0,
          [Attention.ValueGrad]: keyGrads ? e.address(keyGrads) + valueOffset : 0,
          [Attention.ScratchBytes]: scratchOf(tensors, attributes).backward,
        },
        Attention.Length,
        inputs.map((input) => e.span(input)),
        [e.span(output), ...(second ? [e.span(second)] : []), e.workspace],
      );
    },
  },
};
