import { Cell } from '../../assembly/tape/sequence.ts';
import { flag, integer, knownKeys, number } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { RecurrentExtra } from '../ops/attributes.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import { matmulOps } from '../ops/matmul.ts';
import { mergeOps } from '../ops/merge.ts';
import { CELLS, recurrentOps } from '../ops/recurrent.ts';
import { sourceOps } from '../ops/sources.ts';
import { BATCH, sameShape, showShape, type Tensor } from '../ops/tensor.ts';
import {
  type ActivationConfig,
  type ActivationLike,
  activationConfig,
  recurrentActivation,
} from './activations.ts';
import { type InitializerLike, initializerConfig } from './initializers.ts';
import type { CallContext, Each, Layer, ParameterSpec } from './layer.ts';
import { reversedMask } from './masks.ts';
import { type LayerOptions, layerName, written } from './options.ts';
import { type Regularizer, regularizer } from './regularizers.ts';
import { type RecurrentLayer, type StateLayer, statesAmong } from './states.ts';
import { apply, type SymbolicTensor, withFields } from './symbolic.ts';

/** Options of every recurrent layer; names and defaults as in Keras. */
export interface RecurrentOptions extends LayerOptions {
  /** Of the candidate and the output; one whose derivative follows from its output; null: none. Default 'tanh'. */
  activation?: ActivationLike | null;
  /** Default true. */
  useBias?: boolean;
  /** Of the kernel [features, gates · units]. Default 'glorotUniform'. */
  kernelInitializer?: InitializerLike;
  /** Of the recurrent kernel [units, gates · units]. Default 'orthogonal'. */
  recurrentInitializer?: InitializerLike;
  /** Of the bias. Default 'zeros'. */
  biasInitializer?: InitializerLike;
  /** Penalty on the kernel. Default: none. */
  kernelRegularizer?: Regularizer;
  /** Penalty on the recurrent kernel. Default: none. */
  recurrentRegularizer?: Regularizer;
  /** Penalty on the bias. Default: none. */
  biasRegularizer?: Regularizer;
  /** True: the outputs of all times, [batch, time, units]. Default false: the last one, [batch, units]. */
  returnSequences?: boolean;
  /** True: y, then the states after the last step, each [batch, units]: h, of an LSTM also c. Default false. */
  returnState?: boolean;
  /**
   * Share of the input's features that are 0 while training, the same at all times of a row (Gal & Ghahramani 2016); the
   * others are divided by 1 - dropout. From 0 to below 1. Default 0.
   */
  dropout?: number;
  /** The same of h as each step finds it, as in Keras 3: also where a GRU carries it over. Default 0. */
  recurrentDropout?: number;
  /**
   * From the last time to the first; returnSequences then gives the last time first, and so does the mask that is passed on.
   * (Keras 3 passes it on as it was.) Default false.
   */
  goBackwards?: boolean;
  /**
   * True: row i of a batch goes on where row i of the batch before ended: its last states are the first ones, whether in
   * fit, evaluate or predict, until `model.resetStates()`. All batches need as many rows then, and `fit` takes them in
   * order. The gradient ends where a batch begins; files do not hold the states. Default false.
   */
  stateful?: boolean;
  /** False: training leaves the parameters as they are. Default true. */
  trainable?: boolean;
}

export interface LstmOptions extends RecurrentOptions {
  /** Of the gates; null: none. Default 'sigmoid'. */
  recurrentActivation?: ActivationLike | null;
  /** The forget gate's bias begins at 1 (Jozefowicz et al. 2015), whatever biasInitializer says. Default true. */
  unitForgetBias?: boolean;
}

export interface GruOptions extends RecurrentOptions {
  /** Of the gates; null: none. Default 'sigmoid'. */
  recurrentActivation?: ActivationLike | null;
  /**
   * True: the reset gate multiplies the product with the recurrent kernel, as in cuDNN and PyTorch; the bias is
   * [2, 3 units], of the input and of the product. False: it multiplies the state before, as in Cho et al. 2014; the
   * bias is [3 units]. Default true.
   */
  resetAfter?: boolean;
}

export type SimpleRnnOptions = RecurrentOptions;

const commonKeys = [
  'name',
  'activation',
  'useBias',
  'kernelInitializer',
  'recurrentInitializer',
  'biasInitializer',
  'kernelRegularizer',
  'recurrentRegularizer',
  'biasRegularizer',
  'returnSequences',
  'returnState',
  'dropout',
  'recurrentDropout',
  'goBackwards',
  'stateful',
  'trainable',
];

