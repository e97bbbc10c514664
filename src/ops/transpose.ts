import { Transpose } from '../../assembly/tape/tensors.ts';
import { Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import type { Emitter, Rules } from './rule.ts';
import { BATCH, type Shape, showShape, type Tensor } from './tensor.ts';

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

export const transposeOps: Rules<'transpose'> = {
  transpose: {
    name: 'transpose',
    family: families.tensors,
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
          transposeOps.transpose,
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
