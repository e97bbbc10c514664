import { address, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { madd, sum4 } from '../simd';
import { CopyRows, Maximum, MaximumGrad, RowDot, ScaleRows } from '../tape/tensors';
import { first, last } from '../threads';

/** target[r, :] = source[r, :], rows at their own strides: a part of a concatenation, or a slice of one. */
export function copyRows(p: usize): void {
  const columns = word(p, CopyRows.Columns);
  const sourceStride = <usize>word(p, CopyRows.SourceStride) << 2;
  const targetStride = <usize>word(p, CopyRows.TargetStride) << 2;
  const rows = word(p, CopyRows.Rows);
  const to = last(rows, 1);
  for (let r = first(rows, 1); r < to; r++) {
    let s = address(p, CopyRows.Source) + <usize>r * sourceStride;
    let t = address(p, CopyRows.Target) + <usize>r * targetStride;
    let i = columns;
    for (; i >= 4; i -= 4, s += 16, t += 16) v128.store(t, v128.load(s));
    for (; i > 0; i--, s += 4, t += 4) store<u32>(t, load<u32>(s));
  }
}

/** y = the larger of a and b; NaN where one of them is. */
export function maximum(p: usize): void {
  const from = first(word(p, Maximum.Count), 16);
  const offset = <usize>from << 2;
  let a = address(p, Maximum.A) + offset;
  let b = address(p, Maximum.B) + offset;
  let y = address(p, Maximum.Target) + offset;
  let i = last(word(p, Maximum.Count), 16) - from;
  for (; i >= 4; i -= 4, a += 16, b += 16, y += 16) {
    v128.store(y, f32x4.max(v128.load(a), v128.load(b)));
  }
  if (i > 0) {
    const zero = f32x4.splat(0);
    storePart(y, f32x4.max(loadPart(a, i, zero), loadPart(b, i, zero)), i);
  }
}

/** dy · (1 where a > b, 1/2 where they are equal, 0 elsewhere): as PyTorch's maximum shares a tie. */
// @ts-ignore: decorator
@inline
function share(dy: v128, a: v128, b: v128): v128 {
  const larger = v128.and(f32x4.gt(a, b), f32x4.splat(1));
  const equal = v128.and(f32x4.eq(a, b), f32x4.splat(0.5));
  return f32x4.mul(dy, v128.or(larger, equal));
}

/** da of y = max(a, b); db with a and b exchanged. */
export function maximumGrad(p: usize): void {
  const from = first(word(p, MaximumGrad.Count), 16);
  const offset = <usize>from << 2;
  let dy = address(p, MaximumGrad.Gradient) + offset;
  let a = address(p, MaximumGrad.A) + offset;
  let b = address(p, MaximumGrad.B) + offset;
  let d = address(p, MaximumGrad.Target) + offset;
  let i = last(word(p, MaximumGrad.Count), 16) - from;
  for (; i >= 4; i -= 4, dy += 16, a += 16, b += 16, d += 16) {
    v128.store(d, share(v128.load(dy), v128.load(a), v128.load(b)));
  }
  if (i > 0) {
    const zero = f32x4.splat(0);
    storePart(d, share(loadPart(dy, i, zero), loadPart(a, i, zero), loadPart(b, i, zero)), i);
  }
}

/** y[r] = sum over the columns of a[r, :] · b[r, :]: four partial sums, then theirs. */
export function rowDot(p: usize): void {
  const rows = word(p, RowDot.Rows);
  const columns = word(p, RowDot.Columns);
  const to = last(rows, 1);
  const zero = f32x4.splat(0);
  for (let r = first(rows, 1); r < to; r++) {
    const offset = <usize>(r * columns) << 2;
    let a = address(p, RowDot.A) + offset;
    let b = address(p, RowDot.B) + offset;
    let total = zero;
    let i = columns;
    for (; i >= 4; i -= 4, a += 16, b += 16) total = madd(v128.load(a), v128.load(b), total);
    if (i) total = madd(loadPart(a, i, zero), loadPart(b, i, zero), total);
    store<f32>(address(p, RowDot.Target) + (<usize>r << 2), sum4(total));
  }
}

/** y[r, :] = x[r, :] · scale[r]: the gradient of a dot product. */
export function scaleRows(p: usize): void {
  const rows = word(p, ScaleRows.Rows);
  const columns = word(p, ScaleRows.Columns);
  const to = last(rows, 1);
  const zero = f32x4.splat(0);
  for (let r = first(rows, 1); r < to; r++) {
    const offset = <usize>(r * columns) << 2;
    let x = address(p, ScaleRows.Source) + offset;
    let y = address(p, ScaleRows.Target) + offset;
    const scale = f32x4.splat(load<f32>(address(p, ScaleRows.Scale) + (<usize>r << 2)));
    let i = columns;
    for (; i >= 4; i -= 4, x += 16, y += 16) v128.store(y, f32x4.mul(v128.load(x), scale));
    if (i) storePart(y, f32x4.mul(loadPart(x, i, zero), scale), i);
  }
}
