import { UsageError } from '../errors.ts';
import type { AnyLayer } from '../layers/layer.ts';
import { BATCH, sameShape, showShape } from '../ops/tensor.ts';
import type { Model } from './model.ts';

/** A model as a layer of another, whose weights are part of that one's, as encoder/dense/kernel. */
export interface ModelLayer extends AnyLayer {
  readonly model: Model<unknown>;
}

export function isModelLayer(layer: AnyLayer): layer is ModelLayer {
  return 'model' in layer;
}

export function modelLayer(model: Model<unknown>): ModelLayer {
  const { type, name, architecture, checkpoint } = model;
  const { inputs, specs } = architecture;
  return {
    type,
    name,
    model,
    get config() {
      return model.toConfig();
    },
    inputs: inputs.length,
    indices: inputs.map(({ indices }) => indices),
    streams: 0,
    stateful: architecture.stateful,
    resultShapes: architecture.outputs.map(({ shape }) => shape),

    parameters(shapes, layer) {
      for (const [i, { name: port, shape }] of inputs.entries()) {
        const [row, got] = [shape.slice(1), shapes[i]!];
        if (sameShape(row, got)) continue;
        throw new UsageError(
          `layer '${layer}' is a model whose input '${port}' has shape ${showShape(shape)}, got ${showShape([BATCH, ...got])}`,
        );
      }
      return specs;
    },

    trace(xs, context) {
      const { graph, parameters, training } = context;
      const prefix = `${graph.layer}/`;
      const trace = () => architecture.trace(xs, parameters, context, prefix);
      return checkpoint && training ? graph.checkpoint(trace) : trace();
    },
  };
}