/** Added to the stream of a layer for its recurrent dropout; `bidirectional` adds half of it for the second direction. */
export const RECURRENT_STREAM = 1 << 30;

/** What one kind of recurrent layer adds to the common options. */
interface Kind {
  readonly type: string;
  readonly cell: Cell;
  /** Of the gates; simple recurrent layers have none. */
  readonly gateActivation?: ActivationConfig;
  /** Elements of the bias that begin at 1. */
  readonly ones?: readonly [from: number, to: number];
  /** Further entries of the config. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/**
 * Long short-term memory (Hochreiter & Schmidhuber 1997, forget gate of Gers et al. 2000): x [batch, time, features],
 * y [batch, units], or [batch, time, units] with returnSequences. Kernel [features, 4 units], recurrent kernel
 * [units, 4 units] and bias [4 units] hold the gates in Keras' order: input, forget, candidate, output.
 *
 *   c = sigmoid(f) · c' + sigmoid(i) · tanh(g);  h = sigmoid(o) · tanh(c)
 * @param units Outputs, at least 1.
 * @throws UsageError on an unknown name or an option out of range.
 */
export function lstm(
  units: number,
  options: LstmOptions & { returnState: true },
): StateLayer<[y: SymbolicTensor, h: SymbolicTensor, c: SymbolicTensor]>;
export function lstm(units: number, options?: LstmOptions): RecurrentLayer;
export function lstm(
  units: number,
  options: LstmOptions = {},
): RecurrentLayer | StateLayer<[SymbolicTensor, SymbolicTensor, SymbolicTensor]> {
  integer(units, 'lstm: units', 1);
  knownKeys(options, [...commonKeys, 'recurrentActivation', 'unitForgetBias'], 'lstm');
  const unitForgetBias = flag(options.unitForgetBias ?? true, 'lstm: unitForgetBias');
  const gateActivation = activationConfig(
    options.recurrentActivation,
    'lstm: recurrentActivation',
    'sigmoid',
  );
  return recurrent(units, options, {
    type: 'lstm',
    cell: Cell.Lstm,
    gateActivation,
    ...(unitForgetBias && { ones: [units, 2 * units] as const }),
    config: { unitForgetBias },
  });
}

/**
 * Gated recurrent unit (Cho et al. 2014): x [batch, time, features], y [batch, units], or [batch, time, units] with
 * returnSequences. Kernel [features, 3 units] and recurrent kernel [units, 3 units] hold Keras' order: update z, reset r,
 * candidate g.
 *
 *   h = z · h' + (1 - z) · tanh(g), where r multiplies h' or its product: see resetAfter
 * @param units Outputs, at least 1.
 * @throws UsageError on an unknown name or an option out of range.
 */
export function gru(
  units: number,
  options: GruOptions & { returnState: true },
): StateLayer<[y: SymbolicTensor, h: SymbolicTensor]>;
export function gru(units: number, options?: GruOptions): RecurrentLayer;
export function gru(
  units: number,
  options: GruOptions = {},
): RecurrentLayer | StateLayer<[SymbolicTensor, SymbolicTensor]> {
  integer(units, 'gru: units', 1);
  knownKeys(options, [...commonKeys, 'recurrentActivation', 'resetAfter'], 'gru');
  const resetAfter = flag(options.resetAfter ?? true, 'gru: resetAfter');
  const gateActivation = activationConfig(options.recurrentActivation, 'gru: recurrentActivation', 'sigmoid');
  const cell = resetAfter ? Cell.Gru : Cell.GruBefore;
  return recurrent(units, options, { type: 'gru', cell, gateActivation, config: { resetAfter } });
}

/**
 * Simple recurrent layer (Elman 1990): x [batch, time, features], y [batch, units], or [batch, time, units] with
 * returnSequences. Kernel [features, units], recurrent kernel [units, units], bias [units].
 *
 *   h = tanh(x · kernel + h' · recurrentKernel + bias)
 * @param units Outputs, at least 1.
 * @throws UsageError on an unknown name or an option out of range.
 */
export function simpleRnn(
  units: number,
  options: SimpleRnnOptions & { returnState: true },
): StateLayer<[y: SymbolicTensor, h: SymbolicTensor]>;
export function simpleRnn(units: number, options?: SimpleRnnOptions): RecurrentLayer;
export function simpleRnn(
  units: number,
  options: SimpleRnnOptions = {},
): RecurrentLayer | StateLayer<[SymbolicTensor, SymbolicTensor]> {
  integer(units, 'simpleRnn: units', 1);
  knownKeys(options, commonKeys, 'simpleRnn');
  return recurrent(units, options, { type: 'simpleRnn', cell: Cell.Simple });
}

function recurrent<Results extends SymbolicTensor[]>(
  units: number,
  options: RecurrentOptions,
  kind: Kind,
): RecurrentLayer | StateLayer<Results> {
  const { type, cell, gateActivation, ones } = kind;
  const name = layerName(options, type);
  const activation = activationConfig(options.activation, type, 'tanh');
  const attributes = {
    cell,
    activation: recurrentActivation(activation, `${type}: activation`),
    gateActivation: recurrentActivation(gateActivation ?? { name: 'linear' }, `${type}: recurrentActivation`),
  };
  const useBias = flag(options.useBias ?? true, `${type}: useBias`);
  const trainable = flag(options.trainable ?? true, `${type}: trainable`);
  const returnSequences = flag(options.returnSequences ?? false, `${type}: returnSequences`);
  const returnState = flag(options.returnState ?? false, `${type}: returnState`);
  const share = (key: 'dropout' | 'recurrentDropout'): number =>
    number(options[key] ?? 0, `${type}: ${key}`, { min: 0, below: 1 });
  const dropout = share('dropout');
  const recurrentDropout = share('recurrentDropout');
  const goBackwards = flag(options.goBackwards ?? false, `${type}: goBackwards`);
  const stateful = flag(options.stateful ?? false, `${type}: stateful`);
  const initializer = (
    key: 'kernelInitializer' | 'recurrentInitializer' | 'biasInitializer',
    usual: InitializerLike,
  ) => initializerConfig(options[key] ?? usual, `${type}: ${key}`);
  const kernelInitializer = initializer('kernelInitializer', 'glorotUniform');
  const recurrentInitializer = initializer('recurrentInitializer', 'orthogonal');
  const biasInitializer = initializer('biasInitializer', 'zeros');
  const penalty = (
    key: 'kernelRegularizer' | 'recurrentRegularizer' | 'biasRegularizer',
  ): Regularizer | undefined => regularizer(options[key], `${type}: ${key}`);
  const kernelRegularizer = penalty('kernelRegularizer');
  const recurrentRegularizer = penalty('recurrentRegularizer');
  const biasRegularizer = penalty('biasRegularizer');
  const columns = CELLS[cell].gates * units;
  const layer = {
    type,
    name,
    config: written({
      units,
      activation,
      recurrentActivation: gateActivation,
      useBias,
      kernelInitializer,
      recurrentInitializer,
      biasInitializer,
      kernelRegularizer,
      recurrentRegularizer,
      biasRegularizer,
      returnSequences,
      returnState,
      dropout,
      recurrentDropout,
      goBackwards,
      stateful,
      trainable,
      ...kind.config,
    }),
    // the states before the first step, too: joinStates counts them
    inputs: { least: 1, most: Infinity },
    directed: true,
    stateful,
    parameters([shape], layer) {
      const [time, features] = shape;
      if (shape.length !== 2 || time === undefined || features === undefined) {
        throw new UsageError(
          `layer '${layer}': its input has shape ${showShape([BATCH, ...shape])}; ${type} needs [batch, time, features]` +
            `${shape.length === 1 ? ': give reshape([time, features]) before it, or returnSequences to the recurrent layer below' : ''}`,
        );
      }
      const spec = (
        part: string,
        fanIn: number,
        more: Pick<ParameterSpec, 'shape' | 'initializer' | 'regularizer'>,
      ) => ({
        name: part,
        fanIn,
        fanOut: columns,
        trainable,
        learningRateScale: 1,
        ...more,
      });
      return [
        spec('kernel', features, {
          shape: [features, columns],
          initializer: kernelInitializer,
          regularizer: kernelRegularizer,
        }),
        spec('recurrentKernel', units, {
          shape: [units, columns],
          initializer: recurrentInitializer,
          regularizer: recurrentRegularizer,
        }),
        ...(useBias
          ? [
              {
                ...spec('bias', columns, {
                  shape: cell === Cell.Gru ? [2, columns] : [columns],
                  initializer: biasInitializer,
                  regularizer: biasRegularizer,
                }),
                ...(ones && { ones }),
              },
            ]
          : []),
      ];
    },
    trace,
  } satisfies Layer;

  function trace([input, ...initial]: Each<Tensor>, context: CallContext): Each<Tensor> {
    const { graph, training, stream, parameters, backwards } = context;
    const lasting = stateful && context.state(CELLS[cell].states * units);
    const reversed = backwards === undefined && goBackwards;
    const mask = graph.masks.get(input);
    const [kernel, recurrentKernel, bias] = parameters as [Tensor, Tensor, Tensor?];
    const x: Tensor =
      training && dropout > 0
        ? graph.add(elementwiseOps.dropout, [input], { rate: dropout, stream, shared: true })
        : input;
    let z: Tensor = graph.add(matmulOps.matmul, [x, kernel], { transposeA: false, transposeB: false });
    const inside = bias && cell === Cell.Gru;
    if (bias && !inside) z = graph.add(elementwiseOps.biasAdd, [z, bias], {});
    const extras: Partial<Record<RecurrentExtra, Tensor>> = {
      ...(inside && { bias }),
      ...(mask && { mask }),
      ...(initial.length > 0 && { state: joinStates(graph, initial) }),
      ...(lasting && { state: lasting }),
      ...(training && recurrentDropout > 0 && { dropout: stateMask(graph, z, stream) }),
    };
    const result: Tensor = graph.add(
      recurrentOps.recurrence,
      [z, recurrentKernel, ...Object.values(extras)],
      {
        ...attributes,
        ...{ sequences: returnSequences, backwards: backwards ?? goBackwards, reversed },
        final: returnState || stateful,
        extras: Object.keys(extras) as RecurrentExtra[],
      },
    );
    const [y, ...states] = returnState || stateful ? splitStates(graph, result, z.shape[1]!) : [result];
    if (lasting) context.setState(lasting, lastStates(graph, result));
    const results: Each<Tensor> = returnState ? [y, ...states] : [y];
    if (mask && returnSequences) graph.masks.set(results[0], reversed ? reversedMask(graph, mask) : mask);
    return results;
  }

  /** h and c, side by side. */
  function joinStates(graph: Graph, states: readonly Tensor[]): Tensor {
    const wanted = [BATCH, units];
    if (states.length !== CELLS[cell].states || states.some(({ shape }) => !sameShape(shape, wanted))) {
      throw new UsageError(
        `layer '${graph.layer}': initialState must be ${CELLS[cell].states === 1 ? 'one tensor' : `${CELLS[cell].states} tensors`} ` +
          `of shape ${showShape(wanted)}, got ${states.map(({ shape }) => showShape(shape)).join(', ')}`,
      );
    }
    return states.length === 1 ? states[0]! : graph.add(mergeOps.concatenate, states, { axis: 1 });
  }

  /** Dropped ones, [batch, units], from any tensor [batch, time, at least units]. */
  function stateMask(graph: Graph, z: Tensor, stream: number): Tensor {
    const step = graph.add(mergeOps.slice, [z], { axis: 1, from: 0, size: 1 });
    const some = graph.add(mergeOps.slice, [step], { axis: 2, from: 0, size: units });
    const flat = graph.add(sourceOps.reshape, [some], { shape: [units] });
    const ones = graph.add(elementwiseOps.affine, [flat], { scale: 0, offset: 1 });
    return graph.add(elementwiseOps.dropout, [ones], {
      rate: recurrentDropout,
      stream: stream + RECURRENT_STREAM,
    });
  }

  /** All states, which lie behind y. */
  function lastStates(graph: Graph, result: Tensor): Tensor {
    const size = CELLS[cell].states * units;
    return graph.add(mergeOps.slice, [result], { axis: 1, from: result.shape[1]! - size, size });
  }

  /** y and the states, which lie behind it. */
  function splitStates(graph: Graph, result: Tensor, time: number): Each<Tensor> {
    const outputs = (returnSequences ? time : 1) * units;
    const y: Tensor = graph.add(mergeOps.slice, [result], { axis: 1, from: 0, size: outputs });
    const states = Array.from(
      { length: CELLS[cell].states },
      (_, i): Tensor =>
        graph.add(mergeOps.slice, [result], { axis: 1, from: outputs + i * units, size: units }),
    );
    return [returnSequences ? graph.add(sourceOps.reshape, [y], { shape: [time, units] }) : y, ...states];
  }

  const self = withFields((x: SymbolicTensor, ...more: readonly unknown[]) => {
    const results = apply(self, [x, ...statesAmong(self, x, more)]);
    return returnState ? (results as Results) : results[0]!;
  }, layer);
  // what it returns follows from returnState, which the overloads of the callers know
  return self as RecurrentLayer | StateLayer<Results>;
}
