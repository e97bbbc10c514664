import { knownKeys, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import { ModelFormatError } from '../io/errors.ts';
import {
  headerOf,
  orTooLarge,
  type ReadTensor,
  type SafetensorsHeader,
  tensorsOf,
} from '../io/safetensors.ts';
import { type CustomLayers, checkedCustom } from '../layers/custom.ts';
import { FORMAT_KEY, FORMAT_VERSION, hasFiles, type Model } from './model.ts';
import { modelFromConfig } from './model-config.ts';

export interface LoadOptions {
  /** Classes of custom layers and functions of named lambda layers that the file names: `{ MyLayer }`. Default: none. */
  layers?: CustomLayers | undefined;
}

/**
 * Reads a model that `save` or `toBytes` wrote.
 * @param source A path (Node) or the bytes of the file.
 * @throws ModelFormatError, with the byte offset, on a file that is damaged or not a model; nothing larger than the
 *   file is allocated before it is known to be one, and of a path only its header is read before. UsageError on a path
 *   in a browser, which has no files. The error of the file system when the file cannot be read.
 */
export async function loadModel(
  source: string | Uint8Array | ArrayBuffer,
  options: LoadOptions = {},
): Promise<Model> {
  knownKeys(options, ['layers'], 'loadModel');
  const custom = checkedCustom(options.layers ?? {}, 'loadModel');
  if (source instanceof ArrayBuffer) return decodeModel(new Uint8Array(source), custom);
  if (source instanceof Uint8Array) return decodeModel(source, custom);
  if (typeof source !== 'string') {
    const body = typeof source === 'object' && source !== null && 'arrayBuffer' in source;
    throw new UsageError(
      `loadModel takes a path, a Uint8Array or an ArrayBuffer, got ${show(source)}` +
        (body ? ': give its bytes, await ….arrayBuffer()' : ''),
    );
  }
  if (!hasFiles() || /^https?:/.test(source)) {
    const reads = hasFiles() ? `files, got ${show(source)};` : 'a path in Node only; in a browser';
    throw new UsageError(
      `loadModel reads ${reads} fetch the file and give its bytes: loadModel(await response.arrayBuffer())`,
    );
  }
  const { readSafetensorsFile } = await import('../io/files.ts');
  const [model, tensors] = await readSafetensorsFile(source, (header) => modelOf(header, custom));
  return withWeights(model, tensors);
}

/** The same from the bytes of a file, at once. */
export function decodeModel(bytes: Uint8Array, custom: CustomLayers = {}): Model {
  const header = headerOf(bytes);
  const model = modelOf(header, custom);
  return withWeights(model, tensorsOf(bytes, header));
}

function withWeights(model: Model, tensors: readonly ReadTensor[]): Model {
  orTooLarge(() => model.setWeights(tensors), 'the weights', 0);
  return model;
}

/** The model that a header describes, if the file has its weights; they are not read yet. */
function modelOf({ entries, metadata, metadataAt }: SafetensorsHeader, custom: CustomLayers): Model {
  const json = metadata.get(FORMAT_KEY);
  if (json === undefined) {
    throw new ModelFormatError(
      `this safetensors file holds no downhill model: no '${FORMAT_KEY}' in its metadata`,
      metadataAt,
    );
  }
  const model = build(json, metadataAt, custom);
  const missing = new Map(model.layout.list.map((parameter) => [parameter.name, parameter]));
  for (const { name, shape, nameAt: at } of entries) {
    const parameter = missing.get(name);
    if (!parameter) throw new ModelFormatError(`the model has no weight ${show(name)}`, at);
    const same = shape.length === parameter.shape.length && shape.every((d, i) => d === parameter.shape[i]);
    if (!same) {
      throw new ModelFormatError(
        `weight '${name}' has shape [${shape.slice(0, 8).join(', ')}], the model needs [${parameter.shape.join(', ')}]`,
        at,
      );
    }
    missing.delete(name);
  }
  const [first] = missing.keys();
  if (first !== undefined) throw new ModelFormatError(`weight '${first}' is missing`, metadataAt);
  return model;
}

/** The architecture; nothing is allocated for its weights yet. */
function build(json: string, at: number, custom: CustomLayers): Model {
  try {
    const parsed: unknown = JSON.parse(json);
    if (typeof parsed !== 'object' || parsed === null) throw new UsageError('it is not an object');
    const { version, model }: { version?: unknown; model?: unknown } = parsed;
    if (version !== FORMAT_VERSION) {
      const newer = typeof version === 'number' && version > FORMAT_VERSION;
      const hint = newer ? ': a newer downhill wrote it, install that to read it' : '';
      throw new UsageError(`version ${show(version)} of the model format is not known${hint}`);
    }
    return modelFromConfig(model, custom);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ModelFormatError(`the model in the metadata cannot be made: ${reason.slice(0, 400)}`, at);
  }
}
