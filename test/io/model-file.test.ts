import { describe, expect, it, vi } from 'vitest';
import {
  activation,
  dense,
  dropout,
  flatten,
  l1l2,
  loadModel,
  type Model,
  ModelFormatError,
  orthogonal,
  rescaling,
  reshape,
  sequential,
} from '../../src/index.ts';
import { encodeSafetensors, type NamedTensor } from '../../src/io/safetensors.ts';
import { decodeModel } from '../../src/train/model-file.ts';
import { decodeSafetensors } from './decode.ts';

/** A layer of each type, and each option that is written. */
function everything(): Model {
  return sequential({ inputShape: [2, 3], seed: 2 ** 40 + 1, reproducible: true }, [
    rescaling(0.5, { offset: -1, name: 'scale' }),
    flatten(),
    dense(4, {
      activation: { name: 'leakyRelu', negativeSlope: 0.1 },
      kernelInitializer: orthogonal({ gain: 2 }),
      biasInitializer: 'ones',
      kernelRegularizer: l1l2({ l1: 0.1, l2: 0.2 }),
      biasLearningRateScale: 0.5,
    }),
    dropout(0.3),
    reshape([2, -1]),
    dense(2, { useBias: false, trainable: false }),
    activation('softmax'),
  ]);
}

/** The file of a small model, its JSON and tensors changed. */
function file(
  change: (parts: {
    json: { version: unknown; model: Record<string, unknown> };
    tensors: NamedTensor[];
  }) => void,
): Uint8Array {
  const model = sequential({ inputShape: [2] }, [dense(3), dense(1)]);
  const parts = { json: { version: 1, model: { ...model.toConfig() } }, tensors: model.getWeights() };
  change(parts);
  return encodeSafetensors(parts.tensors, { downhill: JSON.stringify(parts.json) });
}

function rejection(bytes: Uint8Array): ModelFormatError {
  try {
    decodeModel(bytes);
  } catch (error) {
    if (error instanceof ModelFormatError) return error;
    throw error;
  }
  throw new Error('it was read');
}

/** Where a text stands in a file. */
function placeOf(text: string, bytes: Uint8Array): number {
  return new TextDecoder('latin1').decode(bytes).indexOf(text);
}

describe('a model that is read back', () => {
  it('has the same architecture, weights and predictions, bit for bit', async () => {
    const model = everything();
    const again = await loadModel(model.toBytes());
    expect(again.toConfig()).toEqual(model.toConfig());
    expect(again.getWeights()).toEqual(model.getWeights());
    expect(again.summary()).toBe(model.summary());
    const x = [
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
    ];
    expect(await again.predict(x)).toEqual(await model.predict(x));
    expect(again.toBytes()).toEqual(model.toBytes());
  });

  it('keeps each bit, whatever it stands for', async () => {
    const model = sequential({ inputShape: [2] }, [dense(2)]);
    const bits = Uint32Array.of(0x7fa00001, 0x80000000, 0xff800000, 0x00000001);
    const [kernel, bias] = model.getWeights();
    model.setWeights([{ ...kernel!, data: new Float32Array(bits.buffer) }, bias!]);
    const [read] = (await loadModel(model.toBytes())).getWeights();
    expect(new Uint32Array(read!.data.buffer)).toEqual(bits);
  });

  it('comes from an ArrayBuffer too, as fetch gives it', async () => {
    const model = everything();
    const buffer = model.toBytes().slice().buffer;
    expect((await loadModel(buffer)).getWeights()).toEqual(model.getWeights());
  });
});

