import { BinaryKind } from '../../assembly/tape/dense.ts';
import { arithmeticOps } from '../ops/arithmetic.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import type { Tensor } from '../ops/tensor.ts';
import type { Graph } from './graph.ts';

/**
 * Reverse-mode differentiation as graph: adds the operations that compute the gradient of the mean (or sum) of the
 * losses, times their weights, with respect to each of `wanted`, in the order of `wanted`; undefined where no loss
 * depends on it. Gradients that nobody asked for are traced too; the schedule leaves out what nothing reads.
 */
export function gradients(
  graph: Graph,
  losses: ReadonlyMap<Tensor, number>,
  wanted: readonly Tensor[],
): readonly (Tensor | undefined)[] {
  const needed = dependents(graph, wanted);
  const found = new Map<Tensor, Tensor>();
  const again = new Recomputation(graph);
  const end = Math.max(...Array.from(losses.keys(), ({ id }) => id)) + 1;
  for (const tensor of graph.tensors.slice(0, end).reverse()) {
    if (!needed.has(tensor)) continue;
    const weight = losses.get(tensor) ?? 1;
    const dy = losses.has(tensor) ? tensor : found.get(tensor);
    const { gradient } = tensor.rule;
    if (!dy || gradient === 'none') continue;
    for (const [input, whole] of gradient(graph, again.of(tensor), dy)) {
      const of = again.original(input);
      if (!needed.has(of)) continue;
      const d =
        weight === 1
          ? whole
          : graph.add(elementwiseOps.affine, [whole], { scale: weight, offset: 0 }, tensor.layer);
      const before = found.get(of);
      found.set(
        of,
        before ? graph.add(arithmeticOps.binary, [before, d], { kind: BinaryKind.Add }, of.layer) : d,
      );
    }
  }
  return wanted.map((tensor) => found.get(tensor));
}

/**
 * Traces blocks again (gradient checkpointing: Chen et al. 2016, arXiv:1604.06174). A block is traced as a whole when the
 * gradient reaches it, so its calls stand behind the gradients of what follows; the gradient reads the copies alone, and the
 * originals are not needed after the forward pass. The same operations on the same inputs, the streams of dropout
 * included: the same bits.
 */
class Recomputation {
  readonly #copies = new Map<Tensor, Tensor>();
  readonly #originals = new Map<Tensor, Tensor>();

  constructor(readonly graph: Graph) {}

  /** What the gradient of `tensor` may read in the place of it. */
  of(tensor: Tensor): Tensor {
    if (tensor.block === undefined) return tensor;
    if (!this.#copies.has(tensor)) this.#trace(tensor.block);
    return this.#copies.get(tensor)!;
  }

  original(tensor: Tensor): Tensor {
    return this.#originals.get(tensor) ?? tensor;
  }

  #trace(block: number): void {
    for (const tensor of this.graph.tensors.filter((one) => one.block === block && one.op !== 'state')) {
      const { rule, attributes, layer } = tensor;
      const inputs = tensor.inputs.map((input) => this.#copies.get(input) ?? input);
      const copy = this.graph.add(rule, inputs, attributes, layer);
      this.#copies.set(tensor, copy);
      this.#originals.set(copy, tensor);
    }
  }
}

/** The tensors that depend on one of `wanted`, themselves included. */
function dependents(graph: Graph, wanted: readonly Tensor[]): ReadonlySet<Tensor> {
  const set = new Set<Tensor>(wanted);
  for (const tensor of graph.tensors) {
    if (tensor.inputs.some((input) => set.has(input))) set.add(tensor);
  }
  return set;
}
