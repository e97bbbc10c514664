// What the file system is needed for. Node only: it is loaded by dynamic import, and left out of browser bundles
// (scripts/build.mjs).

export { readFile } from 'node:fs/promises';
export { writeFileAtomic } from './atomic-write.ts';
