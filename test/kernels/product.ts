import { type Activation, Gemm, GemmFlag } from '../../assembly/tape/dense.ts';
import { Op } from '../../assembly/tape.ts';
import { gemmScratchBytes } from '../../src/ops/matmul.ts';
import { make } from '../reference/numbers.ts';
import { Launch, type Machine } from './machine.ts';

/** C [M, N] = (C +) op(A) [M, K] · op(B) [K, N] and what follows in the same pass. */
export interface Product {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** A is stored [K, M]. */
  readonly transposeA: boolean;
  /** B is stored [N, K]. */
  readonly transposeB: boolean;
  /** Without packing. */
  readonly thin: boolean;
  readonly accumulate: boolean;
  /** Floats between the rows of A, B and C (and the reference). */
  readonly gaps: readonly [a: number, b: number, c: number];
  readonly epilogue: Epilogue;
}

export interface Epilogue {
  readonly bias: boolean;
  readonly kind: Activation;
  readonly alpha: number;
  /** Times the derivative, taken from the reference, instead of the activation. */
  readonly derivative: boolean;
}

/** Dense operands, as they are stored. */
export interface Operands {
  readonly a: Float32Array;
  readonly b: Float32Array;
  /** [M, N], before an accumulation. */
  readonly c: Float32Array;
  /** [N] */
  readonly bias: Float32Array;
  /** [M, N] */
  readonly reference: Float32Array;
}

/** Rows with a gap behind each, the last one excepted; the gaps hold NaN, which no result may come to know. */
function spread(values: Float32Array, columns: number, gap: number): Float32Array {
  const stride = columns + gap;
  const rows = values.length / columns;
  const wide = new Float32Array(rows * stride - gap).fill(Number.NaN);
  for (let r = 0; r < rows; r++) wide.set(values.subarray(r * columns, (r + 1) * columns), r * stride);
  return wide;
}

export function multiply(machine: Machine, product: Product, operands: Operands, offset = 0): Float32Array {
  return multiplyAndSum(machine, product, operands, offset, false).c;
}

/**
 * The product, and the sums of B over K where they are wanted. The one place that knows the fields. Only the elements of
 * C and of the sums, and scratch, may be written.
 */
export function multiplyAndSum(
  machine: Machine,
  product: Product,
  operands: Operands,
  offset = 0,
  wanted = true,
): { readonly c: Float32Array; readonly sums: Float32Array } {
  const { M, N, K, transposeA, transposeB, thin, accumulate, gaps, epilogue } = product;
  const launch = new Launch(machine, offset);
  const [aStride, bStride, cStride] = [
    (transposeA ? M : K) + gaps[0],
    (transposeB ? K : N) + gaps[1],
    N + gaps[2],
  ];
  const a = launch.input(spread(operands.a, aStride - gaps[0], gaps[0]));
  const b = launch.input(spread(operands.b, bStride - gaps[1], gaps[1]));
  const c = launch.input(spread(operands.c, N, gaps[2]));
  for (let m = 0; m < M; m++) launch.writable(c + m * cStride * 4, N);
  const reference = epilogue.derivative ? launch.input(spread(operands.reference, N, gaps[2])) : 0;
  const bias = epilogue.bias ? launch.input(operands.bias) : 0;
  const sums = wanted ? launch.output(N) : 0;
  const scratchBytes = thin ? 0 : gemmScratchBytes({ M, N, K });
  const scratch = launch.output((scratchBytes / 4) * machine.engine.threads);
  launch.emit(
    thin ? Op.ThinGemm : Op.Gemm,
    {
      [Gemm.A]: a,
      [Gemm.AStride]: aStride,
      [Gemm.B]: b,
      [Gemm.BStride]: bStride,
      [Gemm.C]: c,
      [Gemm.CStride]: cStride,
      [Gemm.M]: M,
      [Gemm.N]: N,
      [Gemm.K]: K,
      [Gemm.Flags]:
        (transposeA ? GemmFlag.TransposedA : 0) |
        (transposeB ? GemmFlag.TransposedB : 0) |
        (accumulate ? GemmFlag.Accumulate : 0) |
        (epilogue.derivative ? GemmFlag.Derivative : 0),
      [Gemm.Bias]: bias,
      [Gemm.Activation]: epilogue.kind,
      [Gemm.Alpha]: { f32: epilogue.alpha },
      [Gemm.Reference]: reference,
      [Gemm.Scratch]: scratch,
      [Gemm.ScratchBytes]: scratchBytes,
      [Gemm.Sums]: sums,
    },
    Gemm.Length,
  );
  launch.execute();
  const all = launch.floats(c, (M - 1) * cStride + N);
  return {
    c: Float32Array.from(make(M * N, (i) => all[Math.floor(i / N) * cStride + (i % N)]!)),
    sums: wanted ? launch.floats(sums, N) : new Float32Array(),
  };
}
