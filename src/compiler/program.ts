import { EmbeddingGrad } from '../../assembly/tape/tensors.ts';
import { Program as Field, MAX_SLOTS, Op, RECORD_BYTES, Status } from '../../assembly/tape.ts';
import type { Graph } from '../graph/graph.ts';
import type { Span } from '../ops/rule.ts';
import { isOp, sizeOf, type Tensor } from '../ops/tensor.ts';
import type { Engine } from '../runtime/engine.ts';
import { type Encoder, encode, type Source } from './encode.ts';
import { type MemoryPlan, planMemory } from './memory.ts';
import { type Schedule, schedule } from './schedule.ts';
import type { Instruction, TapeWriter } from './tape.ts';

/** Epochs that may end between two looks of JavaScript at the program. */
const RECORDS = 256;

export interface ProgramOptions {
  readonly graph: Graph;
  /** Results that must be there at the end of a step. */
  readonly roots: readonly Tensor[];
  /** Tensors with their own place: parameters, gradients. */
  readonly fixed: ReadonlyMap<Tensor, number>;
  /** Rows of the largest batch. */
  readonly batch: number;
  /** Sums kept for an epoch: the loss, then metrics. */
  readonly slots: number;
  readonly seed: number;
  /** Decay rates of the optimizer, for its bias correction. */
  readonly betas?: readonly [number, number];
  /** Writes what follows the graph's own calls: sums, checks, the optimizer. */
  finish(encoder: Encoder): void;
}

/** The data of a run: rows of each input, and how they are walked. */
export interface Walk {
  readonly data: ReadonlyMap<string, Source>;
  readonly rows: number;
  readonly batchSize: number;
  readonly shuffle: boolean;
}

interface Encoded {
  readonly address: number;
  readonly writer: TapeWriter;
  readonly place: (tensor: Tensor) => number;
}

/** A compiled graph, bound to the memory of an engine: runs whole steps, or one instruction at a time. */
export class Program {
  readonly #schedule: Schedule;
  readonly #plan: MemoryPlan;
  readonly #block: number;
  readonly #records: number;
  readonly #activations: number;
  readonly #allocations: number[] = [];
  /** Encoded for the walk at hand. */
  #tapes: Encoded[] = [];
  #index = 0;
  #walk: Walk | undefined;

