import { double, program } from '../clock';
import { address, float, rowCount, word } from '../fields';
import { loadPart } from '../lanes';
import { Program, Status } from '../tape';
import { Guard } from '../tape/training';
import { barrier, first, last, thread } from '../threads';

const INFINITY_BITS: u32 = 0x7f800000;

/** Of the first magnitude that is too large: a step grows with the learning rate. */
function limitBits(p: usize): u32 {
  const limit = float(p, Guard.Limit);
  if (limit == 0) return INFINITY_BITS;
  const rate = load<f32>(program + ((<usize>Program.LearningRate) << 2)) * float(p, Guard.Rate);
  return reinterpret<u32>(limit / max<f32>(1, rate));
}

/**
 * True when the step must stop: its loss or one of its gradients is not finite, or a gradient so large that the optimizer
 * would leave the finite numbers. Every thread gets the same answer.
 */
export function guard(p: usize): bool {
  const rows = address(p, Guard.Rows);
  const count = word(p, Guard.Count) * (rows ? rowCount(rows) : 1);
  const from = first(count, 16);
  let n = last(count, 16) - from;
  let g = address(p, Guard.Gradient) + ((<usize>from) << 2);
  let largest = i32x4.splat(0);
  const magnitude = i32x4.splat(0x7fffffff);
  if (n >= 16) {
    do {
      const a = i32x4.max_u(v128.and(v128.load(g), magnitude), v128.and(v128.load(g, 16), magnitude));
      const b = i32x4.max_u(v128.and(v128.load(g, 32), magnitude), v128.and(v128.load(g, 48), magnitude));
      largest = i32x4.max_u(largest, i32x4.max_u(a, b));
      n -= 16;
      g += 64;
    } while (n >= 16);
  }
  for (; n > 0; n -= 4, g += 16) {
    const v = n >= 4 ? v128.load(g) : loadPart(g, n, f32x4.splat(0));
    largest = i32x4.max_u(largest, v128.and(v, magnitude));
  }
  const status = program + ((<usize>Program.Status) << 2);
  if (v128.any_true(i32x4.ge_u(largest, i32x4.splat(limitBits(p))))) {
    atomic.cmpxchg<i32>(status, Status.Ok, Status.GradientNotFinite);
  }
  if (thread == 0) {
    const loss = double(Program.StepLoss);
    if (!(abs<f64>(loss) < Infinity)) atomic.store<i32>(status, Status.LossNotFinite);
  }
  barrier();
  return atomic.load<i32>(status) != Status.Ok;
}
