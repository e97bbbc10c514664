import { make, type Numbers } from './numbers.ts';

/** dst[r, :] = src[index[cursor + r], :]; without an index, rows in order. */
export function gather(
  source: Numbers,
  index: Numbers | undefined,
  cursor: number,
  rows: number,
  columns: number,
): number[] {
  return make(rows * columns, (i) => {
    const at = cursor + Math.floor(i / columns);
    return source[(index ? index[at]! : at) * columns + (i % columns)]!;
  });
}
