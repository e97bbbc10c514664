import { describe, expect, it } from 'vitest';
import { Fill } from '../../assembly/tape/dense.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { erf } from '../reference/activations.ts';
import { make, type Numbers, sum } from '../reference/numbers.ts';
import { keyOf, uniform } from '../reference/random.ts';
import { builds, firstDifference, SEED } from './machine.ts';

const normalCdf = (x: number): number => 0.5 * (1 + erf(x / Math.SQRT2));
const normalPdf = (x: number): number => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);

/** Step of the stream: that of no training step. */
const NO_STEP = 0xffffffff;
const STREAM = 7;
const U = 2 ** -24;

describe.each(builds)('%s', (build) => {
  const { arena, core } = new Engine(build);

  /** `count` values; those around them stay as they are. */
  function fill(kind: Fill, count: number, a: number, b: number, stream = STREAM, seed = SEED): Float32Array {
    const target = arena.allocate((count + 8) * 4);
    const all = arena.f32(target, count + 8).fill(-77);
    core.fill(kind, target + 16, count, a, b, BigInt(seed), stream);
    expect([...all.slice(0, 4), ...all.slice(count + 4)]).toEqual(make(8, () => -77));
    const values = all.slice(4, count + 4);
    arena.free(target);
    return values;
  }

  it('constant: the value everywhere', () => {
    expect([...fill(Fill.Constant, 5, 0.1, 9)]).toEqual(make(5, () => Math.fround(0.1)));
  });

  it('uniform: the twin, rounded', () => {
    const key = keyOf(BigInt(SEED), NO_STEP, STREAM);
    const [a, b] = [-0.3, 1.7];
    const want = Float32Array.from(make(1000, (i) => a + (b - a) * uniform(key, i)));
    expect(firstDifference(fill(Fill.Uniform, 1000, a, b), want)).toBe(-1);
  });

  /** A float32 is off by u |x|, hence its quantile by the density times that; the twin's erf is good to 1e-15. */
  it.each([
    { name: 'normal', kind: Fill.Normal, low: 0, width: 1 },
    { name: 'truncated', kind: Fill.TruncatedNormal, low: normalCdf(-2), width: erf(Math.SQRT2) },
  ])('$name: the quantiles of the uniform numbers', ({ kind, low, width }) => {
    const key = keyOf(BigInt(SEED), NO_STEP, STREAM);
    const values = fill(kind, 20_000, 0, 1);
    for (const [i, x] of values.entries()) {
      const error = Math.abs(normalCdf(x) - (low + width * uniform(key, i)));
      expect(error, `number ${i}`).toBeLessThanOrEqual(normalPdf(x) * Math.abs(x) * U * 1.001 + 4e-15);
    }
    const [mean, stddev] = [3, 0.5];
    const moved = fill(kind, 20_000, mean, stddev);
    // each of the two is rounded once
    values.forEach((x, i) => {
      expect(Math.abs(moved[i]! - (mean + stddev * x))).toBeLessThanOrEqual(U * (mean + 2 * Math.abs(x)));
    });
  });

  it('number i depends on (seed, stream, i) alone', () => {
    const all = fill(Fill.Normal, 100, 0, 1);
    for (const count of [0, 1, 7, 99]) {
      expect(firstDifference(fill(Fill.Normal, count, 0, 1), all.slice(0, count))).toBe(-1);
    }
    for (const [stream, seed] of [
      [STREAM + 1, SEED],
      [STREAM, SEED + 1],
      [STREAM, SEED + 2 ** 40],
    ]) {
      const other = fill(Fill.Normal, 100, 0, 1, stream, seed);
      expect(other.filter((x, i) => x === all[i]).length).toBe(0);
    }
  });

  function orthogonal(count: number, length: number, columns: boolean, gain: number, stream = STREAM) {
    const size = count * length;
    const [target, scratch] = [arena.allocate((size + 8) * 4), arena.allocate(size * 8)];
    const all = arena.f32(target, size + 8).fill(-77);
    core.orthogonal(target + 16, scratch, count, length, columns ? 1 : 0, gain, BigInt(SEED), stream);
    expect([...all.slice(0, 4), ...all.slice(size + 4)]).toEqual(make(8, () => -77));
    const values = all.slice(4, size + 4);
    for (const address of [target, scratch]) arena.free(address);
    return values;
  }

  const vectorsOf = (values: Numbers, count: number, length: number, columns: boolean): number[][] =>
    make(count, (i) => make(length, (k) => values[columns ? k * count + i : i * length + k]!));

  /** Rounding to float32 moves a product of two vectors of length g by 2 u |x| · |y| <= 2 u g² (Cauchy-Schwarz). */
  it.each([
    [1, 1],
    [1, 9],
    [5, 5],
    [3, 40],
    [64, 100],
    [70, 70],
  ])('orthogonal: %d vectors of %d elements', (count, length) => {
    for (const columns of [false, true]) {
      for (const gain of [1, 1.7]) {
        const vectors = vectorsOf(orthogonal(count, length, columns, gain), count, length, columns);
        for (const [i, x] of vectors.entries()) {
          for (const [j, y] of vectors.entries()) {
            const product = sum(length, (k) => x[k]! * y[k]!);
            const error = Math.abs(product - (i === j ? gain ** 2 : 0));
            expect(error).toBeLessThanOrEqual(2 * U * gain ** 2 * 1.001);
          }
        }
      }
    }
  });

  it('orthogonal: rows and columns hold the same vectors, another stream others', () => {
    const rows = vectorsOf(orthogonal(4, 9, false, 1), 4, 9, false);
    expect(vectorsOf(orthogonal(4, 9, true, 1), 4, 9, true)).toEqual(rows);
    const other = orthogonal(4, 9, false, 1, STREAM + 1);
    expect(rows.flat().filter((x, i) => x === other[i]).length).toBe(0);
  });
});
