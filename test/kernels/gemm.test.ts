import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Activation } from '../../assembly/tape/dense.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { activationVariants } from '../ops/activations.ts';
import * as elementwise from '../reference/elementwise.ts';
import { matmul } from '../reference/matmul.ts';
import { generator, make, type Numbers, uniform } from '../reference/numbers.ts';
import { shareOfBound } from '../reference/rounding.ts';
import { activate, derive, sumRows } from './epilogue.ts';
import { builds, engineOf, firstDifference, Machine } from './machine.ts';
import { type Epilogue, multiply, multiplyAndSum, type Operands, type Product } from './product.ts';

const NOTHING: Epilogue = { bias: false, kind: Activation.Linear, alpha: 0, derivative: false };

function operandsOf({ M, N, K }: Product, seed: number): Operands {
  const random = generator(seed);
  return {
    a: uniform(random, M * K),
    b: uniform(random, K * N),
    c: uniform(random, M * N),
    bias: uniform(random, N),
    // in the range of every activation, and of every input
    reference: uniform(random, M * N, 0.05, 0.95),
  };
}

const magnitudes = (x: Numbers): number[] => make(x.length, (i) => Math.abs(x[i]!));

/** The error of C + A · B as a share of its bound: K products, and one more sum when accumulating. */
function shareOf(product: Product, { a, b, c }: Operands, got: Float32Array): number {
  const want = matmul(a, b, product);
  const magnitude = matmul(magnitudes(a), magnitudes(b), product);
  if (!product.accumulate)
    return shareOfBound(
      got,
      want,
      make(want.length, (i) => product.K * magnitude[i]!),
    );
  const sums = make(want.length, (i) => want[i]! + c[i]!);
  const bound = make(want.length, (i) => (product.K + 1) * (magnitude[i]! + Math.abs(c[i]!)));
  return shareOfBound(got, sums, bound);
}

/** A, stored [K, M] or [M, K], reduced to the rows [from, to) of the product. */
function rowsOfA({ M, K, transposeA }: Product, a: Float32Array, from: number, to: number): Float32Array {
  if (!transposeA) return a.slice(from * K, to * K);
  const rows = to - from;
  return Float32Array.from(make(K * rows, (i) => a[Math.floor(i / rows) * M + from + (i % rows)]!));
}

/** The operands of rows [m0, m1) and columns [n0, n1) of a product. */
function part(product: Product, o: Operands, [m0, m1, n0, n1]: readonly [number, number, number, number]) {
  const { N, K, transposeB } = product;
  const columns = n1 - n0;
  const tile = (x: Float32Array): Float32Array =>
    Float32Array.from(
      make((m1 - m0) * columns, (i) => x[(m0 + Math.floor(i / columns)) * N + n0 + (i % columns)]!),
    );
  // B is to its columns what A is to its rows, stored the other way around
  const b = rowsOfA({ ...product, M: N, transposeA: !transposeB }, o.b, n0, n1);
  const operands: Operands = {
    a: rowsOfA(product, o.a, m0, m1),
    b,
    c: tile(o.c),
    bias: o.bias.slice(n0, n1),
    reference: tile(o.reference),
  };
  return { product: { ...product, M: m1 - m0, N: columns, K }, operands, tile };
}

const dimension = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 200 }));
const gap = fc.integer({ min: 0, max: 5 });
const offset = fc.integer({ min: 0, max: 3 });
const seed = fc.integer();

const products: fc.Arbitrary<Product> = fc.record({
  M: dimension,
  N: dimension,
  K: dimension,
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  thin: fc.boolean(),
  accumulate: fc.boolean(),
  gaps: fc.tuple(gap, gap, gap),
  epilogue: fc.constant(NOTHING),
});

