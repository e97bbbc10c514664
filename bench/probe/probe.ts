// AssemblyScript: asc --config bench/probe/asconfig.json --target simd (or relaxed).
//
// The CPU's own limit for SIMD128 multiplies and adds: calls of a few microseconds that touch registers only.
// The name of an export ends in the number of flops of one round, so that limit.ts needs no second table.
//
// What makes a form honest and fast:
// - the operand is loaded, never a constant: V8 rebuilds a v128 constant at every use (a movq), Binaryen folds it;
// - every chain stands at a fixed point (a = a * 0.5 + 0.5 at 1), so nothing drifts to a denormal or an infinity, and
//   neither compiler can know it;
// - one operand register for both sides of a = a * h + h leaves 14 of the 15 xmm registers that V8 hands out for chains;
//   12 chains reach 47.9 GFLOP/s, 13 49.9, 14 51.8 of 51.8 (Zen 3, mul 3 + add 3 cycles, 2 + 2 pipes, Node 20 and 24);
// - the source is not unrolled: TurboFan orders an unrolled body chain by chain, which costs up to 15 %;
// - separate chains of multiplies and of adds reach the same at best (51.6), but 35-45 in other orders of the same code;
// - many calls, no long one: V8 does not replace a running wasm function on the stack.

/** Rounds of one call: 7 us, so that the call itself (15 ns) does not count; 1,024 rounds cost 2 %. */
const ROUNDS: i32 = 16384;

/** a * h + h: two instructions, or one in the relaxed build. Binaryen inlines it. */
function madd(a: v128, h: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, h, h);
  return f32x4.add(f32x4.mul(a, h), h);
}

/** 14 chains of multiply-adds, for 16 registers: 14 * 4 lanes * 2. */
export function pairs112(at: usize): void {
  const half = v128.load(at);
  let a0 = v128.load(at, 32); let a1 = v128.load(at, 48); let a2 = v128.load(at, 64); let a3 = v128.load(at, 80);
  let a4 = v128.load(at, 96); let a5 = v128.load(at, 112); let a6 = v128.load(at, 128); let a7 = v128.load(at, 144);
  let a8 = v128.load(at, 160); let a9 = v128.load(at, 176); let a10 = v128.load(at, 192); let a11 = v128.load(at, 208);
  let a12 = v128.load(at, 224); let a13 = v128.load(at, 240);
  for (let i = 0; i < ROUNDS; i++) {
    a0 = madd(a0, half); a1 = madd(a1, half); a2 = madd(a2, half); a3 = madd(a3, half);
    a4 = madd(a4, half); a5 = madd(a5, half); a6 = madd(a6, half); a7 = madd(a7, half);
    a8 = madd(a8, half); a9 = madd(a9, half); a10 = madd(a10, half); a11 = madd(a11, half);
    a12 = madd(a12, half); a13 = madd(a13, half);
  }
  v128.store(at, a0, 32); v128.store(at, a1, 48); v128.store(at, a2, 64); v128.store(at, a3, 80);
  v128.store(at, a4, 96); v128.store(at, a5, 112); v128.store(at, a6, 128); v128.store(at, a7, 144);
  v128.store(at, a8, 160); v128.store(at, a9, 176); v128.store(at, a10, 192); v128.store(at, a11, 208);
  v128.store(at, a12, 224); v128.store(at, a13, 240);
}

/** 20 chains, for CPUs with 32 registers and four pipes (Apple M: 4 pipes of 4 cycles want 16 chains); spills on x64. */
export function pairs160(at: usize): void {
  const half = v128.load(at);
  let a0 = v128.load(at, 32); let a1 = v128.load(at, 48); let a2 = v128.load(at, 64); let a3 = v128.load(at, 80);
  let a4 = v128.load(at, 96); let a5 = v128.load(at, 112); let a6 = v128.load(at, 128); let a7 = v128.load(at, 144);
  let a8 = v128.load(at, 160); let a9 = v128.load(at, 176); let a10 = v128.load(at, 192); let a11 = v128.load(at, 208);
  let a12 = v128.load(at, 224); let a13 = v128.load(at, 240); let a14 = v128.load(at, 256); let a15 = v128.load(at, 272);
  let a16 = v128.load(at, 288); let a17 = v128.load(at, 304); let a18 = v128.load(at, 320); let a19 = v128.load(at, 336);
  for (let i = 0; i < ROUNDS; i++) {
    a0 = madd(a0, half); a1 = madd(a1, half); a2 = madd(a2, half); a3 = madd(a3, half);
    a4 = madd(a4, half); a5 = madd(a5, half); a6 = madd(a6, half); a7 = madd(a7, half);
    a8 = madd(a8, half); a9 = madd(a9, half); a10 = madd(a10, half); a11 = madd(a11, half);
    a12 = madd(a12, half); a13 = madd(a13, half); a14 = madd(a14, half); a15 = madd(a15, half);
    a16 = madd(a16, half); a17 = madd(a17, half); a18 = madd(a18, half); a19 = madd(a19, half);
  }
  v128.store(at, a0, 32); v128.store(at, a1, 48); v128.store(at, a2, 64); v128.store(at, a3, 80);
  v128.store(at, a4, 96); v128.store(at, a5, 112); v128.store(at, a6, 128); v128.store(at, a7, 144);
  v128.store(at, a8, 160); v128.store(at, a9, 176); v128.store(at, a10, 192); v128.store(at, a11, 208);
  v128.store(at, a12, 224); v128.store(at, a13, 240); v128.store(at, a14, 256); v128.store(at, a15, 272);
  v128.store(at, a16, 288); v128.store(at, a17, 304); v128.store(at, a18, 320); v128.store(at, a19, 336);
}
