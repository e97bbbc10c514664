import type { Graph } from '../graph/graph.ts';
import type { Shape, Tensor } from '../ops/tensor.ts';
import type { Fans, InitializerConfig } from './initializers.ts';
import type { Regularizer } from './regularizers.ts';

/** A trainable (or fixed) array of a layer. */
export interface ParameterSpec extends Fans {
  /** Within its layer: kernel, bias; of a layer within it attention/kernel. */
  readonly name: string;
  readonly initializer: InitializerConfig;
  readonly regularizer?: Regularizer | undefined;
  /** False: training leaves it as it is. */
  readonly trainable: boolean;
  /** Multiplies the learning rate. */
  readonly learningRateScale: number;
  /** A table, of which a step changes the rows alone that it reads, whatever the optimizer. */
  readonly sparseGradient?: boolean;
}

/** Where a generator stands. */
export interface Generation {
  /** Of the rows that are new, integers [batch, new]. */
  readonly positions: Tensor;
  /** Positions there can be. */
  readonly capacity: number;
}

/** What the layers of a trace share. */
export interface Tracing {
  readonly graph: Graph;
  /** Training, or inference. */
  readonly training: boolean;
  /** Only while a text generator traces: the new positions, their earlier keys and values are kept. */
  readonly generation?: Generation | undefined;
  /**
   * While training: a parameter that is not trainable becomes `value`, of its shape, when the step has passed its
   * checks. Its tensor stays the old one; `current` is the new one.
   */
  update(parameter: Tensor, value: Tensor): void;
  /**
   * A parameter as the last application before left it, in the same step: one that updates it again starts from there, as
   * in Keras and PyTorch. No gradient goes through it to that application.
   */
  current(parameter: Tensor): Tensor;
  /** A state [batch, size] of the layer that lasts from batch to batch, zeros at first. Of `stateful` layers. */
  state(size: number): Tensor;
  /** What the batch makes of it. */
  setState(state: Tensor, value: Tensor): void;
  isFrozen(parameter: Tensor): boolean;
  nextStream(): number;
}

/** What a layer may use while it traces. Masks lie in the graph, see masks.ts. */
export interface CallContext extends Tracing {
  /** The layer's own parameters, in the order of `parameters`. */
  readonly parameters: readonly Tensor[];
  /** A number of the layer's own, for its random numbers. */
  readonly stream: number;
  /** Frozen layers keep their state, and normalize as for inference. */
  readonly frozen: boolean;
  /** In `bidirectional`: the direction, whatever the layer's own is; each output of a sequence is at its time. */
  readonly backwards?: boolean;
}

/** Something of each input: there is at least one. */
export type Each<T> = readonly [T, ...T[]];

/** How many inputs a layer takes. */
export type InputCount = number | { readonly least: number; readonly most: number };

/** It does with one, so that it may stand in a sequential model. */
export type OneOrMore = 1 | { readonly least: 1; readonly most: number };

/**
 * A layer: what it was made from, its parameters, and the operations it stands for. Dense layers, merge layers, blocks of
 * layers, layers of the user's own and models within models are all of this form.
 */
export interface Layer<Inputs extends InputCount = OneOrMore> {
  readonly type: string;
  /** JSON that makes the same layer again. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly name?: string | undefined;
  /** Default: one. */
  readonly inputs?: Inputs | undefined;
  /** Its inputs are inputs of the model, which take integers from 0 to below this; a list has a limit for each, or none. */
  readonly indices?: number | readonly (number | undefined)[] | undefined;
  /** Steps of its (first) result count that do in all of its inputs with a mask. Otherwise `trace` may give it a mask. */
  readonly passesMask?: true | undefined;
  /** It takes no stream of random numbers. Each other layer takes one, whether it draws numbers or not. */
  readonly streams?: 0 | undefined;
  /** It has states that last from batch to batch. */
  readonly stateful?: boolean | undefined;
  /** It knows `backwards`, so that `bidirectional` takes it. */
  readonly directed?: true | undefined;
  /**
   * Of its results, with the batch, where they are known before it is traced, as those of a model within another. It is then
   * traced for programs alone; `parameters` must refuse inputs of other shapes.
   */
  readonly resultShapes?: readonly Shape[] | undefined;
  /** For inputs of `shapes`, without the batch; `name` is for messages. Here it refuses shapes too. Default: none. */
  parameters?(shapes: Each<Shape>, name: string): readonly ParameterSpec[];
  /** Adds its operations to the graph. Is called several times: for the shapes alone, for training, for predictions. */
  trace(inputs: Each<Tensor>, context: CallContext): Tensor | readonly Tensor[];
}

/** Also one that needs several inputs. */
export type AnyLayer = Layer<InputCount>;
