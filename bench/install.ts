// What is not part of the project and is fetched when a run wants it: the rivals' packages, another Node, a Python.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { OptionsError } from './options.ts';
import { cacheFolder, peersFolder } from './paths.ts';
import type { Subject } from './subjects.ts';

export interface Availability {
  ready: { subject: Subject; env: Record<string, string> }[];
  missing: { name: string; why: string }[];
}

/** Installs what the subjects need; those that cannot run are listed with the reason. */
export function availability(subjects: readonly Subject[]): Availability {
  const found: Availability = { ready: [], missing: [] };
  for (const subject of subjects) {
    const { needs } = subject;
    if (needs === 'nothing') {
      found.ready.push({ subject, env: {} });
    } else if (needs === 'peers') {
      const why = installPeers();
      if (why) found.missing.push({ name: subject.name, why });
      else found.ready.push({ subject, env: {} });
    } else {
      const python = findPython(needs);
      if (python) found.ready.push({ subject, env: { BENCH_PYTHON: python } });
      else found.missing.push({ name: subject.name, why: `no python3 that can import ${needs} was found` });
    }
  }
  return found;
}

let peers: string | null | undefined;

/** Why the rivals are not there, or null. */
function installPeers(): string | null {
  if (peers !== undefined) return peers;
  const manifest = join(peersFolder, 'package.json');
  const installed = join(peersFolder, 'node_modules', '.package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(manifest).mtimeMs) {
    peers = null;
  } else {
    console.log('installing the rivals into bench/peers/node_modules …');
    peers = npm(['install', '--no-audit', '--no-fund', '--loglevel=error'], peersFolder);
  }
  return peers;
}

function npm(args: readonly string[], folder: string): string | null {
  const { status, error } = spawnSync('npm', args, {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (error) return `npm: ${error.message}`;
  return status === 0 ? null : `npm ${args[0]} failed`;
}

function findPython(module: string): string | undefined {
  return ['python3', '/usr/bin/python3'].find(
    (python) => spawnSync(python, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0,
  );
}

/** V8 joins neighbouring vectors of 128 bits to one of 256. In Node 24 and later, where the processor has AVX2. */
const REVECTORIZE = '--experimental-wasm-revectorize';

export function isRevectorized(): boolean {
  return process.execArgv.includes(REVECTORIZE);
}

/**
 * Runs the same command again in the Node, and with the flag of V8, that the options ask for; undefined when this
 * process is what they ask for.
 */
export function elsewhere(
  { node, revectorize }: { node?: string | undefined; revectorize?: boolean | undefined },
  args: readonly string[],
): number | undefined {
  const other = node !== undefined && !process.versions.node.startsWith(`${node}.`) ? node : undefined;
  if (other === undefined && (!revectorize || isRevectorized())) return undefined;
  if (revectorize && Number((node ?? process.versions.node).split('.')[0]) < 24) {
    throw new OptionsError(
      `--revectorize needs Node 24 or later, got ${node ?? process.versions.node}; see --node`,
    );
  }
  const flags = revectorize ? [REVECTORIZE] : [];
  return other === undefined
    ? again(process.execPath, [...flags, ...args])
    : inNode(other, [...flags, ...args]);
}

function again(binary: string, args: readonly string[]): number {
  return spawnSync(binary, args, { stdio: 'inherit' }).status ?? 1;
}

/** In another Node, installed from the npm package `node`. */
function inNode(version: string, args: readonly string[]): number {
  const folder = join(cacheFolder, `node-${version}`);
  const binary = join(
    folder,
    'node_modules',
    'node',
    'bin',
    process.platform === 'win32' ? 'node.exe' : 'node',
  );
  if (!existsSync(binary)) {
    console.log(`installing Node ${version} …`);
    mkdirSync(folder, { recursive: true });
    const why = npm(['install', '--no-audit', '--no-fund', '--prefix', folder, `node@${version}`], folder);
    if (why || !existsSync(binary)) {
      console.error(`Node ${version} could not be installed: ${why ?? `${binary} is missing`}`);
      return 1;
    }
  }
  return again(binary, args);
}
