import type { OpName } from '../../src/ops/attributes.ts';
import { activations } from './activations.ts';
import { arithmetic } from './arithmetic.ts';
import { attention } from './attention.ts';
import { axes } from './axes.ts';
import { batched } from './batched.ts';
import { convolution, pooling } from './convolution.ts';
import { depthwise } from './depthwise.ts';
import { elementwise } from './elementwise.ts';
import { embedding } from './embedding.ts';
import { losses } from './losses.ts';
import { mask } from './mask.ts';
import { matmul } from './matmul.ts';
import { merge } from './merge.ts';
import { noise } from './noise.ts';
import { normalize } from './normalize.ts';
import { recurrent } from './recurrent.ts';
import { resampling } from './resampling.ts';
import type { Row, Rows } from './row.ts';
import { sources } from './sources.ts';
import { take } from './take.ts';

/** One row for each operation: an operation without tests does not compile. */
const table: Rows<OpName> = {
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
  ...depthwise,
  ...resampling,
  ...mask,
  ...attention,
  ...arithmetic,
  ...axes,
  ...batched,
  ...take,
  ...noise,
};

/** Variants of all operations, where their names do not matter. */
export const cases = Object.entries(table).flatMap(([name, some]) => {
  const op = name as OpName;
  const row = some as unknown as Row<OpName>;
  return row.variants.map((variant) => ({ op, row, variant, label: `${op} ${variant.name}` }));
});

export type Case = (typeof cases)[number];
