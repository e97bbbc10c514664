import { nearest, show } from '../checks.ts';
import { isNumberArray } from '../data/arrays.ts';
import { UsageError } from '../errors.ts';
import type { ParameterSpec } from '../layers/layer.ts';
import { sizeOf } from '../ops/tensor.ts';

/** A parameter with its place in the flat range that parameters, gradients and optimizer states share. */
export interface Parameter extends ParameterSpec {
  /** layer/kernel */
  readonly name: string;
  /** The layer that it belongs to: what stands before the last slash. */
  readonly layer: string;
  /** In floats. */
  readonly offset: number;
  readonly count: number;
}

/** A weight of a model. */
export interface WeightTensor {
  /** `layer/kernel`, `layer/bias`, … */
  readonly name: string;
  /** Row-major. */
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** Floats between the starts of two parameters: a cache line. */
const ALIGN = 16;

/** Lays parameters out one after the other. */
export class ParameterLayout {
  readonly list: readonly Parameter[];
  /** Floats of the whole range, padding included. */
  readonly floats: number;

  /** Of specs whose names have their layers in front. */
  constructor(specs: readonly ParameterSpec[]) {
    let offset = 0;
    this.list = specs.map((spec) => {
      const count = sizeOf(spec.shape, 1);
      const layer = spec.name.slice(0, spec.name.lastIndexOf('/'));
      const parameter = { ...spec, layer, offset, count };
      offset = Math.ceil((offset + count) / ALIGN) * ALIGN;
      return parameter;
    });
    this.floats = offset;
  }

  /** Copies of the weights in a flat range. */
  split(flat: Float32Array): WeightTensor[] {
    return this.list.map(({ name, offset, count, shape }) => ({
      name,
      data: flat.slice(offset, offset + count),
      shape: [...shape],
    }));
  }

  /** Writes weights into a flat range, all or nothing. */
  join(tensors: readonly WeightTensor[], flat: Float32Array): void {
    if (!Array.isArray(tensors)) {
      throw new UsageError(
        `setWeights takes an array of { name, data, shape }, as getWeights() returns it, got ${show(tensors)}`,
      );
    }
    const names = new Set(this.list.map(({ name }) => name));
    const byName = new Map<string, WeightTensor>();
    for (const tensor of tensors) {
      const name: unknown = tensor?.name;
      if (typeof name !== 'string' || !Array.isArray(tensor.shape)) {
        throw new UsageError(`setWeights: each weight must be { name, data, shape }, got ${show(tensor)}`);
      }
      if (!isNumberArray(tensor.data)) {
        throw new UsageError(
          `setWeights: weight ${show(name)}: data must be a Float32Array, got ${show(tensor.data)}`,
        );
      }
      if (!names.has(name)) {
        const near = nearest(name, [...names]);
        const hint = near ? `did you mean '${near}'?` : `it has ${[...names].slice(0, 20).join(', ')}`;
        throw new UsageError(`setWeights: the model has no weight ${show(name)}; ${hint}`);
      }
      if (byName.has(name)) throw new UsageError(`setWeights: weight '${name}' is given twice`);
      byName.set(name, tensor);
    }
    for (const { name, shape, count } of this.list) {
      const tensor = byName.get(name);
      if (!tensor) throw new UsageError(`setWeights: weight '${name}' is missing`);
      const same = tensor.shape.length === shape.length && tensor.shape.every((d, i) => d === shape[i]);
      if (!same || tensor.data.length !== count) {
        throw new UsageError(
          `setWeights: weight '${name}' has shape [${shape.join(', ')}], ` +
            `got shape [${tensor.shape.join(', ')}] with ${tensor.data.length} numbers`,
        );
      }
    }
    for (const { name, offset } of this.list) flat.set(byName.get(name)!.data, offset);
  }
}
