// What the file system is needed for. Node only: it is loaded by dynamic import, and left out of browser bundles
// (scripts/build.mjs).

export { writeFileAtomic } from './atomic-write.ts';
export { readSafetensorsFile } from './safetensors-file.ts';
