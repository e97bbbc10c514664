import { Program as Field, type Op } from '../../assembly/tape.ts';
import { TapeWriter } from '../../src/compiler/tape.ts';
import type { Word } from '../../src/ops/rule.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { sequence, spatial, tensors } from '../../src/runtime/families.ts';
import { type Build, bestBuild } from '../../src/runtime/module.ts';
import type { Numbers } from '../reference/numbers.ts';

/** The builds that this JavaScript engine runs. */
export const builds: readonly Build[] = bestBuild(false) === 'relaxed' ? ['simd', 'relaxed'] : ['simd'];

/** More than 32 bits, so that both halves count. */
export const SEED = 0x1234_5678_9abc;

/** A NaN with bits that no computation makes: it surrounds every operand, and fills results beforehand. */
const GUARD = 0x7fc0dead;
/** Guard words on either side of an operand. */
const MARGIN = 20;

type Typed = Float32Array | Int32Array | Uint8Array | Float64Array;

interface Range {
  readonly start: number;
  readonly end: number;
}

/** An engine with a program block and a region of guarded operands: runs single instructions. */
export class Machine {
  readonly block: number;
  readonly #tape: number;
  readonly #region: number;
  readonly #words: number;
  /** Words of the region that were used since it was filled with guards. */
  dirty: number;

  constructor(
    readonly engine: Engine,
    words = 1 << 20,
  ) {
    const { arena } = engine;
    loadAll(engine);
    this.block = arena.allocate(Field.Words * 4 + 128);
    this.#tape = arena.allocate(4096);
    this.#region = arena.allocate(words * 4);
    this.#words = words;
    this.dirty = words;
    this.set(Field.SeedLow, SEED | 0);
    this.set(Field.SeedHigh, Math.floor(SEED / 2 ** 32));
  }

  set(field: Field, value: number): void {
    this.engine.arena.i32(this.block + field * 4, 1)[0] = value;
  }

  setFloat(field: Field, value: number): void {
    this.engine.arena.f32(this.block + field * 4, 1)[0] = value;
  }

  setDouble(field: Field, value: number): void {
    this.engine.arena.f64(this.block + field * 4, 1)[0] = value;
  }

  get(field: Field): number {
    return this.engine.arena.i32(this.block + field * 4, 1)[0]!;
  }

  getDouble(field: Field): number {
    return this.engine.arena.f64(this.block + field * 4, 1)[0]!;
  }

  /** The words of the region, and where they begin. */
  region(): { address: number; words: Int32Array } {
    return { address: this.#region, words: this.engine.arena.i32(this.#region, this.#words) };
  }

  execute(tape: TapeWriter): void {
    const words = tape.words();
    this.engine.arena.i32(this.#tape, words.length).set(words);
    this.engine.core.execute(this.block, this.#tape);
  }
}

/**
 * Operands of one tape. The n-th lies `offset + n` floats (modulo 4) behind a 16-byte boundary, guards around it.
 * After `execute` nothing but the results may have changed: neither guards nor operands.
 */
export class Launch {
  readonly tape = new TapeWriter();
  readonly #writable: Range[] = [];
  readonly #address: number;
  readonly #words: Int32Array;
  #end = MARGIN;

  constructor(
    readonly machine: Machine,
    private offset = 0,
  ) {
    const { address, words } = machine.region();
    this.#address = address;
    this.#words = words;
    words.fill(GUARD, 0, machine.dirty);
  }

  /** Places an operand; its address. */
  input(values: Typed): number {
    const address = this.#place(Math.ceil(values.byteLength / 4), values.BYTES_PER_ELEMENT === 8);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.machine.engine.arena.u8(address, bytes.length).set(bytes);
    return address;
  }

  /** Places a result of `count` floats. */
  output(count: number): number {
    const address = this.#place(count, false);
    this.writable(address, count);
    return address;
  }

  /** Places a result of `count` float64 numbers. */
  doubles(count: number): number {
    const address = this.#place(count * 2, true);
    this.writable(address, count * 2);
    return address;
  }

  /** Places an operand that is written too. */
  state(values: Float32Array): number {
    const address = this.input(values);
    this.writable(address, values.length);
    return address;
  }

  /** Allows writing `words` words. */
  writable(address: number, words: number): void {
    const start = (address - this.#address) / 4;
    this.#writable.push({ start, end: start + words });
  }

  emit(op: Op, fields: Readonly<Record<number, Word>>, length: number): this {
    // everything conflicts with everything: a barrier before each instruction
    const all = [{ start: 0, end: Infinity }];
    this.tape.emit(op, fields, length, all, all);
    return this;
  }

  /** Runs the tape; throws when anything but a result changed. */
  execute(): this {
    const { machine } = this;
    const end = this.#end + MARGIN;
    if (end > this.#words.length) throw new Error(`the region has ${this.#words.length} words, not ${end}`);
    const before = this.#words.slice(0, end);
    machine.execute(this.tape);
    let from = 0;
    const ranges = [...this.#writable].sort((a, b) => a.start - b.start);
    for (const { start, end: to } of [...ranges, { start: end, end }]) {
      for (let i = from; i < start; i++) {
        if (this.#words[i] !== before[i]) {
          const near = ranges.map((r) => `[${r.start}, ${r.end})`).join(' ');
          throw new Error(`word ${i} was written; the results are ${near}`);
        }
      }
      from = Math.max(from, to);
    }
    machine.dirty = end;
    return this;
  }

  floats(address: number, count: number): Float32Array {
    return this.machine.engine.arena.f32(address, count).slice();
  }

  #place(words: number, even: boolean): number {
    const shift = even ? 0 : this.offset++ % 4;
    const at = Math.ceil(this.#end / 4) * 4 + shift;
    this.#end = at + words + MARGIN;
    return this.#address + at * 4;
  }
}

/** An engine of one of the builds, on one thread or more. */
export async function engineOf(build: Build, threads = 1): Promise<Engine> {
  const engine = await Engine.create({ threads, reproducible: build === 'simd' });
  loadAll(engine);
  await engine.start();
  return engine;
}

/** What a compiled program does for the operations that it has. */
function loadAll(engine: Engine): void {
  for (const family of [spatial, sequence, tensors]) engine.load(family);
}

export function bitsOf(values: Float32Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length);
}

/** Index of the first float whose bits differ, -1 where none does. */
export function firstDifference(a: Float32Array, b: Float32Array): number {
  const [x, y] = [bitsOf(a), bitsOf(b)];
  if (x.length !== y.length) return Math.min(x.length, y.length);
  return x.findIndex((word, i) => word !== y[i]);
}

export function f32(values: Numbers): Float32Array {
  return Float32Array.from(values);
}
