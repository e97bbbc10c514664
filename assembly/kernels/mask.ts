import { address, float, word } from '../fields';
import { StepMask } from '../tape/sequence';
import { first, last } from '../threads';

/** y [rows] = 1 where an element of the row of x differs from the value, 0 where all are equal to it. */
export function stepMask(p: usize): void {
  const columns = word(p, StepMask.Columns);
  const value = float(p, StepMask.Value);
  const to = last(word(p, StepMask.Rows), 16);
  for (let r = first(word(p, StepMask.Rows), 16); r < to; r++) {
    let x = address(p, StepMask.Source) + ((<usize>r * <usize>columns) << 2);
    const end = x + ((<usize>columns) << 2);
    while (x != end && load<f32>(x) == value) x += 4;
    store<f32>(address(p, StepMask.Target) + ((<usize>r) << 2), x == end ? 0 : 1);
  }
}
