const GOLDEN = 0x9e3779b97f4a7c15n;
const wrap = (z: bigint): bigint => BigInt.asUintN(64, z);

/** SplitMix64's finalizer (Steele, Lea, Flood 2014), as in assembly/random.ts. */
export function mix64(z: bigint): bigint {
  let v = wrap((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  v = wrap((v ^ (v >> 27n)) * 0x94d049bb133111ebn);
  return v ^ (v >> 31n);
}

/** The key of a stream of numbers. */
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

/** The order of an epoch: Fisher-Yates (Durstenfeld 1964) on 32 bits of the SplitMix64 numbers of the epoch's key. */
export function shuffled(rows: number, seed: bigint, epoch: number): number[] {
  const key = keyOf(seed, epoch, 0x5f0f1e);
  const order = Array.from({ length: rows }, (_, i) => i);
  for (let i = rows - 1; i > 0; i--) {
    const bits = mix64(wrap(key + BigInt(i + 1) * GOLDEN)) >> 32n;
    const j = Number((bits * BigInt(i + 1)) >> 32n);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Uniform in (0, 1), 53 bits: number i of a stream. */
export function uniform(key: bigint, i: number): number {
  return (Number(mix64(wrap(key + BigInt(i + 1) * GOLDEN)) >> 11n) + 0.5) / 2 ** 53;
}
