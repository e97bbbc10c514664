import { UsageError } from '../errors.ts';
import type { OpAttributes, OpName } from '../ops/attributes.ts';
import type { OpRule, Tracer } from '../ops/rule.ts';
import type { Tensor } from '../ops/tensor.ts';

/** The operations of a model, its loss and their gradients, in the order in which they were traced. */
export class Graph implements Tracer {
  readonly tensors: Tensor[] = [];
  /** The layer that is tracing. */
  layer = 'model';

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
    const tensor: Tensor<K> = {
      id: this.tensors.length,
      op: op.name,
      rule: op as unknown as OpRule,
      inputs,
      attributes,
      shape,
      type,
      layer,
    };
    this.tensors.push(tensor as unknown as Tensor);
    return tensor;
  }
}
