/** Convolutions and pools: the family `spatial`. */
import { convolution } from '../kernels/gemm';
import { pool, poolGrad } from '../kernels/pooling';
import { Head, Op } from '../tape';

export { base } from '../base';
export { bind } from '../threads';

/** One instruction. */
export function execute(p: usize): void {
  switch (load<u32>(p) & Head.OpcodeMask) {
    case Op.Convolution:
      convolution(p);
      break;
    case Op.Pool:
      pool(p);
      break;
    case Op.PoolGrad:
      poolGrad(p);
      break;
    default:
      unreachable();
  }
}
