/** Recurrences, attention, positions, masks of steps: the family `sequence`. */
import { follow } from '../clock';
import { attention, attentionGrad } from '../kernels/attention';
import { stepMask } from '../kernels/mask';
import { cache, rotary } from '../kernels/positions';
import { recurrence, recurrenceGrad } from '../kernels/recurrent';
import { Head, Op } from '../tape';

export { base } from '../base';
export { bind } from '../threads';

/** One instruction of a program, in a step. */
export function execute(p: usize, block: usize, step: i32): void {
  follow(block, step);
  switch (load<u32>(p) & Head.OpcodeMask) {
    case Op.Attention:
      attention(p);
      break;
    case Op.AttentionGrad:
      attentionGrad(p);
      break;
    case Op.StepMask:
      stepMask(p);
      break;
    case Op.Cache:
      cache(p);
      break;
    case Op.Rotary:
      rotary(p);
      break;
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
