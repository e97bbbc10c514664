import { address, word } from '../fields';
import { BATCHED_HEAD, Batched, Gemm } from '../tape/dense';
import { alone, among, first, last, thread, threads } from '../threads';
import { gemm } from './gemm';
import { thinGemm } from './thin';

/**
 * C [outer, inner, M, N] = A · B: products one after the other, shared among the threads. Each is the instruction of one
 * product, copied to the thread's own scratch with its addresses.
 */
export function batchedGemm(p: usize): void {
  const inner = word(p, Batched.Inner);
  const count = word(p, Batched.Outer) * inner;
  const to = last(count, 1);
  const size = address(p, Gemm.M) * address(p, Gemm.N);
  const thin = word(p, Batched.Thin);
  const own = address(p, Gemm.Scratch) + <usize>thread * address(p, Gemm.ScratchBytes);
  memory.copy(own, p, <usize>Gemm.Length << 2);
  store<u32>(own + (<usize>Gemm.Scratch << 2), <u32>own + BATCHED_HEAD);
  const from = first(count, 1);
  const index = thread;
  const all = threads;
  alone();
  for (let i = from; i < to; i++) {
    const o = <usize>(i / inner);
    const n = <usize>i - o * <usize>inner;
    place(own, p, Gemm.A, o * address(p, Batched.AOuter) + n * address(p, Batched.AInner));
    place(own, p, Gemm.B, o * address(p, Batched.BOuter) + n * address(p, Batched.BInner));
    place(own, p, Gemm.C, <usize>i * size);
    if (thin) thinGemm(own);
    else gemm(own);
  }
  among(index, all);
}

/** The operand `floats` behind that of the first product. */
// @ts-ignore: decorator
@inline
function place(own: usize, p: usize, field: i32, floats: usize): void {
  store<u32>(own + (<usize>field << 2), <u32>(address(p, field) + (floats << 2)));
}
