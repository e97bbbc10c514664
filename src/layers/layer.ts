import type { Graph } from '../graph/graph.ts';
import type { Shape, Tensor } from '../ops/tensor.ts';
import type { Fans, InitializerConfig } from './initializers.ts';
import type { Regularizer } from './regularizers.ts';

/** A trainable (or fixed) array of a layer. */
export interface ParameterSpec extends Fans {
  /** Within its layer: kernel, bias. */
  readonly name: string;
  readonly initializer: InitializerConfig;
  readonly regularizer?: Regularizer | undefined;
  /** False: training leaves it as it is. */
  readonly trainable: boolean;
  /** Multiplies the learning rate. */
  readonly learningRateScale: number;
}

/** What a layer may use while it traces. */
export interface CallContext {
  readonly graph: Graph;
  /** The layer's own parameters, in the order of `parameters`. */
  readonly parameters: readonly Tensor[];
  /** Training, or inference. */
  readonly training: boolean;
  /** A number of the layer's own, for its random numbers. */
  readonly stream: number;
  /** Of the input [batch, time, …]: which steps count, [batch, time], 1 or 0. */
  readonly mask: Tensor | undefined;
  /** Frozen layers keep their state, and normalize as for inference. */
  readonly frozen: boolean;
  /**
   * While training: a parameter that is not trainable becomes `value`, of its shape, when the step has passed its
   * checks. What the step itself reads is the old one.
   */
  update(parameter: Tensor, value: Tensor): void;
  /** Only while a text generator traces: the new positions, their earlier keys and values are kept. */
  readonly generation?: Generation | undefined;
}

/** Where a generator stands. */
export interface Generation {
  /** Of the rows that are new, integers [batch, new]. */
  readonly positions: Tensor;
  /** Positions there can be. */
  readonly capacity: number;
}

/** A layer: what it was made from, its parameters, and the operations it stands for. */
export interface Layer {
  readonly type: string;
  /** JSON that makes the same layer again. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly name?: string | undefined;
  /** The layer reads an input of the model, which takes integers from 0 to below this. */
  readonly indices?: number;
  /** The mask of its input is that of its result, too. */
  readonly passesMask?: true;
  /** `shape` without the batch; `name` for messages. */
  parameters(shape: Shape, name: string): readonly ParameterSpec[];
  call(x: Tensor, context: CallContext): Tensor;
  /** What is called in place of `call`: a layer of the user's own prepares its weights here. */
  trace?(x: Tensor, context: CallContext): Tensor;
  /** A layer that may take more than one input, or has more than one result: instead of `call`. */
  readonly many?: {
    readonly mostInputs: number;
    readonly results: number;
    call(xs: readonly Tensor[], context: CallContext): readonly Tensor[];
  };
  /** A recurrent layer in either direction, for `bidirectional`; each output of a sequence at its time. */
  directed?(x: Tensor, context: CallContext, backwards: boolean): Tensor;
}

/** What layers of several inputs have in common. */
interface SeveralInputs {
  readonly type: string;
  /** JSON that makes the same layer again. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly name?: string | undefined;
  /** How many inputs it takes; with 1 it may stand in a sequential model. */
  readonly least: number;
  readonly most: number;
}

/** A layer of several inputs. */
export interface MergeLayer extends SeveralInputs {
  /** Steps of its result count that do in all inputs with a mask. Otherwise `merge` may give its result a mask. */
  readonly passesMask?: true;
  /** `shapes` without the batch; `name` for messages. Default: none. */
  parameters?(shapes: readonly Shape[], name: string): readonly ParameterSpec[];
  merge(inputs: readonly Tensor[], graph: Graph, context: CallContext): Tensor;
}

/** Applies a layer within a block, `name` being its name there. */
export type Use = (name: string, layer: Layer | MergeLayer, ...inputs: readonly Tensor[]) => Tensor;

/** Layers that are one: their parameters are named `block/attention/kernel`. */
export interface BlockLayer extends SeveralInputs {
  /** Is traced several times: the same uses in the same order each time. */
  body(inputs: readonly Tensor[], use: Use): Tensor;
}
