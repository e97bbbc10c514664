/** Before start, test and bench: installs and builds what is missing or older than its sources; else does nothing. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Time of the last change of a file; 0 when it is not there. */
function changed(path) {
  const full = join(root, path);
  return existsSync(full) ? statSync(full).mtimeMs : 0;
}

/** Folders that runs write into. */
const notSources = ['node_modules', 'results'];

/** The newest change among the sources below a folder. */
function newest(folder) {
  let latest = 0;
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (notSources.includes(entry.name) || path === join('src', 'runtime', 'wasm')) continue;
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : changed(path));
  }
  return latest;
}

function run(what, command, args) {
  console.log(`${what} …`);
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (error) console.error(`${what}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

const [major] = process.versions.node.split('.').map(Number);
if (major < 20) {
  console.error(`downhill needs Node 20 or newer; this is ${process.version}`);
  process.exit(1);
}

if (changed('node_modules/.package-lock.json') < changed('package-lock.json')) {
  run('installing', 'npm', ['ci', '--no-audit', '--no-fund']);
}

const sources = ['assembly', 'src', 'examples', 'bench', 'scripts'];
const configs = ['asconfig.json', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];
const newestSource = Math.max(...sources.map(newest), ...configs.map(changed));
const outputs = ['dist/browser/downhill.js', 'dist/examples/digits.js', 'src/runtime/wasm/tensors.ts'];
if (Math.min(...outputs.map(changed)) < newestSource) {
  run('building', process.execPath, ['scripts/build.mjs']);
}
