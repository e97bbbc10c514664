import { describe, expect, it } from 'vitest';
import { Accumulate, NORM_CHUNK, NORM_ROWS, Penalty, SquaredNorm } from '../../assembly/tape/training.ts';
import { Program as Field, Op } from '../../assembly/tape.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { generator, make, sum, uniform } from '../reference/numbers.ts';
import { penalty, squaredNorm } from '../reference/optimizer.ts';
import { shareOfBound } from '../reference/rounding.ts';
import { builds, engineOf, firstDifference, Launch, Machine } from './machine.ts';
import { penalizedGradient } from './optimizer-bounds.ts';

/** A sum of n terms in float64, in units of 2^-24. */
const DOUBLE = 2 ** -29;

const TAILS = make(68, (n) => n);
const PENALTIES = [
  { l1: 0, l2: 0 },
  { l1: 0.03, l2: 0 },
  { l1: 0, l2: 0.02 },
  { l1: 0.03, l2: 0.02 },
].map(({ l1, l2 }) => ({ l1: Math.fround(l1), l2: Math.fround(l2) }));

function weights(count: number, seed: number): Float32Array {
  const w = uniform(generator(seed), count);
  for (let i = 3; i < count; i += 7) w[i] = 0;
  return w;
}

function partialsOf(
  machine: Machine,
  w: Float32Array,
  g: Float32Array,
  l1: number,
  l2: number,
  offset: number,
  clipValue = 0,
): Float64Array {
  const launch = new Launch(machine, offset);
  const chunks = Math.ceil(w.length / NORM_CHUNK);
  const partials = launch.doubles(chunks);
  launch.emit(
    Op.SquaredNorm,
    {
      [SquaredNorm.Parameter]: launch.input(w),
      [SquaredNorm.Gradient]: launch.input(g),
      [SquaredNorm.Count]: w.length,
      [SquaredNorm.L1]: { f32: l1 },
      [SquaredNorm.L2]: { f32: l2 },
      [SquaredNorm.ClipValue]: { f32: clipValue },
      [SquaredNorm.Partials]: partials,
      [SquaredNorm.Rows]: 0,
      [SquaredNorm.Chunks]: chunks,
    },
    SquaredNorm.Length,
  );
  launch.execute();
  return machine.engine.arena.f64(partials, chunks).slice();
}

/** Rows of a table; places for more of them than there are. */
const TABLE_ROWS = 90;
const LISTED = make(70, (i) => i + Math.floor(i / 4));
const PLACES = 100;

/** Of rows of a table whose gradients are the first of `g`. */
function partialsOfRows(
  machine: Machine,
  w: Float32Array,
  g: Float32Array,
  l1: number,
  l2: number,
): Float64Array {
  const launch = new Launch(machine);
  const chunks = Math.ceil(PLACES / NORM_ROWS);
  const partials = launch.doubles(chunks);
  launch.emit(
    Op.SquaredNorm,
    {
      [SquaredNorm.Parameter]: launch.input(w),
      [SquaredNorm.Gradient]: launch.input(g),
      [SquaredNorm.Count]: w.length / TABLE_ROWS,
      [SquaredNorm.L1]: { f32: l1 },
      [SquaredNorm.L2]: { f32: l2 },
      [SquaredNorm.ClipValue]: { f32: 0 },
      [SquaredNorm.Partials]: partials,
      [SquaredNorm.Rows]: launch.input(Int32Array.of(LISTED.length, ...LISTED)),
      [SquaredNorm.Chunks]: chunks,
    },
    SquaredNorm.Length,
  );
  launch.execute();
  return machine.engine.arena.f64(partials, chunks).slice();
}

