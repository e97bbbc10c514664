import { activationOps } from '../../src/ops/activations.ts';
import { arithmeticOps } from '../../src/ops/arithmetic.ts';
import { attentionOps } from '../../src/ops/attention.ts';
import { axesOps } from '../../src/ops/axes.ts';
import { batchedOps } from '../../src/ops/batched.ts';
import { convolutionOps } from '../../src/ops/convolution.ts';
import { depthwiseOps } from '../../src/ops/depthwise.ts';
import { elementwiseOps } from '../../src/ops/elementwise.ts';
import { embeddingOps } from '../../src/ops/embedding.ts';
import { lossOps } from '../../src/ops/losses.ts';
import { maskOps } from '../../src/ops/mask.ts';
import { matmulOps } from '../../src/ops/matmul.ts';
import { mergeOps } from '../../src/ops/merge.ts';
import { noiseOps } from '../../src/ops/noise.ts';
import { normalizeOps } from '../../src/ops/normalize.ts';
import { poolingOps } from '../../src/ops/pooling.ts';
import { positionOps } from '../../src/ops/positions.ts';
import { recurrentOps } from '../../src/ops/recurrent.ts';
import { resamplingOps } from '../../src/ops/resampling.ts';
import type { Rules } from '../../src/ops/rule.ts';
import { sourceOps } from '../../src/ops/sources.ts';
import { takeOps } from '../../src/ops/take.ts';
import { transposeOps } from '../../src/ops/transpose.ts';

/** Every operation: total by type, so one without a shape, a gradient or an encoding does not compile. */
export const rules: Rules = {
  ...sourceOps,
  ...matmulOps,
  ...activationOps,
  ...elementwiseOps,
  ...lossOps,
  ...convolutionOps,
  ...poolingOps,
  ...mergeOps,
  ...recurrentOps,
  ...normalizeOps,
  ...embeddingOps,
  ...depthwiseOps,
  ...resamplingOps,
  ...maskOps,
  ...noiseOps,
  ...attentionOps,
  ...positionOps,
  ...arithmeticOps,
  ...axesOps,
  ...transposeOps,
  ...batchedOps,
  ...takeOps,
};
