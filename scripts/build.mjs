/** Builds everything: AssemblyScript to WebAssembly, the modules inlined as base64, TypeScript, the browser bundle. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

/** Entry and target of each module, and the configuration where it is not asconfig.json. */
const modules = [
  ['assembly/index.ts', 'simd'],
  ['assembly/index.ts', 'relaxed'],
  ['assembly/testing.ts', 'testing-simd'],
  ['assembly/testing.ts', 'testing-relaxed'],
  ['bench/probe/probe.ts', 'simd', 'bench/probe/asconfig.json'],
  ['bench/probe/probe.ts', 'relaxed', 'bench/probe/asconfig.json'],
];

function node(script, args) {
  execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
}

function bin(name, entry) {
  return join(dirname(require.resolve(`${name}/package.json`)), entry);
}

for (const [entry, target, config] of modules) {
  const args = config ? ['--config', config, '--target', target] : [entry, '--target', target];
  node(bin('assemblyscript', 'bin/asc.js'), args);
}

// One character a byte: gzip sees the modules as they are, and the second as a variant of the first
// (both cost 13 KB of a page; as base64 27 KB).
mkdirSync(join(root, 'src/runtime/wasm'), { recursive: true });
for (const name of ['simd', 'relaxed']) {
  const text = JSON.stringify(readFileSync(join(root, `build/${name}.wasm`)).toString('latin1'));
  const source = `/** The bytes of build/${name}.wasm, a character each; made by scripts/build.mjs. */\nexport const ${name}Wasm = ${text};\n`;
  writeFileSync(join(root, `src/runtime/wasm/${name}.ts`), source);
}

node(bin('typescript', 'bin/tsc'), ['-p', 'tsconfig.build.json']);

/** Modules that only Node has use for, always behind `await import`: empty in a page, which never gets that far. */
const nodeOnly = {
  name: 'node-only',
  setup({ onLoad }) {
    onLoad({ filter: /src.(io.files|runtime.pool)\.ts$/ }, () => ({ contents: '' }));
  },
};

const { build } = await import('esbuild');
await build({
  absWorkingDir: root,
  entryPoints: ['src/index.ts'],
  outfile: 'dist/browser/downhill.js',
  bundle: true,
  minify: true,
  charset: 'utf8',
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  plugins: [nodeOnly],
  logLevel: 'warning',
});
