import { BinaryKind } from '../../assembly/tape/dense.ts';
import { knownKeys, named, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { arithmeticOps } from '../ops/arithmetic.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import { mergeOps } from '../ops/merge.ts';
import type { Tensor } from '../ops/tensor.ts';
import type { CallContext, Each, Layer } from './layer.ts';
import { type LayerOptions, layerName } from './options.ts';
import { RECURRENT_STREAM } from './recurrent.ts';
import { type RecurrentLayer, statesAmong } from './states.ts';
import { apply, type SymbolicTensor, withFields } from './symbolic.ts';

export interface BidirectionalOptions extends LayerOptions {
  /** How the outputs of both directions become one: side by side, or elementwise. Default 'concat'. */
  mergeMode?: 'concat' | 'sum' | 'mul' | 'ave';
}

type Merge = (graph: Graph, both: readonly [Tensor, Tensor]) => Tensor;

const sum: Merge = (graph, both) => graph.add(arithmeticOps.binary, both, { kind: BinaryKind.Add });

const merges: Readonly<Record<NonNullable<BidirectionalOptions['mergeMode']>, Merge>> = {
  concat: (graph, both) => graph.add(mergeOps.concatenate, both, { axis: both[0].shape.length - 1 }),
  sum,
  mul: (graph, both) => graph.add(arithmeticOps.binary, both, { kind: BinaryKind.Multiply }),
  ave: (graph, both) => graph.add(elementwiseOps.affine, [sum(graph, both)], { scale: 0.5, offset: 0 }),
};

/**
 * A recurrent layer and another one like it that walks from the last time to the first (Schuster & Paliwal 1997):
 * x [batch, time, features], y [batch, 2 units] or, with returnSequences, [batch, time, 2 units], each output at its time;
 * units instead of 2 units where mergeMode is not 'concat'. Weights: forward/kernel …, backward/kernel …
 *
 * Applied as `(…)(x, { initialState: [h, c, h2, c2] })` the first half is that of the forward direction, as in Keras.
 * @param layer What lstm, gru or simpleRnn made, without goBackwards and returnState.
 * @throws UsageError on another layer, or an unknown option.
 */
export function bidirectional(layer: Layer, options: BidirectionalOptions = {}): RecurrentLayer {
  const what = 'bidirectional';
  knownKeys(options, ['name', 'mergeMode'], what);
  const mergeMode = options.mergeMode ?? 'concat';
  const merge = named(merges, mergeMode, `${what}: mergeMode`);
  const isLayer = (typeof layer === 'object' && layer !== null) || typeof layer === 'function';
  if (!isLayer || !layer.directed) {
    throw new UsageError(
      `${what} takes a layer that lstm, gru or simpleRnn made, got ${isLayer && 'type' in layer ? layer.type : show(layer)}`,
    );
  }
  if (layer.config.goBackwards === true || layer.config.returnState === true) {
    throw new UsageError(`${what}: its layer cannot have goBackwards or returnState`);
  }
  const direct = (inputs: Each<Tensor>, context: CallContext, backwards: boolean): Tensor => {
    const half = context.parameters.length / 2;
    const parameters = context.parameters.slice(backwards ? half : 0, backwards ? 2 * half : half);
    const stream = context.stream + (backwards ? RECURRENT_STREAM / 2 : 0);
    const [y] = layer.trace(inputs, { ...context, parameters, stream, backwards }) as Each<Tensor>;
    return y;
  };
  const made: Layer = {
    type: what,
    name: layerName(options, what),
    config: { layer: { type: layer.type, ...layer.config }, mergeMode },
    ...(layer.config.returnSequences === true && { passesMask: true }),
    stateful: layer.stateful,
    // the states before the first step, too
    inputs: { least: 1, most: Infinity },
    parameters: (shapes, name) =>
      ['forward', 'backward'].flatMap((direction) =>
        layer.parameters!(shapes, name).map((spec) => ({ ...spec, name: `${direction}/${spec.name}` })),
      ),
    trace: ([x, ...states], context) => {
      const half = states.length / 2;
      if (!Number.isInteger(half)) {
        throw new UsageError(
          `layer '${context.graph.layer}': initialState must be the states of the forward direction, then as many of the ` +
            `backward one, got ${states.length} in all`,
        );
      }
      const forward = direct([x, ...states.slice(0, half)], context, false);
      return merge(context.graph, [forward, direct([x, ...states.slice(half)], context, true)]);
    },
  };
  const self = withFields((x: SymbolicTensor, ...more: readonly unknown[]): SymbolicTensor => {
    return apply(self, [x, ...statesAmong(self, x, more)])[0]!;
  }, made);
  return self;
}
