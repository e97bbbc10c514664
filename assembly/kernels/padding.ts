import { address, word } from '../fields';
import { Pad } from '../tape/spatial';
import { first, last } from '../threads';

/** y[i] = x[i - before] in each dimension, 0 where that is outside: zeros around, or, with `before` negative, a part. */
export function pad(p: usize): void {
  const grid0 = word(p, Pad.Grid0);
  const grid1 = word(p, Pad.Grid1);
  const source0 = word(p, Pad.Source0);
  const source1 = word(p, Pad.Source1);
  const bytes = address(p, Pad.Channels) << 2;
  const row = address(p, Pad.Source2) * bytes;
  const size = address(p, Pad.Grid2) * bytes;
  const before = word(p, Pad.Before2);
  // bytes of a line: zeros, a part of the source, zeros
  const zeros = <usize>max<i32>(0, before) * bytes;
  const skipped = <usize>max<i32>(0, -before) * bytes;
  const copied = min<usize>(row - skipped, size - zeros);
  const lines = word(p, Pad.Images) * grid0 * grid1;
  const to = last(lines, 1);
  for (let line = first(lines, 1); line < to; line++) {
    const y = address(p, Pad.Target) + <usize>line * size;
    const rest = line / grid1;
    const image = rest / grid0;
    const i0 = rest - image * grid0 - word(p, Pad.Before0);
    const i1 = line - rest * grid1 - word(p, Pad.Before1);
    if (<u32>i0 >= <u32>source0 || <u32>i1 >= <u32>source1) {
      memory.fill(y, 0, size);
      continue;
    }
    const x = address(p, Pad.Source) + <usize>((image * source0 + i0) * source1 + i1) * row;
    memory.fill(y, 0, zeros);
    memory.copy(y + zeros, x + skipped, copied);
    memory.fill(y + zeros + copied, 0, size - zeros - copied);
  }
}
