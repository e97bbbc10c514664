import { make, type Numbers, sum } from './numbers.ts';

/** Rows of the parts side by side; `widths` are their numbers for each row. */
export function concatenate(parts: readonly Numbers[], widths: readonly number[]): number[] {
  const rows = parts[0]!.length / widths[0]!;
  return make(rows, (r) => parts.map((part, i) => slice(part, widths[i]!, r))).flat(2);
}

function slice(x: Numbers, width: number, row: number): number[] {
  return make(width, (i) => x[row * width + i]!);
}

/** `width` numbers of each row of x, whose rows have `stride`, from the `from`-th on. */
export function columns(x: Numbers, stride: number, from: number, width: number): number[] {
  return make(x.length / stride, (r) => make(width, (i) => x[r * stride + from + i]!)).flat();
}

/** The other way: `width` numbers of each row among zeros. */
export function between(dy: Numbers, rows: number, stride: number, from: number, width: number): number[] {
  return make(rows * stride, (i) => {
    const column = (i % stride) - from;
    return column >= 0 && column < width ? dy[Math.floor(i / stride) * width + column]! : 0;
  });
}

export function maximum(a: Numbers, b: Numbers): number[] {
  return make(a.length, (i) => Math.max(a[i]!, b[i]!));
}

/** da = dy where a > b; half of it where they are equal. */
export function maximumGradient(dy: Numbers, a: Numbers, b: Numbers): number[] {
  return make(dy.length, (i) => dy[i]! * (a[i]! > b[i]! ? 1 : a[i] === b[i] ? 0.5 : 0));
}

export function rowDot(a: Numbers, b: Numbers, width: number): number[] {
  return make(a.length / width, (r) => sum(width, (i) => a[r * width + i]! * b[r * width + i]!));
}

export function scaleRows(x: Numbers, scale: Numbers): number[] {
  const width = x.length / scale.length;
  return make(x.length, (i) => x[i]! * scale[Math.floor(i / width)]!);
}
