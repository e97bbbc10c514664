import type { OpAttributes, OpName } from './attributes.ts';
import type { OpRule, Tracer } from './rule.ts';

/** The first dimension of everything that depends on the batch: its size is known when a program is encoded. */
export const BATCH = -1;

/** Dimensions; BATCH only in front. */
export type Shape = readonly number[];

export type ElementType = 'f32' | 'i32';

/** A symbolic tensor: the result of one operation on others. */
export interface Tensor<K extends OpName = OpName> {
  readonly id: number;
  readonly op: K;
  readonly rule: OpRule;
  readonly inputs: readonly Tensor[];
  readonly attributes: OpAttributes[K];
  readonly shape: Shape;
  readonly type: ElementType;
  /** The layer that made it, for messages and profiles. */
  readonly layer: string;
  /** Of several whose results the gradient makes again, instead of keeping them. */
  readonly block: number | undefined;
  /** Where it was made. */
  readonly tracer: Tracer;
}

export function isTensor(value: unknown): value is Tensor {
  return typeof value === 'object' && value !== null && 'tracer' in value && 'op' in value;
}

export function isOp<K extends OpName>(tensor: Tensor, op: K): tensor is Tensor<K> {
  return tensor.op === op;
}

/** Elements of a tensor for a batch of `batch` rows. */
export function sizeOf(shape: Shape, batch: number): number {
  let size = 1;
  for (const d of shape) size *= d === BATCH ? batch : d;
  return size;
}

export function lastOf(shape: Shape): number {
  return shape.at(-1) ?? 1;
}

export function showShape(shape: Shape): string {
  return `[${shape.map((d) => (d === BATCH ? 'batch' : d)).join(', ')}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}
