import type { Family } from './families.ts';

/**
 * Each module of the core comes in two builds, both inlined: `simd`, whose results are the same bits on every machine, and
 * `relaxed`, which uses fused multiply-add where the engine has relaxed SIMD.
 */
export type Build = 'simd' | 'relaxed';

/** (module (func (param v128 v128 v128) (result v128) … f32x4.relaxed_madd)): accepted where relaxed SIMD is. */
const RELAXED_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32, 0, 32,
  1, 32, 2, 253, 133, 2, 11,
]);

export function bestBuild(reproducible: boolean): Build {
  return !reproducible && WebAssembly.validate(RELAXED_PROBE) ? 'relaxed' : 'simd';
}

/**
 * Whether Node was started with the flag by which V8 joins neighbouring vectors of 128 bits to one of 256
 * (`node --experimental-wasm-revectorize`, since Node 24, on x64). No other engine tells.
 */
export function joinsVectors(): boolean {
  const { process } = globalThis as { process?: { execArgv?: readonly string[] } };
  const flag = /^--(experimental[-_])?wasm[-_]revectorize$/;
  return process?.execArgv?.some((option) => flag.test(option)) ?? false;
}

const modules = new Map<string, WebAssembly.Module>();

/** The compiled module for shared or plain memory; compiled once. */
export function compiled(family: Family, build: Build, shared: boolean): WebAssembly.Module {
  const key = `${family.name} ${build} ${shared}`;
  let module = modules.get(key);
  if (!module) {
    module = new WebAssembly.Module(bytesOf(family, build, shared));
    modules.set(key, module);
  }
  return module;
}

/** The same without blocking the thread; what `Trainer.create` uses. */
export async function compile(family: Family, build: Build, shared: boolean): Promise<void> {
  const key = `${family.name} ${build} ${shared}`;
  if (!modules.has(key)) modules.set(key, await WebAssembly.compile(bytesOf(family, build, shared)));
}

function bytesOf({ pieces }: Family, build: Build, shared: boolean): Uint8Array<ArrayBuffer> {
  // the pieces of the two builds take turns
  const turn = build === 'relaxed' ? 1 : 0;
  const bytes = fromLatin1(pieces.filter((_, i) => i % 2 === turn).join(''));
  if (!shared) unshare(bytes);
  return bytes;
}

/** A byte for each character. Node does it 3 ms faster than a loop that V8 has not compiled yet. */
function fromLatin1(text: string): Uint8Array<ArrayBuffer> {
  const { Buffer } = globalThis as { Buffer?: { from(text: string, encoding: 'latin1'): Uint8Array } };
  if (Buffer) return new Uint8Array(Buffer.from(text, 'latin1'));
  const bytes = new Uint8Array(text.length);
  let all = 0;
  for (let i = 0; i < bytes.length; i++) {
    const code = text.charCodeAt(i);
    all |= code;
    bytes[i] = code;
  }
  if (all > 255) {
    throw new Error(
      'the script was not read as UTF-8, in which it is written: put <meta charset="utf-8"> into the page, or load the ' +
        'script with type="module"',
    );
  }
  return bytes;
}

/**
 * The builds import a shared memory. With the flag of that import cleared (binary format: section 2, memory import,
 * limits 0x03 -> 0x01) the same code runs on a plain memory: atomic loads, stores and notify are valid on both.
 */
function unshare(bytes: Uint8Array): void {
  let at = 8;
  const leb = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const section = bytes[at++];
    const end = leb() + at;
    for (let imports = section === 2 ? leb() : 0; imports > 0; imports--) {
      for (const _ of ['module', 'field']) {
        const length = leb();
        at += length;
      }
      if (bytes[at] === 2 && bytes[at + 1] === 3) {
        bytes[at + 1] = 1;
        return;
      }
      if (bytes[at++] !== 0) break; // a function: its type follows
      leb();
    }
    at = end;
  }
  throw new Error('the numeric core does not import a shared memory');
}
