import { expect, it } from 'vitest';
import * as downhill from '../../src/index.ts';
import { dense, sequential, Trainer, UsageError } from '../../src/index.ts';

/** What JavaScript may pass, whatever the types say. */
export type Untyped = (...values: unknown[]) => unknown;

/** The package without its types. */
export const loose = downhill as unknown as Record<string, Untyped>;
/** 3 inputs, 2 classes. */
export const model = () => sequential({ inputShape: [3], seed: 1 }, [dense(4), dense(2)]);
export const x = [
  [1, 2, 3],
  [4, 5, 6],
];
export const y = [0, 1];

export async function trainer(options: object = {}, network = model()) {
  return Trainer.create(network, { loss: 'crossEntropy', ...options });
}

export async function train(data: object, options: object = {}): Promise<unknown> {
  const fresh = await trainer({ metrics: ['accuracy'] });
  return fresh.fit(data as { x: number[]; y: number[] }, options);
}

export async function binary(y: readonly number[]): Promise<unknown> {
  const network = sequential({ inputShape: [3] }, [dense(1, { name: 'out' })]);
  return (await trainer({ loss: 'binaryCrossEntropy' }, network)).fit({ x, y });
}

export async function messageOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return error instanceof Error ? error.message : '';
  }
  throw new Error('nothing was thrown');
}

export type Row = readonly [what: string, work: () => unknown, message: string];

/** A test of each: the work throws a UsageError whose message contains the text. */
export function each(rows: readonly Row[]): void {
  it.each(rows)('%s', async (_, work, message) => {
    expect(await messageOf(work)).toContain(message);
  });
}
