// The body of the two model-file fuzz tests, the bounded one here and the long one in test/slow.
//
// A case is the file of a good model whose architecture is changed, as a JSON value, one to four times, and whose
// tensors may be changed too. What decodeSafetensors refuses is fuzzed in fuzz-safetensors.ts.

import fc from 'fast-check';
import {
  activation,
  dense,
  dropout,
  flatten,
  l1l2,
  rescaling,
  reshape,
  sequential,
} from '../../src/index.ts';
import { ModelFormatError } from '../../src/io/errors.ts';
import { encodeSafetensors, type NamedTensor } from '../../src/io/safetensors.ts';
import { decodeModel } from '../../src/train/model-file.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const GOOD = [
  sequential({ inputShape: [2], seed: 1 }, [dense(3, { activation: 'elu' }), dense(1)]),
  sequential({ inputShape: [2, 3], reproducible: true }, [
    rescaling(0.5),
    flatten(),
    dense(4, { kernelRegularizer: l1l2(), biasInitializer: 'ones', name: 'wide' }),
    dropout(0.5),
    reshape([2, -1]),
    dense(2, { useBias: false, kernelInitializer: 'heNormal' }),
    activation('softmax'),
  ]),
];

/** Values that options, names, types and dimensions may become. */
const VALUES: readonly Json[] = [
  ...[null, true, false, 0, 1, 2, 3, 4, 6, 7, -1, 0.5, 1e9, 2 ** 31, 2 ** 53, 1e308],
  ...[
    '',
    'dense',
    'flatten',
    'wide',
    'relu',
    'softmax',
    'zeros',
    'orthogonal',
    '__proto__',
    'constructor',
    'sequential',
  ],
  ...[[], [1], [2, 3], [6], [3, 2], [-1, 2], [[2]]],
  ...[{}, { name: 'elu', alpha: 2 }, { name: 'constant' }, { l1: 1, l2: -1 }, { type: 'flatten' }],
  ...[
    { type: 'dense', units: 2 },
    { type: 'reshape', shape: [2, 3] },
    { type: 'activation', activation: 'mish' },
  ],
];
const KEYS = [
  '__proto__',
  'constructor',
  'name',
  'type',
  'units',
  'alpha',
  'layers',
  'activation',
  'rate',
  'x',
];

interface Edit {
  readonly place: number;
  readonly kind: 'replace' | 'remove' | 'repeat' | 'add';
  readonly value: Json;
  readonly key: string;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  place: fc.nat(0xffff),
  kind: fc.constantFrom('replace', 'replace', 'remove', 'repeat', 'add'),
  value: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...VALUES) },
    { weight: 1, arbitrary: fc.jsonValue() as fc.Arbitrary<Json> },
  ),
  key: fc.constantFrom(...KEYS),
});

/** Every place of a JSON value that can be changed: its container and the key there. */
function places(
  value: Json,
): readonly (readonly [container: Json[] | { [key: string]: Json }, key: string])[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.keys(value).flatMap((key) => [
    [value, key] as const,
    ...places(Reflect.get(value, key) as Json),
  ]);
}

function apply(json: Json, { place, kind, value: given, key }: Edit): void {
  const value = structuredClone(given);
  const all = places(json);
  const found = all[place % Math.max(1, all.length)];
  if (!found) return;
  const [container, at] = found;
  const define = (name: string, content: Json) =>
    Object.defineProperty(container, name, {
      value: content,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  if (Array.isArray(container)) {
    const i = Number(at);
    if (kind === 'remove') container.splice(i, 1);
    else if (kind === 'replace') container[i] = value;
    else container.splice(i, 0, kind === 'add' ? value : structuredClone(container[i]!));
  } else if (kind === 'remove') delete container[at];
  else if (kind === 'replace') define(at, value);
  else define(key, value);
}

const tensorEdit = fc.option(
  fc.record({
    place: fc.nat(20),
    kind: fc.constantFrom('remove', 'rename', 'reshape'),
    name: fc.constantFrom('dense/kernel', 'dense/bias', 'wide/kernel', 'dense_1/kernel', 'x'),
  }),
  { freq: 4 },
);

const damagedModel = fc
  .tuple(fc.constantFrom(...GOOD), fc.array(edit, { minLength: 0, maxLength: 4 }), tensorEdit)
  .map(([model, edits, change]) => {
    const json = JSON.parse(JSON.stringify({ version: 1, model: model.toConfig() })) as Json;
    for (const one of edits) apply(json, one);
    const tensors: NamedTensor[] = model.getWeights();
    if (change) {
      const i = change.place % tensors.length;
      const { shape, ...tensor } = tensors[i]!;
      if (change.kind === 'remove') tensors.splice(i, 1);
      else if (change.kind === 'reshape') tensors[i] = { ...tensor, shape: [...shape].reverse() };
      else if (!tensors.some(({ name }) => name === change.name))
        tensors[i] = { ...tensor, shape, name: change.name };
    }
    return encodeSafetensors(tensors, { downhill: JSON.stringify(json) });
  });

export interface ModelFuzzCounts {
  readonly accepted: number;
  /** Of different rejections. */
  readonly messages: ReadonlySet<string>;
}

/** Reads `runs` damaged models: each raises ModelFormatError, or is a model that predicts and can be saved. */
export function fuzzModelFile(runs: number, seed: number): ModelFuzzCounts {
  const messages = new Set<string>();
  let accepted = 0;
  const check = (bytes: Uint8Array): void => {
    let model: ReturnType<typeof decodeModel>;
    try {
      model = decodeModel(bytes);
    } catch (error) {
      if (!(error instanceof ModelFormatError)) throw error;
      const { offset, message } = error;
      if (!(offset >= 8 && offset < bytes.length) || message.length > 600) {
        throw new Error(`a strange rejection: ${message}`);
      }
      messages.add(message.replace(/\d+/g, '0'));
      return;
    }
    accepted++;
    const again = decodeModel(model.toBytes());
    if (JSON.stringify(again.toConfig()) !== JSON.stringify(model.toConfig())) {
      throw new Error('not the same architecture after a round trip');
    }
    const size = model.inputShape.reduce((a, b) => a * b, 1);
    if (size > 1000) return;
    const x = { data: new Float32Array(size).fill(0.5), shape: [1, ...model.inputShape] };
    const [one, two] = [model.predictSync(x), again.predictSync(x)];
    if (!one.data.every((value, i) => Object.is(value, two.data[i]))) {
      throw new Error('not the same prediction after a round trip');
    }
  };
  fc.assert(fc.property(damagedModel, check), { numRuns: runs, seed });
  if ('polluted' in {} || Object.keys(Object.prototype).length > 0)
    throw new Error('a prototype was reached');
  return { accepted, messages };
}
