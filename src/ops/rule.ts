import type { Op } from '../../assembly/tape.ts';
import type { Family } from '../runtime/families.ts';
import type { OpAttributes, OpName } from './attributes.ts';
import type { ElementType, Shape, Tensor } from './tensor.ts';

/** Where gradient rules make tensors. */
export interface Tracer {
  /** The layer (or loss, or metric) that is tracing, for messages. */
  readonly layer: string;
  add<K extends OpName>(
    op: OpRule<K>,
    inputs: readonly Tensor[],
    attributes: OpAttributes[NoInfer<K>],
    layer?: string,
  ): Tensor<K>;
}

/** Gradients that an operation passes on: tensor and its gradient. */
export type Gradients = readonly (readonly [of: Tensor, gradient: Tensor])[];

/** What a fused multiplication does before it stores. */
export interface Epilogue {
  bias?: Tensor;
  /** y = f(x) */
  activation?: Tensor<'activation'>;
  /** times f'(reference) */
  derivative?: Tensor<'activationGrad'>;
  /** Added to what a normalization makes, before its activation. */
  addend?: Tensor;
}

/** One kernel call: an operation, the tensor its result becomes after fusion, and further results of some. */
export interface Call<K extends OpName = OpName> {
  readonly tensor: Tensor<K>;
  output: Tensor;
  /** What it makes in the same pass: a loss its gradient, a recurrence what its gradient needs. */
  second?: Tensor;
  /** A recurrence's gradient: that of the states before the first step. */
  third?: Tensor;
  /** A product's: the sums of its second operand over the rows. */
  sums?: Tensor;
  epilogue: Epilogue;
}

/** A field's value: a count, an address or flags as an integer, or { f32 }. */
export type Word = number | { readonly f32: number };

/** Bytes [start, end) of the arena. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** What encoding a call may use. */
export interface Emitter {
  readonly batch: number;
  size(tensor: Tensor): number;
  /** Size without the last dimension. */
  rows(tensor: Tensor): number;
  address(tensor: Tensor): number;
  span(tensor: Tensor): Span;
  /** Scratch of this call, as many bytes for each thread as `workspace` asked for. */
  readonly workspace: Span;
  emit(op: Op, fields: Readonly<Record<number, Word>>, length: number, reads: Span[], writes: Span[]): void;
}

/** An operation: its name and everything that is known of it. */
export interface OpRule<K extends OpName = OpName> {
  readonly name: K;
  /** The part of the numeric core that has its kernels; undefined: the part that is always there. */
  readonly family?: Family;
  /** The result's shape; `fail` throws an error that names the layer. */
  shape(inputs: readonly Tensor[], attributes: OpAttributes[K], fail: (message: string) => never): Shape;
  type?(attributes: OpAttributes[K]): ElementType;
  /** In terms of other operations; 'none' where there is no gradient to pass on. */
  gradient: ((tracer: Tracer, tensor: Tensor<K>, dy: Tensor) => Gradients) | 'none';
  /** Instructions of one call; 'none' for what lies in the arena already, 'alias' for another view of the input. */
  emit: ((emitter: Emitter, call: Call<K>) => void) | 'none' | 'alias';
  /** The result may take the place of the first input when that is not needed any more. */
  inPlace?: boolean;
  /**
   * What follows and can be done in the same call. 'product': a bias, an activation or its derivative; 'residual': a sum with
   * another tensor, then relu.
   */
  epilogue?: 'product' | 'residual';
  /** Of the gradient of a table: what makes the gradients of some of its rows instead (train/sparse.ts). */
  readonly ofRows?: {
    readonly distinct: OpRule<'distinctRows'>;
    readonly values: OpRule<'embeddingRowsGrad'>;
  };
  /** Bytes of scratch of a call for each thread. */
  workspace?(tensor: Tensor<K>, batch: number): number;
}

export type Rules<K extends OpName = OpName> = { readonly [P in K]: OpRule<P> };
