import { BinaryKind } from '../../assembly/tape/dense.ts';
import { integer, knownKeys } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { arithmeticOps } from '../ops/arithmetic.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import { mergeOps } from '../ops/merge.ts';
import { sameShape, showShape, type Tensor } from '../ops/tensor.ts';
import { chainMasks, joinMasks } from './masks.ts';
import { type LayerOptions, layerName } from './options.ts';
import { type CallableMerge, callable } from './symbolic.ts';

/** Two or more. */
const SEVERAL = { least: 2, most: Infinity };

type Step = (graph: Graph, a: Tensor, b: Tensor) => Tensor;

const sum: Step = (graph, a, b) => graph.add(arithmeticOps.binary, [a, b], { kind: BinaryKind.Add });

/** From the first input to the last, two at a time, elementwise. */
function fold(
  type: string,
  options: LayerOptions,
  step: Step,
  finish = (_: Graph, y: Tensor, __: number): Tensor => y,
): CallableMerge {
  knownKeys(options, ['name'], type);
  return callable({
    type,
    name: layerName(options, type),
    config: {},
    inputs: SEVERAL,
    streams: 0,
    passesMask: true,
    trace: (inputs, { graph }) => {
      const [head, ...rest] = inputs;
      for (const { shape } of rest) {
        if (sameShape(shape, head.shape)) continue;
        throw new UsageError(
          `layer '${graph.layer}': ${type} needs inputs of one shape, got ${inputs.map((t) => showShape(t.shape)).join(', ')}`,
        );
      }
      const y = rest.reduce((so, next) => step(graph, so, next), head);
      return finish(graph, y, inputs.length);
    },
  });
}

/** y = a + b + …, elementwise; all inputs have one shape. A residual is `add()([x, f(x)])`. */
export function add(options: LayerOptions = {}): CallableMerge {
  return fold('add', options, sum);
}

/** y = a · b · …, elementwise; all inputs have one shape. */
export function multiply(options: LayerOptions = {}): CallableMerge {
  return fold('multiply', options, (graph, a, b) =>
    graph.add(arithmeticOps.binary, [a, b], { kind: BinaryKind.Multiply }),
  );
}

/** The mean of its inputs, elementwise; all have one shape. */
export function average(options: LayerOptions = {}): CallableMerge {
  return fold('average', options, sum, (graph, y, count) =>
    graph.add(elementwiseOps.affine, [y], { scale: 1 / count, offset: 0 }),
  );
}

/**
 * The largest of its inputs, elementwise; all have one shape. Where two are equal each gets half of the gradient, as
 * PyTorch's `maximum` does.
 */
export function maximum(options: LayerOptions = {}): CallableMerge {
  return fold('maximum', options, (graph, a, b) => graph.add(mergeOps.maximum, [a, b], {}));
}

export interface ConcatenateOptions extends LayerOptions {
  /** From 1 (0 is the batch), or from the end: -1 is the last. Default -1. */
  axis?: number;
}

/**
 * Its inputs one after the other along an axis, in which alone their shapes may differ.
 * @throws UsageError on an axis out of range, or inputs that differ elsewhere, when it is applied.
 */
export function concatenate(options: ConcatenateOptions = {}): CallableMerge {
  knownKeys(options, ['name', 'axis'], 'concatenate');
  const axis = integer(options.axis ?? -1, 'concatenate: axis', -16, 16);
  return callable({
    type: 'concatenate',
    name: layerName(options, 'concatenate'),
    config: { axis },
    inputs: SEVERAL,
    streams: 0,
    trace: (inputs, { graph }) => {
      const along = axis < 0 ? axis + inputs[0]!.shape.length : axis;
      const y: Tensor = graph.add(mergeOps.concatenate, inputs, { axis: along });
      const mask = along === 1 ? chainMasks(graph, inputs) : joinMasks(graph, inputs);
      if (mask) graph.masks.set(y, mask);
      return y;
    },
  });
}

/** The dot product of two inputs over their last axis: a, b [batch, …, n], y [batch, …, 1]. */
export function dot(options: LayerOptions = {}): CallableMerge {
  knownKeys(options, ['name'], 'dot');
  return callable({
    type: 'dot',
    name: layerName(options, 'dot'),
    config: {},
    inputs: 2,
    streams: 0,
    trace: (inputs, { graph }) => {
      if (inputs[0]!.shape.length < 2) {
        throw new UsageError(
          `layer '${graph.layer}': dot needs [batch, …, n], got ${showShape(inputs[0]!.shape)}`,
        );
      }
      return graph.add(mergeOps.rowDot, inputs, {});
    },
  });
}
