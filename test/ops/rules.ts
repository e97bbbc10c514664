import { activationOps } from '../../src/ops/activations.ts';
import { convolutionOps } from '../../src/ops/convolution.ts';
import { elementwiseOps } from '../../src/ops/elementwise.ts';
import { embeddingOps } from '../../src/ops/embedding.ts';
import { lossOps } from '../../src/ops/losses.ts';
import { matmulOps } from '../../src/ops/matmul.ts';
import { mergeOps } from '../../src/ops/merge.ts';
import { normalizeOps } from '../../src/ops/normalize.ts';
import { poolingOps } from '../../src/ops/pooling.ts';
import { recurrentOps } from '../../src/ops/recurrent.ts';
import type { Rules } from '../../src/ops/rule.ts';
import { sourceOps } from '../../src/ops/sources.ts';

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
};
