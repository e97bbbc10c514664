import { dimensions, flag, integer, knownKeys, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { AnyLayer } from '../layers/layer.ts';
import { layerName } from '../layers/options.ts';
import { apply, type ChainLayer, inputCount, inputNode, SymbolicTensor } from '../layers/symbolic.ts';
import { Architecture, type Ports } from './architecture.ts';
import { Model, type ModelSettings } from './model.ts';
import { isModelLayer } from './model-layer.ts';
import type { Prediction } from './predictor.ts';
import { checkApart, claimLayers, shareLayers } from './shared.ts';

interface CommonOptions {
  /** As a layer of another model. Default: the type, numbered. */
  name?: string | undefined;
  /**
   * Of initial weights, shuffling and dropout: an integer from 0 to 2^53 - 1. Default 0, so two models of the same layers
   * begin alike: members of an ensemble need seeds of their own.
   */
  seed?: number | undefined;
  /**
   * Training and prediction give the same bits on every machine and browser, at the price of fused multiply-add.
   * Default false: the same bits on the same machine.
   */
  reproducible?: boolean | undefined;
  /**
   * As a layer of another model: training keeps its inputs alone and computes the rest again for the gradient (gradient
   * checkpointing): less memory for one more forward pass of this part, and the same bits. The model itself, and models in
   * this one, are one part. Default false.
   */
  checkpoint?: boolean | undefined;
}

/** Keys of the common options. */
const SETTINGS = ['name', 'seed', 'reproducible', 'checkpoint'];

export interface SequentialOptions extends CommonOptions {
  /** Dimensions of one row of the input, without the batch: [784], [28, 28]. */
  inputShape: readonly number[];
}

/** One symbolic tensor, or several as a list or by name. */
export type Tensors = SymbolicTensor | readonly SymbolicTensor[] | Readonly<Record<string, SymbolicTensor>>;

export interface ModelOptions<Outputs extends Tensors = Tensors> extends CommonOptions {
  /** What `input` made. Keys of a record are the names of the inputs. */
  inputs: Tensors;
  /** Keys of a record are the names of the outputs; otherwise they have those of their layers. */
  outputs: Outputs;
}

/** What `predict` gives, in the form of the model's outputs. */
export type PredictionOf<Outputs extends Tensors> = Outputs extends SymbolicTensor
  ? Prediction
  : Outputs extends readonly SymbolicTensor[]
    ? Prediction[]
    : { [K in keyof Outputs]: Prediction };

/**
 * An input of a model: rows of `shape`, the batch left out. Layers are applied to it: `dense(64)(input([784]))`.
 * @throws UsageError on dimensions or a name out of range.
 */
export function input(shape: readonly number[], options: { name?: string | undefined } = {}): SymbolicTensor {
  knownKeys(options, ['name'], 'input');
  return inputNode(dimensions(shape, 'input: shape'), layerName(options, 'input'));
}

/**
 * A model of layers as a graph, from `inputs` to `outputs`. A layer has one set of weights, however often it is applied and
 * in however many graphs: after `const code = dense(2)(x)`, a model that ends in `code` is the encoder of one that goes on
 * from it, trained or not. A model may be a layer, by `apply`, and shares its weights with the model that it is part of.
 * @throws UsageError on an input that no output depends on, an output that depends on another input, two layers of one
 *   name, a layer whose weights in a model made before have other shapes, or more than 2^18 layers, those of a sub-model
 *   counted each time that it is applied.
 */
export function model<const Outputs extends Tensors>(
  options: ModelOptions<Outputs>,
): Model<PredictionOf<Outputs>> {
  knownKeys(options, ['inputs', 'outputs', ...SETTINGS], 'model');
  const inputs = ports(options.inputs, 'model: inputs');
  for (const { tensor } of inputs.list) {
    if (!tensor.source.layer) continue;
    throw new UsageError(
      `model: inputs are made by input(), got the result of layer '${tensor.source.layer.name ?? tensor.source.layer.type}'`,
    );
  }
  const architecture = new Architecture('model', inputs, ports(options.outputs, 'model: outputs'));
  const { inputs: _, outputs: __, ...settings } = options;
  const made = new Model<PredictionOf<Outputs>>(architecture, modelSettings(settings, 'model'));
  checkApart(made);
  shareLayers(made);
  return made;
}

/**
 * A model of layers one after the other, models among them. Weights follow from the seed. A layer that is there twice, or
 * in several such models, has weights for each place; `model` shares those of the first, so the layers of a trained chain,
 * loaded or not, go on in a graph that applies them (`layers[i].apply`).
 * @throws UsageError on an option out of range, two layers of one name, or when a layer does not fit the output of the
 *   one before it.
 */
export function sequential(
  options: SequentialOptions,
  layers: readonly (ChainLayer | Model<unknown>)[],
): Model {
  return sequentialModel(options, layers);
}

/** The same from options that may hold anything. */
export function sequentialModel(options: object, layers: readonly (AnyLayer | Model<unknown>)[]): Model {
  knownKeys(options, ['inputShape', ...SETTINGS], 'sequential');
  const { inputShape, ...rest }: { inputShape?: unknown } = options;
  const first = inputNode(dimensions(inputShape, 'sequential: inputShape'), undefined);
  const settings = modelSettings(rest, 'sequential');
  checkLayers(layers);
  const own = separate(layers.map((layer) => (layer instanceof Model ? layer.asLayer : layer)));
  const numbered = new Map<string, number>();
  let x = first;
  for (const [i, layer] of own.entries()) {
    const count = numbered.get(layer.type) ?? 0;
    if (layer.name === undefined) numbered.set(layer.type, count + 1);
    const name = layer.name ?? (count === 0 ? layer.type : `${layer.type}_${count}`);
    const results = apply(layer, [x], name);
    if (results.length > 1) {
      throw new UsageError(
        `${place(i, layers)} has several results, with returnState; make the model with model()`,
      );
    }
    x = results[0]!;
  }
  const architecture = new Architecture(
    'sequential',
    { form: 'single', list: [{ name: undefined, tensor: first }] },
    { form: 'single', list: [{ name: undefined, tensor: x }] },
  );
  const made = new Model(architecture, settings);
  checkApart(made);
  claimLayers(made);
  return made;
}

export function modelSettings(options: object, what: string): ModelSettings {
  knownKeys(options, SETTINGS, what);
  const { seed, reproducible, checkpoint }: { [K in 'seed' | 'reproducible' | 'checkpoint']?: unknown } =
    options;
  return {
    name: layerName(options, what),
    seed: integer(seed ?? 0, `${what}: seed`, 0, Number.MAX_SAFE_INTEGER),
    reproducible: flag(reproducible ?? false, `${what}: reproducible`),
    checkpoint: flag(checkpoint ?? false, `${what}: checkpoint`),
  };
}

function ports(value: unknown, what: string): Ports {
  const check = (tensor: unknown, place: string): SymbolicTensor => {
    if (tensor instanceof SymbolicTensor) return tensor;
    throw new UsageError(
      `${place} must be a symbolic tensor, as input() and layers make it, got ${show(tensor)}`,
    );
  };
  if (value instanceof SymbolicTensor) {
    return {
      form: 'single',
      list: [{ name: value.source.layer ? undefined : value.source.name, tensor: value }],
    };
  }
  const several = typeof value === 'object' && value !== null && Object.keys(value).length > 0;
  if (!several) {
    throw new UsageError(`${what}: give a symbolic tensor, a list or a record of them, got ${show(value)}`);
  }
  if (Array.isArray(value)) {
    const list = value.map((entry: unknown, i) => {
      const tensor = check(entry, `${what}[${i}]`);
      return { name: tensor.source.layer ? undefined : tensor.source.name, tensor };
    });
    return { form: 'list', list };
  }
  const list = Object.entries(value).map(([name, tensor]) => ({
    name: layerName({ name }, what),
    tensor: check(tensor, `${what}: '${name}'`),
  }));
  return { form: 'record', list };
}

/** A copy of a layer that is there already, so that each place has its own weights. */
function separate(layers: readonly AnyLayer[]): readonly AnyLayer[] {
  const seen = new Set<AnyLayer>();
  return layers.map((layer) => {
    if (seen.has(layer) && !isModelLayer(layer)) return copyOf(layer);
    seen.add(layer);
    return layer;
  });
}

/** The same layer once more; its methods are called on the first one, which may have state of its own. */
function copyOf(layer: AnyLayer): AnyLayer {
  const { type, name, inputs, indices, passesMask, streams, stateful, directed, resultShapes } = layer;
  // all of its fields: it does not compile where one is missing
  const copy: { readonly [K in keyof Required<AnyLayer>]: AnyLayer[K] } = {
    ...{ type, name, inputs, indices, passesMask, streams, stateful, directed, resultShapes },
    get config() {
      return layer.config;
    },
    parameters: (shapes, name) => layer.parameters?.(shapes, name) ?? [],
    trace: (xs, context) => layer.trace(xs, context),
  };
  return copy as AnyLayer;
}

function place(i: number, layers: readonly unknown[]): string {
  return `sequential: layer ${i + 1} of ${layers.length}`;
}

function checkLayers(layers: unknown): void {
  if (!Array.isArray(layers) || layers.length === 0) {
    throw new UsageError(
      `sequential takes an array of at least one layer after its options, got ${show(layers)}`,
    );
  }
  layers.forEach((layer: unknown, i) => {
    if (layer instanceof Model) {
      const { inputs, outputs } = layer.architecture;
      if (inputs.length === 1 && outputs.length === 1) return;
      throw new UsageError(
        `${place(i, layers)} is a model with several inputs or outputs; make the model with model()`,
      );
    }
    const isObject = (typeof layer === 'object' && layer !== null) || typeof layer === 'function';
    if (!isObject || !('trace' in layer)) {
      const call = typeof layer === 'function' ? `; call it: ${layer.name}(…)` : '';
      throw new UsageError(
        `${place(i, layers)} must be a layer such as dense(10), got ${show(layer)}${call}`,
      );
    }
    if (inputCount(layer as AnyLayer).least === 1) return;
    const { type } = layer as AnyLayer;
    throw new UsageError(
      `${place(i, layers)}, ${show(type)}, takes several inputs; make the model with model()`,
    );
  });
}
