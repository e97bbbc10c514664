import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  adam,
  adamw,
  CustomLayer,
  dense,
  embedding,
  flatten,
  input,
  l1l2,
  loadModel,
  type Model,
  model as modelOf,
  NonFiniteError,
  type Optimizer,
  ops,
  rmsprop,
  sequential,
  sgd,
  type Tensor,
  Trainer,
  type Weight,
} from '../../src/index.ts';
import { each, loose } from '../errors/support.ts';
import { generator } from '../reference/numbers.ts';
import { randomValues } from './support.ts';

const TIME = 4;
const SIZE = 5;
const ROWS = 23;

/** Integers below `words`, some of them twice in a row of the batch. */
function integers(words: number, seed = 1, rows = ROWS): { data: Int32Array; shape: number[] } {
  const random = generator(seed);
  const data = Int32Array.from({ length: rows * TIME }, () => Math.floor(words * random()));
  for (let row = 0; row < rows; row += 3) data[row * TIME + 1] = data[row * TIME]!;
  return { data, shape: [rows, TIME] };
}

const y = { data: randomValues(ROWS, 2), shape: [ROWS] };

type Options = NonNullable<Parameters<typeof embedding>[2]>;

function network(words: number, options: Options = {}): Model {
  return sequential({ inputShape: [TIME], seed: 5 }, [
    embedding(words, SIZE, { name: 'words', ...options }),
    flatten(),
    dense(1),
  ]);
}

/** What an embedding does, in operations whose gradient is that of the whole table. */
class Whole extends CustomLayer<{ words: number }> {
  static readonly type = 'Whole';
  override readonly indices = this.options.words;
  table!: Weight;

  override build() {
    this.table = this.addWeight('embeddings', [this.options.words, SIZE]);
  }

  call(x: Tensor) {
    return ops.gather(this.table, x);
  }
}

function whole(words: number): Model {
  return sequential({ inputShape: [TIME], seed: 5 }, [
    new Whole({ words, name: 'words' }),
    flatten(),
    dense(1),
  ]);
}

interface Plan {
  readonly optimizer: Optimizer;
  readonly threads?: number;
  readonly epochs?: number;
  readonly batchSize?: number;
}

/** The weights after training on batches that a prime number of rows does not fit. */
async function train(model: Model, x: ReturnType<typeof integers>, plan: Plan): Promise<Float32Array[]> {
  const { optimizer, threads = 1, epochs = 3, batchSize = 4 } = plan;
  const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer, threads });
  await trainer.fit({ x, y }, { epochs, batchSize });
  trainer.dispose();
  return model.getWeights().map(({ data }) => data);
}

const optimizers = [
  sgd({ learningRate: 0.1, momentum: 0.9 }),
  sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
  rmsprop({ momentum: 0.5, centered: true, clipValue: 0.02 }),
  adam({ learningRate: 0.01, globalClipNorm: 0.5 }),
  adamw({ learningRate: 0.01 }),
];

