// What an instruction of a tape computes, read from its own words: products to multiply, or bytes to move.

import { Batched, Gemm, GemmFlag } from '../assembly/tape/dense.ts';
import { Attention, AttentionFlag, Recurrent } from '../assembly/tape/sequence.ts';
import { Depthwise, Patch } from '../assembly/tape/spatial.ts';
import { Embedding } from '../assembly/tape/tensors.ts';
import { Gather, Op, Type } from '../assembly/tape.ts';
import { OPERATION_NAMES } from '../src/compiler/schedule.ts';
import type { Instruction } from '../src/compiler/tape.ts';
import { CELLS } from '../src/ops/recurrent.ts';

export interface Work {
  /** What kind of instruction it is, for the table; a product says which of its operands is transposed. */
  operation: string;
  /** MxNxK of a product, the numbers that any other writes. */
  size: string;
  /** Of its products; 0 of a pass. */
  flops: number;
  /** Read and written by a pass, each once. */
  bytes: number;
}

export function workOf({ op, reads, writes }: Instruction, words: Int32Array): Work {
  const name = OPERATION_NAMES[op];
  const bytes = [...reads, ...writes].reduce((sum, { start, end }) => sum + end - start, 0);
  const written = writes.reduce((sum, { start, end }) => sum + end - start, 0) / 4;
  switch (op) {
    case Op.Gemm:
    case Op.ThinGemm:
    case Op.Convolution: {
      const [m, n, k] = [Gemm.M, Gemm.N, Gemm.K].map((field) => words[field]!) as [number, number, number];
      // a strided convolution's transposed product computes the taps that meet a pixel
      const met = op === Op.Convolution ? 1 / volume(words, Patch.Div0) : 1;
      const form =
        op === Op.Convolution ? convolutionForm(words[Gemm.Flags]!) : productForm(words[Gemm.Flags]!);
      return { operation: name + form, size: `${m}x${n}x${k}`, flops: 2 * m * n * k * met, bytes: 0 };
    }
    case Op.BatchedGemm: {
      const [m, n, k] = [Gemm.M, Gemm.N, Gemm.K].map((field) => words[field]!) as [number, number, number];
      const count = words[Batched.Outer]! * words[Batched.Inner]!;
      const operation = name + productForm(words[Gemm.Flags]!);
      return { operation, size: `${count} x ${m}x${n}x${k}`, flops: 2 * count * m * n * k, bytes: 0 };
    }
    case Op.Depthwise:
    case Op.DepthwiseFilter: {
      const positions = words[Depthwise.Images]! * volume(words, Depthwise.Grid0);
      const [taps, channels] = [volume(words, Depthwise.Taps0), words[Depthwise.Channels]!];
      const flops = (2 * positions * taps * channels) / volume(words, Depthwise.Div0);
      return { operation: name, size: `${positions}x${taps}x${channels}`, flops, bytes: 0 };
    }
    case Op.Attention:
    case Op.AttentionGrad: {
      const field = (index: number): number => words[index]!;
      const [queries, keys, size] = [field(Attention.Queries), field(Attention.Keys), field(Attention.Size)];
      const heads = field(Attention.Batch) * field(Attention.Heads);
      const causal = (field(Attention.Flags) & AttentionFlag.Causal) !== 0;
      const seen = queries * (causal ? keys - queries / 2 : keys);
      // scores and what they weigh; the gradient has two of each, and scores again, which are not counted
      const products = op === Op.Attention ? 2 : 4;
      const flops = 2 * products * heads * seen * size;
      return { operation: name, size: `${heads} x ${queries}x${keys}x${size}`, flops, bytes: 0 };
    }
    case Op.Recurrence:
    case Op.RecurrenceGrad: {
      const [rows, time, units] = [words[Recurrent.Rows]!, words[Recurrent.Time]!, words[Recurrent.Units]!];
      const columns = CELLS[words[Recurrent.Cell]! as keyof typeof CELLS].gates * units;
      // the state before the first time is zero
      const flops = 2 * rows * (time - 1) * columns * units;
      return { operation: name, size: `${time} x ${rows}x${columns}x${units}`, flops, bytes: 0 };
    }
    case Op.Gather: {
      const count = words[Gather.Rows]! * words[Gather.Columns]!;
      const source = words[Gather.SourceType]! === Type.U8 ? 1 : 4;
      return { operation: name, size: `${count}`, flops: 0, bytes: count * (source + 4) };
    }
    case Op.Embedding: {
      // only the rows that the indices name are read
      const [count, columns] = [words[Embedding.Count]!, words[Embedding.Columns]!];
      return { operation: name, size: `${count * columns}`, flops: 0, bytes: count * (8 * columns + 4) };
    }
    default:
      return { operation: name, size: written > 0 ? `${written}` : '', flops: 0, bytes };
  }
}

/** The product of three fields in a row. */
function volume(words: Int32Array, field: number): number {
  return words[field]! * words[field + 1]! * words[field + 2]!;
}

function productForm(flags: number): string {
  if (flags & GemmFlag.TransposedA) return ', Aᵀ · B';
  return flags & GemmFlag.TransposedB ? ', A · Bᵀ' : ', A · B';
}

function convolutionForm(flags: number): string {
  if (flags & GemmFlag.TransposedA) return ', filters';
  return flags & GemmFlag.TransposedB ? ', transposed' : '';
}
