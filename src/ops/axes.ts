import { ReduceKind } from '../../assembly/tape/dense.ts';
import { arithmeticOps, tieGradient } from './arithmetic.ts';
import { emitReduce, rowShape } from './broadcast.ts';
import { elementwiseOps } from './elementwise.ts';
import type { Rules, Tracer } from './rule.ts';
import { sourceOps } from './sources.ts';
import { type Shape, sizeOf, type Tensor } from './tensor.ts';

/** The gradient of a reduction has dimensions of 1 where axes were reduced. */
function kept(tracer: Tracer, tensor: Tensor<'reduce'>, value: Tensor): Tensor {
  const { from, to } = tensor.attributes;
  const { shape } = tensor.inputs[0]!;
  const ones = shape.map((d, i) => (i >= from && i < to ? 1 : d));
  return tracer.add(sourceOps.reshape, [value], { shape: rowShape(ones) }, tensor.layer);
}

export const axesOps: Rules<'reduce'> = {
  reduce: {
    name: 'reduce',
    shape: ([x], { from, to }) => [...x!.shape.slice(0, from), ...x!.shape.slice(to)],
    // of a sum dy for each term; of the largest a part for each that is it
    gradient: (tracer, tensor, dy) => {
      const x = tensor.inputs[0]!;
      const { kind, mean, from, to } = tensor.attributes;
      const { layer } = tensor;
      const d = kept(tracer, tensor, dy);
      if (kind === ReduceKind.Sum) {
        const scale = 1 / sizeOf(x.shape.slice(from, to), 1);
        const each: Tensor = mean ? tracer.add(elementwiseOps.affine, [d], { scale, offset: 0 }, layer) : d;
        return [[x, tracer.add(arithmeticOps.expand, [each], { shape: x.shape }, layer)]];
      }
      const count = (hits: Tensor): Tensor =>
        kept(
          tracer,
          tensor,
          tracer.add(axesOps.reduce, [hits], { kind: ReduceKind.Sum, mean: false, from, to }, layer),
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
};
