import { describe, expect, it } from 'vitest';
import { Affine } from '../../assembly/tape/dense.ts';
import { Guard } from '../../assembly/tape/training.ts';
import { Program as Field, Op, Status } from '../../assembly/tape.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { make } from '../reference/numbers.ts';
import { builds, engineOf, Launch, Machine } from './machine.ts';

const LARGEST = 3.4028234663852886e38;
const SMALLEST = 2 ** -149;
/** Every kind of NaN and infinity there is, by its bits. */
const NOT_FINITE = [0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffbfffff, 0x7fffffff];

/** Of gradients that are some rows of a table, the most that there may be. */
const ROWS_OF_TABLE = 6;

/** The status after a guard over the gradients, and whether the instruction behind it was done. */
function guard(
  machine: Machine,
  gradients: Float32Array,
  loss: number,
  offset: number,
  rows?: number,
  { limit, rate }: { limit: number; rate: number } = { limit: 0, rate: 1 },
): [Status, boolean] {
  machine.set(Field.Status, Status.Ok);
  machine.setFloat(Field.LearningRate, rate / 2);
  machine.setDouble(Field.StepLoss, loss);
  const launch = new Launch(machine, offset);
  launch.emit(
    Op.Guard,
    {
      [Guard.Gradient]: launch.input(gradients),
      [Guard.Count]: rows === undefined ? gradients.length : gradients.length / ROWS_OF_TABLE,
      [Guard.Rows]: rows === undefined ? 0 : launch.input(Int32Array.of(rows)),
      [Guard.Limit]: { f32: limit },
      [Guard.Rate]: { f32: 2 },
    },
    Guard.Length,
  );
  const target = launch.output(1);
  launch.emit(
    Op.Affine,
    {
      [Affine.Source]: launch.input(Float32Array.of(3)),
      [Affine.Target]: target,
      [Affine.Count]: 1,
      [Affine.Scale]: { f32: 1 },
      [Affine.Offset]: { f32: 0 },
    },
    Affine.Length,
  );
  launch.execute();
  return [machine.get(Field.Status), launch.floats(target, 1)[0] === 3];
}

const machinesOf = builds.flatMap((build) =>
  [1, 2].map((threads) => ({ build, threads, name: `${build}, threads: ${threads}` })),
);

describe.each(machinesOf)('$name', async ({ build, threads }) => {
  const engine = threads > 1 ? await engineOf(build, threads) : new Engine(build);
  const machine = new Machine(engine);

  it('lets every finite number pass', () => {
    const finite = [LARGEST, -LARGEST, SMALLEST, -SMALLEST, 0, -0, 1];
    for (let count = 0; count <= 67; count++) {
      const gradients = Float32Array.from(make(count, (i) => finite[i % finite.length]!));
      for (const loss of [0, 1e300, -Number.MAX_VALUE]) {
        expect(guard(machine, gradients, loss, count)).toEqual([Status.Ok, true]);
      }
    }
  });

  it('finds a NaN or an infinity anywhere, and stops there', () => {
    for (const count of [1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 47, 67]) {
      for (let at = 0; at < count; at++) {
        for (const bits of NOT_FINITE) {
          const gradients = new Float32Array(count).fill(LARGEST);
          // as bits: a number on its way could lose its payload
          new Uint32Array(gradients.buffer)[at] = bits;
          expect(guard(machine, gradients, 1, at)).toEqual([Status.GradientNotFinite, false]);
        }
      }
    }
  });

  it('stops at a magnitude from its limit on, which falls with a learning rate above 1', () => {
    for (const [rate, most] of [
      [0.001, 2 ** 62],
      [1, 2 ** 62],
      [8, 2 ** 59],
    ] as const) {
      const below = most * (1 - 2 ** -24);
      for (const at of [0, 3, 16, 21]) {
        for (const sign of [1, -1]) {
          const gradients = new Float32Array(22).fill(below);
          gradients[at] = sign * below;
          const limit = { limit: 2 ** 62, rate };
          expect(guard(machine, gradients, 1, at, undefined, limit)).toEqual([Status.Ok, true]);
          gradients[at] = sign * most;
          expect(guard(machine, gradients, 1, at, undefined, limit)).toEqual([
            Status.GradientNotFinite,
            false,
          ]);
        }
      }
    }
  });

  it('looks at the rows of a table that there are', () => {
    for (const columns of [1, 3, 4, 5, 16, 17]) {
      for (let rows = 0; rows <= ROWS_OF_TABLE; rows++) {
        const gradients = new Float32Array(ROWS_OF_TABLE * columns).fill(LARGEST);
        gradients.fill(Number.NaN, rows * columns);
        expect(guard(machine, gradients, 1, rows, rows)).toEqual([Status.Ok, true]);
        if (rows === 0) continue;
        gradients[rows * columns - 1] = Number.NaN;
        expect(guard(machine, gradients, 1, rows, rows)).toEqual([Status.GradientNotFinite, false]);
      }
    }
  });

  it('finds a loss that is not finite first', () => {
    for (const loss of [Number.NaN, Infinity, -Infinity]) {
      expect(guard(machine, Float32Array.of(1, 2), loss, 0)).toEqual([Status.LossNotFinite, false]);
      expect(guard(machine, Float32Array.of(1, Number.NaN), loss, 0)).toEqual([Status.LossNotFinite, false]);
    }
  });
});
