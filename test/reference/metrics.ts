import { make, type Numbers, sum } from './numbers.ts';

function firstLargest(x: Numbers, from: number, columns: number): number {
  let best = 0;
  for (let n = 1; n < columns; n++) if (x[from + n]! > x[from + best]!) best = n;
  return best;
}

/** 1 where the first largest element of a row is the class; targets are classes or rows of weights. */
export function classHits(x: Numbers, t: Numbers, columns: number, sparse: boolean): number[] {
  return make(x.length / columns, (r) => {
    const wanted = sparse ? t[r]! : firstLargest(t, r * columns, columns);
    return firstLargest(x, r * columns, columns) === wanted ? 1 : 0;
  });
}

/** Mean over the columns of (x > threshold) == (t > 0.5) */
export function binaryHits(x: Numbers, t: Numbers, columns: number, threshold: number): number[] {
  const hit = (i: number): number => (x[i]! > threshold === t[i]! > 0.5 ? 1 : 0);
  return make(x.length / columns, (r) => sum(columns, (n) => hit(r * columns + n)) / columns);
}
