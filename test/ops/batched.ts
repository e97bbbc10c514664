import type { OpAttributes } from '../../src/ops/attributes.ts';
import { BATCH, type Shape } from '../../src/ops/tensor.ts';
import { elementAt, placeOf, type Sizes, sizeOf } from '../reference/broadcast.ts';
import { type MatmulShape, matmul, matmulGradient } from '../reference/matmul.ts';
import { make, type Numbers, uniform } from '../reference/numbers.ts';
import { type Rows, type Size, tensor, type Variant } from './row.ts';

type Batched = OpAttributes['batchedMatmul'];

/** Leading dimensions of the operands and of the result. */
interface Leading {
  readonly a: Shape;
  readonly b: Shape;
  readonly y: Shape;
}

const LEADING = {
  'of each row': { a: [BATCH, 2], b: [BATCH, 2], y: [BATCH, 2] },
  'of all rows with one': { a: [BATCH, 3], b: [3], y: [BATCH, 3] },
  'of one with all rows': { a: [], b: [BATCH], y: [BATCH] },
  'of some with others': { a: [BATCH, 1], b: [BATCH, 2], y: [BATCH, 2] },
} satisfies Record<string, Leading>;

const leadingOf = new Map<Batched, Leading>();

function variant(
  leading: keyof typeof LEADING,
  transposeA: boolean,
  transposeB: boolean,
): Variant<'batchedMatmul'> {
  const attributes = { transposeA, transposeB };
  leadingOf.set(attributes, LEADING[leading]);
  return { name: `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'} ${leading}`, attributes };
}

const ROWS_OF_A = 5;

const shapeOf = (attributes: Batched, { columns, inner }: Size): MatmulShape => ({
  M: ROWS_OF_A,
  N: columns,
  K: inner,
  ...attributes,
});

/** For each product the places of its operands, and what each of them is made of. */
function products(inputs: readonly Numbers[], attributes: Batched, size: Size) {
  const { a, b, y } = leadingOf.get(attributes)!;
  const shape = shapeOf(attributes, size);
  const known = (dims: Shape): Sizes => dims.map((d) => (d === BATCH ? size.rows : d));
  const [ofA, ofB] = [shape.M * shape.K, shape.K * shape.N];
  const part = (x: Numbers, at: number, count: number): number[] => make(count, (i) => x[at * count + i]!);
  return make(sizeOf(known(y)), (i) => {
    const place = placeOf(i, known(y));
    const [atA, atB] = [elementAt(place, known(a)), elementAt(place, known(b))];
    return { atA, atB, a: part(inputs[0]!, atA, ofA), b: part(inputs[1]!, atB, ofB) };
  });
}

function gradient(
  inputs: readonly Numbers[],
  attributes: Batched,
  dy: Numbers,
  size: Size,
): [number[], number[]] {
  const shape = shapeOf(attributes, size);
  const da = make(inputs[0]!.length, () => 0);
  const db = make(inputs[1]!.length, () => 0);
  const count = shape.M * shape.N;
  for (const [i, { atA, atB, a, b }] of products(inputs, attributes, size).entries()) {
    const own = make(count, (n) => dy[i * count + n]!);
    const [x, z] = matmulGradient(a, b, own, shape);
    x.forEach((value, n) => {
      da[atA * x.length + n]! += value;
    });
    z.forEach((value, n) => {
      db[atB * z.length + n]! += value;
    });
  }
  return [da, db];
}

const magnitudes = (x: Numbers): number[] => Array.from(x, Math.abs);

const from1 = (n: number): number => Math.max(n, 1);

/** Sums of K products, and of a broadcast operand's gradient over the products it takes part in. */
export const batched: Rows<'batchedMatmul'> = {
  batchedMatmul: {
    variants: [
      ...[false, true].flatMap((a) => [false, true].map((b) => variant('of each row', a, b))),
      variant('of all rows with one', false, false),
      variant('of one with all rows', true, false),
      variant('of some with others', false, true),
    ],
    operands: ({ rows, columns: N, inner: K }, attributes, random) => {
      const { a, b } = leadingOf.get(attributes)!;
      const M = ROWS_OF_A;
      const fill = (n: number): Float32Array => uniform(random, n);
      return [
        tensor([...a, ...(attributes.transposeA ? [K, M] : [M, K])], rows, fill),
        tensor([...b, ...(attributes.transposeB ? [N, K] : [K, N])], rows, fill),
      ];
    },
    forward: (inputs, attributes, size) =>
      products(inputs, attributes, size).flatMap(({ a, b }) => matmul(a, b, shapeOf(attributes, size))),
    forwardBound: (inputs, attributes, size) =>
      products(inputs.map(magnitudes), attributes, size)
        .flatMap(({ a, b }) => matmul(a, b, shapeOf(attributes, size)))
        .map((sum) => sum * size.inner),
    gradient: {
      twin: gradient,
      bound: (inputs, attributes, dy, size) => {
        const [da, db] = gradient(inputs.map(magnitudes), attributes, magnitudes(dy), size);
        const { M, N } = shapeOf(attributes, size);
        const all = products(inputs, attributes, size).length * M * N;
        return [da.map((sum) => sum * (N + all / da.length)), db.map((sum) => sum * (M + all / db.length))];
      },
    },
    tails: [
      (n) => ({ rows: n % 5, columns: from1(n), inner: 7 }),
      (n) => ({ rows: 2, columns: 37, inner: from1(n) }),
    ],
  },
};
