import { readFileSync } from 'node:fs';
import type { Build } from '../../src/runtime/module.ts';

/** A function of assembly/simd.ts. */
export interface MathFunction {
  readonly name: string;
  /** The most that it may be: 2 ULP for exp and log, 4 for the others. */
  readonly asked: 2 | 4;
  /**
   * The greatest error over all 2^32 inputs, rounded up (test/slow/math.test.ts). `relaxed`: multiply-add fused, as by
   * x64 since Haswell and by every ARM64.
   */
  readonly ulp: Readonly<Record<Build, number>>;
  /** Whether f(x) has the sign of x, that of zero included. */
  readonly signed: boolean;
  /** Whether the errors are in units of 2^-24 whatever the value, that of a sum near 1 of larger terms. */
  readonly absolute?: boolean;
  /** The values lie within; without a bound where there is none. */
  readonly low?: number;
  readonly high?: number;
}

/** In the order of `run` in assembly/testing.ts. */
export const functions: readonly MathFunction[] = [
  { name: 'exp', asked: 2, ulp: { simd: 1.65, relaxed: 1.81 }, signed: false, low: 0 },
  { name: 'expm1', asked: 4, ulp: { simd: 1.8, relaxed: 1.69 }, signed: true, low: -1 },
  { name: 'log', asked: 2, ulp: { simd: 1.07, relaxed: 0.91 }, signed: false },
  { name: 'log1p', asked: 4, ulp: { simd: 1.6, relaxed: 1.55 }, signed: true },
  { name: 'tanh', asked: 4, ulp: { simd: 3.47, relaxed: 3.26 }, signed: true, low: -1, high: 1 },
  { name: 'sigmoid', asked: 4, ulp: { simd: 2.79, relaxed: 3 }, signed: false, low: 0, high: 1 },
  { name: 'erf', asked: 4, ulp: { simd: 3.86, relaxed: 3.26 }, signed: true, low: -1, high: 1 },
  { name: 'softplus', asked: 4, ulp: { simd: 2.7, relaxed: 2.88 }, signed: false, low: 0 },
  { name: 'geluSlope', asked: 4, ulp: { simd: 3.85, relaxed: 3.6 }, signed: false, absolute: true },
];

/** The greatest error of a function in either build, in ULP. */
export function ulpOf(name: string): number {
  const { ulp } = functions.find((f) => f.name === name)!;
  return Math.max(ulp.simd, ulp.relaxed);
}

/** Exports of assembly/testing.ts. */
type TestModule = Record<`map${string}`, (source: number, target: number, count: number) => void> & {
  maxUlp(
    index: number,
    first: number,
    stride: number,
    count: number,
    signed: boolean,
    absolute: boolean,
    low: number,
    high: number,
    scratch: number,
  ): number;
  worstInput(): number;
};

/** Inputs of one call: a block in the cache. */
const BLOCK = 1 << 14;
/** Behind the static data of the module. */
const SCRATCH = 1 << 16;

/** The test build, which has every function of simd.ts and float64 references. */
export class MathModule {
  readonly #exports: TestModule;
  readonly #memory: WebAssembly.Memory;

  constructor(build: Build) {
    this.#memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
    const bytes = readFileSync(new URL(`../../build/testing-${build}.wasm`, import.meta.url));
    const module = new WebAssembly.Module(bytes);
    const abort = (): never => {
      throw new Error('abort');
    };
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.#memory, abort } });
    this.#exports = exports as unknown as TestModule;
  }

  /** The greatest error in ULP over every `stride`-th of the bit patterns [from, to), and the input that has it. */
  greatestError(f: MathFunction, stride: number, from = 0, to = 2 ** 32): { ulp: number; x: number } {
    const index = functions.findIndex(({ name }) => name === f.name);
    let ulp = -1;
    let x = 0;
    for (let first = from; first < to; first += BLOCK * stride) {
      const count = Math.min(BLOCK, Math.floor((to - 1 - first) / stride / 4) * 4 + 4);
      const { signed, absolute = false, low = -Infinity, high = Infinity } = f;
      const error = this.#exports.maxUlp(index, first, stride, count, signed, absolute, low, high, SCRATCH);
      if (error > ulp) {
        ulp = error;
        x = this.#exports.worstInput();
      }
    }
    return { ulp, x: new Float32Array(Int32Array.of(x).buffer)[0]! };
  }

  /** f of each value; their number a multiple of 4. */
  map({ name }: MathFunction, values: readonly number[]): Float32Array {
    const source = new Float32Array(this.#memory.buffer, SCRATCH, values.length);
    source.set(values);
    const target = SCRATCH + source.byteLength;
    this.#exports[`map${name[0]!.toUpperCase()}${name.slice(1)}`]!(SCRATCH, target, values.length);
    return new Float32Array(this.#memory.buffer, target, values.length).slice();
  }
}
