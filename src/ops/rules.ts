import { activations } from './activations.ts';
import { arithmetic } from './arithmetic.ts';
import { axes } from './axes.ts';
import { batched } from './batched.ts';
import { convolution } from './convolution.ts';
import { elementwise } from './elementwise.ts';
import { embedding } from './embedding.ts';
import { losses } from './losses.ts';
import { matmul } from './matmul.ts';
import { merge } from './merge.ts';
import { normalize } from './normalize.ts';
import { pooling } from './pooling.ts';
import { recurrent } from './recurrent.ts';
import type { Rules } from './rule.ts';
import { sources } from './sources.ts';
import { take } from './take.ts';

/** Every operation: total by type, so one without a shape, a gradient or an encoding does not compile. */
export const rules: Rules = {
  ...sources,
  ...matmul,
  ...activations,
  ...elementwise,
  ...losses,
  ...convolution,
  ...pooling,
  ...merge,
  ...recurrent,
  ...normalize,
  ...embedding,
  ...arithmetic,
  ...axes,
  ...batched,
  ...take,
};
