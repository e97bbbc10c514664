import { address, float, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { madd } from '../simd';
import { Affine, BiasAdd, Binary, BinaryKind } from '../tape';
import { first, last } from '../threads';

// @ts-ignore: decorator
@inline
function combine(kind: i32, a: v128, b: v128): v128 {
  if (kind == BinaryKind.Add) return f32x4.add(a, b);
  if (kind == BinaryKind.Subtract) return f32x4.sub(a, b);
  return f32x4.mul(a, b);
}

/** y [count] = a (kind) b; in place when target is a or b. */
export function binaryRow(kind: i32, a: usize, b: usize, target: usize, count: i32): void {
  const end = a + (<usize>(count & ~3) << 2);
  for (; a != end; a += 16, b += 16, target += 16) {
    v128.store(target, combine(kind, v128.load(a), v128.load(b)));
  }
  count &= 3;
  if (count) {
    const zero = f32x4.splat(0);
    storePart(target, combine(kind, loadPart(a, count, zero), loadPart(b, count, zero)), count);
  }
}

export function binary(p: usize): void {
  const count = word(p, Binary.Count);
  const from = first(count, 16);
  const offset = <usize>from << 2;
  binaryRow(
    word(p, Binary.Kind),
    address(p, Binary.A) + offset,
    address(p, Binary.B) + offset,
    address(p, Binary.Target) + offset,
    last(count, 16) - from,
  );
}

export function biasAdd(p: usize): void {
  const rows = word(p, BiasAdd.Rows);
  const columns = word(p, BiasAdd.Columns);
  const bias = address(p, BiasAdd.Bias);
  const to = last(rows, 1);
  const stride = <usize>columns << 2;
  for (let r = first(rows, 1); r < to; r++) {
    const offset = <usize>r * stride;
    const source = address(p, BiasAdd.Source) + offset;
    binaryRow(BinaryKind.Add, source, bias, address(p, BiasAdd.Target) + offset, columns);
  }
}

export function affine(p: usize): void {
  let count = word(p, Affine.Count);
  const from = first(count, 16);
  count = last(count, 16) - from;
  let source = address(p, Affine.Source) + (<usize>from << 2);
  let target = address(p, Affine.Target) + (<usize>from << 2);
  const scale = f32x4.splat(float(p, Affine.Scale));
  const offset = f32x4.splat(float(p, Affine.Offset));
  const end = source + (<usize>(count & ~3) << 2);
  for (; source != end; source += 16, target += 16) {
    v128.store(target, madd(v128.load(source), scale, offset));
  }
  count &= 3;
  if (count) storePart(target, madd(loadPart(source, count, offset), scale, offset), count);
}
