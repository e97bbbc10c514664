import { UsageError } from '../errors.ts';
import type { AnyLayer, ParameterSpec } from '../layers/layer.ts';
import { sameShape, showShape } from '../ops/tensor.ts';
import type { Architecture } from './architecture.ts';
import type { Model } from './model.ts';

/** The weights of a layer that is part of several models: each has them within its own, and a version says which are newer. */
export class SharedWeights {
  version = 0;
  #flat: Float32Array | undefined;
  #lent: (() => Float32Array) | undefined;

  /** What it has, not a copy. */
  flat(): Float32Array {
    if (this.#lent) this.#take(this.#lent());
    return this.#flat!;
  }

  adopt(flat: Float32Array): number {
    this.#take(flat);
    return ++this.version;
  }

  /** Weights that are asked for when somebody needs them. */
  lend(lent: () => Float32Array): number {
    this.#lent = lent;
    return ++this.version;
  }

  #take(flat: Float32Array): void {
    this.#lent = undefined;
    this.#flat ??= new Float32Array(flat.length);
    this.#flat.set(flat);
  }
}

/** A layer of a model that has weights of its own, and where they are among the model's parameters. */
export interface WeightedLayer {
  readonly layer: AnyLayer;
  readonly name: string;
  readonly specs: readonly ParameterSpec[];
  /** Of its first parameter. */
  readonly first: number;
}

interface Known {
  readonly specs: readonly ParameterSpec[];
  /** The first model that it was part of, while it is the only one; then the weights. */
  owner: Model<unknown> | SharedWeights;
}

const known = new WeakMap<AnyLayer, Known>();

/**
 * Layers that are part of a graph made before get its weights, as in Keras: what one model trains, the other uses.
 * @throws UsageError where a layer's weights there have other shapes.
 */
export function shareLayers(model: Model<unknown>): void {
  const layers = model.architecture.weightedLayers();
  for (const { layer, name, specs } of layers) checkSame(name, specs, known.get(layer)?.specs ?? specs);
  for (const { layer, specs } of layers) {
    const entry = known.get(layer);
    if (!entry) {
      known.set(layer, { specs, owner: model });
      continue;
    }
    if (!(entry.owner instanceof SharedWeights)) {
      const weights = new SharedWeights();
      entry.owner.join(layer, weights, true);
      entry.owner = weights;
    }
    model.join(layer, entry.owner, false);
  }
}

/** A chain has weights of its own for each of its layers; graphs that are made of them later share these. */
export function claimLayers(model: Model<unknown>): void {
  for (const { layer, specs } of model.architecture.weightedLayers()) {
    if (!known.has(layer)) known.set(layer, { specs, owner: model });
  }
}

/** Throws where a layer is part of two graphs within a model, or of a graph and a chain: its weights would be there twice. */
export function checkApart(model: Model<unknown>): void {
  const models = [model, ...model.subModels()].map(({ architecture }) => architecture);
  const layers = (what: Architecture['what']) =>
    models.filter((one) => one.what === what).flatMap((one) => one.weightedLayers());
  const seen = new Set(layers('sequential').map(({ layer }) => layer));
  for (const { layer, name } of layers('model')) {
    if (seen.has(layer)) {
      throw new UsageError(
        `${model.type}: layer '${name}' is part of two models within this one, so its weights would be there twice; apply ` +
          'one of them, and the layers of the other to what it gives',
      );
    }
    seen.add(layer);
  }
}

function checkSame(name: string, specs: readonly ParameterSpec[], before: readonly ParameterSpec[]): void {
  specs.forEach(({ name: parameter, shape }, i) => {
    const other = before[i]?.shape ?? [];
    if (sameShape(shape, other)) return;
    throw new UsageError(
      `model: layer '${name}' is part of a model made before, whose weights it shares: its ${parameter} is ` +
        `${showShape(other)} there and ${showShape(shape)} here; make another layer`,
    );
  });
}
