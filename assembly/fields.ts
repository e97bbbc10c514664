/** Reading the fields of an instruction. */

// @ts-ignore: decorator
@inline
export function word(instruction: usize, field: i32): i32 {
  return load<i32>(instruction + (<usize>field << 2));
}

// @ts-ignore: decorator
@inline
export function address(instruction: usize, field: i32): usize {
  return load<u32>(instruction + (<usize>field << 2));
}

// @ts-ignore: decorator
@inline
export function float(instruction: usize, field: i32): f32 {
  return load<f32>(instruction + (<usize>field << 2));
}
