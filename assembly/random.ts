/**
 * Counter-based random numbers: each is a function of (seed, step, stream, index), never of who asks or in what order.
 */

const GOLDEN: u64 = 0x9e3779b97f4a7c15;

/** SplitMix64's finalizer (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators", variant 13). */
export function mix64(z: u64): u64 {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/** The key of a stream of numbers. */
export function keyOf(seed: u64, step: u32, stream: u32): u64 {
  return mix64(mix64(seed + GOLDEN) + (((<u64>step) << 32) | <u64>stream) * GOLDEN);
}

/** The 64 random bits at `index`. */
// @ts-ignore: decorator
@inline
export function bits64(key: u64, index: u64): u64 {
  return mix64(key + (index + 1) * GOLDEN);
}

/** Uniform in (0, 1), 53 bits. */
export function uniform(key: u64, index: u64): f64 {
  return (<f64>(bits64(key, index) >> 11) + 0.5) * (1.0 / 9007199254740992.0);
}

/** Four times 32 bits for the indices i .. i+3: two rounds of a 32-bit mixer (Wellons 2018, "lowbias32") under the key. */
// @ts-ignore: decorator
@inline
export function bits32x4(i: v128, low: v128, high: v128): v128 {
  let x = i32x4.add(i32x4.mul(i, i32x4.splat(0x9e3779b9)), low);
  x = v128.xor(x, i32x4.shr_u(x, 16));
  x = i32x4.mul(x, i32x4.splat(0x7feb352d));
  x = v128.xor(x, i32x4.shr_u(x, 15));
  x = i32x4.mul(v128.xor(x, high), i32x4.splat(0x846ca68b));
  x = v128.xor(x, i32x4.shr_u(x, 16));
  x = i32x4.mul(x, i32x4.splat(0x7feb352d));
  return v128.xor(x, i32x4.shr_u(x, 15));
}

/** Identity, then Fisher-Yates: the order of an epoch is a function of (seed, epoch). */
export function shuffle(index: usize, rows: i32, seed: u64, epoch: u32): void {
  const key = keyOf(seed, epoch, 0x5f0f1e);
  for (let i = 0; i < rows; i++) store<i32>(index + (<usize>i << 2), i);
  for (let i = rows - 1; i > 0; i--) {
    const j = <i32>(((bits64(key, i) >> 32) * (<u64>i + 1)) >> 32);
    const p = index + (<usize>i << 2);
    const q = index + (<usize>j << 2);
    const v = load<i32>(p);
    store<i32>(p, load<i32>(q));
    store<i32>(q, v);
  }
}
