/** Recurrences: the family `sequence`. */
import { recurrence, recurrenceGrad } from '../kernels/recurrent';
import { Head, Op } from '../tape';

export { base } from '../base';
export { bind } from '../threads';

/** One instruction. */
export function execute(p: usize): void {
  switch (load<u32>(p) & Head.OpcodeMask) {
    case Op.Recurrence:
      recurrence(p);
      break;
    case Op.RecurrenceGrad:
      recurrenceGrad(p);
      break;
    default:
      unreachable();
  }
}
