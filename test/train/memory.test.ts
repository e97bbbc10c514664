import { queryObjects, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it, vi } from 'vitest';
import { dense, sequential, Trainer } from '../../src/index.ts';
import { Pool } from '../../src/runtime/pool.ts';
import { network, points, trainerOf } from './support.ts';

setFlagsFromString('--expose_gc');
const collectGarbage: () => void = runInNewContext('gc');

interface Measure {
  /** Bytes of WebAssembly memory, and of it given out. */
  readonly memory: number;
  readonly used: number;
  /** Bytes of the JavaScript heap, and objects there, after a collection. */
  readonly heap: number;
  readonly objects: number;
}

function measure({ session }: Trainer): Measure {
  const { arena } = session.engine;
  collectGarbage();
  return {
    memory: arena.memory.buffer.byteLength,
    used: arena.used,
    heap: process.memoryUsage().heapUsed,
    objects: queryObjects(Object, { format: 'count' }),
  };
}

it('is flat over 100,000 steps of the perceptron', async () => {
  const steps = 100_000;
  const corners = [0, 0, 1, 1, 1, 0, 0, 1];
  const x = Float32Array.from({ length: 8 * steps }, (_, i) => corners[i % 8]!);
  const y = Float32Array.from({ length: 4 * steps }, (_, i) => corners[(2 * i) % 8]!);
  const model = sequential({ inputShape: [2] }, [dense(4, { activation: 'tanh' }), dense(1)]);
  const trainer = await Trainer.create(model, { loss: 'binaryCrossEntropy', metrics: ['accuracy'] });
  const data = { x: { data: x, shape: [4 * steps, 2] }, y: { data: y, shape: [4 * steps, 1] } };
  await trainer.fit(data, { batchSize: 4 });

  const seen: Measure[] = [];
  const sample = setInterval(() => seen.push(measure(trainer)), 1);
  const { steps: done } = await trainer.fit(data, { batchSize: 4 });
  clearInterval(sample);
  expect(done).toBe(steps);
  expect(seen.length).toBeGreaterThan(2);
  const [first] = seen;
  for (const { memory, used } of seen)
    expect({ memory, used }).toEqual({ memory: first!.memory, used: first!.used });
  // from one half to the other a number kept for each step would be 400,000 bytes, an object for each 50,000 objects;
  // V8's own code and feedback grow by some 150,000 bytes at times
  const half = seen.length >> 1;
  const grown = (of: (measure: Measure) => number): number =>
    Math.min(...seen.slice(half).map(of)) - Math.min(...seen.slice(0, half).map(of));
  expect(grown(({ heap }) => heap)).toBeLessThan(300_000);
  expect(grown(({ objects }) => objects)).toBeLessThan(100);
});

it('is flat over many calls of fit, evaluate and predict, whatever their sizes', async () => {
  const model = network();
  const trainer = await trainerOf(model);
  const round = async () => {
    for (const rows of [10, 37, 300]) {
      const { x, y } = points(rows);
      for (const batchSize of [1, 7, 64, 300])
        await trainer.fit({ x, y }, { batchSize, validationData: { x, y } });
      const oneHot = y.map((c) => [0, 1, 2].map((i) => (i === c ? 1 : 0)));
      await trainer.fit({ x, y: oneHot }, { batchSize: 16 });
      await trainer.evaluate({ x, y });
      await model.predict(x);
    }
  };
  await round();
  await round();
  const seen = [measure(trainer)];
  for (let times = 0; times < 4; times++) {
    for (let i = 0; i < 10; i++) await round();
    seen.push(measure(trainer));
  }
  for (const { memory, used } of seen) {
    expect({ memory, used }).toEqual({ memory: seen[0]!.memory, used: seen[0]!.used });
  }
  // of bytes V8's own grow, with the code it makes; a kept object for each of 150 calls of fit would be 150 objects
  const growth = seen.slice(1).map(({ objects }, i) => objects - seen[i]!.objects);
  expect(Math.min(...growth)).toBeLessThan(50);
});

it('is given back when fit fails', async () => {
  const trainer = await trainerOf();
  const data = points(100);
  await trainer.fit(data, { batchSize: 10 });
  const before = measure(trainer);
  const onStep = () => {
    throw new Error('stop');
  };
  for (let i = 0; i < 10; i++) {
    await expect(trainer.fit(data, { batchSize: 10, validationData: data, onStep })).rejects.toThrow('stop');
  }
  const { memory, used } = measure(trainer);
  expect({ memory, used }).toEqual({ memory: before.memory, used: before.used });
});

it('has no place for the threads of a trainer that was dropped', async () => {
  const start = vi.spyOn(Pool, 'start');
  const use = async () => {
    const network = sequential({ inputShape: [2] }, [dense(1)]);
    const trainer = await Trainer.create(network, { loss: 'meanSquaredError', threads: 2 });
    await trainer.fit({ x: [[1, 2]], y: [1] });
  };
  await use();
  const pool: Pool = await start.mock.results[0]!.value;
  start.mockRestore();
  let running = true;
  pool.workers[0]!.once('exit', () => {
    running = false;
  });
  while (running) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
});

it('says what takes the room where there is none for another', () => {
  const memory = vi.spyOn(WebAssembly, 'Memory').mockImplementation(() => {
    throw new RangeError('WebAssembly.Memory(): could not allocate memory');
  });
  try {
    const network = sequential({ inputShape: [2] }, [dense(1)]);
    expect(() => network.predictSync([[1, 2]])).toThrow(
      'each trainer, and each model that predicts, has one',
    );
  } finally {
    memory.mockRestore();
  }
});
