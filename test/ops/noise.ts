import { SEED } from '../kernels/machine.ts';
import * as twins from '../reference/noise.ts';
import { make, type Numbers } from '../reference/numbers.ts';
import { ELEMENTS, matrix, type Rows } from './row.ts';

interface Attributes {
  readonly deviation: number;
  readonly product: boolean;
  readonly stream: number;
}

const normals = (x: Numbers, stream: number): number[] => twins.normals(x.length, BigInt(SEED), 0, stream);

const forward = (x: Numbers, { deviation, product, stream }: Attributes): number[] =>
  twins.noise(x, normals(x, stream), deviation, product);

/** n, the deviation and their product: three roundings of it; then a sum, or a sum and a product. */
function bound(x: Numbers, { deviation, product, stream }: Attributes): number[] {
  const n = normals(x, stream);
  return make(x.length, (i) => {
    const [a, d] = [Math.abs(x[i]!), Math.abs(deviation * n[i]!)];
    return product ? a * (3 * d + 2 * (1 + d)) : 3 * d + a + d;
  });
}

export const noise: Rows<'noise'> = {
  noise: {
    variants: [
      { name: 'added', attributes: { deviation: 0.3, product: false, stream: 2 } },
      { name: 'multiplied', attributes: { deviation: 0.7, product: true, stream: 3 } },
    ],
    operands: (size, _, random) => [matrix(size, random)],
    forward: ([x], attributes) => forward(x!, attributes),
    forwardBound: ([x], attributes) => bound(x!, attributes),
    gradient: {
      twin: (_, attributes, dy) => [attributes.product ? forward(dy, attributes) : dy],
      bound: (_, attributes, dy) => [attributes.product ? bound(dy, attributes) : 'exact'],
    },
    tails: [ELEMENTS],
  },
};
