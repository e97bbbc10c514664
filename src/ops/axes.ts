import { Op, ReduceKind, Transpose } from '../../assembly/tape.ts';
import { tieGradient } from './arithmetic.ts';
import { emitReduce, rowShape } from './broadcast.ts';
import type { Emitter, Rules, Tracer } from './rule.ts';
import { BATCH, type Shape, showShape, sizeOf, type Tensor } from './tensor.ts';

/** The gradient of a reduction has dimensions of 1 where axes were reduced. */
function kept(tracer: Tracer, tensor: Tensor<'reduce'>, value: Tensor): Tensor {
  const { from, to } = tensor.attributes;
  const { shape } = tensor.inputs[0]!;
  const ones = shape.map((d, i) => (i >= from && i < to ? 1 : d));
  return tracer.add('reshape', [value], { shape: rowShape(ones) }, tensor.layer);
}

/** Strides of a dense tensor. */
function stridesOf(sizes: readonly number[]): number[] {
  return sizes.map((_, i) => sizes.slice(i + 1).reduce((a, b) => a * b, 1));
}

interface Loop {
  readonly size: number;
  /** Floats between neighbours in the source, and in the target. */
  readonly source: number;
  readonly target: number;
}

/** The dimensions of the target, in its order; neighbours that are neighbours in the source too become one. */
function loops(shape: Shape, permutation: readonly number[], batch: number): readonly Loop[] {
  const sizes = shape.map((d) => (d === BATCH ? batch : d));
  const source = stridesOf(sizes);
  const groups: { size: number; source: number }[] = [];
  for (const axis of permutation) {
    const size = sizes[axis]!;
    if (size === 1) continue;
    const last = groups.at(-1);
    if (last && last.source === source[axis]! * size) {
      last.size *= size;
      last.source = source[axis]!;
    } else {
      groups.push({ size, source: source[axis]! });
    }
  }
  const target = stridesOf(groups.map(({ size }) => size));
  return groups.map((group, i) => ({ ...group, target: target[i]! }));
}

/** Loops around the two inner ones. */
const OUTER = 3;

function emitTranspose(e: Emitter, x: Tensor, y: Tensor, permutation: readonly number[]): void {
  const one = { size: e.size(x) === 0 ? 0 : 1, source: 0, target: 0 };
  const list = [...loops(x.shape, permutation, e.batch)];
  const Q = list.pop() ?? { ...one, source: 1 };
  // the dimension that runs along the source, unless that is Q; else the largest is cut among threads
  const along = Q.source === 1 ? 0 : list.findIndex(({ source }) => source === 1);
  const P = list.splice(along, 1)[0] ?? one;
  const outer = [...Array.from({ length: OUTER - list.length }, () => ({ ...one, size: 1 })), ...list];
  const [o0, o1, o2] = outer as [Loop, Loop, Loop];
  e.emit(
    Op.Transpose,
    {
      [Transpose.Source]: e.address(x),
      [Transpose.Target]: e.address(y),
      [Transpose.O0]: o0.size,
      [Transpose.O1]: o1.size,
      [Transpose.O2]: o2.size,
      [Transpose.P]: P.size,
      [Transpose.Q]: Q.size,
      [Transpose.Source0]: o0.source,
      [Transpose.Source1]: o1.source,
      [Transpose.Source2]: o2.source,
      [Transpose.SourceP]: P.source,
      [Transpose.SourceQ]: Q.source,
      [Transpose.Target0]: o0.target,
      [Transpose.Target1]: o1.target,
      [Transpose.Target2]: o2.target,
      [Transpose.TargetP]: P.target,
    },
    Transpose.Length,
    [e.span(x)],
    [e.span(y)],
  );
}

export const axes: Rules<'reduce' | 'transpose'> = {
  reduce: {
    shape: ([x], { from, to }) => [...x!.shape.slice(0, from), ...x!.shape.slice(to)],
    // of a sum dy for each term; of the largest a part for each that is it
    gradient: (tracer, tensor, dy) => {
      const x = tensor.inputs[0]!;
      const { kind, mean, from, to } = tensor.attributes;
      const { layer } = tensor;
      const d = kept(tracer, tensor, dy);
      if (kind === ReduceKind.Sum) {
        const scale = 1 / sizeOf(x.shape.slice(from, to), 1);
        const each: Tensor = mean ? tracer.add('affine', [d], { scale, offset: 0 }, layer) : d;
        return [[x, tracer.add('expand', [each], { shape: x.shape }, layer)]];
      }
      const count = (hits: Tensor): Tensor =>
        kept(
          tracer,
          tensor,
          tracer.add('reduce', [hits], { kind: ReduceKind.Sum, mean: false, from, to }, layer),
        );
      const y = kept(tracer, tensor, tensor as unknown as Tensor);
      return [[x, tieGradient(tracer, x, y, d, count, layer)]];
    },
    emit: (e, { tensor, output }) => {
      const { kind, mean, from, to } = tensor.attributes;
      const { shape } = tensor.inputs[0]!;
      const size = (part: Shape): number => sizeOf(part, e.batch);
      const sizes = {
        outer: size(shape.slice(0, from)),
        reduced: size(shape.slice(from, to)),
        inner: size(shape.slice(to)),
      };
      emitReduce(e, tensor.inputs[0]!, e.span(output), sizes, kind, mean ? 1 / sizes.reduced : 1);
    },
  },

  transpose: {
    shape: ([x], { permutation }, fail) => {
      if (loops(x!.shape, permutation, 2).length > OUTER + 2) {
        fail(
          `cannot bring the axes of ${showShape(x!.shape)} into the order [${permutation.join(', ')}] at once`,
        );
      }
      return permutation.map((axis) => x!.shape[axis]!);
    },
    // the inverse permutation
    gradient: (tracer, { inputs: [x], attributes: { permutation }, layer }, dy) => [
      [
        x!,
        tracer.add(
          'transpose',
          [dy],
          { permutation: permutation.map((_, i) => permutation.indexOf(i)) },
          layer,
        ),
      ],
    ],
    emit: (e, { tensor, output }) =>
      emitTranspose(e, tensor.inputs[0]!, output, tensor.attributes.permutation),
  },
};
