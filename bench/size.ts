// What a page has to load to train a perceptron: the program below, bundled for browsers with nothing it does not use,
// and the WebAssembly that it fetches; each file compressed by gzip -9.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { failed } from './measure.ts';
import { peersFolder, root } from './paths.ts';
import type { Measured } from './protocol.ts';

const X = '[[0, 0], [1, 1], [1, 0], [0, 1]]';
const Y = '[[0], [1], [1], [0]]';

interface Page {
  program: string;
  /** Where imports are resolved from. */
  folder: string;
  /** Files fetched besides. */
  wasm: string[];
}

const pages: Record<string, Page> = {
  downhill: {
    program: `
      import { binaryCrossEntropy, dense, sequential, sgd, Trainer } from ${JSON.stringify(join(root, 'dist/src/index.js'))};
      const model = sequential({ inputShape: [2] }, [dense(4, { activation: 'tanh' }), dense(1)]);
      const trainer = await Trainer.create(model, { loss: binaryCrossEntropy(), optimizer: sgd({ learningRate: 0.5 }) });
      const history = await trainer.fit({ x: ${X}, y: ${Y} }, { epochs: 1000, batchSize: 4 });
      console.log(history, await model.predict(${X}));`,
    folder: root,
    wasm: [],
  },
  'tfjs-wasm': {
    program: `
      import * as tf from '@tensorflow/tfjs-core';
      import { layers, sequential } from '@tensorflow/tfjs-layers';
      import '@tensorflow/tfjs-backend-wasm';
      await tf.setBackend('wasm');
      const model = sequential();
      model.add(layers.dense({ inputShape: [2], units: 4, activation: 'tanh' }));
      model.add(layers.dense({ units: 1, activation: 'sigmoid' }));
      model.compile({ loss: 'binaryCrossentropy', optimizer: tf.train.sgd(0.5) });
      const x = tf.tensor2d(${X});
      console.log(await model.fit(x, tf.tensor2d(${Y}), { epochs: 1000, batchSize: 4 }), model.predict(x));`,
    folder: peersFolder,
    wasm: ['@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm'],
  },
  'jax-js': {
    program: `
      import { init, jit, numpy as np, random, valueAndGrad } from '@jax-js/jax';
      await init('wasm');
      const logits = ([w1, b1, w2, b2], x) => np.dot(np.tanh(np.dot(x, w1).add(b1)), w2).add(b2);
      const gradient = valueAndGrad((parameters, x, y) => {
        const z = logits(parameters, x);
        return np.mean(np.maximum(z.ref, 0).sub(z.ref.mul(y)).add(np.log1p(np.exp(np.absolute(z).neg()))));
      });
      const step = jit((parameters, x, y) => {
        const [loss, gradients] = gradient(parameters.map((p) => p.ref), x, y);
        return [loss, parameters.map((p, i) => p.sub(gradients[i].mul(0.5)))];
      });
      const [x, y] = [np.array(${X}), np.array(${Y})];
      let parameters = [random.normal(random.key(0), [2, 4]), np.zeros([4]), random.normal(random.key(1), [4, 1]), np.zeros([1])];
      let loss;
      for (let i = 0; i < 1000; i++) [loss, parameters] = step(parameters, x.ref, y.ref);
      console.log(loss.js(), logits(parameters, x).js());`,
    folder: peersFolder,
    wasm: [],
  },
  'brain.js': {
    program: `
      import brain from 'brain.js/browser.min.js';
      const net = new brain.NeuralNetwork({ hiddenLayers: [4], activation: 'tanh' });
      const rows = ${X}.map((input, i) => ({ input, output: ${Y}[i] }));
      console.log(net.train(rows, { iterations: 1000 }), net.run([1, 0]));`,
    folder: peersFolder,
    wasm: [],
  },
};

export async function measureSize(subject: string): Promise<Measured> {
  const page = pages[subject]!;
  const { outputFiles, metafile } = await build({
    stdin: { contents: page.program, resolveDir: page.folder },
    absWorkingDir: root,
    outdir: join(root, 'build', 'page'),
    write: false,
    metafile: true,
    bundle: true,
    splitting: true, // what is imported only when needed (WebGPU of jax-js) is not loaded by this page
    minify: true,
    charset: 'utf8',
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    external: ['node:*'],
    logLevel: 'error',
  });
  const loaded = new Set<string>();
  const load = (path: string): void => {
    if (loaded.has(path)) return;
    loaded.add(path);
    for (const next of metafile.outputs[path]?.imports ?? []) {
      if (next.kind === 'import-statement' && !next.external) load(next.path);
    }
  };
  for (const [path, { entryPoint }] of Object.entries(metafile.outputs)) {
    if (entryPoint === '<stdin>') load(path);
  }
  const scripts = outputFiles.filter(({ path }) => [...loaded].some((name) => path === join(root, name)));
  const binaries = page.wasm.map((name) => readFileSync(join(peersFolder, 'node_modules', name)));
  const all = [...scripts.map(({ contents }) => contents), ...binaries];
  const bytes = all.reduce((sum, file) => sum + gzipSync(file, { level: 9 }).length, 0);
  return { ...failed, finalLoss: null, samples: 1, bytes, remark: null, counts: true };
}
