import { BinaryKind } from '../../assembly/tape.ts';
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

export function binary(kind: BinaryKind, a: Numbers, b: Numbers): number[] {
  return make(a.length, (i) => {
    if (kind === BinaryKind.Add) return a[i]! + b[i]!;
    if (kind === BinaryKind.Subtract) return a[i]! - b[i]!;
    return a[i]! * b[i]!;
  });
}

/** d(a + b) = da + db; d(a - b) = da - db; d(a b) = b da + a db */
export function binaryGradient(kind: BinaryKind, a: Numbers, b: Numbers, dy: Numbers): [number[], number[]] {
  const product = kind === BinaryKind.Multiply;
  const sign = kind === BinaryKind.Subtract ? -1 : 1;
  return [
    make(dy.length, (i) => dy[i]! * (product ? b[i]! : 1)),
    make(dy.length, (i) => dy[i]! * (product ? a[i]! : sign)),
  ];
}

/** y = x · scale + offset */
export function affine(x: Numbers, scale: number, offset: number): number[] {
  return make(x.length, (i) => x[i]! * scale + offset);
}

/** dx = dy · scale */
export function affineGradient(dy: Numbers, scale: number): number[] {
  return affine(dy, scale, 0);
}
