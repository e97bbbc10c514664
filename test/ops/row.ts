import type { Graph } from '../../src/graph/graph.ts';
import type { OpAttributes, OpName } from '../../src/ops/attributes.ts';
import { BATCH, type Shape, sizeOf, type Tensor } from '../../src/ops/tensor.ts';
import { type Numbers, uniform } from '../reference/numbers.ts';

/** Rows and columns of the operands. `inner` is K of a product, or the positions within a row of a loss. */
export interface Size {
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
}

export interface Operand {
  readonly shape: Shape;
  readonly values: Float32Array | Int32Array;
  /** Whether a gradient is asked for. */
  readonly wanted: boolean;
}

export type Variant<K extends OpName> = VariantOf<OpAttributes[K]>;

export interface VariantOf<Attributes> {
  readonly name: string;
  readonly attributes: Attributes;
  /** False where the gradient is by definition not that of the forward function. */
  readonly smooth?: false;
  /** Distance to the nearest singularity, in units of the operands: what a central difference must stay well below. */
  readonly reach?: number;
}

type Inputs = readonly Numbers[];

/** Bound of the error of each element in units of 2^-24 (test/reference/rounding.ts). */
type Bound = Numbers | 'exact';

/** Everything that is tested of an operation follows from its row. */
export type Row<K extends OpName> = RowOf<OpAttributes[K]>;

/** The row of an operation with such attributes. */
export interface RowOf<Attributes> {
  readonly variants: readonly VariantOf<Attributes>[];
  operands(size: Size, attributes: Attributes, random: () => number): readonly Operand[];
  /** The float64 twin. */
  forward(inputs: Inputs, attributes: Attributes, size: Size): number[];
  forwardBound(inputs: Inputs, attributes: Attributes, size: Size): Bound;
  readonly gradient: 'none' | Gradient<Attributes>;
  /** Linear in each operand (within `reach`): a central difference is exact in any direction, so that a few directions check all elements. */
  readonly linear?: true;
  /** Sizes that a single instruction is tried with, for each n of 0..67. */
  readonly tails: readonly ((n: number) => Size)[];
  /** The operation on a graph, where it is not just added. */
  readonly build?: (graph: Graph, inputs: readonly Tensor[], attributes: Attributes) => Tensor;
  /** The first operand is made from another by this function, and the gradient is that one's. */
  readonly through?: (attributes: Attributes) => Through | undefined;
}

interface Gradient<Attributes> {
  /** The twin: gradients of the wanted operands, in order. A loss makes that of its sum, whatever dy. */
  twin(inputs: Inputs, attributes: Attributes, dy: Numbers, size: Size): Numbers[];
  bound(inputs: Inputs, attributes: Attributes, dy: Numbers, size: Size): Bound[];
}

export interface Through {
  forward(x: number): number;
  inverse(y: number): number;
  wrap(graph: Graph, x: Tensor): Tensor;
}

export type Rows<K extends OpName> = { readonly [P in K]: Row<P> };

// Sizes of a tail test.
export const ELEMENTS = (n: number): Size => ({ rows: 1, columns: n, inner: 1 });
export const ROWS = (n: number): Size => ({ rows: n, columns: 5, inner: 1 });
export const COLUMNS = (n: number): Size => ({ rows: 3, columns: Math.max(n, 1), inner: 1 });

export function tensor(
  shape: Shape,
  rows: number,
  fill: (count: number) => Operand['values'],
  wanted = true,
): Operand {
  return { shape, values: fill(sizeOf(shape, rows)), wanted };
}

export function matrix(size: Size, random: () => number, low = -2, high = 2, wanted = true): Operand {
  return tensor([BATCH, size.columns], size.rows, (n) => uniform(random, n, low, high), wanted);
}
