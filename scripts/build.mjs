/** Builds everything: AssemblyScript to WebAssembly, the modules inlined as base64, TypeScript, the browser bundle. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

/** Entry of each target of asconfig.json. */
const modules = {
  simd: 'assembly/index.ts',
  relaxed: 'assembly/index.ts',
  'testing-simd': 'assembly/testing.ts',
  'testing-relaxed': 'assembly/testing.ts',
  'probe-simd': 'bench/probe/probe.ts',
  'probe-relaxed': 'bench/probe/probe.ts',
};

function node(script, args) {
  execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
}

function bin(name, entry) {
  return join(dirname(require.resolve(`${name}/package.json`)), entry);
}

for (const [target, entry] of Object.entries(modules)) {
  node(bin('assemblyscript', 'bin/asc.js'), [entry, '--target', target]);
}

mkdirSync(join(root, 'src/runtime/wasm'), { recursive: true });
for (const name of ['simd', 'relaxed']) {
  const text = readFileSync(join(root, `build/${name}.wasm`)).toString('base64');
  const source = `/** Made by scripts/build.mjs from build/${name}.wasm. */\nexport const ${name}Wasm =\n  '${text}';\n`;
  writeFileSync(join(root, `src/runtime/wasm/${name}.ts`), source);
}

node(bin('typescript', 'bin/tsc'), ['-p', 'tsconfig.build.json']);

const { build } = await import('esbuild');
await build({
  absWorkingDir: root,
  entryPoints: ['dist/src/index.js'],
  outfile: 'dist/browser/downhill.js',
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  external: ['node:*'],
  logLevel: 'warning',
});
