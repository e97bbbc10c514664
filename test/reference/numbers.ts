/** Values of a tensor in row-major order, as the twins take and give them: float64. */
export type Numbers = ArrayLike<number>;

export function make<T = number>(count: number, value: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => value(i));
}

export function sum(count: number, value: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += value(i);
  return total;
}

/** Numbers in [0, 1) from a seed (mulberry32, public domain). */
export function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Uniform in [low, high), at least 0.01 away from each of the kinks. */
export function uniform(
  random: () => number,
  count: number,
  low = -2,
  high = 2,
  kinks: readonly number[] = [],
): Float32Array {
  return Float32Array.from({ length: count }, () => {
    for (;;) {
      const x = Math.fround(low + (high - low) * random());
      if (kinks.every((kink) => Math.abs(x - kink) > 0.01)) return x;
    }
  });
}
