/** Convolutions, pools, images in other sizes: the family `spatial`. */
import { follow } from '../clock';
import { convolution } from '../kernels/convolution';
import { depthwise } from '../kernels/depthwise';
import { depthwiseFilter } from '../kernels/depthwise-filter';
import { pad } from '../kernels/padding';
import { pool, poolGrad } from '../kernels/pooling';
import { adaptiveMaximum, resample } from '../kernels/resample';
import { Head, Op } from '../tape';

export { base } from '../base';
export { bind } from '../threads';

/** One instruction of a program, in a step. */
export function execute(p: usize, block: usize, step: i32): void {
  follow(block, step);
  switch (load<u32>(p) & Head.OpcodeMask) {
    case Op.Convolution:
      convolution(p);
      break;
    case Op.Depthwise:
      depthwise(p);
      break;
    case Op.DepthwiseFilter:
      depthwiseFilter(p);
      break;
    case Op.Pad:
      pad(p);
      break;
    case Op.Pool:
      pool(p);
      break;
    case Op.PoolGrad:
      poolGrad(p);
      break;
    case Op.AdaptiveMaximum:
      adaptiveMaximum(p);
      break;
    case Op.Resample:
      resample(p);
      break;
    default:
      unreachable();
  }
}
