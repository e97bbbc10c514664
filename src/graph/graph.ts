import { UsageError } from '../errors.ts';
import type { OpAttributes, OpName } from '../ops/attributes.ts';
import type { OpRule, Tracer } from '../ops/rule.ts';
import { rules } from '../ops/rules.ts';
import type { Tensor } from '../ops/tensor.ts';

/** The operations of a model, its loss and their gradients, in the order in which they were traced. */
export class Graph implements Tracer {
  readonly tensors: Tensor[] = [];
  /** The layer that is tracing. */
  layer = 'model';

  add<K extends OpName>(
    op: K,
    inputs: readonly Tensor[],
    attributes: OpAttributes[K],
    layer = this.layer,
  ): Tensor<K> {
    const rule: OpRule<K> = rules[op];
    const fail = (message: string): never => {
      throw new UsageError(`layer '${layer}': ${message}`);
    };
    const shape = rule.shape(inputs, attributes, fail);
    const type = rule.type?.(attributes) ?? 'f32';
    const tensor: Tensor<K> = {
      id: this.tensors.length,
      op,
      inputs,
      attributes,
      shape,
      type,
      layer,
      tracer: this,
    };
    this.tensors.push(tensor as unknown as Tensor);
    return tensor;
  }
}
