import type { OpAttributes } from '../../src/ops/attributes.ts';
import { type MatmulShape, matmulGradient, matmul as multiply } from '../reference/matmul.ts';
import { make, type Numbers, uniform } from '../reference/numbers.ts';
import { type Rows, type Size, tensor } from './row.ts';

function shapeOf(attributes: OpAttributes['matmul'], { rows, columns, inner }: Size): MatmulShape {
  return { M: rows, N: columns, K: inner, ...attributes };
}

const magnitudes = (x: Numbers): number[] => make(x.length, (i) => Math.abs(x[i]!));
const times = (x: Numbers, factor: number): number[] => make(x.length, (i) => x[i]! * factor);

const from1 = (n: number): number => Math.max(n, 1);

/** A sum of K products: |error| <= gamma(K) |a| · |b| (Higham 2002, eq. 3.5). */
export const matmul: Rows<'matmul'> = {
  matmul: {
    variants: [false, true].flatMap((transposeA) =>
      [false, true].map((transposeB) => ({
        name: (transposeA ? 'T' : 'N') + (transposeB ? 'T' : 'N'),
        attributes: { transposeA, transposeB },
      })),
    ),
    operands: ({ rows: M, columns: N, inner: K }, { transposeA, transposeB }, random) => [
      tensor(transposeA ? [K, M] : [M, K], 1, (n) => uniform(random, n)),
      tensor(transposeB ? [N, K] : [K, N], 1, (n) => uniform(random, n)),
    ],
    forward: ([a, b], attributes, size) => multiply(a!, b!, shapeOf(attributes, size)),
    forwardBound: ([a, b], attributes, size) =>
      times(multiply(magnitudes(a!), magnitudes(b!), shapeOf(attributes, size)), size.inner),
    linear: true,
    gradient: {
      twin: ([a, b], attributes, dy, size) => matmulGradient(a!, b!, dy, shapeOf(attributes, size)),
      bound: ([a, b], attributes, dy, size) => {
        const shape = shapeOf(attributes, size);
        const [da, db] = matmulGradient(magnitudes(a!), magnitudes(b!), magnitudes(dy), shape);
        return [times(da, shape.N), times(db, shape.M)];
      },
    },
    // thin and packed products alike
    tails: [
      (n) => ({ rows: from1(n), columns: 9, inner: 7 }),
      (n) => ({ rows: 6, columns: from1(n), inner: 7 }),
      (n) => ({ rows: 6, columns: 9, inner: from1(n) }),
      (n) => ({ rows: from1(n), columns: 23, inner: 19 }),
      (n) => ({ rows: 21, columns: from1(n), inner: 19 }),
      (n) => ({ rows: 21, columns: 23, inner: from1(n) }),
    ],
  },
};
