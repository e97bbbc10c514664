import { instantiateSync } from '@assemblyscript/loader';
import { FamilyIndex, WIDE } from '../../assembly/tape.ts';
import { Arena } from './arena.ts';
import { core, type Family } from './families.ts';
import { type Build, bestBuild, compile, compiled, joinsVectors } from './module.ts';
import type { Pool } from './pool.ts';

/** What the numeric core exports (assembly/index.ts). */
export interface Core extends Record<string, unknown> {
  bind(thread: number, threads: number, sync: number): void;
  run(program: number, steps: number): number;
  execute(program: number, tape: number): void;
  dismiss(): void;
  fill(kind: number, target: number, count: number, a: number, b: number, seed: bigint, stream: number): void;
  orthogonal(
    target: number,
    scratch: number,
    count: number,
    length: number,
    columns: number,
    gain: number,
    seed: bigint,
    stream: number,
  ): void;
}

export interface EngineOptions {
  /** Threads that walk the tape; more than 1 only in Node. Default 1. */
  threads?: number;
  /** The same bits on every machine and browser: no fused multiply-add. Default false. */
  reproducible?: boolean;
}

/** The places of the families in the table of functions through which the executor calls them. */
const INDICES: Readonly<Record<Family['name'], FamilyIndex>> = {
  core: FamilyIndex.Core,
  spatial: FamilyIndex.Spatial,
  sequence: FamilyIndex.Sequence,
  tensors: FamilyIndex.Tensors,
};

/** Bytes of the barrier's words. */
const SYNC_BYTES = 64;

/** What a family exports besides `execute` (assembly/families/). */
interface Part extends Record<string, unknown> {
  bind(thread: number, threads: number, sync: number): void;
}

/** Sends the threads of an engine home that nobody disposed of, when it is collected. */
const dropped = new FinalizationRegistry<() => void>((dismiss) => dismiss());

/** One instance of the core, and of the families that its programs need, on one arena, with their threads. */
export class Engine {
  readonly arena: Arena;
  readonly core: Core;
  readonly threads: number;
  /** The functions through which the executor calls the families. */
  readonly #table = new WebAssembly.Table({ element: 'anyfunc', initial: FamilyIndex.Count });
  readonly #parts = new Map<Family, Part>();
  #pool: Pool | undefined;
  #disposed = false;
  /** The last of the starts asked for: they run one after the other. */
  #starting: Promise<void> = Promise.resolve();

  /** Whether the tiles of matrix products are 16 columns wide instead of 8 (assembly/kernels/wide.ts): the same bits. */
  get wide(): boolean {
    return this.arena.i32(WIDE, 1)[0] !== 0;
  }

  set wide(wide: boolean) {
    this.arena.i32(WIDE, 1)[0] = Number(wide);
  }

  /** On one thread, at once; `start` brings the others. */
  constructor(
    readonly build: Build,
    threads = 1,
  ) {
    this.threads = threads;
    this.arena = new Arena(threads > 1);
    this.wide = joinsVectors();
    this.core = this.#instance<Core>(core).exports;
    this.core.bind(0, 1, 0);
  }

  /** The same, the core compiled without blocking the thread. */
  static async create(options: EngineOptions = {}): Promise<Engine> {
    const threads = options.threads ?? 1;
    const build = bestBuild(options.reproducible ?? false);
    await compile(core, build, threads > 1);
    return new Engine(build, threads);
  }

  /** Makes a family's instructions work, on this thread; on the others from the next `start` on. */
  load(family: Family): void {
    if (this.#parts.has(family)) return;
    this.#dismiss();
    const { instance, exports } = this.#instance<Part>(family);
    exports.bind(0, 1, 0);
    // the loader's exports are wrappers in JavaScript; the table takes WebAssembly functions
    this.#table.set(INDICES[family.name], instance.exports.execute);
    this.#parts.set(family, exports);
  }

  /** Starts the other threads, unless they run: when the programs have loaded what they need, before the first run. */
  async start(): Promise<void> {
    if (this.threads === 1) return;
    const start = this.#starting.then(() => this.#startPool());
    this.#starting = start.catch(() => {});
    await start;
  }

  async #startPool(): Promise<void> {
    const { Pool } = await import('./pool.ts');
    while (!this.#pool && !this.#disposed) {
      // of each pool its own: the threads of one before may not have ended yet
      const sync = this.arena.allocate(SYNC_BYTES);
      const parts = [...this.#parts.keys()];
      const families: (WebAssembly.Module | undefined)[] = Array.from({ length: FamilyIndex.Count });
      for (const family of parts) families[INDICES[family.name]] = compiled(family, this.build, true);
      const { memory } = this.arena;
      const pool = await Pool.start(compiled(core, this.build, true), families, memory, this.threads, sync);
      this.#bind(this.threads, sync);
      this.#pool = pool;
      const { core: instance } = this;
      dropped.register(this, () => instance.dismiss(), this);
      // a family that was loaded meanwhile is not theirs
      if (this.#parts.size > parts.length || this.#disposed) this.#dismiss();
    }
  }

  /** Sends the threads home. The engine still works, on one thread. */
  dispose(): void {
    this.#disposed = true;
    this.#dismiss();
  }

  #dismiss(): void {
    if (!this.#pool) return;
    this.#pool = undefined;
    dropped.unregister(this);
    this.core.dismiss();
    this.#bind(1, 0);
  }

  #bind(threads: number, sync: number): void {
    for (const part of [this.core, ...this.#parts.values()]) part.bind(0, threads, sync);
  }

  #instance<T extends Record<string, unknown>>(family: Family): ReturnType<typeof instantiateSync<T>> {
    const { memory } = this.arena;
    // a thread that waits for others; alone it never does
    const sleep = (word: number, value: number): void => {
      Atomics.wait(new Int32Array(memory.buffer), word >> 2, value);
    };
    const imports = { env: { memory, sleep, table: this.#table } };
    return instantiateSync<T>(compiled(family, this.build, this.arena.shared), imports);
  }
}
