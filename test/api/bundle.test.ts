import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

/** A page's bundle of what it imports, not minified; modules that only Node needs are left out. */
async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('../../src', import.meta.url)) },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    external: ['node:*'],
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0]!.text;
}

it('holds no layer or operation that is not used', async () => {
  const text = await bundle("export { dense, sequential, Trainer } from './index.ts';");
  expect(text).toContain('function dense(');
  for (const unused of [
    'lstm',
    'conv2d',
    'groupNormalization',
    'maxPooling2d',
    'prelu',
    'oneHot',
    'lambda',
  ]) {
    expect(text).not.toContain(`function ${unused}(`);
  }
  expect(text).not.toContain('class CustomLayer');
  expect(text).toContain('runtime/wasm/core.ts');
  for (const family of ['spatial', 'sequence', 'tensors']) {
    expect(text).not.toContain(`runtime/wasm/${family}.ts`);
  }
  expect(await bundle("export { loadModel } from './index.ts';")).toContain('function groupNormalization(');
});

it('holds those operations of downhill/ops that are used', async () => {
  const text = await bundle(
    "import * as ops from 'downhill/ops'; export const twice = (x) => ops.mul(x, 2);",
  );
  expect(text).toContain('function mul(');
  for (const unused of ['oneHot', 'transpose', 'softmax']) expect(text).not.toContain(`function ${unused}(`);
});
