import { program } from '../clock';
import { address, float, rowAt, rowCount, word } from '../fields';
import { loadPart, loadUpTo } from '../lanes';
import { abs4 } from '../simd';
import { Program } from '../tape';
import { Accumulate, NORM_CHUNK, NORM_ROWS, Penalty, SquaredNorm } from '../tape/training';
import { first, last, thread } from '../threads';
import { clipped4, penalized4 } from './optimizer';

function addTo(field: i32, value: f64): void {
  const q = program + ((<usize>field) << 2);
  store<f64>(q, load<f64>(q) + value);
}

/** Thread 0: a batch's row values into the sum of the epoch. Slot 0, the loss, also sets the loss of the step. */
export function accumulate(p: usize): void {
  if (thread != 0) return;
  let x = address(p, Accumulate.Values);
  let total: f64 = 0;
  for (let i = word(p, Accumulate.Count); i > 0; i--, x += 4) total += <f64>load<f32>(x);
  const slot = word(p, Accumulate.Slot);
  addTo(Program.Accumulators + 2 * slot, total * <f64>float(p, Accumulate.Share));
  if (slot == 0)
    store<f64>(program + ((<usize>Program.StepLoss) << 2), total * <f64>float(p, Accumulate.Scale));
}

/** Thread 0: l1 · sum|w| + l2 · sum w² into the loss. float64 lanes, in order. */
export function penalty(p: usize): void {
  if (thread != 0) return;
  let absolute = f64x2.splat(0);
  let square = f64x2.splat(0);
  const rows = address(p, Penalty.Rows);
  const ranges = rows ? rowCount(rows) : 1;
  const bytes = address(p, Penalty.Count) << 2;
  for (let i = 0; i < ranges; i++) {
    let w = address(p, Penalty.Parameter) + (rows ? rowAt(rows, i) * bytes : 0);
    for (let count = word(p, Penalty.Count); count > 0; count -= 4, w += 16) {
      const v = count >= 4 ? v128.load(w) : loadPart(w, count, f32x4.splat(0));
      const low = f64x2.promote_low_f32x4(v);
      const high = f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3));
      absolute = f64x2.add(absolute, f64x2.add(f64x2.abs(low), f64x2.abs(high)));
      square = f64x2.add(square, f64x2.add(f64x2.mul(low, low), f64x2.mul(high, high)));
    }
  }
  const l1 = <f64>float(p, Penalty.L1) * (f64x2.extract_lane(absolute, 0) + f64x2.extract_lane(absolute, 1));
  const l2 = <f64>float(p, Penalty.L2) * (f64x2.extract_lane(square, 0) + f64x2.extract_lane(square, 1));
  addTo(Program.StepLoss, l1 + l2);
  addTo(Program.Accumulators, (l1 + l2) * <f64>float(p, Penalty.Weight));
}

/** Sums of the squares of `count` gradients, clipped by value, added to those in `total`. */
function addSquares(w: usize, g: usize, count: i32, l1: v128, l2: v128, clip: f32, total: v128): v128 {
  for (; count > 0; count -= 4, w += 16, g += 16) {
    const v = clipped4(penalized4(loadUpTo(w, count), loadUpTo(g, count), l1, l2), clip);
    const low = f64x2.promote_low_f32x4(v);
    const high = f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3));
    total = f64x2.add(total, f64x2.add(f64x2.mul(low, low), f64x2.mul(high, high)));
  }
  return total;
}

/** One float64 sum of squares for each NORM_CHUNK gradients, or NORM_ROWS rows: the chunks do not depend on the threads. */
export function squaredNorm(p: usize): void {
  const count = word(p, SquaredNorm.Count);
  const rows = address(p, SquaredNorm.Rows);
  const chunks = word(p, SquaredNorm.Chunks);
  const l1 = f32x4.splat(float(p, SquaredNorm.L1));
  const l2 = f32x4.splat(2 * float(p, SquaredNorm.L2));
  const clip = float(p, SquaredNorm.ClipValue);
  const w = address(p, SquaredNorm.Parameter);
  const g = address(p, SquaredNorm.Gradient);
  const to = last(chunks, 1);
  for (let chunk = first(chunks, 1); chunk < to; chunk++) {
    let total = f64x2.splat(0);
    if (rows) {
      const bytes = (<usize>count) << 2;
      const end = min<i32>((chunk + 1) * NORM_ROWS, rowCount(rows));
      for (let i = chunk * NORM_ROWS; i < end; i++) {
        total = addSquares(w + rowAt(rows, i) * bytes, g + <usize>i * bytes, count, l1, l2, clip, total);
      }
    } else {
      const offset = (<usize>(chunk * NORM_CHUNK)) << 2;
      const size = min<i32>(NORM_CHUNK, count - chunk * NORM_CHUNK);
      total = addSquares(w + offset, g + offset, size, l1, l2, clip, total);
    }
    const sum = f64x2.extract_lane(total, 0) + f64x2.extract_lane(total, 1);
    store<f64>(address(p, SquaredNorm.Partials) + ((<usize>chunk) << 3), sum);
  }
}
