import { Worker } from 'node:worker_threads';

/** What a worker runs: it binds an instance to the shared memory, says so, and works until it is sent home. */
const SOURCE = `
const { parentPort, workerData } = require('node:worker_threads');
const { module, memory, thread, threads, sync } = workerData;
const sleep = (word, value) => { Atomics.wait(new Int32Array(memory.buffer), word >> 2, value); };
const imports = { env: { memory, sleep, abort() { throw new Error('abort'); } } };
const core = new WebAssembly.Instance(module, imports).exports;
core.bind(thread, threads, sync);
parentPort.postMessage('ready');
core.work();
`;

/** The other threads of an engine, in Node. */
export class Pool {
  private constructor(readonly workers: readonly Worker[]) {}

  static async start(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    threads: number,
    sync: number,
  ): Promise<Pool> {
    const workers = Array.from({ length: threads - 1 }, (_, i) => {
      const workerData = { module, memory, thread: i + 1, threads, sync };
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
