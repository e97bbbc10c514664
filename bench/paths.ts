import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder: the nearest one upwards whose package.json is downhill's (this file runs from dist/bench/). */
function findRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === 'downhill') return folder;
    if (folder === dirname(folder)) throw new Error(`no package.json of downhill above ${import.meta.url}`);
  }
}

export const root = findRoot();
/** Rivals run from the source folder: their package.json and node_modules stand there. */
export const peersFolder = join(root, 'bench', 'peers');
/** Other Node versions are kept here, out of git's and the linter's sight. */
export const cacheFolder = join(root, 'node_modules', '.cache', 'downhill-bench');
