import { BinaryKind } from '../../assembly/tape.ts';
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
  const end = Math.max(...Array.from(losses.keys(), ({ id }) => id)) + 1;
  for (const tensor of graph.tensors.slice(0, end).reverse()) {
    if (!needed.has(tensor)) continue;
    const weight = losses.get(tensor) ?? 1;
    const dy = losses.has(tensor) ? tensor : found.get(tensor);
    const { gradient } = tensor.rule;
    if (!dy || gradient === 'none') continue;
    for (const [of, whole] of gradient(graph, tensor, dy)) {
      if (!needed.has(of)) continue;
      const d =
        weight === 1
          ? whole
          : graph.add(elementwiseOps.affine, [whole], { scale: weight, offset: 0 }, tensor.layer);
      const before = found.get(of);
      found.set(
        of,
        before ? graph.add(elementwiseOps.binary, [before, d], { kind: BinaryKind.Add }, of.layer) : d,
      );
    }
  }
  return wanted.map((tensor) => found.get(tensor));
}

/** The tensors that depend on one of `wanted`, themselves included. */
function dependents(graph: Graph, wanted: readonly Tensor[]): ReadonlySet<Tensor> {
  const set = new Set<Tensor>(wanted);
  for (const tensor of graph.tensors) {
    if (tensor.inputs.some((input) => set.has(input))) set.add(tensor);
  }
  return set;
}
