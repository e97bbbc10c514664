/** Somewhere for what was read to go, so that the loads are not left out. */
let fetched: i32 = 0;

/**
 * Reads a word of each cache line of x [rows][bytes], `stride` bytes apart: what lies in memory is on its way at once, some
 * twenty lines at a time, where a kernel that computes on it would wait for line after line.
 */
export function fetchRows(x: usize, stride: usize, rows: i32, bytes: usize): void {
  let some = 0;
  for (; rows > 0; rows--, x += stride) {
    for (let i: usize = 0; i < bytes; i += 64) some |= load<i32>(x + i);
  }
  fetched = some;
}
