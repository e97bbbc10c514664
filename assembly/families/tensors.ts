/** Merges, normalization, embeddings, transposition, noise: the family `tensors`. */
import { follow } from '../clock';
import { transpose } from '../kernels/axes';
import { distinctRows, embedding, embeddingGrad } from '../kernels/embedding';
import { copyRows, maximum, maximumGrad, rowDot, scaleRows } from '../kernels/merge';
import { moments, movingAverage, movingMoments } from '../kernels/moments';
import { noise } from '../kernels/noise';
import { normalize, normalizeGrad } from '../kernels/normalize';
import { scaleGrad } from '../kernels/scale-grad';
import { Head, Op } from '../tape';

export { base } from '../base';
export { bind } from '../threads';

/** One instruction of a program, in a step. */
export function execute(p: usize, block: usize, step: i32): void {
  follow(block, step);
  switch (load<u32>(p) & Head.OpcodeMask) {
    case Op.Transpose:
      transpose(p);
      break;
    case Op.Embedding:
      embedding(p);
      break;
    case Op.EmbeddingGrad:
      embeddingGrad(p);
      break;
    case Op.CopyRows:
      copyRows(p);
      break;
    case Op.Maximum:
      maximum(p);
      break;
    case Op.MaximumGrad:
      maximumGrad(p);
      break;
    case Op.RowDot:
      rowDot(p);
      break;
    case Op.ScaleRows:
      scaleRows(p);
      break;
    case Op.Moments:
      moments(p);
      break;
    case Op.MovingAverage:
      movingAverage(p);
      break;
    case Op.MovingMoments:
      movingMoments(p);
      break;
    case Op.Normalize:
      normalize(p);
      break;
    case Op.NormalizeGrad:
      normalizeGrad(p);
      break;
    case Op.ScaleGrad:
      scaleGrad(p);
      break;
    case Op.Noise:
      noise(p);
      break;
    case Op.DistinctRows:
      distinctRows(p);
      break;
    default:
      unreachable();
  }
}
