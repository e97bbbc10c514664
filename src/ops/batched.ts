import { BATCHED_HEAD, Batched, Gemm, GemmFlag } from '../../assembly/tape/dense.ts';
import { Op } from '../../assembly/tape.ts';
import { broadcastShape, collapse, type Strides, sumTo } from './broadcast.ts';
import { type Dimensions, gemmScratchBytes, isThin } from './matmul.ts';
import type { Rules } from './rule.ts';
import { lastOf, type Shape, showShape, type Tensor } from './tensor.ts';

const leading = (shape: Shape): Shape => shape.slice(0, -2);

function dimensions(tensor: Tensor<'batchedMatmul'>): Dimensions {
  const { transposeA } = tensor.attributes;
  const a = tensor.inputs[0]!.shape;
  const [M, N] = tensor.shape.slice(-2) as [number, number];
  return { M, N, K: transposeA ? a.at(-2)! : lastOf(a) };
}

/** The leading dimensions as loops: sizes, and how many matrices of each operand lie between neighbours. */
function loops([a, b]: readonly Shape[], y: Shape, batch: number): Strides {
  return collapse(leading(a!), leading(b!), leading(y), batch);
}

/** Loops of the instruction. */
const LOOPS = 2;

function scratchBytes(size: Dimensions): number {
  return BATCHED_HEAD + (isThin(size) ? 0 : gemmScratchBytes(size));
}

export const batchedOps: Rules<'batchedMatmul'> = {
  batchedMatmul: {
    name: 'batchedMatmul',
    shape: ([a, b], { transposeA, transposeB }, fail) => {
      const [x, y] = [a!.shape, b!.shape];
      const [M, K] = transposeA ? [lastOf(x), x.at(-2)!] : [x.at(-2)!, lastOf(x)];
      const [L, N] = transposeB ? [lastOf(y), y.at(-2)!] : [y.at(-2)!, lastOf(y)];
      if (K !== L || Math.min(M, N, K) < 1) {
        fail(`cannot multiply the matrices of ${showShape(x)} by those of ${showShape(y)}`);
      }
      const shape = [...broadcastShape(leading(x), leading(y), fail), M, N];
      if (loops([x, y], shape, 2).sizes.length > LOOPS) {
        fail(
          `cannot multiply ${showShape(x)} by ${showShape(y)}: leading dimensions of 1 take turns with others too ` +
            'often; expand one of them first',
        );
      }
      return shape;
    },
    // as of a single product; summed over what was broadcast
    gradient: (tracer, { inputs: [a, b], attributes: { transposeA, transposeB }, layer }, dy) => {
      const product = (
        x: Tensor,
        y: Tensor,
        tx: boolean,
        ty: boolean,
        of: Tensor,
      ): readonly [Tensor, Tensor] => {
        const d = tracer.add(batchedOps.batchedMatmul, [x, y], { transposeA: tx, transposeB: ty }, layer);
        return [of, sumTo(tracer, d, of.shape, layer)];
      };
      return [
        transposeA ? product(b!, dy, transposeB, true, a!) : product(dy, b!, false, !transposeB, a!),
        transposeB ? product(dy, a!, true, transposeA, b!) : product(a!, dy, !transposeA, false, b!),
      ];
    },
    workspace: (tensor) => scratchBytes(dimensions(tensor)),
    emit: (e, { tensor, output }) => {
      const [a, b] = tensor.inputs as [Tensor, Tensor];
      const { transposeA, transposeB } = tensor.attributes;
      const size = dimensions(tensor);
      const { sizes, a: as, b: bs } = loops([a.shape, b.shape], tensor.shape, e.batch);
      const [ofA, ofB] = [size.M * size.K, size.K * size.N];
      const field = (list: readonly number[], n: number, fill: number): number => list.at(n) ?? fill;
      e.emit(
        Op.BatchedGemm,
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
          [Gemm.Flags]: (transposeA ? GemmFlag.TransposedA : 0) | (transposeB ? GemmFlag.TransposedB : 0),
          [Gemm.Bias]: 0,
          [Gemm.Activation]: 0,
          [Gemm.Alpha]: { f32: 0 },
          [Gemm.Reference]: 0,
          [Gemm.Scratch]: e.workspace.start,
          [Gemm.ScratchBytes]: scratchBytes(size),
          [Gemm.Sums]: 0,
          [Batched.Outer]: e.batch === 0 ? 0 : field(sizes, -2, 1),
          [Batched.Inner]: field(sizes, -1, 1),
          [Batched.AOuter]: ofA * field(as, -2, 0),
          [Batched.AInner]: ofA * field(as, -1, 0),
          [Batched.BOuter]: ofB * field(bs, -2, 0),
          [Batched.BInner]: ofB * field(bs, -1, 0),
          [Batched.Thin]: isThin(size) ? 1 : 0,
        },
        Batched.Length,
        [e.span(a), e.span(b)],
        [e.span(output), e.workspace],
      );
    },
  },
};
