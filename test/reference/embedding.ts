import { make, type Numbers } from './numbers.ts';

/** y [count, columns] = table[indices] */
export function embedding(indices: Numbers, table: Numbers, columns: number): number[] {
  return make(
    indices.length * columns,
    (i) => table[indices[Math.floor(i / columns)]! * columns + (i % columns)]!,
  );
}

/** dtable [rows, columns] = sum of dy over the places of each index */
export function embeddingGradient(dy: Numbers, indices: Numbers, rows: number, columns: number): number[] {
  const sums = make(rows * columns, () => 0);
  for (let i = 0; i < dy.length; i++) {
    const at = indices[Math.floor(i / columns)]! * columns + (i % columns);
    sums[at] = sums[at]! + dy[i]!;
  }
  return sums;
}

/** Rows that the integers name, each once, rising, and of each integer which of them it names. */
export function distinctRows(indices: Numbers): { places: number[]; rows: number[] } {
  const rows = [...new Set(Array.from(indices))].sort((a, b) => a - b);
  return { places: Array.from(indices, (index) => rows.indexOf(index)), rows };
}