describe('a file that is no model', () => {
  it('of tensors only, is named so, with the place of its metadata', () => {
    const bytes = encodeSafetensors([], { format: 'pt' });
    const error = rejection(bytes);
    expect(error.message).toContain("no 'downhill' in its metadata");
    expect(error.offset).toBe(placeOf('"__metadata__"', bytes));
    expect(rejection(encodeSafetensors([], {})).offset).toBe(8);
  });

  it.each([0, 1, 7, 8, 9, 100])('cut off after %d bytes', (length) => {
    expect(rejection(everything().toBytes().subarray(0, length)).offset).toBeLessThanOrEqual(length);
  });

  it('is never read, wherever it is cut off', () => {
    const bytes = file(() => {});
    for (let length = 0; length < bytes.length; length++) rejection(bytes.subarray(0, length));
    expect(decodeModel(bytes).parameterCount).toBe(13);
  });

  it.each<[string, Parameters<typeof file>[0], string, string]>([
    [
      'a missing weight',
      ({ tensors }) => tensors.splice(1, 1),
      "weight 'dense/bias' is missing",
      '"__metadata__"',
    ],
    [
      'a weight too many',
      ({ tensors }) => tensors.push({ name: 'dense_2/bias', shape: [1], data: new Float32Array(1) }),
      "the model has no weight 'dense_2/bias'",
      '"dense_2/bias"',
    ],
    [
      'a weight of another shape',
      ({ tensors }) => {
        tensors[0] = { ...tensors[0]!, shape: [3, 2] };
      },
      "weight 'dense/kernel' has shape [3, 2], the model needs [2, 3]",
      '"dense/kernel"',
    ],
    [
      'a version of the future',
      ({ json }) => {
        json.version = 2;
      },
      'version 2 of the model format is not known: a newer downhill wrote it',
      '"__metadata__"',
    ],
    [
      'a version that is none',
      ({ json }) => {
        json.version = { a: 1 };
      },
      'version an object of the model format is not known',
      '"__metadata__"',
    ],
    [
      'another type of model',
      ({ json }) => {
        json.model.type = 'graph';
      },
      "unknown model type 'graph'",
      '"__metadata__"',
    ],
    [
      'an unknown layer',
      ({ json }) => {
        json.model.layers = [{ type: 'dence', units: 3 }];
      },
      "unknown layer type 'dence'; did you mean 'dense'?",
      '"__metadata__"',
    ],
    [
      'a layer of a prototype',
      ({ json }) => {
        json.model.layers = [{ type: 'constructor' }];
      },
      "unknown layer type 'constructor'",
      '"__metadata__"',
    ],
    [
      'layers that do not fit together',
      ({ json }) => {
        json.model.layers = [{ type: 'reshape', name: 'grid', shape: [5] }];
      },
      "layer 'grid': a row of its input [batch, 2] has 2 numbers",
      '"__metadata__"',
    ],
    [
      'an unknown option',
      ({ json }) => {
        json.model.layers = [{ type: 'dense', units: 3, unit: 4 }];
      },
      "dense has no option 'unit'",
      '"__metadata__"',
    ],
    [
      'no layers',
      ({ json }) => {
        json.model.layers = [];
      },
      'at least one layer',
      '"__metadata__"',
    ],
  ])('with %s', (_, change, message, place) => {
    const bytes = file(change);
    const error = rejection(bytes);
    expect(error.message).toContain(message);
    expect(error.offset).toBe(placeOf(place, bytes));
  });

  it.each([
    '{',
    'null',
    '7',
    '[]',
    '""',
    '{"version":1}',
    '{"version":1,"model":[]}',
    '{"version":1,"model":{"type":"sequential","inputShape":[2],"layers":{"length":1}}}',
    `{"version":1,"model":{"type":"sequential","inputShape":${'['.repeat(1e5)}${']'.repeat(1e5)},"layers":[]}}`,
  ])('with %.40s as its architecture', (json) => {
    expect(rejection(encodeSafetensors([], { downhill: json })).offset).toBe(9);
  });
});

