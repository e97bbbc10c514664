import { type Activation, GEMM_PANEL, Gemm, GemmFlag, Op, Pack } from '../../assembly/tape.ts';
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

/** B packed for a product; the address of that. */
export function emitPack(
  launch: Launch,
  b: { source: number; stride: number; K: number; N: number; transposed: boolean },
): number {
  const target = launch.output(packedFloats(b.K, b.N));
  launch.emit(
    Op.Pack,
    {
      [Pack.Source]: b.source,
      [Pack.Stride]: b.stride,
      [Pack.K]: b.K,
      [Pack.N]: b.N,
      [Pack.Transposed]: b.transposed ? 1 : 0,
      [Pack.Target]: target,
    },
    Pack.Length,
  );
  return target;
}

/** Whole panels. */
export function packedFloats(K: number, N: number): number {
  return Math.ceil(N / GEMM_PANEL) * GEMM_PANEL * K;
}

/** With `emitPack` the one place that knows the fields. Only the elements of C may be written. */
export function multiply(machine: Machine, product: Product, operands: Operands, offset = 0): Float32Array {
  const { M, N, K, transposeA, transposeB, thin, accumulate, gaps, epilogue } = product;
  const launch = new Launch(machine, offset);
  const [aStride, bStride, cStride] = [
    (transposeA ? M : K) + gaps[0],
    (transposeB ? K : N) + gaps[1],
    N + gaps[2],
  ];
  const a = launch.input(spread(operands.a, aStride - gaps[0], gaps[0]));
  let b = launch.input(spread(operands.b, bStride - gaps[1], gaps[1]));
  const c = launch.input(spread(operands.c, N, gaps[2]));
  for (let m = 0; m < M; m++) launch.writable(c + m * cStride * 4, N);
  const reference = epilogue.derivative ? launch.input(spread(operands.reference, N, gaps[2])) : 0;
  const bias = epilogue.bias ? launch.input(operands.bias) : 0;
  if (!thin) b = emitPack(launch, { source: b, stride: bStride, K, N, transposed: transposeB });
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
        (thin && transposeB ? GemmFlag.TransposedB : 0) |
        (accumulate ? GemmFlag.Accumulate : 0) |
        (epilogue.derivative ? GemmFlag.Derivative : 0),
      [Gemm.Bias]: bias,
      [Gemm.Activation]: epilogue.kind,
      [Gemm.Alpha]: { f32: epilogue.alpha },
      [Gemm.Reference]: reference,
      [Gemm.Scratch]: machine.scratch,
    },
    Gemm.Length,
  );
  launch.execute();
  const all = launch.floats(c, (M - 1) * cStride + N);
  return Float32Array.from(make(M * N, (i) => all[Math.floor(i / N) * cStride + (i % N)]!));
}