  constructor(
    readonly engine: Engine,
    readonly options: ProgramOptions,
  ) {
    const { graph, roots, fixed, batch, slots, seed, betas } = options;
    if (slots > MAX_SLOTS) throw new Error(`at most ${MAX_SLOTS - 1} metrics`);
    this.#schedule = schedule(graph, roots);
    for (const { tensor } of this.#schedule.calls) {
      if (tensor.rule.family) engine.load(tensor.rule.family);
    }
    const allocate = (bytes: number): number => {
      const address = engine.arena.allocate(bytes);
      this.#allocations.push(address);
      return address;
    };
    const places = new Map([...fixed, ...this.#constants(allocate)]);
    this.#plan = planMemory(this.#schedule, batch, engine.threads, places, roots);
    this.#block = allocate(Field.Words * 4 + RECORD_BYTES);
    this.#records = allocate(RECORDS * RECORD_BYTES);
    this.#activations = allocate(this.#plan.bytes);
    this.#set(Field.Slots, slots);
    this.#set(Field.SeedLow, seed | 0);
    this.#set(Field.SeedHigh, Math.floor(seed / 2 ** 32));
    this.#set(Field.Records, this.#records);
    this.#set(Field.RecordCapacity, RECORDS);
    this.#setDouble(Field.Beta1, betas?.[0] ?? 0);
    this.#setDouble(Field.Beta2, betas?.[1] ?? 0);
    this.#setDouble(Field.Beta1Power, 1);
    this.#setDouble(Field.Beta2Power, 1);
  }

  /** Prepares to walk over data; the epoch begins with the next step. */
  start(walk: Walk): void {
    const { rows, batchSize, shuffle } = walk;
    const before = this.#walk;
    const whole = Math.floor(rows / batchSize);
    const rest = rows % batchSize;
    const same =
      before?.rows === rows &&
      before.batchSize === batchSize &&
      [...walk.data].every(([name, { address, type }]) => {
        const old = before.data.get(name);
        return old?.address === address && old.type === type;
      });
    if (!same) {
      for (const { address } of this.#tapes) this.engine.arena.free(address);
      this.#tapes = [whole > 0 ? batchSize : 0, rest].filter((n) => n > 0).map((n) => this.#encode(n, walk));
    }
    this.#walk = walk;
    this.#set(Field.Tape, whole > 0 ? this.#tapes[0]!.address : 0);
    this.#set(Field.TailTape, rest > 0 ? this.#tapes.at(-1)!.address : 0);
    this.#set(Field.Batches, whole);
    this.#set(Field.BatchRows, batchSize);
    this.#set(Field.Rows, rows);
    // one batch of all rows has no order worth changing
    this.#setShuffle(shuffle && rows > batchSize ? rows : 0);
    this.#set(Field.EpochStep, 0);
    this.#set(Field.Recorded, 0);
    this.#set(Field.Status, Status.Ok);
  }

  /** Runs whole steps on all threads. */
  run(steps: number): Status {
    return this.engine.core.run(this.#block, steps);
  }

  /** Calls `read` with the sums of each epoch that ended since the last call. */
  takeRecords(read: (sums: Float64Array) => void): void {
    const count = this.#get(Field.Recorded);
    if (count === 0) return;
    const all = this.engine.arena.f64(this.#records, (count * RECORD_BYTES) / 8);
    for (let i = 0; i < count; i++) read(all.subarray(i * MAX_SLOTS, i * MAX_SLOTS + this.options.slots));
    this.#set(Field.Recorded, 0);
  }

  /** The sums of the epoch that runs. */
  sums(): Float64Array {
    return this.engine.arena.f64(this.#block + Field.Accumulators * 4, this.options.slots);
  }

  get capacity(): number {
    return RECORDS;
  }

  get stepsPerEpoch(): number {
    const { rows, batchSize } = this.#walk!;
    return Math.ceil(rows / batchSize);
  }

  get rows(): number {
    return this.#walk!.rows;
  }

  get batchSize(): number {
    return this.#walk!.batchSize;
  }

  /** Goes on counting where another program of the same training stood. */
  resume(other: Program): void {
    for (const field of [Field.Step, Field.Epoch]) this.#set(field, other.#get(field));
    for (const field of [Field.Beta1Power, Field.Beta2Power]) {
      this.#setDouble(field, this.engine.arena.f64(other.#block + field * 4, 1)[0]!);
    }
  }

  /** Steps done in this epoch. */
  get epochStep(): number {
    return this.#get(Field.EpochStep);
  }

  get stepLoss(): number {
    return this.engine.arena.f64(this.#block + Field.StepLoss * 4, 1)[0]!;
  }

  set learningRate(rate: number) {
    this.engine.arena.f32(this.#block + Field.LearningRate * 4, 1)[0] = rate;
  }

  /** A copy of a root's values after a step of `batch` rows. */
  read(tensor: Tensor, batch: number, into: Float32Array): void {
    const address = this.#tapes[0]!.place(tensor);
    into.set(this.engine.arena.f32(address, sizeOf(tensor.shape, batch)));
  }

  /**
   * Does the step at hand once more, one instruction at a time, up to (not including) its check and what that lets through; stops when
   * `check` says so of what one wrote, and returns that instruction.
   */
  trace(check: (writes: readonly Span[]) => boolean): Instruction | undefined {
    let found: Instruction | undefined;
    this.each((instruction, words, run) => {
      const { op } = instruction;
      if (op === Op.Guard) return false;
      if (op === Op.Accumulate || op === Op.Penalty) return true;
      run();
      if (check(this.#written(instruction, words))) found = instruction;
      return found === undefined;
    });
    return found;
  }

  /** Of the gradients of some rows of a table those that there are: behind them may be anything. */
  #written({ op, writes }: Instruction, words: Int32Array): readonly Span[] {
    const rowCount = op === Op.EmbeddingGrad ? words[EmbeddingGrad.RowCount]! : 0;
    if (rowCount === 0) return writes;
    const rows = this.engine.arena.i32(rowCount, 1)[0]!;
    const bytes = rows * words[EmbeddingGrad.Columns]! * 4;
    return writes.map(({ start }) => ({ start, end: start + bytes }));
  }

  /**
   * Visits the instructions of the step at hand with their words; `run` does one, on all threads. The counters stay where
   * they are. Ends when `visit` returns false.
   */
  each(visit: (instruction: Instruction, words: Int32Array, run: () => void) => boolean): void {
    const whole = this.#get(Field.Batches);
    const { writer, address } = this.epochStep < whole ? this.#tapes[0]! : this.#tapes.at(-1)!;
    const { arena, core } = this.engine;
    const last = writer.instructions.at(-1)!;
    const single = arena.allocate(4 * 64);
    try {
      for (const instruction of writer.instructions) {
        const { start, length } = instruction;
        const words = arena.i32(single, 64);
        words.set(arena.i32(address + start * 4, length));
        words[length] = arena.i32(address + (last.start + last.length) * 4, 1)[0]!;
        if (!visit(instruction, words.subarray(0, length), () => core.execute(this.#block, single))) return;
      }
    } finally {
      arena.free(single);
    }
  }

  dispose(): void {
    const { arena } = this.engine;
    for (const { address } of this.#tapes) arena.free(address);
    for (const address of this.#allocations) arena.free(address);
    if (this.#index) arena.free(this.#index);
  }

  /** Constants lie outside of the activations, written once. */
  #constants(allocate: (bytes: number) => number): readonly (readonly [Tensor, number])[] {
    const { arena } = this.engine;
    return this.#schedule.sources.flatMap((tensor) => {
      if (!isOp(tensor, 'constant')) return [];
      const { attributes } = tensor;
      const count = sizeOf(attributes.shape, 1);
      const address = allocate(count * 4);
      if (attributes.type === 'i32') arena.i32(address, count).set(attributes.values());
      else arena.f32(address, count).set(attributes.values());
      return [[tensor as unknown as Tensor, address] as const];
    });
  }

  #encode(batch: number, { data, rows }: Walk): Encoded {
    const layout = { activations: this.#activations, data };
    const { tape, address: place } = encode(
      this.#schedule,
      this.#plan,
      layout,
      batch,
      rows,
      this.options.finish,
    );
    const words = tape.words();
    const address = this.engine.arena.allocate(words.byteLength);
    this.engine.arena.i32(address, words.length).set(words);
    return { address, writer: tape, place };
  }

  #setShuffle(rows: number): void {
    if (this.#index) this.engine.arena.free(this.#index);
    this.#index = rows > 0 ? this.engine.arena.allocate(rows * 4) : 0;
    this.#set(Field.Index, this.#index);
    this.#set(Field.Shuffle, rows > 0 ? 1 : 0);
  }

  #get(field: Field): number {
    return this.engine.arena.i32(this.#block + field * 4, 1)[0]!;
  }

  #set(field: Field, value: number): void {
    this.engine.arena.i32(this.#block + field * 4, 1)[0] = value;
  }

  #setDouble(field: Field, value: number): void {
    this.engine.arena.f64(this.#block + field * 4, 1)[0] = value;
  }
}
