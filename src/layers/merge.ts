import { BinaryKind } from '../../assembly/tape/dense.ts';
import { integer, knownKeys } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { arithmeticOps } from '../ops/arithmetic.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import { mergeOps } from '../ops/merge.ts';
import { type Shape, sameShape, showShape, type Tensor } from '../ops/tensor.ts';
import { chainMasks, joinMasks } from './masks.ts';
import { type LayerOptions, layerName } from './options.ts';
import { type CallableMerge, callable } from './symbolic.ts';

/** Two or more. */
const SEVERAL = { least: 2, most: Infinity };

type Step = (graph: Graph, a: Tensor, b: Tensor) => Tensor;

const sum: Step = (graph, a, b) => graph.add(arithmeticOps.binary, [a, b], { kind: BinaryKind.Add });

/** Whether a dimension of 1 in one shape is all that differs from the other. */
function fits(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i] || d === 1 || b[i] === 1);
}

/** From the first input to the last, two at a time, elementwise; dimensions of 1 are repeated. */
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
      const y = rest.reduce((so, next) => {
        if (fits(so.shape, next.shape)) return step(graph, so, next);
        throw new UsageError(
          `layer '${graph.layer}': ${type} needs inputs of one shape, or with dimensions of 1, got ` +
            inputs.map((t) => showShape(t.shape)).join(', '),
        );
      }, head);
      return finish(graph, y, inputs.length);
    },
  });
}

/** y = a + b + …, elementwise; a dimension of 1 fits any. A residual is `add()([x, f(x)])`. */
export function add(options: LayerOptions = {}): CallableMerge {
  return fold('add', options, sum);
}

/** y = a · b · …, elementwise; a dimension of 1 fits any: [batch, 8, 8, 16] times a gate [batch, 1, 1, 16]. */
export function multiply(options: LayerOptions = {}): CallableMerge {
  return fold('multiply', options, (graph, a, b) =>
    graph.add(arithmeticOps.binary, [a, b], { kind: BinaryKind.Multiply }),
  );
}

/** The mean of its inputs, elementwise; a dimension of 1 fits any. */
export function average(options: LayerOptions = {}): CallableMerge {
  return fold('average', options, sum, (graph, y, count) =>
    graph.add(elementwiseOps.affine, [y], { scale: 1 / count, offset: 0 }),
  );
}

/**
 * The largest of its inputs, elementwise; a dimension of 1 fits any. Where two are equal each gets half of the gradient, as
 * PyTorch's `maximum` does.
 */
export function maximum(options: LayerOptions = {}): CallableMerge {
  return fold('maximum', options, (graph, a, b) =>
    sameShape(a.shape, b.shape)
      ? graph.add(mergeOps.maximum, [a, b], {})
      : graph.add(arithmeticOps.binary, [a, b], { kind: BinaryKind.Maximum }),
  );
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
