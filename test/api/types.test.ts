import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

/*
 * The types of the package, compiled as a server in Node does: without those of a page, and with all of their own checked.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'types-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** What the compiler says about a program. */
function compile(text: string, ...flags: string[]): string {
  const file = join(folder, 'program.mts');
  writeFileSync(file, text.replaceAll("'downhill", `'${root}dist/src/index.js`).replaceAll('index.js/ops', 'layers/operations/index.js')); // biome-ignore format: one line
  const options = [
    ...['--ignoreConfig', '--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2022'],
    ...['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')],
    ...['--module', 'nodenext', '--skipLibCheck', 'false'],
    ...flags,
  ];
  try {
    return execFileSync(process.execPath, [compiler, ...options, file], { encoding: 'utf8' });
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout);
  }
}

it('need no types of a page', () => {
  const program = `
    import { dense, lambda, sequential, Trainer } from 'downhill';
    import * as ops from 'downhill/ops';
    const model = sequential({ inputShape: [2] }, [lambda((x) => ops.tanh(x)), dense(1)]);
    const trainer = await Trainer.create(model, { loss: 'meanSquaredError' });
    const losses: number[] = [];
    await trainer.fit({ x: [[1, 2]], y: [3] }, {
      onStep: ({ loss }) => losses.push(loss),
      onEpoch: ({ logs }) => losses.push(logs.loss),
    });
    export const { data } = await model.predict([[1, 2]]);
  `;
  expect(compile(program)).toBe('');
});

it('show no inner workings', () => {
  const program = `
    import type { Model, Trainer } from 'downhill';
    export type Inner = [Model['adopt'], Model['layout'], Trainer['session']];
  `;
  expect(compile(program).match(/error TS2339/g)).toHaveLength(3);
});

it('let options be undefined, as the functions do, where the compiler tells that from left out', () => {
  const program = `
    import { adam, binaryAccuracy, dense, input, loadModel, model, randomNormal, sequential, Trainer } from 'downhill';
    declare const maybe: { number?: number; flag?: boolean; name?: string; signal?: AbortSignal };
    const { number, flag, name, signal } = maybe;
    const network = sequential({ inputShape: [2], seed: number, reproducible: flag, checkpoint: flag, name }, [dense(1)]);
    const x = input([2], { name });
    export const graph = model({ inputs: x, outputs: dense(1)(x), seed: number, reproducible: flag, checkpoint: flag, name });
    const trainer = await Trainer.create(network, {
      loss: 'meanSquaredError',
      lossWeights: undefined,
      optimizer: flag ? adam({ learningRate: number, beta1: number, clipValue: number }) : undefined,
      metrics: flag ? [binaryAccuracy({ threshold: number })] : undefined,
      threads: number,
    });
    const data = { x: [[1, 2]], y: [3] };
    const onEpoch = flag ? ({ epoch }: { epoch: number }) => console.log(epoch) : undefined;
    await trainer.fit(data, {
      epochs: number, batchSize: number, shuffle: flag, validationData: flag ? data : undefined, onStep: undefined, onEpoch,
      signal, progress: flag,
    });
    await trainer.evaluate(data, { signal });
    export const again = await loadModel('model.safetensors', { layers: undefined });
    export const start = randomNormal({ stddev: number });
  `;
  // the types of Node do not compile so
  expect(compile(program, '--exactOptionalPropertyTypes', '--skipLibCheck', 'true')).toBe('');
});
