/** Builds everything: AssemblyScript to WebAssembly, the modules inlined as strings, TypeScript, the browser bundle. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

/**
 * The modules that the package contains, each in two builds. They share a memory, and its first page for their static
 * data, STATIC_BYTES each; src/runtime/arena.ts gives out the pages behind.
 */
const families = [
  ['core', 'assembly/index.ts'],
  ['spatial', 'assembly/families/spatial.ts'],
  ['sequence', 'assembly/families/sequence.ts'],
  ['tensors', 'assembly/families/tensors.ts'],
];
const STATIC_BYTES = 8192;
const builds = ['simd', 'relaxed'];

function node(script, args) {
  execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
}

function bin(name, entry) {
  return join(dirname(require.resolve(`${name}/package.json`)), entry);
}

function compile(...args) {
  node(bin('assemblyscript', 'bin/asc.js'), args);
}

function wasmOf(name, build) {
  return join(root, `build/${name}-${build}.wasm`);
}

/** The first byte behind the module's static data: its export `base` returns it. */
function endOf(path) {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: 16 });
  const env = { memory, table, sleep() {}, abort() {} };
  return new WebAssembly.Instance(new WebAssembly.Module(readFileSync(path)), { env }).exports.base();
}

// One character a byte, so that gzip sees the modules as they are; in pieces that take turns, so that it finds each piece
// of the second within its window of 32 KB, as a variant of the first's.
const PIECES = 16;

function inline(name) {
  const texts = builds.map((build) => readFileSync(wasmOf(name, build)).toString('latin1'));
  const pieces = Array.from({ length: PIECES }, (_, i) =>
    texts.map((text) => {
      const at = (n) => Math.round((text.length * n) / PIECES);
      return text.slice(at(i), at(i + 1));
    }),
  ).flat();
  writeFileSync(
    join(root, `src/runtime/wasm/${name}.ts`),
    `/** Pieces of build/${name}-simd.wasm and build/${name}-relaxed.wasm in turn, a character for each byte; made by scripts/build.mjs. */\n` +
      `export const pieces = [\n${pieces.map((piece) => JSON.stringify(piece)).join(',\n')},\n];\n`,
  );
}

mkdirSync(join(root, 'src/runtime/wasm'), { recursive: true });
for (const [i, [name, entry]] of families.entries()) {
  // address 0 stands for none
  const memoryBase = i * STATIC_BYTES + (i === 0 ? 1024 : 0);
  const limit = (i + 1) * STATIC_BYTES;
  for (const build of builds) {
    const out = wasmOf(name, build);
    compile(entry, '--target', build, '--memoryBase', String(memoryBase), '--outFile', out);
    // both builds have the same data, and not every Node compiles the other
    if (build === 'simd' && endOf(out) > limit) {
      throw new Error(`the static data of ${name} end at ${endOf(out)}, past ${limit}`);
    }
  }
  inline(name);
}
for (const build of builds) {
  compile('assembly/testing.ts', '--target', `testing-${build}`);
  compile('--config', 'bench/probe/asconfig.json', '--target', build);
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
