import { describe, expect, it } from 'vitest';
import { Dropout } from '../../assembly/tape/dense.ts';
import { Program as Field, Op } from '../../assembly/tape.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { sum } from '../reference/numbers.ts';
import { builds, firstDifference, Launch, Machine, SEED } from './machine.ts';

interface Draw {
  readonly rate: number;
  readonly stream: number;
  readonly step: number;
  readonly seed: number;
}

/** Standard deviations that a share may be off: once in 500 million draws. */
const SIGMAS = 6;

function dropout(machine: Machine, { rate, stream, step, seed }: Draw, x: Float32Array): Float32Array {
  machine.set(Field.Step, step);
  machine.set(Field.SeedLow, seed | 0);
  machine.set(Field.SeedHigh, Math.floor(seed / 2 ** 32));
  const launch = new Launch(machine);
  const target = launch.output(x.length);
  launch.emit(
    Op.Dropout,
    {
      [Dropout.Source]: launch.input(x),
      [Dropout.Target]: target,
      [Dropout.Count]: x.length,
      [Dropout.Rate]: { f32: rate },
      [Dropout.Stream]: stream,
      [Dropout.Positions]: 1,
      [Dropout.Channels]: 1,
      [Dropout.Scale]: { f32: 1 / (1 - rate) },
      [Dropout.Offset]: { f32: 0 },
      [Dropout.Other]: { f32: 0 },
    },
    Dropout.Length,
  );
  launch.execute();
  return launch.floats(target, x.length);
}

/** The operation is tested against its twin in test/ops: here what makes its mask a mask. */
describe.each(builds)('%s', (build) => {
  const machine = new Machine(new Engine(build));
  const COUNT = 100_000;
  const ones = new Float32Array(COUNT).fill(1);
  const draw: Draw = { rate: 0.5, stream: 1, step: 4, seed: SEED };
  const mask = (of: Partial<Draw>): Float32Array => dropout(machine, { ...draw, ...of }, ones);
  const kept = (values: Float32Array): number => sum(COUNT, (i) => (values[i] === 0 ? 0 : 1));

  it.each([0, 0.1, 0.3, 0.5, 0.9])('rate %d: keeps that share, and the mean', (rate) => {
    const values = mask({ rate });
    const spread = Math.sqrt(COUNT * rate * (1 - rate));
    expect(Math.abs(kept(values) - COUNT * (1 - rate))).toBeLessThanOrEqual(SIGMAS * spread);
    const [largest] = values.filter((v) => v !== 0);
    expect(values.every((v) => v === 0 || v === largest)).toBe(true);
    expect(largest).toBeCloseTo(1 / (1 - rate), 5);
  });

  it('gives the same mask again', () => {
    expect(firstDifference(mask({}), mask({}))).toBe(-1);
  });

  it.each([{ stream: 2 }, { step: 5 }, { seed: SEED + 1 }, { seed: SEED + 2 ** 40 }])(
    'gives an independent mask for %o',
    (other) => {
      const [a, b] = [mask({}), mask(other)];
      // two independent halves agree in half of the elements
      const agreed = sum(COUNT, (i) => (a[i] === b[i] ? 1 : 0));
      expect(Math.abs(agreed - COUNT / 2)).toBeLessThanOrEqual((SIGMAS * Math.sqrt(COUNT)) / 2);
    },
  );

  it.each([1, 2, 3, 4, 8, 64])('neighbours at a distance of %d are independent', (distance) => {
    const values = mask({});
    const count = COUNT - distance;
    const agreed = sum(count, (i) => (values[i] === values[i + distance] ? 1 : 0));
    expect(Math.abs(agreed - count / 2)).toBeLessThanOrEqual((SIGMAS * Math.sqrt(count)) / 2);
  });
});
