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

// One character a byte, so that gzip sees the modules as they are; in pieces that take turns, so that it finds each piece
// of the second within its window of 32 KB, as a variant of the first's (a bundle: 68 KB instead of 84 with one after the
// other).
const PIECES = 16;
const texts = ['simd', 'relaxed'].map((name) =>
  readFileSync(join(root, `build/${name}.wasm`)).toString('latin1'),
);
const pieces = Array.from({ length: PIECES }, (_, i) =>
  texts.map((text) => {
    const at = (n) => Math.round((text.length * n) / PIECES);
    return text.slice(at(i), at(i + 1));
  }),
).flat();
mkdirSync(join(root, 'src/runtime/wasm'), { recursive: true });
writeFileSync(
  join(root, 'src/runtime/wasm/pieces.ts'),
  `/** Pieces of build/simd.wasm and build/relaxed.wasm in turn, a character for each byte; made by scripts/build.mjs. */\n` +
    `export const pieces = [\n${pieces.map((piece) => JSON.stringify(piece)).join(',\n')},\n];\n`,
);

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
