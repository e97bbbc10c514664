// A Python process that trains or multiplies and takes its own time; messages are lines of JSON, arrays base64.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const encode = (/** @type {ArrayBufferView} */ array) =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64');

function start(library) {
  // on some machines these hold OpenBLAS back, for the sake of old builds
  const { OPENBLAS_CORETYPE: _type, OPENBLAS_L2_SIZE: _size, ...env } = process.env;
  const script = fileURLToPath(new URL('./python_subject.py', import.meta.url));
  const child = spawn(process.env.BENCH_PYTHON ?? 'python3', [script, library], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env,
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (message) => {
    child.stdin.write(`${JSON.stringify(message)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error(`Error: ${library} ended before it answered`);
    return JSON.parse(value);
  };
}

/**
 * @param {'torch' | 'numpy'} library
 * @param {{ double?: boolean }} [options] double: torch trains in float64
 * @returns {import('../protocol.ts').SubjectModule}
 */
export function python(library, { double = false } = {}) {
  const ask = start(library);
  let ms = 0;
  const run = async (times) => {
    ({ ms } = await ask({ run: times }));
  };
  return {
    async openStep(spec, { x, labels, weights }) {
      const { note } = await ask({
        open: 'step',
        spec,
        double,
        x: encode(x),
        labels: encode(labels),
        weights: weights.map(({ data, shape }) => ({ data: encode(data), shape })),
      });
      return { run, note, elapsed: () => ms, loss: async () => (await ask({ loss: true })).loss };
    },
    async openGemm(spec, a, b) {
      const { note } = await ask({ open: 'gemm', spec, a: encode(a), b: encode(b) });
      const result = async () => {
        const bytes = Buffer.from((await ask({ result: true })).result, 'base64');
        return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      };
      return { run, note, elapsed: () => ms, result };
    },
  };
}
