import { dimensions, integer, named, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { CustomLayers } from '../layers/custom.ts';
import type { AnyLayer } from '../layers/layer.ts';
import { apply, inputNode, type SymbolicTensor } from '../layers/symbolic.ts';
import { layerFromConfig } from '../layers/types.ts';
import { Architecture, type PortForm } from './architecture.ts';
import { Model } from './model.ts';
import { modelSettings, sequentialModel } from './models.ts';
import { checkApart, shareLayers } from './shared.ts';

type Config = Readonly<Record<string, unknown>>;

/** A model from the JSON of a file, which may hold anything; `custom`: layers that are not the library's. */
export function modelFromConfig(value: unknown, custom: CustomLayers): Model {
  const { type, frozen = [], ...config } = object(value, 'the model');
  if (typeof type !== 'string' || !Object.hasOwn(makers, type)) {
    throw new UsageError(`unknown model type ${show(type)}`);
  }
  const model = makers[type]!(config, custom);
  const names = list(frozen, 'frozen');
  if (names.length > 0) model.freeze(...(names as string[]));
  return model;
}

const makers: { readonly [type: string]: (config: Config, custom: CustomLayers) => Model } = {
  sequential: ({ layers, ...options }, custom) =>
    sequentialModel(
      options,
      list(layers, 'layers').map((layer) => anyLayer(layer, custom)),
    ),
  model: graphModel,
};

function anyLayer(value: unknown, custom: CustomLayers): AnyLayer {
  const { type } = object(value, 'a layer');
  if (typeof type === 'string' && Object.hasOwn(makers, type)) return modelFromConfig(value, custom).asLayer;
  return layerFromConfig(value, custom);
}

function graphModel(config: Config, custom: CustomLayers): Model {
  const known = ['inputForm', 'outputForm', 'inputs', 'layers', 'applications', 'outputs'];
  const settings: Record<string, unknown> = { ...config };
  for (const key of known) delete settings[key];
  const forms = { single: 'single', list: 'list', record: 'record' } as const;
  const inputForm: PortForm = named(forms, config.inputForm, 'inputForm');
  const outputForm: PortForm = named(forms, config.outputForm, 'outputForm');
  const inputs = list(config.inputs, 'inputs').map((entry) => {
    const { name, shape } = object(entry, 'an input');
    return { name: portName(name), tensor: inputNode(dimensions(shape, 'an input: shape'), portName(name)) };
  });
  const layers = new Map<string, AnyLayer>();
  for (const entry of list(config.layers, 'layers')) {
    const layer = anyLayer(entry, custom);
    if (layer.name === undefined) throw new UsageError('a layer of a graph has no name');
    if (layers.has(layer.name)) throw new UsageError(`two layers are named '${layer.name}'`);
    layers.set(layer.name, layer);
  }
  const tensors: SymbolicTensor[] = inputs.map(({ tensor }) => tensor);
  const at = (number: unknown, reader: string): SymbolicTensor => {
    integer(number, `${reader}: a tensor it reads`, 0);
    const tensor = tensors[number as number];
    if (tensor) return tensor;
    throw new UsageError(
      `${reader} reads tensor ${number}, but only ${tensors.length} come before it: a cycle, or an unknown one`,
    );
  };
  for (const [i, entry] of list(config.applications, 'applications').entries()) {
    const { layer: name, reads } = object(entry, 'an application');
    const layer = typeof name === 'string' ? layers.get(name) : undefined;
    if (!layer) throw new UsageError(`application ${i + 1} is of an unknown layer ${show(name)}`);
    const from = list(reads, `layer '${name}': reads`).map((number) => at(number, `layer '${name}'`));
    tensors.push(...apply(layer, from));
  }
  const outputs = list(config.outputs, 'outputs').map((entry) => {
    const { name, tensor } = object(entry, 'an output');
    return { name: portName(name), tensor: at(tensor, 'an output') };
  });
  for (const [form, ports] of [
    [inputForm, inputs],
    [outputForm, outputs],
  ] as const) {
    // biome-ignore format: pairs
    if (ports.length === 0 || (form === 'single' && ports.length > 1)) {
      throw new UsageError(`${ports.length} inputs or outputs in the form '${form}'`);
    }
  }
  const architecture = new Architecture(
    'model',
    { form: inputForm, list: inputs },
    { form: outputForm, list: outputs },
  );
  if (architecture.layers.length !== layers.size)
    throw new UsageError('a layer is not applied, or not needed');
  const made = new Model(architecture, modelSettings(settings, 'model'));
  checkApart(made);
  shareLayers(made);
  return made;
}

function object(value: unknown, what: string): Config {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Config;
  throw new UsageError(`${what} is not an object`);
}

function list(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new UsageError(`${what} is not an array`);
}

function portName(value: unknown): string {
  if (typeof value === 'string' && /^[\w.-]{1,100}$/.test(value)) return value;
  throw new UsageError(`the name of an input or output must be 1 to 100 letters, digits, '_', '-' or '.'`);
}
