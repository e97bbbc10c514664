import { describe, expect, it } from 'vitest';
import { loadModel, type WeightTensor } from '../../src/index.ts';
import { each, loose, model, type Untyped } from './support.ts';

describe('weights and files', () => {
  const set = (change: (tensors: WeightTensor[]) => unknown) => () => {
    const network = model();
    const before = network.getWeights();
    try {
      network.setWeights(change(network.getWeights()) as WeightTensor[]);
    } finally {
      expect(network.getWeights()).toEqual(before);
    }
  };
  each([
    [
      'none',
      set(() => undefined),
      'setWeights takes an array of { name, data, shape }, as getWeights() returns it',
    ],
    [
      'plain arrays',
      set(() => [[1, 2, 3]]),
      'setWeights: each weight must be { name, data, shape }, got [1, 2, 3]',
    ],
    ['one missing', set((all) => all.slice(1)), "setWeights: weight 'dense/kernel' is missing"],
    ['one twice', set((all) => [...all, all[0]]), "setWeights: weight 'dense/kernel' is given twice"],
    [
      'another name',
      set(([first, ...all]) => [{ ...first, name: 'dens/kernel' }, ...all]),
      "the model has no weight 'dens/kernel'; did you mean 'dense/kernel'?",
    ],
    [
      'another shape',
      set(([first, ...all]) => [{ ...first, shape: [4, 3] }, ...all]),
      "weight 'dense/kernel' has shape [3, 4], got shape [4, 3] with 12 numbers",
    ],
    [
      'too few numbers',
      set(([first, ...all]) => [{ ...first, data: new Float32Array(3) }, ...all]),
      'got shape [3, 4] with 3 numbers',
    ],
    [
      'weights that were JSON',
      set((all) => JSON.parse(JSON.stringify(all))),
      "setWeights: weight 'dense/kernel': data must be a Float32Array, got an object",
    ],
    [
      'integers of 64 bits',
      set(([first, ...all]) => [{ ...first, data: new BigInt64Array(12) }, ...all]),
      "setWeights: weight 'dense/kernel': data must be a Float32Array, got BigInt64Array",
    ],
    [
      'a response to load',
      () => loose.loadModel!(new Response()),
      'got an object of class Response: give its bytes, await ….arrayBuffer()',
    ],
    [
      'an address to load',
      () => loose.loadModel!('https://localhost/model.safetensors'),
      "loadModel reads files, got 'https://localhost/model.safetensors'; fetch the file and give its bytes",
    ],
    [
      'nothing to load',
      () => loose.loadModel!(),
      'loadModel takes a path, a Uint8Array or an ArrayBuffer, got undefined',
    ],
    ['nowhere to save', () => (model().save as unknown as Untyped)(), 'save takes a path, got undefined'],
  ]);

  it('names a file that is not there', async () => {
    await expect(loadModel('no/such/file.safetensors')).rejects.toThrow('no/such/file.safetensors');
    await expect(model().save('no/such/file.safetensors')).rejects.toThrow(
      'cannot write no/such/file.safetensors: its directory does not exist, create it first',
    );
  });
});
