// Who is measured, in which kinds of case, and what has to be there for it.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { peersFolder } from './paths.ts';
import type { Case, SubjectModule } from './protocol.ts';

export interface Subject {
  name: string;
  kinds: readonly Case['kind'][];
  /** Whether it trains other layers than dense ones. */
  allLayers: boolean;
  /** What is installed on demand before it runs. */
  needs: 'nothing' | 'peers' | 'torch' | 'numpy';
  load(): Promise<SubjectModule>;
}

/** A rival's module, which is not compiled with the project. */
async function peer(name: string): Promise<SubjectModule> {
  const module: { default: SubjectModule } = await import(
    pathToFileURL(join(peersFolder, `${name}.mjs`)).href
  );
  return module.default;
}

function rival(name: string, needs: Subject['needs'], kinds: Subject['kinds'], allLayers = false): Subject {
  return { name, kinds, allLayers, needs, load: () => peer(name) };
}

export function takes({ kinds, allLayers }: Subject, spec: Case): boolean {
  if (!kinds.includes(spec.kind)) return false;
  return allLayers || !('layers' in spec) || spec.layers.every(({ type }) => type === 'dense');
}

export const subjects: readonly Subject[] = [
  {
    name: 'downhill',
    kinds: ['step', 'first-step', 'gemm', 'pass', 'size'],
    allLayers: true,
    needs: 'nothing',
    load: async () => (await import('./subjects/downhill.ts')).downhill,
  },
  {
    name: 'plain-js',
    kinds: ['step', 'first-step', 'gemm', 'pass'],
    allLayers: false,
    needs: 'nothing',
    load: async () => (await import('./subjects/plain-js.ts')).plainJs,
  },
  rival('tfjs-cpu', 'peers', ['step', 'first-step', 'gemm'], true),
  rival('tfjs-wasm', 'peers', ['step', 'first-step', 'gemm', 'size'], true),
  rival('jax-js', 'peers', ['step', 'first-step', 'gemm', 'size']),
  rival('brain.js', 'peers', ['step', 'size']),
  rival('pytorch', 'torch', ['step', 'gemm'], true),
  rival('numpy', 'numpy', ['step', 'gemm']),
];
