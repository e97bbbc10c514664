import { Worker } from 'node:worker_threads';

/** What a worker runs: it binds an instance to the shared memory, says so, and works until it is sent home. */
const SOURCE = `
const { parentPort, workerData } = require('node:worker_threads');
const { core: coreModule, families, memory, thread, threads, sync } = workerData;
const sleep = (word, value) => { Atomics.wait(new Int32Array(memory.buffer), word >> 2, value); };
const table = new WebAssembly.Table({ element: 'anyfunc', initial: families.length });
const imports = { env: { memory, sleep, table, abort() { throw new Error('abort'); } } };
families.forEach((module, i) => {
  if (!module) return;
  const family = new WebAssembly.Instance(module, imports).exports;
  family.bind(thread, threads, sync);
  table.set(i, family.execute);
});
const core = new WebAssembly.Instance(coreModule, imports).exports;
core.bind(thread, threads, sync);
parentPort.postMessage('ready');
core.work();
`;

/** The other threads of an engine, in Node. */
export class Pool {
  private constructor(readonly workers: readonly Worker[]) {}

  /** `families`: by their index in the table; those that are not loaded are undefined. */
  static async start(
    core: WebAssembly.Module,
    families: readonly (WebAssembly.Module | undefined)[],
    memory: WebAssembly.Memory,
    threads: number,
    sync: number,
  ): Promise<Pool> {
    const workers = Array.from({ length: threads - 1 }, (_, i) => {
      const workerData = { core, families, memory, thread: i + 1, threads, sync };
      return new Worker(SOURCE, { eval: true, workerData });
    });
    await Promise.all(
      workers.map(
        (worker) =>
          new Promise<void>((resolve, reject) => {
            worker.once('message', () => resolve());
            worker.once('error', reject);
          }),
      ),
    );
    for (const worker of workers) worker.unref();
    return new Pool(workers);
  }
}
