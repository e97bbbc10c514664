import { describe, expect, it } from 'vitest';
import type { LossAttributes } from '../../src/ops/attributes.ts';
import { generator, make, type Numbers, sum } from '../reference/numbers.ts';
import { lossNames, lossSeed } from './losses.ts';
import type { Size } from './row.ts';
import { rules } from './rules.ts';
import { type Case, cases } from './table.ts';

const SIZES: readonly Size[] = [
  { rows: 1, columns: 1, inner: 1 },
  { rows: 3, columns: 5, inner: 1 },
  { rows: 4, columns: 7, inner: 3 },
];

/**
 * The fourth-order central difference f' ~ (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h (Fornberg 1988, table 1) is off by
 *
 *   truncation  h^4 / 30 |f'''''|      with |f'''''| <= 5! |f| / reach^5, as for 1 / x and log x beside their pole;
 *   rounding    18 e |f| / 12 h        with e the error of the twin's float64 functions: some 8 units of 2^-53.
 *
 * With h = reach / 1000 these are 4e-12 |f| / reach and 1.4e-12 |f| / reach. |f|: what depends on the operand, each element of y at least 1,
 * since numbers of that size stand inside the twins (1 + erf x).
 */
const STEP = 1e-3;
const TRUNCATION = (STEP ** 4 / 30) * 120;
const ROUNDING = (18 * 8 * 2 ** -53) / (12 * STEP);

const STENCIL = [
  [1, 8],
  [-1, -8],
  [2, -1],
  [-2, 1],
] as const;

/** Elements of an operand, and by how much each moves. */
type Direction = ReadonlyMap<number, number>;

/** Directions that a linear operation is tried in, for each operand: each element moves in one of them. */
const DIRECTIONS = 8;

/** One for each element, or a few that share them. */
function directions({ row }: Case, count: number, random: () => number): readonly Direction[] {
  const some = row.linear ? Math.min(DIRECTIONS, count) : count;
  const all = make(count, (j) => [j, row.linear ? random() + 0.5 : 1] as const);
  return make(some, (k) => new Map(all.filter(([j]) => j % some === k)));
}

/** The difference in a direction of operand `i` of sum(dy y), and the sum of the magnitudes in it. */
function difference(
  { row, variant }: Case,
  inputs: readonly Numbers[],
  dy: Numbers,
  size: Size,
  i: number,
  direction: Direction,
): { slope: number; magnitude: number } {
  const { attributes, reach = 1 } = variant;
  const through = i === 0 ? row.through?.(attributes) : undefined;
  const h = STEP * reach;
  const at = (by: number): number[] => {
    const operand = Float64Array.from(inputs[i]!);
    for (const [j, part] of direction) {
      const moved = by * part;
      operand[j] = through ? through.forward(through.inverse(operand[j]!) + moved) : operand[j]! + moved;
    }
    return row.forward(
      inputs.map((input, n) => (n === i ? operand : input)),
      attributes,
      size,
    );
  };
  const results = STENCIL.map(([by, weight]) => ({ y: at(by * h), weight }));
  const [first, second] = results.map(({ y }) => y);
  // what does not depend on the operand cancels exactly
  const weighted = (n: number): number => sum(4, (k) => results[k]!.weight * results[k]!.y[n]!);
  const slope = sum(dy.length, (n) => dy[n]! * weighted(n)) / (12 * h);
  const depends = (n: number): boolean => first![n] !== second![n];
  const magnitude =
    sum(dy.length, (n) => (depends(n) ? Math.abs(dy[n]!) * Math.max(Math.abs(first![n]!), 1) : 0)) / reach;
  return { slope, magnitude };
}

describe('twins', () => {
  it('have a gradient where the rule has one', () => {
    for (const { op, row } of cases) expect(row.gradient === 'none', op).toBe(rules[op].gradient === 'none');
  });

  const smooth = cases.filter(({ row, variant }) => row.gradient !== 'none' && variant.smooth !== false);

  it.each(smooth)('$label: gradient is the central difference', (one) => {
    const { op, row, variant } = one;
    const { attributes } = variant;
    if (row.gradient === 'none') return;
    for (const [n, size] of SIZES.entries()) {
      const operands = row.operands(size, attributes, generator(n + 50));
      const inputs = operands.map(({ values }) => Float64Array.from(values));
      const random = generator(n);
      const seed = lossNames.has(op) ? lossSeed(attributes as LossAttributes, size.rows) : undefined;
      const count = row.forward(inputs, attributes, size).length;
      const dy = make(count, () => seed ?? random() * 2 - 1);
      const twin = row.gradient.twin(inputs, attributes, dy, size);
      const wanted = operands.flatMap((operand, i) => (operand.wanted ? [i] : []));
      expect(twin.length).toBe(wanted.length);
      for (const [place, i] of wanted.entries()) {
        for (const direction of directions(one, inputs[i]!.length, random)) {
          const { slope, magnitude } = difference(one, inputs, dy, size, i, direction);
          const along = [...direction].reduce((total, [j, part]) => total + part * twin[place]![j]!, 0);
          const bound = (TRUNCATION + ROUNDING) * (magnitude + Math.abs(slope));
          const what = `elements ${[...direction.keys()]} of operand ${i}, ${JSON.stringify(size)}`;
          expect(Math.abs(slope - along), what).toBeLessThanOrEqual(bound);
        }
      }
    }
  });
});