describe('a table larger than the batch, under plain gradient descent', () => {
  const WORDS = 200;
  const x = integers(WORDS);

  it('is trained to the bits of a whole gradient, with clipping by value too, on one thread and two', async () => {
    for (const optimizer of [sgd({ learningRate: 0.3 }), sgd({ learningRate: 0.3, clipValue: 0.01 })]) {
      const start = network(WORDS).getWeights();
      const reference = whole(WORDS);
      reference.setWeights(start);
      const want = await train(reference, x, { optimizer });
      for (const threads of [1, 2]) {
        expect(await train(network(WORDS), x, { optimizer, threads })).toEqual(want);
      }
      expect(want[0]).not.toEqual(start[0]!.data);
    }
  });

  it('has room for the gradients of the rows that a batch reads, not for those of the table', async () => {
    const words = 100_000;
    const used = async (optimizer: Optimizer): Promise<number> => {
      const model = network(words);
      const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer });
      await trainer.fit({ x, y }, { batchSize: 4 });
      return trainer.session.engine.arena.used / (words * SIZE * 4);
    };
    expect(await used(sgd())).toBeLessThan(1.1);
    // parameters, gradients and a state
    expect(await used(sgd({ momentum: 0.9 }))).toBeGreaterThan(3);
  });

  it('is trained alike where the table is shared, whatever its size', async () => {
    const FEW = 7;
    const shared = (words: number): Model => {
      const [a, b] = [input([TIME], { name: 'a' }), input([TIME], { name: 'b' })];
      const table = embedding(words, SIZE);
      const [first, second] = [a, b].map((one) => flatten()(table(one)));
      const last = dense(1);
      return modelOf({
        inputs: [a, b],
        outputs: [last(first!), last(second!)],
        seed: 4,
      }) as unknown as Model;
    };
    const [small, large] = [shared(FEW), shared(300)];
    const [table, ...others] = small.getWeights();
    const before = large.getWeights()[0]!;
    before.data.set(table!.data);
    large.setWeights([before, ...others]);
    const rest = before.data.slice(FEW * SIZE);
    for (const [model, threads] of [
      [small, 1],
      [large, 2],
    ] as const) {
      const trainer = await Trainer.create(model, {
        loss: ['meanSquaredError', 'meanSquaredError'],
        optimizer: sgd({ learningRate: 0.1 }),
        threads,
      });
      const xs = { a: integers(FEW, 1), b: integers(FEW, 8) };
      await trainer.fit({ x: [xs.a, xs.b], y: [y, y] }, { epochs: 2, batchSize: 4 });
      trainer.dispose();
    }
    const [got, want] = [large, small].map((model) => model.getWeights()[0]!.data);
    expect(got!.slice(0, FEW * SIZE)).toEqual(want);
    expect(got!.slice(FEW * SIZE)).toEqual(rest);
    expect(want).not.toEqual(table!.data);
  });

  it('goes on where an earlier fit stood, with another batch size and without', async () => {
    const optimizer = sgd({ learningRate: 0.3 });
    const fits = async (model: Model, sizes: readonly number[]): Promise<Float32Array[]> => {
      const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer });
      for (const batchSize of sizes) await trainer.fit({ x, y }, { batchSize });
      return model.getWeights().map(({ data }) => data);
    };
    const reference = whole(WORDS);
    reference.setWeights(network(WORDS).getWeights());
    // with all rows in a batch the whole gradient is made
    const sizes = [4, 4, 23, 7];
    expect(await fits(network(WORDS), sizes)).toEqual(await fits(reference, sizes));
  });

  it('is trained alike within a model that is checkpointed', async () => {
    const train = async (checkpoint: boolean): Promise<Float32Array[]> => {
      const ids = input([TIME]);
      const y = dense(3, { activation: 'tanh' })(embedding(WORDS, SIZE)(ids));
      const block = modelOf({ inputs: ids, outputs: y, checkpoint, seed: 2 });
      const model = sequential({ inputShape: [TIME], seed: 2 }, [block, flatten(), dense(1)]);
      const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer: 'sgd' });
      await trainer.fit({ x, y: targets }, { batchSize: 4 });
      return model.getWeights().map(({ data }) => data);
    };
    const targets = y;
    expect(await train(true)).toEqual(await train(false));
  });

  it('stays as it is while it is frozen, and goes on thereafter', async () => {
    const model = network(WORDS);
    const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer: 'sgd' });
    const table = () => model.getWeights()[0]!.data;
    await trainer.fit({ x, y }, { batchSize: 4 });
    const before = table();
    model.freeze('words');
    await trainer.fit({ x, y }, { batchSize: 4 });
    expect(table()).toEqual(before);
    model.unfreeze();
    await trainer.fit({ x, y }, { batchSize: 4 });
    expect(table()).not.toEqual(before);
  });
});

describe('sparseGradient', () => {
  it.each(optimizers)('is the whole step where a batch reads all rows: $name', async (optimizer) => {
    // twelve or more places for three words
    const FEW = 3;
    const rows = (): ReturnType<typeof integers> => {
      const x = integers(FEW);
      for (let row = 0; row < ROWS; row++)
        for (let word = 0; word < FEW; word++) x.data[row * TIME + word] = word;
      return x;
    };
    const options: Options = { embeddingsRegularizer: l1l2({ l1: 0.001, l2: 0.01 }) };
    const want = await train(network(FEW, options), rows(), { optimizer });
    for (const threads of [1, 2]) {
      const got = await train(network(FEW, { ...options, sparseGradient: true }), rows(), {
        optimizer,
        threads,
      });
      got.forEach((values, i) => {
        // the norm is summed in another order, in float64
        if (optimizer.globalClipNorm === undefined) expect(values).toEqual(want[i]);
        else for (const [j, value] of values.entries()) expect(value).toBeCloseTo(want[i]![j]!, 6);
      });
    }
  });

  it.each(optimizers)(
    'leaves rows that no batch reads as they are, and gives the same bits on two threads: $name',
    async (optimizer) => {
      const WORDS = 50;
      const x = integers(WORDS / 2);
      const before = network(WORDS).getWeights()[0]!.data;
      const [one, two] = await Promise.all(
        [1, 2].map((threads) => train(network(WORDS, { sparseGradient: true }), x, { optimizer, threads })),
      );
      expect(two).toEqual(one);
      const moved = Array.from({ length: WORDS }, (_, row) =>
        one![0]!.slice(row * SIZE, (row + 1) * SIZE).some((value, i) => value !== before[row * SIZE + i]),
      );
      expect(moved).toEqual(Array.from({ length: WORDS }, (_, row) => x.data.includes(row)));
    },
  );

  it('has its penalty in the loss: of the rows that are read while training, of all in evaluate', async () => {
    const WORDS = 50;
    const x = integers(10);
    const model = network(WORDS, { sparseGradient: true, embeddingsRegularizer: { l1: 0, l2: 0.5 } });
    const squares = (rows: (row: number) => boolean): number =>
      model.getWeights()[0]!.data.reduce((sum, w, i) => sum + (rows(Math.floor(i / SIZE)) ? w * w : 0), 0);
    const [read, all] = [squares((row) => x.data.includes(row)), squares(() => true)];
    const plain = await Trainer.create(network(WORDS), { loss: 'meanSquaredError' });
    const { loss } = await plain.evaluate({ x, y });
    const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer: 'adam' });
    expect((await trainer.evaluate({ x, y })).loss).toBeCloseTo(loss + 0.5 * all, 5);
    const { epochs } = await trainer.fit({ x, y }, { batchSize: ROWS });
    expect(epochs[0]!.loss).toBeCloseTo(loss + 0.5 * read, 5);
  });

  it('comes through a file, trained on', async () => {
    const x = integers(50);
    const optimizer = adam({ learningRate: 0.1 });
    const model = network(50, { sparseGradient: true });
    await train(model, x, { optimizer, epochs: 1 });
    const again = await loadModel(model.toBytes());
    expect(again.toConfig()).toEqual(model.toConfig());
    const before = again.getWeights()[0]!.data;
    const few = integers(10);
    const [after] = await train(again as Model, few, { optimizer });
    expect(after!.slice(10 * SIZE)).toEqual(before.slice(10 * SIZE));
  });

  each([['another type', () => loose.embedding!(3, 2, { sparseGradient: 1 }), 'embedding: sparseGradient']]);
});

