// The limit every share is measured against: the CPU's SIMD128 multiply-adds per second on one core, as reached in this
// Node by bench/probe/probe.ts. On an AMD EPYC (Zen 3) 51.8 GFLOP/s, in Node 20 and 24, with and without relaxed_madd;
// a C probe reaches 51.8 there too.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.ts';

/** Must agree with ROUNDS in probe.ts. */
const ROUNDS = 16384;
const AT = 1024; // past AssemblyScript's reserved first KiB

interface Form {
  call: (at: number) => void;
  flops: number;
}

function build(target: 'simd' | 'relaxed'): Uint8Array<ArrayBuffer> {
  const wasm = join(root, 'build', `probe-${target}.wasm`);
  const source = join(root, 'bench', 'probe', 'probe.ts');
  if (!existsSync(wasm) || statSync(wasm).mtimeMs < statSync(source).mtimeMs) {
    const asc = join(root, 'node_modules', 'assemblyscript', 'bin', 'asc.js');
    const config = join(root, 'bench', 'probe', 'asconfig.json');
    execFileSync(process.execPath, [asc, '--config', config, '--target', target], {
      cwd: root,
      stdio: 'inherit',
    });
  }
  return new Uint8Array(readFileSync(wasm));
}

function load(bytes: Uint8Array<ArrayBuffer>): Form[] {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {});
  const { memory } = exports as { memory: WebAssembly.Memory };
  const view = new Float32Array(memory.buffer, AT);
  view.fill(1).fill(0.5, 0, 4); // the operand 0.5, then every chain at its fixed point 1
  return Object.entries(exports).flatMap(([name, value]) =>
    typeof value === 'function'
      ? [{ call: value as Form['call'], flops: Number(/\d+$/.exec(name)?.[0]) * ROUNDS }]
      : [],
  );
}

let forms: Form[] | undefined;

/** GFLOP/s of short calls over `milliseconds`, each of the fastest form that this Node can run. The first use warms up for 0.3 s more. */
export function probeLimit(milliseconds: number): number[] {
  if (forms === undefined) {
    const relaxed = build('relaxed'); // validated as a whole: Node 20 refuses it
    forms = [...load(build('simd')), ...(WebAssembly.validate(relaxed) ? load(relaxed) : [])];
    measure(forms, 300);
  }
  return measure(forms, milliseconds);
}

function measure(all: Form[], milliseconds: number): number[] {
  const found: number[] = [];
  for (const end = performance.now() + milliseconds; performance.now() < end; ) {
    found.push(Math.max(...all.map(speed)));
  }
  return found;
}

function speed({ call, flops }: Form): number {
  const start = performance.now();
  call(AT);
  call(AT);
  call(AT);
  call(AT);
  return (4 * flops) / 1e6 / (performance.now() - start);
}