/** Beyond the longest blocks of K and M, and just at them. */
const LARGE = [
  [5, 9, 384],
  [5, 9, 385],
  [17, 23, 1000],
  [511, 9, 30],
  [513, 3, 100],
  [1100, 17, 50],
  [130, 70, 769],
].flatMap(([M, N, K]) =>
  [false, true].flatMap((transposeA) =>
    [false, true].map((transposeB) => ({
      ...{ M: M!, N: N!, K: K!, transposeA, transposeB },
      ...{ thin: false, accumulate: false, gaps: [1, 2, 3] as const, epilogue: NOTHING },
    })),
  ),
);

const nameOf = ({ M, N, K, transposeA, transposeB }: Product): string =>
  `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'} ${M} x ${N} x ${K}`;

describe.each(builds)('%s', (build) => {
  const engine = new Engine(build);
  const machine = new Machine(engine);

  it('is the twin, for any shape, stride, alignment and accumulation', () => {
    fc.assert(
      fc.property(products, offset, seed, (product, at, from) => {
        const operands = operandsOf(product, from);
        expect(shareOf(product, operands, multiply(machine, product, operands, at))).toBeLessThanOrEqual(1);
      }),
      { numRuns: 150 },
    );
  });

  it.each(LARGE.map((product) => ({ product, name: nameOf(product) })))(
    '$name is the twin',
    ({ product }) => {
      const operands = operandsOf(product, 1);
      const got = multiply(machine, product, operands);
      expect(shareOf(product, operands, got)).toBeLessThanOrEqual(1);
      const thin = multiply(machine, { ...product, thin: true }, operands);
      expect(firstDifference(thin, got)).toBe(-1);
    },
  );

  it('gives the same bits whole, in parts, thin or packed', () => {
    const cut = fc.tuple(
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    );
    /** [from, to) within 0..count, never empty. */
    const range = ([a, b]: readonly [number, number], count: number): readonly [number, number] => {
      const from = Math.floor(a * count);
      return [from, from + 1 + Math.floor(b * (count - from - 1))];
    };
    fc.assert(
      fc.property(products, cut, cut, offset, seed, (product, rows, columns, at, from) => {
        const operands = operandsOf(product, from);
        const whole = multiply(machine, product, operands, at);
        const other = multiply(machine, { ...product, thin: !product.thin }, operands, at + 1);
        expect(firstDifference(other, whole)).toBe(-1);
        const [m, n] = [range(rows, product.M), range(columns, product.N)];
        for (const [some, all] of [
          [m, [0, product.N]],
          [[0, product.M], n],
          [m, n],
        ] as const) {
          const piece = part(product, operands, [some[0], some[1], all[0], all[1]]);
          const got = multiply(machine, piece.product, piece.operands, at + 2);
          expect(firstDifference(got, piece.tile(whole)), nameOf(piece.product)).toBe(-1);
        }
      }),
      { numRuns: 100 },
    );
  });

  /** Those whose sums of B over K are made as well. */
  const summed = products.map((product) => ({ ...product, transposeB: false }));

  it('makes the sums of B over K besides: the twin, and the bits of an instruction of its own', () => {
    const large = LARGE.filter(({ transposeB }) => !transposeB);
    const column = [1, 3, 40].flatMap((M) =>
      [1, 7, 500].map((K) => ({ ...large[0]!, M, N: 1, K, thin: true, gaps: [0, 0, 0] as const })),
    );
    const check = (product: Product, at: number, from: number): void => {
      const { N, K } = product;
      const operands = operandsOf(product, from);
      const { c, sums } = multiplyAndSum(machine, product, operands, at);
      const bound = elementwise.sumRows(magnitudes(operands.b), N).map((sum) => (K - 1) * sum);
      const share = shareOfBound(sums, elementwise.sumRows(operands.b, N), bound);
      expect(share, nameOf(product)).toBeLessThanOrEqual(1);
      expect(firstDifference(c, multiply(machine, product, operands)), nameOf(product)).toBe(-1);
      // a column that is not dense has no such instruction
      if (N === 1 && product.gaps[1] > 0) return;
      expect(firstDifference(sums, sumRows(machine, operands.b, N)), nameOf(product)).toBe(-1);
    };
    for (const product of [...large, ...column]) {
      check(product, 0, 1);
      check({ ...product, thin: !product.thin }, 1, 2);
    }
    fc.assert(fc.property(summed, offset, seed, check), { numRuns: 100 });
  });

  it('is the twin where one of the operands is a vector', () => {
    for (const [transposeA, transposeB, accumulate] of [
      [false, false, false],
      [true, false, true],
      [false, true, false],
      [true, true, false],
    ] as const) {
      for (const [M, N, K] of [
        [37, 1, 29],
        [4, 1, 1],
        [2, 1, 130],
        [1, 37, 29],
        [5, 7, 1],
      ] as const) {
        const shape = { M, N, K, transposeA, transposeB, accumulate, thin: true, gaps: [0, 0, 0] as const };
        const product = { ...shape, epilogue: NOTHING };
        const operands = operandsOf(product, M);
        expect(shareOf(product, operands, multiply(machine, product, operands))).toBeLessThanOrEqual(1);
        const epilogue = { ...NOTHING, bias: !accumulate, kind: Activation.Tanh };
        const [thin, packed] = [true, false].map((which) =>
          multiply(machine, { ...product, thin: which, epilogue }, operands),
        );
        expect(firstDifference(thin!, packed!), nameOf(product)).toBe(-1);
      }
    }
  });

  // a NaN has no bits of its own: activations that take any number
  describe.each(activationVariants.filter(({ reach }) => reach === 1))(
    'with $name',
    ({ attributes: { kind, alpha } }) => {
      const shapes = [
        [1, 1, 1],
        [3, 5, 7],
        [6, 8, 30],
        [37, 29, 20],
      ] as const;

      const each = (run: (product: Product, operands: Operands, at: number) => void): void => {
        for (const [at, [M, N, K]] of shapes.entries()) {
          for (const thin of [false, true]) {
            const gaps = [0, 1, at] as const;
            const shape = { M, N, K, transposeA: at % 2 === 1, transposeB: at > 1 };
            const product = { ...shape, thin, accumulate: at === 2, gaps, epilogue: NOTHING };
            run(product, operandsOf(product, at), at);
          }
        }
      };

      it('does the same as a product that goes on from rows of the bias, and the activation after it', () => {
        each(({ accumulate: _, ...product }, operands, at) => {
          const epilogue = { bias: true, kind, alpha, derivative: false };
          const fused = multiply(machine, { ...product, accumulate: false, epilogue }, operands, at);
          const c = Float32Array.from(operands.c, (_, i) => operands.bias[i % product.N]!);
          const plain = multiply(machine, { ...product, accumulate: true }, { ...operands, c });
          expect(firstDifference(fused, activate(machine, kind, alpha, plain))).toBe(-1);
        });
      });

      it('does the same as the product and the derivative one by one', () => {
        each((product, operands, at) => {
          const fused = { ...product, epilogue: { bias: false, kind, alpha, derivative: true } };
          const plain = multiply(machine, product, operands);
          const want = derive(machine, kind, alpha, plain, operands.reference);
          expect(firstDifference(multiply(machine, fused, operands, at), want)).toBe(-1);
        });
      });
    },
  );

  it('gives the same bits on two threads', async () => {
    const two = await engineOf(build, 2);
    const shared = new Machine(two);
    fc.assert(
      fc.property(products, offset, seed, (product, at, from) => {
        const operands = operandsOf(product, from);
        const [a, b] = [machine, shared].map((m) => multiply(m, product, operands, at));
        expect(firstDifference(a!, b!)).toBe(-1);
      }),
      { numRuns: 100 },
    );
    fc.assert(
      fc.property(summed, offset, seed, (product, at, from) => {
        const operands = operandsOf(product, from);
        const [a, b] = [machine, shared].map((m) => multiplyAndSum(m, product, operands, at));
        expect(firstDifference(a!.sums, b!.sums)).toBe(-1);
        expect(firstDifference(a!.c, b!.c)).toBe(-1);
      }),
      { numRuns: 100 },
    );
    two.dispose();
  });
});
