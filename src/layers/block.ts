import { Graph } from '../graph/graph.ts';
import { sourceOps } from '../ops/sources.ts';
import type { Tensor } from '../ops/tensor.ts';
import type { AnyLayer, Each, Layer, ParameterSpec } from './layer.ts';
import { callForShapes, callLayer, specsOf } from './symbolic.ts';

/** Applies a layer within a block, `name` being its name there. */
export type Use = (name: string, layer: AnyLayer, ...inputs: Each<Tensor>) => Tensor;

/**
 * A layer of layers, whose parameters are named attention/kernel. `body` is traced several times: the same uses in the
 * same order each time. The streams of random numbers are those of its parts.
 */
export function block<T extends Omit<Layer, 'parameters' | 'trace' | 'streams'>>(
  fields: T,
  body: (inputs: Each<Tensor>, use: Use) => Tensor,
): T & Layer {
  return {
    ...fields,
    streams: 0,

    parameters(shapes, name) {
      const graph = new Graph();
      const all: ParameterSpec[] = [];
      const xs = shapes.map(
        (shape): Tensor => graph.add(sourceOps.input, [], { name: 'x', shape, type: 'f32' }),
      );
      body(xs as unknown as Each<Tensor>, (part, layer, ...inputs) => {
        const full = `${name}/${part}`;
        const own = specsOf(layer, inputs, full);
        all.push(...own.map((spec) => ({ ...spec, name: `${part}/${spec.name}` })));
        return callForShapes(layer, inputs, own, graph, full)[0]!;
      });
      return all;
    },

    /** Each part takes its parameters in turn. */
    trace(inputs, context) {
      const name = context.graph.layer;
      let next = 0;
      return body(inputs, (part, layer, ...xs) => {
        const full = `${name}/${part}`;
        const first = next;
        next += specsOf(layer, xs, full).length;
        return callLayer(layer, xs, context.parameters.slice(first, next), context, full)[0]!;
      });
    },
  };
}
