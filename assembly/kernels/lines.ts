/** `count` floats from s to d; where they end. */
export function copy(s: usize, d: usize, count: i32): usize {
  for (; count >= 4; count -= 4, s += 16, d += 16) v128.store(d, v128.load(s));
  for (; count > 0; count--, s += 4, d += 4) store<f32>(d, load<f32>(s));
  return d;
}

/** `count` zeros at d; where they end. */
export function zeros(d: usize, count: i32): usize {
  for (; count >= 4; count -= 4, d += 16) v128.store(d, f32x4.splat(0));
  for (; count > 0; count--, d += 4) store<f32>(d, 0);
  return d;
}

/** Parts of `size` that `count` is cut into; the last may be smaller. */
// @ts-ignore: decorator
@inline
export function parts(count: i32, size: i32): i32 {
  return (count + size - 1) / size;
}
