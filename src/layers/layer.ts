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
  /** Frozen layers keep their state, and normalize as for inference. */
  readonly frozen: boolean;
  /**
   * While training: a parameter that is not trainable becomes `value`, of its shape, when the step has passed its
   * checks. What the step itself reads is the old one.
   */
  update(parameter: Tensor, value: Tensor): void;
}

/** A layer: what it was made from, its parameters, and the operations it stands for. */
export interface Layer {
  readonly type: string;
  /** JSON that makes the same layer again. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly name?: string | undefined;
  /** The layer reads an input of the model, which takes integers from 0 to below this. */
  readonly indices?: number;
  /** `shape` without the batch; `name` for messages. */
  parameters(shape: Shape, name: string): readonly ParameterSpec[];
  call(x: Tensor, context: CallContext): Tensor;
  /** What is called in place of `call`: a layer of the user's own prepares its weights here. */
  trace?(x: Tensor, context: CallContext): Tensor;
}

/** A layer of several inputs and no parameters. */
export interface MergeLayer {
  readonly type: string;
  /** JSON that makes the same layer again. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly name?: string | undefined;
  /** How many inputs it takes. */
  readonly least: number;
  readonly most: number;
  merge(inputs: readonly Tensor[], graph: Graph): Tensor;
}
