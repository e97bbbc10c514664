import { Binary, type BinaryKind, Reduce, ReduceKind } from '../../assembly/tape/dense.ts';
import { Op } from '../../assembly/tape.ts';
import { axesOps } from './axes.ts';
import type { Emitter, Span, Tracer } from './rule.ts';
import { sourceOps } from './sources.ts';
import { BATCH, type Shape, sameShape, showShape, sizeOf, type Tensor } from './tensor.ts';

/**
 * The shape of an elementwise result: shapes are aligned at their last dimension, and a dimension of 1 fits any other
 * (as in NumPy). The batch is the first dimension and stays it: two shapes with a batch have as many dimensions.
 */
export function broadcastShape(a: Shape, b: Shape, fail: (message: string) => never): Shape {
  const rank = Math.max(a.length, b.length);
  const no = (why = ''): never => fail(`cannot combine ${showShape(a)} with ${showShape(b)}${why}`);
  for (const shape of [a, b]) {
    if (shape[0] === BATCH && shape.length < rank) no(': give both as many dimensions, with expandDims');
  }
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
    if (x !== y && x !== 1 && y !== 1) no();
    return x === 1 ? y : x;
  });
}

/** The gradient of a tensor of `shape` that was broadcast to the shape of dy: sums over what was repeated. */
export function sumTo(tracer: Tracer, dy: Tensor, shape: Shape, layer: string): Tensor {
  if (sameShape(dy.shape, shape)) return dy;
  const extra = dy.shape.length - shape.length;
  let d = dy;
  let removed = 0;
  let i = 0;
  while (i < dy.shape.length) {
    const from = i;
    const repeated = (n: number): boolean =>
      n < dy.shape.length && (n < extra || (shape[n - extra] === 1 && dy.shape[n] !== 1));
    while (repeated(i)) i++;
    if (i > from) {
      const axes = { from: from - removed, to: i - removed };
      d = tracer.add(axesOps.reduce, [d], { kind: ReduceKind.Sum, mean: false, ...axes }, layer);
      removed += i - from;
    }
    i++;
  }
  return sameShape(d.shape, shape)
    ? d
    : tracer.add(sourceOps.reshape, [d], { shape: rowShape(shape) }, layer);
}

/** Without the batch, as `reshape` takes it. */
export function rowShape(shape: Shape): Shape {
  return shape[0] === BATCH ? shape.slice(1) : shape;
}

/** Dimensions of the instruction. */
const DIMENSIONS = 5;

/** Sizes of an instruction's loops, and elements of each operand between neighbours, 0 where it is broadcast. */
export interface Strides {
  readonly sizes: readonly number[];
  readonly a: readonly number[];
  readonly b: readonly number[];
}

/** Neighbouring dimensions along which both operands go on alike become one. */
export function collapse(a: Shape, b: Shape, y: Shape, batch: number): Strides {
  const dims = y.map((d) => (d === BATCH ? batch : d));
  const strides = (shape: Shape): number[] => {
    let stride = 1;
    const result = dims.map(() => 0);
    for (let i = shape.length - 1; i >= 0; i--) {
      const size = sizeOf([shape[i]!], batch);
      if (size !== 1) result[i + dims.length - shape.length] = stride;
      stride *= size;
    }
    return result;
  };
  const [as, bs] = [strides(a), strides(b)];
  const sizes: number[] = [];
  const aStrides: number[] = [];
  const bStrides: number[] = [];
  dims.forEach((size, i) => {
    if (size === 1) return;
    const joins = (all: number[], stride: number): boolean => all.at(-1) === stride * size;
    if (sizes.length > 0 && joins(aStrides, as[i]!) && joins(bStrides, bs[i]!)) {
      sizes[sizes.length - 1]! *= size;
      aStrides[aStrides.length - 1] = as[i]!;
      bStrides[bStrides.length - 1] = bs[i]!;
    } else {
      sizes.push(size);
      aStrides.push(as[i]!);
      bStrides.push(bs[i]!);
    }
  });
  return { sizes, a: aStrides, b: bStrides };
}

/** Whether the instruction has dimensions enough, whatever the batch. */
export function fitsBinary(a: Shape, b: Shape, y: Shape): boolean {
  return collapse(a, b, y, 2).sizes.length <= DIMENSIONS;
}

interface Operand {
  readonly shape: Shape;
  readonly span: Span;
}

export function operand(e: Emitter, tensor: Tensor): Operand {
  return { shape: tensor.shape, span: e.span(tensor) };
}

/** y = a (kind) b, broadcast. */
export function emitBinary(e: Emitter, kind: BinaryKind, a: Operand, b: Operand, y: Tensor): void {
  const { sizes, a: aStrides, b: bStrides } = collapse(a.shape, b.shape, y.shape, e.batch);
  const front = <T>(list: readonly T[], fill: T): T[] => [
    ...Array.from({ length: DIMENSIONS - list.length }, () => fill),
    ...list,
  ];
  const [, d1, d2, d3, d4] = front(sizes, 1);
  const fields = (from: number, list: readonly number[]) =>
    Object.fromEntries(front(list, 0).map((stride, i) => [from + i, stride]));
  e.emit(
    Op.Binary,
    {
      [Binary.A]: a.span.start,
      [Binary.B]: b.span.start,
      [Binary.Target]: e.address(y),
      [Binary.Count]: e.size(y),
      [Binary.Kind]: kind,
      [Binary.D1]: d1!,
      [Binary.D2]: d2!,
      [Binary.D3]: d3!,
      [Binary.D4]: d4!,
      ...fields(Binary.A0, aStrides),
      ...fields(Binary.B0, bStrides),
    },
    Binary.Length,
    [a.span, b.span],
    [e.span(y)],
  );
}

/** y [outer, inner] at `target` = scale · what x [outer, reduced, inner] folds to. */
export function emitReduce(
  e: Emitter,
  x: Tensor,
  target: Span,
  { outer, reduced, inner }: { outer: number; reduced: number; inner: number },
  kind: ReduceKind = ReduceKind.Sum,
  scale = 1,
): void {
  e.emit(
    Op.Reduce,
    {
      [Reduce.Source]: e.address(x),
      [Reduce.Target]: target.start,
      [Reduce.Outer]: outer,
      [Reduce.Reduced]: reduced,
      [Reduce.Inner]: inner,
      [Reduce.Kind]: kind,
      [Reduce.Scale]: { f32: scale },
    },
    Reduce.Length,
    [e.span(x)],
    [target],
  );
}
