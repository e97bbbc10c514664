import { describe, expect, it } from 'vitest';
import {
  dense,
  embedding,
  flatten,
  l2,
  loadModel,
  type Model,
  sequential,
  sgd,
  Trainer,
} from '../../src/index.ts';
import { each, loose } from '../errors/support.ts';
import { generator } from '../reference/numbers.ts';
import { randomValues } from '../train/support.ts';

const WORDS = 12;
const LENGTH = 3;
const ROWS = 17;
const random = generator(3);
const words = Array.from({ length: ROWS }, () =>
  Array.from({ length: LENGTH }, () => Math.floor(WORDS * random())),
);
const y = { data: randomValues(ROWS, 2), shape: [ROWS] };

const model = (): Model =>
  sequential({ inputShape: [LENGTH], seed: 5 }, [
    embedding(WORDS, 5, { name: 'words', embeddingsRegularizer: l2(0.01) }),
    flatten(),
    dense(1),
  ]);

type Inputs = Parameters<Trainer['fit']>[0]['x'];

async function train(x: Inputs, threads = 1): Promise<Model> {
  const trained = model();
  const optimizer = sgd({ learningRate: 0.1 });
  const trainer = await Trainer.create(trained, { loss: 'meanSquaredError', optimizer, threads });
  await trainer.fit({ x, y }, { epochs: 2, batchSize: 5 });
  trainer.dispose();
  return trained;
}

describe('embedding', () => {
  it('comes through a file, trained: the same architecture, weights and predictions', async () => {
    const trained = await train(words);
    const again = await loadModel(trained.toBytes());
    expect(again.toConfig()).toEqual(trained.toConfig());
    expect(again.getWeights()).toEqual(trained.getWeights());
    expect(again.predictSync(words)).toEqual(trained.predictSync(words));
  });

  it('trains to the same bits on two threads, and from bytes, int32 or floats that are integers', async () => {
    const want = (await train(words)).getWeights();
    expect((await train(words, 2)).getWeights()).toEqual(want);
    for (const type of [Uint8Array, Int32Array, Float32Array, Uint16Array]) {
      const x = { data: type.from(words.flat()), shape: [ROWS, LENGTH] };
      expect((await train(x)).getWeights()).toEqual(want);
    }
  });

  it('gives the rows of its table, more than are predicted at once', () => {
    const table = sequential({ inputShape: [] }, [embedding(WORDS, 2)]);
    const x = Array.from({ length: 600 }, (_, i) => (i * 7) % WORDS);
    const rows = table.getWeights()[0]!.data;
    const want = x.flatMap((word) => [rows[2 * word]!, rows[2 * word + 1]!]);
    expect(table.predictSync(x)).toEqual({ data: Float32Array.from(want), shape: [600, 2] });
  });

  it('leaves its table as it was where it is frozen', async () => {
    const frozen = sequential({ inputShape: [LENGTH] }, [
      embedding(WORDS, 2, { trainable: false }),
      flatten(),
      dense(1),
    ]);
    const [before] = frozen.getWeights();
    const trainer = await Trainer.create(frozen, { loss: 'meanSquaredError' });
    await trainer.fit({ x: words, y });
    expect(frozen.getWeights()[0]).toEqual(before);
  });
});

describe('errors', () => {
  const predict = (x: Inputs) => () => model().predict(x);
  each([
    [
      'an index past the end',
      predict([[0, 1, 2], [3, WORDS, 0]]), // biome-ignore format: rows
      "predict: x: row 1, column 1 (counted from 0) is 12, but layer 'words' takes integers from 0 to 11",
    ],
    ['a negative index', predict([[0, 1, -1]]), 'row 0, column 2 (counted from 0) is -1'],
    ['a fraction', predict([[0.5, 1, 1]]), 'row 0, column 0 (counted from 0) is 0.5'],
    [
      'bytes past the end',
      predict({ data: Uint8Array.of(0, 1, 200), shape: [1, 3] }),
      'column 2 (counted from 0) is 200',
    ],
    ['an empty list', predict([]), 'predict: x is empty'],
    ['a row too short', predict([[1, 2]]), 'predict: x has shape [1, 2]'],
    [
      'data to train on',
      async () =>
        (await Trainer.create(model(), { loss: 'meanSquaredError' })).fit({ x: [[0, 1, 99]], y: [1] }),
      'fit: x: row 0, column 2 (counted from 0) is 99',
    ],
    [
      'another layer before it',
      () => sequential({ inputShape: [3] }, [dense(2), embedding(4, 2)]),
      "layer 'embedding': embedding takes integers, but what the layer before it makes are not: make it the first",
    ],
    ['no outputDim', () => loose.embedding!(3), 'embedding: outputDim'],
    [
      'an unknown option',
      () => loose.embedding!(3, 2, { maskZeros: true }),
      "embedding has no option 'maskZeros'",
    ],
  ]);
});