describe('a hostile file', () => {
  const hostile = (model: string): ModelFormatError =>
    rejection(encodeSafetensors([], { downhill: `{"version":1,"model":${model}}` }));

  it.each([
    '{"__proto__":{"polluted":1},"type":"sequential","inputShape":[2],"layers":[{"type":"flatten"}]}',
    '{"type":"sequential","inputShape":[2],"layers":[{"__proto__":{"polluted":1},"type":"flatten"}]}',
    '{"type":"sequential","inputShape":[2],"layers":[{"type":"dense","units":1,"__proto__":{"polluted":1}}]}',
    '{"type":"sequential","inputShape":[2],"layers":[{"type":"activation","activation":{"name":"elu","__proto__":{"alpha":2}}}]}',
    '{"type":"sequential","inputShape":[2],"layers":[{"type":"dense","units":1,"kernelRegularizer":{"__proto__":{"l1":2}}}]}',
    '{"type":"sequential","inputShape":[2],"layers":[{"type":"dense","units":1,"kernelInitializer":{"name":"constant","__proto__":{"value":2}}}]}',
  ])('cannot reach a prototype: %s', (model) => {
    expect(hostile(model).message).toContain("no option '__proto__'");
    expect('polluted' in {}).toBe(false);
  });

  it.each([
    ['a layer', '"inputShape":[100000],"layers":[{"type":"dense","units":2000000000}]'],
    ['an input', '"inputShape":[2147483647,2147483647,2147483647],"layers":[{"type":"flatten"}]'],
    [
      'a thousand layers',
      `"inputShape":[2000],"layers":[${'{"type":"dense","units":2000},'.repeat(999)}{"type":"flatten"}]`,
    ],
    ['dimensions', `"inputShape":[${'1,'.repeat(1e5)}1],"layers":[{"type":"flatten"}]`],
    ['a reshape', `"inputShape":[1],"layers":[{"type":"reshape","shape":[${'1,'.repeat(1e5)}1]}]`],
  ])('does not make the reader allocate: %s larger than memory', (_, model) => {
    const before = process.memoryUsage();
    const error = hostile(`{"type":"sequential",${model}}`);
    const after = process.memoryUsage();
    expect(error.message).toMatch(/do not fit into the 4 GiB|at most 16 are possible/);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 22);
  });

  it('allocates nothing for weights that the file does not bring', () => {
    const before = process.memoryUsage().arrayBuffers;
    const error = hostile(
      '{"type":"sequential","inputShape":[30000],"layers":[{"type":"dense","units":30000}]}',
    );
    expect(error.message).toContain("weight 'dense/kernel' is missing");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 22);
  });

  it('allocates nothing for constants of a model that does not run yet', () => {
    const from = vi.spyOn(Float32Array, 'from');
    const before = process.memoryUsage().arrayBuffers;
    const large = '{"type":"sequential","inputShape":[14000,14000],"layers":';
    const encoding = `{"version":1,"model":${large}[{"type":"sinePositionEncoding"}]}}`;
    expect(decodeModel(encodeSafetensors([], { downhill: encoding })).parameterCount).toBe(0);
    const rotary = '{"type":"multiHeadAttention","numHeads":1,"keyDim":14000,"rotary":true}';
    expect(hostile(`${large}[${rotary}]}`).message).toContain("weight 'multiHeadAttention/");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 22);
    expect(from).not.toHaveBeenCalled();
    from.mockRestore();
  });

  it('of 200,000 layers is read in a time that grows with its length only', () => {
    const layers = `${'{"type":"flatten"},'.repeat(200_000)}{"type":"flatten"}`;
    const json = `{"version":1,"model":{"type":"sequential","inputShape":[2],"layers":[${layers}]}}`;
    const model = decodeModel(encodeSafetensors([], { downhill: json }));
    expect(model.layers.at(-1)!.name).toBe('flatten_200000');
  });

  it('of 50,000 inputs, or as many frozen layers, is read in a time that grows with its length only', () => {
    const many = Array.from({ length: 50_000 }, (_, i) => i);
    const read = (model: string) =>
      decodeModel(encodeSafetensors([], { downhill: `{"version":1,"model":{${model}}}` }));
    const joined = read(
      '"type":"model","inputForm":"list","outputForm":"single","seed":0,"reproducible":false,' +
        `"inputs":[${many.map((i) => `{"name":"x${i}","shape":[1]}`)}],` +
        `"layers":[{"type":"concatenate","name":"all"}],"applications":[{"layer":"all","reads":[${many}]}],` +
        '"outputs":[{"name":"y","tensor":50000}]',
    );
    expect(joined.outputShape).toEqual([-1, 50_000]);
    const layers = many.map((i) => `{"type":"flatten","name":"layer${i}"}`);
    const frozen = many.map(() => '"layer49999"');
    const cold = read(`"type":"sequential","inputShape":[2],"layers":[${layers}],"frozen":[${frozen}]`);
    expect(cold.frozen).toEqual(['layer49999']);
  });

  it('of sub-models that are applied twice within each other is refused before they are traced', () => {
    const settings = '"seed":0,"reproducible":false';
    const graph = (layer: string, applications: string, last: number) =>
      `{"type":"model","name":"part","inputForm":"single","outputForm":"single",${settings},` +
      `"inputs":[{"name":"x","shape":[4]}],"layers":[${layer}],"applications":[${applications}],` +
      `"outputs":[{"name":"y","tensor":${last}}]}`;
    const twice = '{"layer":"part","reads":[0]},{"layer":"part","reads":[1]}';
    let json = graph('{"type":"rescaling","name":"same","scale":1}', '{"layer":"same","reads":[0]}', 1);
    for (let depth = 0; depth < 40; depth++) json = graph(json, twice, 2);
    expect(hostile(json).message).toContain('it has 524,288 layers, those of a sub-model counted each time');
  });

  it('of 1,000 models within each other is refused', () => {
    const [open, close] = ['{"type":"sequential","inputShape":[4],"layers":[', ']}'];
    const json = `${open.repeat(1000)}{"type":"flatten"}${close.repeat(1000)}`;
    expect(hostile(json).message).toContain('101 models one within the other, at most 100 are possible');
  });

  it('keeps its messages short', () => {
    const long = 'x'.repeat(1e6);
    for (const model of [
      `{"type":"${long}"}`,
      `{"type":"sequential","inputShape":[2],"layers":[{"type":"${long}"}]}`,
      `{"type":"sequential","inputShape":[2],"layers":[{"type":"flatten","${long}":1}]}`,
      `{"type":"sequential","inputShape":[2],"layers":[{"type":"dense","units":1,"name":"${long}"}]}`,
    ]) {
      expect(hostile(model).message.length).toBeLessThan(500);
    }
    const tensors = [{ name: long, shape: [1], data: new Float32Array(1) }];
    const config = sequential({ inputShape: [2] }, [flatten()]).toConfig();
    const named = encodeSafetensors(tensors, { downhill: JSON.stringify({ version: 1, model: config }) });
    expect(rejection(named).message.length).toBeLessThan(500);
    expect(decodeSafetensors(named).tensors).toHaveLength(1);
  });
});