describe.each(builds)('%s', (build) => {
  const machine = new Machine(new Engine(build));

  it.each(PENALTIES)('SquaredNorm is the twin, every tail and chunk, l1 $l1, l2 $l2', ({ l1, l2 }) => {
    const chunks = [NORM_CHUNK - 1, NORM_CHUNK, NORM_CHUNK + 1, 3 * NORM_CHUNK + 5];
    for (const count of [...TAILS, ...chunks]) {
      const [w, g] = [weights(count, count), uniform(generator(count + 1), count)];
      const want = squaredNorm(w, g, l1, l2);
      // d v² = 2 v dv; the sums themselves are float64
      const bound = make(want.length, (chunk) => {
        const from = chunk * NORM_CHUNK;
        return sum(Math.min(NORM_CHUNK, count - from), (i) => {
          const v = penalizedGradient(w[from + i]!, g[from + i]!, l1, l2);
          const error = l1 === 0 && l2 === 0 ? 0 : 2 * Math.abs(v.value) * v.error;
          return error + DOUBLE * count * v.value ** 2;
        });
      });
      const got = partialsOf(machine, w, g, l1, l2, count);
      expect(shareOfBound(got, want, bound), `${count}`).toBeLessThanOrEqual(1);
    }
  });

  it('SquaredNorm is that of gradients clipped by value', () => {
    const clipValue = Math.fround(0.7);
    for (const count of [...TAILS, NORM_CHUNK + 1]) {
      const [w, g] = [weights(count, count), uniform(generator(count + 1), count)];
      const want = squaredNorm(w, g, 0, 0, clipValue);
      const bound = want.map((total) => DOUBLE * count * total);
      const got = partialsOf(machine, w, g, 0, 0, count, clipValue);
      expect(shareOfBound(got, want, bound), `${count}`).toBeLessThanOrEqual(1);
    }
  });

  it('Penalty adds l1 sum|w| + l2 sum w² to the loss and, by its weight, to the sum of the epoch', () => {
    const [l1, l2, weight] = [0.03, 0.02, 0.7].map(Math.fround) as [number, number, number];
    for (const count of TAILS) {
      const w = weights(count, count);
      machine.setDouble(Field.StepLoss, 2);
      machine.setDouble(Field.Accumulators, 5);
      const launch = new Launch(machine, count);
      launch.emit(
        Op.Penalty,
        {
          [Penalty.Parameter]: launch.input(w),
          [Penalty.Count]: count,
          [Penalty.L1]: { f32: l1 },
          [Penalty.L2]: { f32: l2 },
          [Penalty.Weight]: { f32: weight },
          [Penalty.Rows]: 0,
        },
        Penalty.Length,
      );
      launch.execute();
      const want = penalty(w, l1, l2);
      const got = [machine.getDouble(Field.StepLoss), machine.getDouble(Field.Accumulators)];
      const bound = [2 + want, 5 + want * weight].map((total) => DOUBLE * (count + 4) * total);
      expect(shareOfBound(got, [2 + want, 5 + want * weight], bound), `${count}`).toBeLessThanOrEqual(1);
    }
  });

  it('SquaredNorm of rows of a table is that of these rows, NORM_ROWS of them to a sum', async () => {
    const two = await engineOf(build, 2);
    for (const columns of [1, 3, 4, 7, 16]) {
      const w = weights(TABLE_ROWS * columns, columns);
      const g = uniform(generator(columns), LISTED.length * columns);
      for (const { l1, l2 } of PENALTIES) {
        const chunks = make(Math.ceil(PLACES / NORM_ROWS), (chunk) => {
          const rows = LISTED.slice(chunk * NORM_ROWS, (chunk + 1) * NORM_ROWS);
          return rows.flatMap((row, i) =>
            make(columns, (c) => {
              const at = (chunk * NORM_ROWS + i) * columns + c;
              return penalizedGradient(w[row * columns + c]!, g[at]!, l1, l2);
            }),
          );
        });
        const want = chunks.map((values) => sum(values.length, (i) => values[i]!.value ** 2));
        const bound = chunks.map((values) =>
          sum(values.length, (i) => {
            const { value, error } = values[i]!;
            return 2 * Math.abs(value) * error + DOUBLE * values.length * value ** 2;
          }),
        );
        const got = partialsOfRows(machine, w, g, l1, l2);
        expect(shareOfBound(got, want, bound), `${columns}`).toBeLessThanOrEqual(1);
        expect(partialsOfRows(new Machine(two), w, g, l1, l2)).toEqual(got);
      }
    }
    two.dispose();
  });

  it('Penalty of rows of a table is that of these rows', () => {
    const [l1, l2] = [0.03, 0.02].map(Math.fround) as [number, number];
    for (const columns of [1, 3, 4, 7, 16]) {
      const w = weights(TABLE_ROWS * columns, columns);
      machine.setDouble(Field.StepLoss, 2);
      const launch = new Launch(machine, columns);
      launch.emit(
        Op.Penalty,
        {
          [Penalty.Parameter]: launch.input(w),
          [Penalty.Count]: columns,
          [Penalty.L1]: { f32: l1 },
          [Penalty.L2]: { f32: l2 },
          [Penalty.Weight]: { f32: 1 },
          [Penalty.Rows]: launch.input(Int32Array.of(LISTED.length, ...LISTED)),
        },
        Penalty.Length,
      );
      launch.execute();
      const some = LISTED.flatMap((row) => [...w.slice(row * columns, (row + 1) * columns)]);
      const want = 2 + penalty(some, l1, l2);
      const bound = DOUBLE * (some.length + 4) * want;
      const got = [machine.getDouble(Field.StepLoss)];
      expect(shareOfBound(got, [want], [bound]), `${columns}`).toBeLessThanOrEqual(1);
    }
  });

  it('Accumulate sums in order, in float64; slot 0 is the loss of the step too', () => {
    const [scale, share] = [0.3, 1.7].map(Math.fround) as [number, number];
    for (const count of TAILS) {
      for (const slot of [0, 1, 15]) {
        const values = uniform(generator(count), count);
        machine.setDouble(Field.StepLoss, -1);
        machine.setDouble(Field.Accumulators + 2 * slot, 5);
        const launch = new Launch(machine, count);
        launch.emit(
          Op.Accumulate,
          {
            [Accumulate.Values]: launch.input(values),
            [Accumulate.Count]: count,
            [Accumulate.Slot]: slot,
            [Accumulate.Scale]: { f32: scale },
            [Accumulate.Share]: { f32: share },
          },
          Accumulate.Length,
        );
        launch.execute();
        const total = sum(count, (i) => values[i]!);
        expect(machine.getDouble(Field.Accumulators + 2 * slot)).toBe(5 + total * share);
        expect(machine.getDouble(Field.StepLoss)).toBe(slot === 0 ? total * scale : -1);
      }
    }
  });

  it('SquaredNorm gives the same bits on two threads', async () => {
    const two = await engineOf(build, 2);
    const shared = new Machine(two);
    for (const count of [...TAILS, NORM_CHUNK + 1, 2 * NORM_CHUNK, 3 * NORM_CHUNK + 5]) {
      const [w, g] = [weights(count, count), uniform(generator(count + 1), count)];
      const [a, b] = [machine, shared].map((m) => partialsOf(m, w, g, 0.5, 0.25, 0));
      const [x, y] = [a, b].map((doubles) => new Float32Array(doubles!.buffer));
      expect(firstDifference(x!, y!), `${count}`).toBe(-1);
    }
    two.dispose();
  });
});
