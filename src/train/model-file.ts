import { UsageError } from '../errors.ts';
import { ModelFormatError } from '../io/errors.ts';
import { decodeSafetensors } from '../io/safetensors.ts';
import { layerFromConfig } from '../layers/layers.ts';
import { FORMAT_KEY, FORMAT_VERSION, Model, type SequentialOptions } from './model.ts';

/** Where the metadata lie in a safetensors file. */
const HEADER = 8;

/**
 * Reads a model that `save` or `toBytes` wrote.
 * @param source A path (Node) or the bytes of the file.
 * @throws ModelFormatError, with the byte offset, on a file that is damaged or not a model.
 */
export async function loadModel(source: string | Uint8Array): Promise<Model> {
  if (typeof source !== 'string') return decodeModel(source);
  const { readFile } = await import('node:fs/promises');
  return decodeModel(await readFile(source));
}

export function decodeModel(bytes: Uint8Array): Model {
  if (!(bytes instanceof Uint8Array)) throw new UsageError('loadModel takes a path or a Uint8Array');
  const { tensors, metadata } = decodeSafetensors(bytes);
  const json = metadata.get(FORMAT_KEY);
  if (json === undefined) {
    throw new ModelFormatError(
      `this safetensors file holds no downhill model: no '${FORMAT_KEY}' in its metadata`,
      HEADER,
    );
  }
  const model = build(json);
  const expected = new Map(model.layout.list.map((parameter) => [parameter.fullName, parameter]));
  for (const { name, shape } of tensors) {
    const parameter = expected.get(name);
    if (!parameter) throw new ModelFormatError(`the model has no weight '${name}'`, HEADER);
    const same = shape.length === parameter.shape.length && shape.every((d, i) => d === parameter.shape[i]);
    if (!same) {
      const wanted = `[${parameter.shape.join(', ')}]`;
      throw new ModelFormatError(
        `weight '${name}' has shape [${shape.join(', ')}], the model needs ${wanted}`,
        HEADER,
      );
    }
    expected.delete(name);
  }
  const missing = [...expected.keys()][0];
  if (missing !== undefined) throw new ModelFormatError(`weight '${missing}' is missing`, HEADER);
  model.setWeights(tensors);
  return model;
}

/** The architecture; nothing is allocated for its weights yet. */
function build(json: string): Model {
  try {
    const { version, model }: { version?: unknown; model?: unknown } = JSON.parse(json);
    if (version !== FORMAT_VERSION) {
      const hint =
        typeof version === 'number' && version > FORMAT_VERSION ? ': a newer downhill wrote it' : '';
      throw new UsageError(`version ${String(version)} of the model format is not known${hint}`);
    }
    if (typeof model !== 'object' || model === null) throw new UsageError('the model is not an object');
    const { type, layers, ...options } = model as Record<string, unknown>;
    if (type !== 'sequential') throw new UsageError(`unknown model type '${String(type)}'`);
    if (!Array.isArray(layers)) throw new UsageError('layers is not an array');
    return new Model(options as unknown as SequentialOptions, layers.map(layerFromConfig));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ModelFormatError(`the model in the metadata cannot be made: ${reason}`, HEADER);
  }
}
