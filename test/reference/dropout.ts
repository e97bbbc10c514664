import { make, type Numbers } from './numbers.ts';

const GOLDEN = 0x9e3779b97f4a7c15n;
const wrap = (z: bigint): bigint => BigInt.asUintN(64, z);

/** SplitMix64's finalizer (Steele, Lea, Flood 2014), as in assembly/random.ts. */
export function mix64(z: bigint): bigint {
  let v = wrap((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  v = wrap((v ^ (v >> 27n)) * 0x94d049bb133111ebn);
  return v ^ (v >> 31n);
}

export function keyOf(seed: bigint, step: number, stream: number): bigint {
  const counter = ((BigInt(step >>> 0) << 32n) | BigInt(stream >>> 0)) * GOLDEN;
  return mix64(wrap(mix64(wrap(seed + GOLDEN)) + counter));
}

/** 32 random bits of index i under a key (Wellons 2018, "lowbias32", twice). */
export function bits32(key: bigint, i: number): number {
  const low = Number(key & 0xffffffffn) | 0;
  const high = Number(key >> 32n) | 0;
  let x = (Math.imul(i, 0x9e3779b9) + low) | 0;
  x ^= x >>> 16;
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x ^ high, 0x846ca68b);
  x ^= x >>> 16;
  x = Math.imul(x, 0x7feb352d);
  return (x ^ (x >>> 15)) >>> 0;
}

/** y = x / (1 - rate) where the bits of (seed, step, stream, i) reach rate · 2^32, else 0. */
export function dropout(x: Numbers, rate: number, seed: bigint, step: number, stream: number): number[] {
  const key = keyOf(seed, step, stream);
  const p = Math.fround(rate);
  const threshold = Math.floor(p * 2 ** 32);
  return make(x.length, (i) => (bits32(key, i) >= threshold ? x[i]! / (1 - p) : 0));
}

/** dx = dy · mask / (1 - rate): dropout of the gradient with the same mask. */
export function dropoutGradient(
  dy: Numbers,
  rate: number,
  seed: bigint,
  step: number,
  stream: number,
): number[] {
  return dropout(dy, rate, seed, step, stream);
}
