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

/** How many rows of a table a list has: `rows` is | number | row | row | …, see DistinctRows. */
// @ts-ignore: decorator
@inline
export function rowCount(rows: usize): i32 {
  return load<i32>(rows);
}

/** The row at place `i` of a list. */
// @ts-ignore: decorator
@inline
export function rowAt(rows: usize, i: i32): usize {
  return load<u32>(rows + (<usize>i << 2), 4);
}
