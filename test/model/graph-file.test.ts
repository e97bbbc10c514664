import { describe, expect, it } from 'vitest';
import { concatenate, dense, dropout, input, ModelFormatError, model, sequential } from '../../src/index.ts';
import { encodeSafetensors } from '../../src/io/safetensors.ts';
import { decodeModel } from '../../src/train/model-file.ts';
import { matrix, pair, pairData } from './support.ts';

describe('a graph model in a file', () => {
  it('comes back the same: architecture, weights, predictions, bytes', () => {
    const net = pair({ seed: 9, reproducible: true, name: 'net' });
    const again = decodeModel(net.toBytes());
    expect(again.toConfig()).toEqual(net.toConfig());
    expect(again.getWeights()).toEqual(net.getWeights());
    expect(again.predictSync(pairData().x)).toEqual(net.predictSync(pairData().x));
    expect(again.toBytes()).toEqual(net.toBytes());
    expect(again.summary()).toBe(net.summary());
  });

  it('keeps shared layers shared and sub-models whole', () => {
    const x = input([4]);
    const shared = dense(4, { name: 'shared' });
    const inner = sequential({ inputShape: [4] }, [dropout(0.5), dense(2)]);
    const net = model({
      inputs: [x],
      outputs: [concatenate()([inner.apply(shared(shared(x))), x])],
    });
    const again = decodeModel(net.toBytes());
    expect(again.parameterCount).toBe(net.parameterCount);
    expect(again.predictSync([matrix(3, 4, 1)])).toEqual(net.predictSync([matrix(3, 4, 1)]));
    expect(again.toBytes()).toEqual(net.toBytes());
  });

  type Json = Record<string, unknown> & {
    layers: Record<string, unknown>[];
    applications: { layer: unknown; reads: unknown }[];
    inputs: Record<string, unknown>[];
    outputs: Record<string, unknown>[];
  };

  it.each<[string, (json: Json) => void, string]>([
    [
      'a cycle',
      (json) => Object.assign(json.applications[0]!, { reads: [2] }),
      "layer 'left' reads tensor 2, but only 2",
    ],
    [
      'an unknown tensor',
      (json) => Object.assign(json.outputs[0]!, { tensor: 99 }),
      'an output reads tensor 99',
    ],
    [
      'a tensor that is no number',
      (json) => Object.assign(json.applications[0]!, { reads: ['a'] }),
      "got 'a'",
    ],
    [
      'an unknown layer',
      (json) => Object.assign(json.applications[0]!, { layer: '__proto__' }),
      "of an unknown layer '__proto__'",
    ],
    [
      'too many inputs',
      (json) => Object.assign(json.applications[0]!, { reads: [0, 1] }),
      "layer 'left' (dense) takes one input, got 2",
    ],
    [
      'too few inputs',
      (json) => Object.assign(json.applications[2]!, { reads: [2] }),
      "layer 'both' (add) takes at least 2 inputs in an array, got 1",
    ],
    [
      'shapes that do not fit',
      (json) => Object.assign(json.applications[2]!, { reads: [0, 1] }),
      'add needs inputs of one shape, or with dimensions of 1, got [batch, 4], [batch, 3]',
    ],
    ['a layer twice', (json) => json.layers.push(json.layers[0]!), "two layers are named 'left'"],
    [
      'a layer too many',
      (json) => json.layers.push({ type: 'flatten', name: 'f' }),
      'a layer is not applied',
    ],
    [
      'no outputs',
      (json) => Object.assign(json, { outputs: [] }),
      "0 inputs or outputs in the form 'record'",
    ],
    [
      'two inputs as one',
      (json) => Object.assign(json, { inputForm: 'single' }),
      "2 inputs or outputs in the form 'single'",
    ],
    ['an unknown form', (json) => Object.assign(json, { outputForm: 'map' }), "unknown outputForm 'map'"],
    ['an input without use', (json) => json.inputs.push({ name: 'c', shape: [1] }), "layer 'left' reads"],
    ['an unknown option', (json) => Object.assign(json, { speed: 1 }), "model has no option 'speed'"],
    [
      'an unknown frozen layer',
      (json) => Object.assign(json, { frozen: ['up'] }),
      "freeze: the model has no layer 'up'",
    ],
    ['no applications', (json) => Object.assign(json, { applications: 7 }), 'applications is not an array'],
  ])('with %s is refused', (_, change, message) => {
    const json: Json = JSON.parse(JSON.stringify(pair().toConfig()));
    change(json);
    // an input more moves the numbers of all tensors
    if (json.inputs.length === 3) json.applications[0]!.reads = [9];
    const bytes = encodeSafetensors(pair().getWeights(), {
      downhill: JSON.stringify({ version: 1, model: json }),
    });
    expect(() => decodeModel(bytes)).toThrow(ModelFormatError);
    expect(() => decodeModel(bytes)).toThrow(message);
  });

  it('with models in models a hundred thousand deep is refused', () => {
    const depth = 1e5;
    const open = '{"type":"sequential","inputShape":[1],"layers":[';
    const json = `{"version":1,"model":${open.repeat(depth)}{"type":"flatten"}${']}'.repeat(depth)}}`;
    expect(() => decodeModel(encodeSafetensors([], { downhill: json }))).toThrow(ModelFormatError);
  });
});
