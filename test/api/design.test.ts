import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accuracy, adam, crossEntropy, dense, dropout, l2, loadModel, sequential, Trainer } from 'downhill';
import { afterEach, beforeEach, expect, expectTypeOf, it } from 'vitest';

let folder = '';
const home = process.cwd();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'downhill-'));
  process.chdir(folder);
});

afterEach(async () => {
  process.chdir(home);
  await rm(folder, { recursive: true });
});

/** Images whose class is the row of 28 pixels that is lit, of the first ten. */
function images(count: number): { x: { data: Uint8Array; shape: number[] }; y: number[] } {
  const y = Array.from({ length: count }, (_, i) => (i * 7) % 10);
  const data = Uint8Array.from({ length: count * 784 }, (_, i) =>
    Math.floor((i % 784) / 28) === y[Math.floor(i / 784)] ? 1 : 0,
  );
  return { x: { data, shape: [count, 784] }, y };
}

it('is the API of the design, as it is written', async () => {
  const [{ x, y }, { x: xVal, y: yVal }, { x: xTest, y: yTest }] = [images(300), images(50), images(70)];

  const model = sequential({ inputShape: [784], seed: 42 }, [
    dense(128, { activation: 'relu', kernelRegularizer: l2(1e-4) }),
    dropout(0.2),
    dense(10), // logits
  ]);
  const trainer = await Trainer.create(model, {
    loss: crossEntropy(), // softmax + cross-entropy on logits; integer or one-hot targets
    optimizer: adam({ learningRate: 1e-3 }),
    metrics: [accuracy()],
  });
  const history = await trainer.fit(
    { x, y },
    { epochs: 5, batchSize: 64, validationData: { x: xVal, y: yVal } },
  );
  const scores = await trainer.evaluate({ x: xTest, y: yTest }); // { loss, accuracy }
  const logits = await model.predict(xTest); // { data: Float32Array, shape: [n, 10] }
  const tensors = model.getWeights();
  model.setWeights(tensors); // [{ name, data, shape }], in layer order: kernel, bias
  await model.save('digits.safetensors'); // Node: a path; everywhere: model.toBytes() → Uint8Array
  const again = await loadModel('digits.safetensors'); // or bytes

  expect(history.epochs).toHaveLength(5);
  expect(Object.keys(history.epochs[4]!)).toEqual(['loss', 'accuracy', 'val_loss', 'val_accuracy']);
  expect(history.epochs[4]!.loss).toBeLessThan(history.epochs[0]!.loss / 2);
  expect(Object.keys(scores)).toEqual(['loss', 'accuracy']);
  expect(scores.accuracy).toBe(1);
  expect(logits.data).toBeInstanceOf(Float32Array);
  expect(logits.shape).toEqual([70, 10]);
  expect(tensors.map(({ name, shape }) => [name, shape])).toEqual([
    ['dense/kernel', [784, 128]],
    ['dense/bias', [128]],
    ['dense_1/kernel', [128, 10]],
    ['dense_1/bias', [10]],
  ]);
  await access(join(folder, 'digits.safetensors'));
  expect(await again.predict(xTest)).toEqual(logits);
  expect((await loadModel(model.toBytes())).getWeights()).toEqual(tensors);
  expectTypeOf(logits.data).toEqualTypeOf<Float32Array>();
});

it('takes names in place of functions', async () => {
  const { x, y } = images(100);
  const trained = async (byName: boolean) => {
    const model = sequential({ inputShape: [784], seed: 1 }, [dense(10, { kernelInitializer: 'heNormal' })]);
    const trainer = await Trainer.create(model, {
      loss: byName ? 'crossEntropy' : crossEntropy(),
      optimizer: byName ? 'adam' : adam(),
      metrics: byName ? ['accuracy'] : [accuracy()],
    });
    return { ...(await trainer.fit({ x, y }, { epochs: 2 })), seconds: 0, weights: model.getWeights() };
  };
  expect(await trained(true)).toEqual(await trained(false));
});
