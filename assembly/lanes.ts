/**
 * Ends of rows: vectors of 1 to 3 elements, read and written without touching their neighbours.
 * The missing lanes go through the same vector arithmetic, so a result never depends on its lane.
 */

/** The first `count` (1..3) floats at `p`; the other lanes hold `fill`. */
// @ts-ignore: decorator
@inline
export function loadPart(p: usize, count: i32, fill: v128): v128 {
  let v = v128.load_lane<f32>(p, fill, 0);
  if (count > 1) v = v128.load_lane<f32>(p, v, 1, 4);
  if (count > 2) v = v128.load_lane<f32>(p, v, 2, 8);
  return v;
}

/** The first `count` (1..3) lanes of `v` to `p`. */
// @ts-ignore: decorator
@inline
export function storePart(p: usize, v: v128, count: i32): void {
  v128.store_lane<f32>(p, v, 0);
  if (count > 1) v128.store_lane<f32>(p, v, 1, 4);
  if (count > 2) v128.store_lane<f32>(p, v, 2, 8);
}

/** The first `count` floats at `p`, at most four; the other lanes hold 0. */
// @ts-ignore: decorator
@inline
export function loadUpTo(p: usize, count: i32): v128 {
  return count >= 4 ? v128.load(p) : loadPart(p, count, f32x4.splat(0));
}

/** The first `count` lanes of `v`, at most four, to `p`. */
// @ts-ignore: decorator
@inline
export function storeUpTo(p: usize, v: v128, count: i32): void {
  if (count >= 4) v128.store(p, v);
  else storePart(p, v, count);
}
