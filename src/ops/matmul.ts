import { GEMM_PANEL, Gemm, GemmFlag, Op, Pack } from '../../assembly/tape.ts';
import type { Call, Emitter, Rules, Span } from './rule.ts';
import { lastOf, showShape, sizeOf, type Tensor } from './tensor.ts';

/** M, N, K of op(a) · op(b); leading axes of a are rows. */
function dimensions(tensor: Tensor<'matmul'>, batch: number): { M: number; N: number; K: number } {
  const [a, b] = tensor.inputs as [Tensor, Tensor];
  const { transposeA, transposeB } = tensor.attributes;
  const columns = lastOf(a.shape);
  const rows = sizeOf(a.shape, batch) / columns;
  const N = transposeB ? sizeOf(b.shape, batch) / lastOf(b.shape) : lastOf(b.shape);
  return { M: transposeA ? columns : rows, N, K: transposeA ? rows : columns };
}

/**
 * Fewer products than this are summed straight from the operands: packing would cost more than it saves
 * (measured with bench/kernels: they meet near 12 x 12 x 12).
 */
const THIN_PRODUCTS = 2000;
const THIN_ROWS = 3;

function isThin({ M, N, K }: { M: number; N: number; K: number }): boolean {
  return M <= THIN_ROWS || M * N * K <= THIN_PRODUCTS;
}

function packedBytes(N: number, K: number): number {
  return Math.ceil(N / GEMM_PANEL) * GEMM_PANEL * K * 4;
}

export const matmul: Rules<'matmul'> = {
  matmul: {
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
        tracer.add('matmul', [x, y], { transposeA: tx, transposeB: ty }, layer);
      return [
        [a!, transposeA ? product(b!, dy, transposeB, true) : product(dy, b!, false, !transposeB)],
        [b!, transposeB ? product(dy, a!, true, transposeA) : product(a!, dy, !transposeA, false)],
      ];
    },

    workspace: (tensor, batch) => {
      const size = dimensions(tensor, batch);
      return isThin(size) ? 0 : packedBytes(size.N, size.K);
    },

    emit: emitMatmul,
  },
};

function emitMatmul(e: Emitter, call: Call<'matmul'>): void {
  const { tensor, output, epilogue } = call;
  const [a, b] = tensor.inputs as [Tensor, Tensor];
  const { transposeA, transposeB } = tensor.attributes;
  const size = dimensions(tensor, e.batch);
  const thin = isThin(size);
  const { M, N, K } = size;
  const bStride = lastOf(b.shape);
  const { bias, activation, derivative } = epilogue;
  const form = (activation ?? derivative)?.attributes;
  const reference = derivative?.inputs[1];

  const packed: Span = { start: e.workspace.start, end: e.workspace.start + packedBytes(N, K) };
  if (!thin) {
    e.emit(
      Op.Pack,
      {
        [Pack.Source]: e.address(b),
        [Pack.Stride]: bStride,
        [Pack.K]: K,
        [Pack.N]: N,
        [Pack.Transposed]: transposeB ? 1 : 0,
        [Pack.Target]: packed.start,
      },
      Pack.Length,
      [e.span(b)],
      [packed],
    );
  }
  const flags =
    (transposeA ? GemmFlag.TransposedA : 0) |
    (thin && transposeB ? GemmFlag.TransposedB : 0) |
    (derivative ? GemmFlag.Derivative : 0);
  e.emit(
    thin ? Op.ThinGemm : Op.Gemm,
    {
      [Gemm.A]: e.address(a),
      [Gemm.AStride]: lastOf(a.shape),
      [Gemm.B]: thin ? e.address(b) : packed.start,
      [Gemm.BStride]: bStride,
      [Gemm.C]: e.address(output),
      [Gemm.CStride]: N,
      [Gemm.M]: M,
      [Gemm.N]: N,
      [Gemm.K]: K,
      [Gemm.Flags]: flags,
      [Gemm.Bias]: bias ? e.address(bias) : 0,
      [Gemm.Activation]: form?.kind ?? 0,
      [Gemm.Alpha]: { f32: form?.alpha ?? 0 },
      [Gemm.Reference]: reference ? e.address(reference) : 0,
      [Gemm.Scratch]: e.gemmScratch,
    },
    Gemm.Length,
    [
      e.span(a),
      thin ? e.span(b) : packed,
      ...(bias ? [e.span(bias)] : []),
      ...(reference ? [e.span(reference)] : []),
    ],
    [e.span(output)],
  );
}
