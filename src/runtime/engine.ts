import { instantiateSync } from '@assemblyscript/loader';
import { Arena } from './arena.ts';
import { type Build, bestBuild, compile, compiled } from './module.ts';
import type { Pool } from './pool.ts';

/** What the numeric core exports (assembly/index.ts). */
export interface Core extends Record<string, unknown> {
  base(): number;
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

/** Bytes of the barrier's words. */
const SYNC_BYTES = 64;

/** One instance of the core on one arena, with its threads. */
export class Engine {
  readonly arena: Arena;
  readonly core: Core;
  readonly threads: number;
  #pool: Pool | undefined;

  /** One thread, at once. */
  constructor(
    readonly build: Build,
    threads = 1,
  ) {
    const shared = threads > 1;
    this.threads = threads;
    this.arena = new Arena(shared);
    const { memory } = this.arena;
    // a thread that waits for others; alone it never does
    const sleep = (word: number, value: number): void => {
      Atomics.wait(new Int32Array(memory.buffer), word >> 2, value);
    };
    const imports = { env: { memory, sleep } };
    this.core = instantiateSync<Core>(compiled(build, shared), imports).exports;
    this.arena.start(this.core.base());
    this.core.bind(0, 1, 0);
  }

  static async create(options: EngineOptions = {}): Promise<Engine> {
    const threads = options.threads ?? 1;
    const build = bestBuild(options.reproducible ?? false);
    await compile(build, threads > 1);
    const engine = new Engine(build, threads);
    if (threads > 1) {
      const { Pool } = await import('./pool.ts');
      const sync = engine.arena.allocate(SYNC_BYTES);
      engine.core.bind(0, threads, sync);
      engine.#pool = await Pool.start(compiled(build, true), engine.arena.memory, threads, sync);
    }
    return engine;
  }

  /** Sends the threads home. The engine still works, on one thread. */
  dispose(): void {
    if (!this.#pool) return;
    this.#pool = undefined;
    this.core.dismiss();
    this.core.bind(0, 1, 0);
  }
}
