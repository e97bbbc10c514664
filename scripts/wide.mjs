// The tests of all kernels in other versions of Node, with V8's flag that joins vectors to 256 bits: npm run test:wide
// A kernel that such a V8 cannot join ends the process, so all are compiled with it from the start (--no-liftoff).
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const VERSIONS = ['24', '26'];
const FLAGS = ['--experimental-wasm-revectorize', '--no-liftoff'];
const FOLDERS = ['kernels', 'graph', 'ops', 'layers', 'operations', 'train', 'model'];

const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const args = [
  vitest,
  'run',
  ...FLAGS.map((flag) => `--execArgv=${flag}`),
  ...FOLDERS.map((name) => `test/${name}`),
];

for (const version of VERSIONS) {
  console.log(`\nNode ${version}`);
  const { status } = spawnSync('npx', ['--yes', `--package=node@${version}`, '--', 'node', ...args], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
}
