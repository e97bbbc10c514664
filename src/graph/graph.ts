import { UsageError } from '../errors.ts';
import type { OpAttributes, OpName } from '../ops/attributes.ts';
import type { OpRule, Tracer } from '../ops/rule.ts';
import type { Tensor } from '../ops/tensor.ts';

/** The operations of a model, its loss and their gradients, in the order in which they were traced. */
export class Graph implements Tracer {
  readonly tensors: Tensor[] = [];
  /** Of tensors [batch, time, …], where they have one: which time steps count, [batch, time]. See layers/masks.ts. */
  readonly masks = new Map<Tensor, Tensor>();
  /** The layer that is tracing. */
  layer = 'model';
  #blocks = 0;
  #block: number | undefined;

  add<K extends OpName>(
    op: OpRule<K>,
    inputs: readonly Tensor[],
    attributes: OpAttributes[NoInfer<K>],
    layer = this.layer,
  ): Tensor<K> {
    const fail = (message: string): never => {
      throw new UsageError(`layer '${layer}': ${message}`);
    };
    const shape = op.shape(inputs, attributes, fail);
    const type = op.type?.(attributes) ?? 'f32';
    const [id, block] = [this.tensors.length, this.#block];
    const rule = op as unknown as OpRule;
    const place = { layer, block, tracer: this };
    const tensor: Tensor<K> = { id, op: op.name, rule, inputs, attributes, shape, type, ...place };
    this.tensors.push(tensor as unknown as Tensor);
    return tensor;
  }

  /** What `trace` adds is a block, whose results the gradient makes again; within another block it is a part of that. */
  checkpoint<T>(trace: () => T): T {
    if (this.#block !== undefined) return trace();
    this.#block = ++this.#blocks;
    try {
      return trace();
    } finally {
      this.#block = undefined;
    }
  }
}
