import { describe, expect, it } from 'vitest';
import { Program as Field, Gather, Op, Type } from '../../assembly/tape.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { gather } from '../reference/gather.ts';
import { generator, make } from '../reference/numbers.ts';
import { builds, engineOf, Launch, Machine } from './machine.ts';

const KINDS = [
  { name: 'u8 to f32', source: Type.U8, target: Type.F32 },
  { name: 'u8 to i32', source: Type.U8, target: Type.I32 },
  { name: 'f32', source: Type.F32, target: Type.F32 },
  { name: 'i32', source: Type.I32, target: Type.I32 },
];

/** Rows of the data set, the batch in the middle of it. */
const DATA_ROWS = 11;
const BATCH_ROWS = 3;
const STEP = 2;

function values(type: Type, count: number): Uint8Array | Float32Array | Int32Array {
  const random = generator(count);
  if (type === Type.U8) return Uint8Array.from(make(count, () => Math.floor(256 * random())));
  if (type === Type.F32) return Float32Array.from(make(count, () => random() - 0.5));
  // all 32 bits
  return Int32Array.from(make(count, () => Math.floor(2 ** 32 * random()) | 0));
}

/** One batch, as the numbers of its type. */
function run(
  machine: Machine,
  { source, target }: (typeof KINDS)[number],
  data: ReturnType<typeof values>,
  index: Int32Array | undefined,
  columns: number,
  offset: number,
): number[] {
  const launch = new Launch(machine, offset);
  machine.set(Field.Index, index ? launch.input(index) : 0);
  machine.set(Field.BatchRows, BATCH_ROWS);
  machine.set(Field.EpochStep, STEP);
  const count = BATCH_ROWS * columns;
  const to = launch.output(count);
  launch.emit(
    Op.Gather,
    {
      [Gather.Source]: launch.input(data),
      [Gather.Target]: to,
      [Gather.Rows]: BATCH_ROWS,
      [Gather.Columns]: columns,
      [Gather.SourceType]: source,
      [Gather.TargetType]: target,
    },
    Gather.Length,
  );
  launch.execute();
  machine.set(Field.EpochStep, 0);
  const { arena } = machine.engine;
  return Array.from(target === Type.F32 ? arena.f32(to, count) : arena.i32(to, count));
}

const machinesOf = builds.flatMap((build) =>
  [1, 2].map((threads) => ({ build, threads, name: `${build}, threads: ${threads}` })),
);

describe.each(machinesOf)('$name', async ({ build, threads }) => {
  const machine = new Machine(threads > 1 ? await engineOf(build, threads) : new Engine(build));

  it.each(KINDS)('$name: the rows of the batch, in order or by index, every width', (kind) => {
    for (let columns = 1; columns <= 67; columns++) {
      const data = values(kind.source, DATA_ROWS * columns);
      const random = generator(columns);
      const order = Int32Array.from(make(DATA_ROWS, () => Math.floor(DATA_ROWS * random())));
      for (const index of [undefined, order]) {
        for (const offset of [0, 1, 2, 3]) {
          const got = run(machine, kind, data, index, columns, offset);
          expect(got).toEqual(gather(data, index, STEP * BATCH_ROWS, BATCH_ROWS, columns));
        }
      }
    }
  });
});
