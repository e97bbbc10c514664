import {
  GEMM_A_BLOCK,
  GEMM_K_BLOCK,
  GEMM_M_BLOCK,
  GEMM_N_BLOCK,
  GEMM_PANEL,
  GEMM_ROWS,
  Gemm,
  GemmFlag,
} from '../../assembly/tape/dense.ts';
import { Op } from '../../assembly/tape.ts';
import type { Call, Emitter, Rules } from './rule.ts';
import { lastOf, showShape, sizeOf, type Tensor } from './tensor.ts';

export interface Dimensions {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** M, N, K of op(a) · op(b); leading axes of a are rows. */
function dimensions(tensor: Tensor<'matmul'>, batch: number): Dimensions {
  const [a, b] = tensor.inputs as [Tensor, Tensor];
  const { transposeA, transposeB } = tensor.attributes;
  const columns = lastOf(a.shape);
  const rows = sizeOf(a.shape, batch) / columns;
  const N = transposeB ? sizeOf(b.shape, batch) / lastOf(b.shape) : lastOf(b.shape);
  return { M: transposeA ? columns : rows, N, K: transposeA ? rows : columns };
}

/**
 * Fewer products than this are summed straight from the operands: packing would cost more than it saves
 * (they meet near 12 x 12 x 12). So are products with a vector, and those of few rows.
 */
const THIN_PRODUCTS = 2000;
const THIN_ROWS = 3;

export function isThin({ M, N, K }: Dimensions): boolean {
  return M <= THIN_ROWS || N === 1 || M * N * K <= THIN_PRODUCTS;
}

/** Bytes that a thread needs for its packed blocks and edge tiles: the blocking of assembly/kernels/gemm.ts. */
export function gemmScratchBytes({ M, N, K }: Dimensions): number {
  const kBlock = Math.ceil(K / Math.ceil(K / GEMM_K_BLOCK));
  const mBlock = Math.min(GEMM_M_BLOCK, up(Math.floor(GEMM_A_BLOCK / kBlock) - GEMM_ROWS + 1, GEMM_ROWS));
  const rows = up(Math.min(M, mBlock), GEMM_ROWS);
  const columns = up(M > mBlock ? N : Math.min(N, GEMM_N_BLOCK), GEMM_PANEL);
  return up((rows * kBlock + rows * GEMM_PANEL + columns * kBlock) * 4, 64);
}

function up(n: number, unit: number): number {
  return Math.ceil(n / unit) * unit;
}

export const matmulOps: Rules<'matmul'> = {
  matmul: {
    name: 'matmul',
    shape: ([a, b], { transposeA, transposeB }, fail) => {
      const inner = transposeA ? a!.shape[0]! : lastOf(a!.shape);
      const K = transposeB ? lastOf(b!.shape) : b!.shape[0]!;
      if (inner !== K) fail(`cannot multiply ${showShape(a!.shape)} by ${showShape(b!.shape)}`);
      const N = transposeB ? b!.shape[0]! : lastOf(b!.shape);
      return transposeA ? [lastOf(a!.shape), N] : [...a!.shape.slice(0, -1), N];
    },

    // d(a · b) : da = dy · bᵀ, db = aᵀ · dy; stored-transposed operands change sides
    gradient: (tracer, { inputs: [a, b], attributes: { transposeA, transposeB }, layer }, dy) => {
      const product = (x: Tensor, y: Tensor, tx: boolean, ty: boolean) =>
        tracer.add(matmulOps.matmul, [x, y], { transposeA: tx, transposeB: ty }, layer);
      return [
        [a!, transposeA ? product(b!, dy, transposeB, true) : product(dy, b!, false, !transposeB)],
        [b!, transposeB ? product(dy, a!, true, transposeA) : product(a!, dy, !transposeA, false)],
      ];
    },

    epilogue: 'product',
    workspace: (tensor, batch) => {
      const size = dimensions(tensor, batch);
      return isThin(size) ? 0 : gemmScratchBytes(size);
    },

    emit: emitMatmul,
  },
};

function emitMatmul(e: Emitter, call: Call<'matmul'>): void {
  const { tensor, output, sums, epilogue } = call;
  const [a, b] = tensor.inputs as [Tensor, Tensor];
  const { transposeA, transposeB } = tensor.attributes;
  const size = dimensions(tensor, e.batch);
  const thin = isThin(size);
  const { bias, activation, derivative } = epilogue;
  const form = (activation ?? derivative)?.attributes;
  const reference = derivative?.inputs[1];

  const flags =
    (transposeA ? GemmFlag.TransposedA : 0) |
    (transposeB ? GemmFlag.TransposedB : 0) |
    (derivative ? GemmFlag.Derivative : 0);
  e.emit(
    thin ? Op.ThinGemm : Op.Gemm,
    {
      [Gemm.A]: e.address(a),
      [Gemm.AStride]: lastOf(a.shape),
      [Gemm.B]: e.address(b),
      [Gemm.BStride]: lastOf(b.shape),
      [Gemm.C]: e.address(output),
      [Gemm.CStride]: size.N,
      [Gemm.M]: size.M,
      [Gemm.N]: size.N,
      [Gemm.K]: size.K,
      [Gemm.Flags]: flags,
      [Gemm.Bias]: bias ? e.address(bias) : 0,
      [Gemm.Activation]: form?.kind ?? 0,
      [Gemm.Alpha]: { f32: form?.alpha ?? 0 },
      [Gemm.Reference]: reference ? e.address(reference) : 0,
      [Gemm.Scratch]: e.workspace.start,
      [Gemm.ScratchBytes]: thin ? 0 : gemmScratchBytes(size),
      [Gemm.Sums]: sums ? e.address(sums) : 0,
    },
    Gemm.Length,
    [e.span(a), e.span(b), ...(bias ? [e.span(bias)] : []), ...(reference ? [e.span(reference)] : [])],
    [e.span(output), ...(sums ? [e.span(sums)] : []), ...(thin ? [] : [e.workspace])],
  );
}
