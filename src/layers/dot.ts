import { Activation, BinaryKind, ReduceKind } from '../../assembly/tape/dense.ts';
import { flag, integer, knownKeys } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { activationOps } from '../ops/activations.ts';
import { arithmeticOps } from '../ops/arithmetic.ts';
import { axesOps } from '../ops/axes.ts';
import { batchedOps } from '../ops/batched.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import { mergeOps } from '../ops/merge.ts';
import { sourceOps } from '../ops/sources.ts';
import { type Shape, showShape, type Tensor } from '../ops/tensor.ts';
import { type LayerOptions, layerName, written } from './options.ts';
import { type CallableMerge, callable } from './symbolic.ts';

export interface DotOptions extends LayerOptions {
  /**
   * The axis of each input that is summed over, or one for both, from 1 (0 is the batch) or from the end; of inputs
   * [batch, n] or [batch, …, …], as Keras' `Dot` has it: a [batch, i, n] and b [batch, j, n] with axes 2 give
   * [batch, i, j]. Default: the last axis, position by position: a, b [batch, …, n] give [batch, …, 1].
   */
  axes?: number | readonly [number, number];
  /** Divides both by their Euclidean norms along these axes: the cosine of their angle. Default false. */
  normalize?: boolean;
}

/**
 * Dot products of two inputs.
 * @throws UsageError on an axis out of range or, when it is applied, on inputs that do not fit.
 */
export function dot(options: DotOptions = {}): CallableMerge {
  knownKeys(options, ['name', 'axes', 'normalize'], 'dot');
  const { axes } = options;
  const pair =
    axes === undefined
      ? undefined
      : ((typeof axes === 'number' ? [axes, axes] : checkedPair(axes)).map((axis) =>
          integer(axis, 'dot: axes', -2, 2),
        ) as [number, number]);
  const normalize = flag(options.normalize ?? false, 'dot: normalize');
  return callable({
    type: 'dot',
    name: layerName(options, 'dot'),
    config: written({ axes: pair, normalize: normalize || undefined }),
    inputs: 2,
    streams: 0,
    trace: ([a, b], { graph }) => {
      const [x, y] = [a!, b!];
      if (!pair) {
        if (x.shape.length < 2) fail(graph, `needs [batch, …, n], got ${showShape(x.shape)}`);
        const last = x.shape.length - 1;
        const parts = normalize ? [unit(graph, x, last), unit(graph, y, y.shape.length - 1)] : [x, y];
        return graph.add(mergeOps.rowDot, parts, {});
      }
      const [i, j] = [axisOf(graph, x, pair[0]), axisOf(graph, y, pair[1])];
      if (x.shape[i] !== y.shape[j]) {
        fail(
          graph,
          `sums over axis ${i} of ${showShape(x.shape)} and ${j} of ${showShape(y.shape)}, which differ`,
        );
      }
      const [u, v] = normalize ? [unit(graph, x, i), unit(graph, y, j)] : [x, y];
      // a vector is a matrix of one row, or of one column
      const left = u.shape.length === 2 ? reshape(graph, u, [1, u.shape[1]!]) : u;
      const right = v.shape.length === 2 ? reshape(graph, v, [v.shape[1]!, 1]) : v;
      const product: Tensor = graph.add(batchedOps.batchedMatmul, [left, right], {
        transposeA: u.shape.length === 3 && i === 1,
        transposeB: v.shape.length === 3 && j === 2,
      });
      const kept = [...without(u.shape, i), ...without(v.shape, j)];
      return reshape(graph, product, kept.length > 0 ? kept : [1]);
    },
  });
}

function checkedPair(axes: unknown): readonly unknown[] {
  if (Array.isArray(axes) && axes.length === 2) return axes;
  throw new UsageError('dot: axes must be an integer or two of them, one for each input');
}

function fail(graph: Graph, message: string): never {
  throw new UsageError(`layer '${graph.layer}': dot ${message}`);
}

function axisOf(graph: Graph, { shape }: Tensor, axis: number): number {
  const i = axis < 0 ? axis + shape.length : axis;
  if (shape.length >= 2 && shape.length <= 3 && i >= 1 && i < shape.length) return i;
  return fail(
    graph,
    `with axes needs [batch, n] or [batch, …, …] and axes within them, got axis ${axis} of ${showShape(shape)}`,
  );
}

/** Dimensions of a row but one. */
function without(shape: Shape, axis: number): readonly number[] {
  return shape.filter((_, i) => i !== 0 && i !== axis);
}

function reshape(graph: Graph, x: Tensor, shape: readonly number[]): Tensor {
  return graph.add(sourceOps.reshape, [x], { shape });
}

/** What a sum of squares is at least, as in Keras. */
const LEAST = 1e-12;

/** x / sqrt(sum x² + 1e-12) along an axis. */
function unit(graph: Graph, x: Tensor, axis: number): Tensor {
  const squares: Tensor = graph.add(activationOps.activation, [x], { kind: Activation.Square, alpha: 0 });
  const reduction = { kind: ReduceKind.Sum, mean: false, from: axis, to: axis + 1 };
  const sum: Tensor = graph.add(axesOps.reduce, [squares], reduction);
  const safe: Tensor = graph.add(elementwiseOps.affine, [sum], { scale: 1, offset: LEAST });
  const norm: Tensor = graph.add(activationOps.activation, [safe], { kind: Activation.Sqrt, alpha: 0 });
  const row = x.shape.slice(1).map((d, i) => (i + 1 === axis ? 1 : d));
  return graph.add(arithmeticOps.binary, [x, reshape(graph, norm, row)], { kind: BinaryKind.Divide });
}