it('names the layer where the gradient of a row is not finite', async () => {
  const model = sequential({ inputShape: [2] }, [
    embedding(50, 1, { name: 'words' }),
    flatten(),
    dense(1, { useBias: false }),
  ]);
  model.setWeights([
    { name: 'words/embeddings', shape: [50, 1], data: new Float32Array(50) },
    { name: 'dense/kernel', shape: [2, 1], data: Float32Array.of(2e38, 2e38) },
  ]);
  const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer: 'sgd' });
  // 2 (0 + 0.5) · 2e38, twice for the same row
  const error: unknown = await trainer.fit({ x: [[7, 7]], y: [-0.5] }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(NonFiniteError);
  expect((error as NonFiniteError).place).toMatchObject({
    layer: 'words',
    operation: 'gradient of the embeddings',
    quantity: 'gradient',
  });
  // no trace of it is left
  await trainer.fit({ x: [[7, 8]], y: [0] });
  expect(model.getWeights()[0]!.data).toEqual(new Float32Array(50));
});

interface Values {
  name: string;
  shape: number[];
  data: number[];
}

interface Golden {
  name: string;
  optimizer: { name: string };
  l2: number;
  ids: number[][];
  y: Values;
  initialWeights: Values[];
  losses: number[];
  finalWeights: Values[];
}

/** PyTorch's sparse SGD, SparseAdam, and the others on the rows of the batch: test/golden/make_sparse.py. */
describe('golden traces', () => {
  const file = new URL('../golden/sparse.json', import.meta.url);
  const cases: Golden[] = JSON.parse(readFileSync(file, 'utf8')).cases;
  const makers = { sgd, rmsprop, adam, adamw } as unknown as Record<string, (options: object) => Optimizer>;

  it.each(cases)('$name', async ({ optimizer: { name, ...options }, l2, ids, y, ...golden }) => {
    const [table, kernel] = golden.initialWeights as [Values, Values];
    const plain = golden.name === 'sgd';
    const model = sequential({ inputShape: [ids[0]!.length], reproducible: true }, [
      embedding(table.shape[0]!, table.shape[1]!, {
        sparseGradient: !plain,
        ...(l2 > 0 && { embeddingsRegularizer: { l1: 0, l2 } }),
      }),
      flatten(),
      dense(kernel.shape[1]!),
    ]);
    model.setWeights(golden.initialWeights.map((w) => ({ ...w, data: Float32Array.from(w.data) })));
    const optimizer = makers[name]!(options);
    const trainer = await Trainer.create(model, { loss: 'meanSquaredError', optimizer });
    const losses: number[] = [];
    await trainer.fit(
      { x: ids, y: { data: Float32Array.from(y.data), shape: y.shape } },
      { epochs: 4, batchSize: 5, shuffle: false, onStep: ({ loss }) => losses.push(loss) },
    );
    const close = (got: ArrayLike<number>, want: readonly number[], what: string): void => {
      const scale = Math.max(...want.map(Math.abs));
      want.forEach((value, i) => {
        const error = Math.abs(got[i]! - value) / Math.max(Math.abs(value), scale * 1e-3);
        expect(error, `${what} ${i}`).toBeLessThan(1e-5);
      });
    };
    expect(losses.length).toBe(golden.losses.length);
    close(losses, golden.losses, 'loss');
    for (const [i, { name: weight, data }] of model.getWeights().entries()) {
      close(data, golden.finalWeights[i]!.data, weight);
    }
  });
});
