import { make, type Numbers, sum } from './numbers.ts';

/** y [rows, columns] = x + bias [columns] */
export function biasAdd(x: Numbers, bias: Numbers): number[] {
  return make(x.length, (i) => x[i]! + bias[i % bias.length]!);
}

/** dx = dy, dbias = sum of dy over the rows */
export function biasAddGradient(dy: Numbers, columns: number): [number[], number[]] {
  return [make(dy.length, (i) => dy[i]!), sumRows(dy, columns)];
}

/** y [columns] = sum over the rows of x [rows, columns] */
export function sumRows(x: Numbers, columns: number): number[] {
  return make(columns, (n) => sum(x.length / columns, (r) => x[r * columns + n]!));
}

/** y = x · scale + offset */
export function affine(x: Numbers, scale: number, offset: number): number[] {
  return make(x.length, (i) => x[i]! * scale + offset);
}

/** dx = dy · scale */
export function affineGradient(dy: Numbers, scale: number): number[] {
  return affine(dy, scale, 0);
}
