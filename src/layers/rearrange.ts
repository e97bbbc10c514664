import { flag, integer, knownKeys, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import { showShape, sizeOf } from '../ops/tensor.ts';
import { type InitializerLike, initializerConfig } from './initializers.ts';
import { mul, neg, relu, sub } from './operations/elementwise.ts';
import { broadcastTo, expandDims, transpose } from './operations/shapes.ts';
import { type LayerOptions, layerName, written } from './options.ts';
import { type Regularizer, regularizer } from './regularizers.ts';
import { type CallableLayer, callable } from './symbolic.ts';

/**
 * Axes in another order: `permute([2, 1])` makes [batch, a, b] to [batch, b, a].
 * @param dims For each axis of the result the axis of the input that it is; axes count from 1, the batch not among them.
 * @throws UsageError when they are no permutation of 1 to n; when it is applied to another number of axes.
 */
export function permute(dims: readonly number[], options: LayerOptions = {}): CallableLayer {
  knownKeys(options, ['name'], 'permute');
  const count = Array.isArray(dims) ? dims.length : 0;
  const each = new Set<unknown>(count > 0 ? dims : []);
  if (count === 0 || !Array.from(dims, (_, i) => each.has(i + 1)).every(Boolean)) {
    throw new UsageError(
      `permute: dims must name each axis from 1 on once, such as [2, 1], got ${show(dims)}`,
    );
  }
  return callable({
    type: 'permute',
    name: layerName(options, 'permute'),
    config: { dims: [...dims] },
    trace: ([x], { graph }) => {
      if (x.shape.length !== count + 1) {
        throw new UsageError(
          `layer '${graph.layer}': permute(${show(dims)}) takes ${count} axes besides the batch, got ${showShape(x.shape)}`,
        );
      }
      return transpose(x, [0, ...dims]);
    },
  });
}

/**
 * Each row n times: x [batch, features], y [batch, n, features].
 * @param n At least 1.
 * @throws UsageError on another n, or when it is applied to rows that are no vectors.
 */
export function repeatVector(n: number, options: LayerOptions = {}): CallableLayer {
  knownKeys(options, ['name'], 'repeatVector');
  integer(n, 'repeatVector: n', 1);
  return callable({
    type: 'repeatVector',
    name: layerName(options, 'repeatVector'),
    config: { n },
    trace: ([x], { graph }) => {
      if (x.shape.length !== 2) {
        throw new UsageError(
          `layer '${graph.layer}': repeatVector takes [batch, features], got ${showShape(x.shape)}`,
        );
      }
      return broadcastTo(expandDims(x, 1), [-1, n, x.shape[1]!]);
    },
  });
}

export interface PreluOptions extends LayerOptions {
  /** Axes, counted from 1, along which one slope serves all: [1, 2] after conv2d, a slope for each channel. Default: none. */
  sharedAxes?: readonly number[];
  /** Default 'zeros'. */
  alphaInitializer?: InitializerLike;
  /** Penalty on the slopes. Default: none. */
  alphaRegularizer?: Regularizer;
  /** False: training leaves the slopes as they are. Default true. */
  trainable?: boolean;
}

/**
 * max(x, 0) + alpha · min(x, 0) with learned slopes (He et al. 2015): alpha has the shape of a row, with 1 for shared axes.
 * The gradient is 0 at 0, as in Keras.
 * @throws UsageError on an option out of range; on an axis that its input does not have, when it is applied.
 */
export function prelu(options: PreluOptions = {}): CallableLayer {
  const what = 'prelu';
  knownKeys(options, ['name', 'sharedAxes', 'alphaInitializer', 'alphaRegularizer', 'trainable'], what);
  const sharedAxes = options.sharedAxes ?? [];
  if (!Array.isArray(sharedAxes)) {
    throw new UsageError(
      `${what}: sharedAxes must be axes from 1 on, such as [1, 2], got ${show(sharedAxes)}`,
    );
  }
  for (const axis of sharedAxes) integer(axis, `${what}: sharedAxes`, 1);
  const alphaInitializer = initializerConfig(
    options.alphaInitializer ?? 'zeros',
    `${what}: alphaInitializer`,
  );
  const alphaRegularizer = regularizer(options.alphaRegularizer, `${what}: alphaRegularizer`);
  const trainable = flag(options.trainable ?? true, `${what}: trainable`);
  return callable({
    type: what,
    passesMask: true,
    name: layerName(options, what),
    config: written({ sharedAxes: [...sharedAxes], alphaInitializer, alphaRegularizer, trainable }),
    parameters: ([row], layer) => {
      const beyond = sharedAxes.find((axis) => axis > row.length);
      if (beyond !== undefined) {
        throw new UsageError(
          `layer '${layer}': sharedAxes has ${beyond}, but the input ${showShape([-1, ...row])} has ${row.length} axes besides the batch`,
        );
      }
      const shape = row.map((d, i) => (sharedAxes.includes(i + 1) ? 1 : d));
      const count = sizeOf(shape, 1);
      return [
        {
          name: 'alpha',
          shape,
          fanIn: count,
          fanOut: count,
          initializer: alphaInitializer,
          regularizer: alphaRegularizer,
          trainable,
          learningRateScale: 1,
        },
      ];
    },
    trace: ([x], { parameters: [alpha] }) => sub(relu(x), mul(alpha!, relu(neg(x)))),
  });
}
