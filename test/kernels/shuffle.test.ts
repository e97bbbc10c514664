import { describe, expect, it } from 'vitest';
import { Program as Field, Op, RECORD_BYTES } from '../../assembly/tape.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { make, sum } from '../reference/numbers.ts';
import { shuffled } from '../reference/random.ts';
import { builds, Machine, SEED } from './machine.ts';

/** The order of an epoch, by a run of one step of an empty tape. */
function orderOf(machine: Machine, rows: number, epoch: number): number[] {
  const { arena, core } = machine.engine;
  const index = arena.allocate(rows * 4);
  const [tape, records] = [arena.allocate(4), arena.allocate(RECORD_BYTES)];
  arena.i32(tape, 1)[0] = Op.End;
  for (const [field, value] of [
    [Field.Tape, tape],
    [Field.Records, records],
    [Field.Recorded, 0],
    [Field.Batches, 2],
    [Field.Index, index],
    [Field.Rows, rows],
    [Field.Shuffle, 1],
    [Field.Epoch, epoch],
    [Field.EpochStep, 0],
  ] as const) {
    machine.set(field, value);
  }
  core.run(machine.block, 1);
  const order = Array.from(arena.i32(index, rows));
  for (const address of [index, tape, records]) arena.free(address);
  return order;
}

describe.each(builds)('%s', (build) => {
  const machine = new Machine(new Engine(build));

  it('is the twin: a function of seed and epoch', () => {
    for (const rows of [1, 2, 3, 10, 257]) {
      for (const epoch of [0, 1, 70_000]) {
        expect(orderOf(machine, rows, epoch)).toEqual(shuffled(rows, BigInt(SEED), epoch));
      }
    }
  });

  it('is a permutation, another one each epoch and seed', () => {
    const rows = 1000;
    const orders = make(3, (epoch) => orderOf(machine, rows, epoch));
    machine.set(Field.SeedLow, 1);
    orders.push(orderOf(machine, rows, 0));
    machine.set(Field.SeedLow, SEED | 0);
    for (const order of orders) {
      expect([...order].sort((a, b) => a - b)).toEqual(make(rows, (i) => i));
      // two permutations agree in one place on average, in more than 20 hardly ever (Poisson: 1 in 10^19)
      for (const other of orders) {
        if (order !== other) expect(sum(rows, (i) => (order[i] === other[i] ? 1 : 0))).toBeLessThan(20);
      }
    }
  });

  it('puts every row in every place equally often', () => {
    const [rows, epochs] = [8, 8000];
    const counts = new Float64Array(rows * rows);
    for (let epoch = 0; epoch < epochs; epoch++) {
      for (const [at, row] of orderOf(machine, rows, epoch).entries()) counts[at * rows + row]!++;
    }
    const mean = epochs / rows;
    const spread = Math.sqrt(mean * (1 - 1 / rows));
    for (const count of counts) expect(Math.abs(count - mean)).toBeLessThanOrEqual(6 * spread);
  });
});
