// What is not part of the project and is fetched when a run wants it: the rivals' packages, another Node, a Python.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
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

/** Runs the same command in another Node, installed from the npm package `node`. */
export function inNode(version: string, args: readonly string[]): number {
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
  return spawnSync(binary, args, { stdio: 'inherit' }).status ?? 1;
}
