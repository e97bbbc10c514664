/**
 * What the errors of minimal filtering F(4 x 4, 3 x 3) are measured by: its sums with the magnitude of every factor, that
 * of the transformations included (Barabasz et al. 2020, section 4). Sources, kernels and results as in convolution.ts.
 */
import type { Triple } from '../../src/ops/attributes.ts';
import type { ConvolutionSize } from './convolution.ts';
import type { Numbers } from './numbers.ts';

type Matrix = readonly (readonly number[])[];

// magnitudes of the matrices; those of the points ±a, ±b
const [a, b] = [Math.SQRT1_2, Math.SQRT2];
const B: Matrix = [
  [1, 0, 2.5, 0, 1, 0],
  [0, 2 * a, 2, a, 1, 0],
  [0, 2 * a, 2, a, 1, 0],
  [0, a, 0.5, b, 1, 0],
  [0, a, 0.5, b, 1, 0],
  [0, 1, 0, 2.5, 0, 1],
];
const G: Matrix = [
  [1, 0, 0],
  [2 / 3, (2 * a) / 3, 1 / 3],
  [2 / 3, (2 * a) / 3, 1 / 3],
  [1 / 6, b / 6, 1 / 3],
  [1 / 6, b / 6, 1 / 3],
  [0, 0, 1],
];
const A: Matrix = [
  [1, 1, 1, 1, 1, 0],
  [0, a, a, b, b, 0],
  [0, 0.5, 0.5, 2, 2, 0],
  [0, a / 2, a / 2, 2 * b, 2 * b, 1],
];
/** Positions of a side of a tile, and pixels that it reads. */
const [TILE, SIDE] = [4, 6];
const turned = (m: Matrix): Matrix => m[0]!.map((_, j) => m.map((row) => row[j]!));

/** m x mᵀ of a square x. */
function around(m: Matrix, x: readonly number[]): number[] {
  const size = m[0]!.length;
  return m.flatMap((left) =>
    m.map((right) => {
      let sum = 0;
      for (let i = 0; i < size; i++)
        for (let j = 0; j < size; j++) sum += left[i]! * right[j]! * x[i * size + j]!;
      return sum;
    }),
  );
}

/** `side` x `side` values of one channel from line y and column x of image n on; zero outside. */
function square(
  values: Numbers,
  [, height, width]: Triple,
  channels: number,
  [n, y, x, c]: readonly [number, number, number, number],
  side: number,
): number[] {
  return Array.from({ length: side * side }, (_, i) => {
    const [line, column] = [y + Math.floor(i / side), x + (i % side)];
    if (line < 0 || line >= height || column < 0 || column >= width) return 0;
    return Math.abs(values[((n * height + line) * width + column) * channels + c]!);
  });
}

const tap = (
  w: Numbers,
  t: number,
  c: number,
  f: number,
  { channels, groups, filters }: ConvolutionSize,
): number => Math.abs(w[(t * (channels / groups) + c) * filters + f]!);

const NINE = Array.from({ length: 9 }, (_, t) => t);

function eachTile(
  [, height, width]: Triple,
  batch: number,
  visit: (n: number, y: number, x: number) => void,
): void {
  for (let n = 0; n < batch; n++)
    for (let y = 0; y < height; y += TILE) for (let x = 0; x < width; x += TILE) visit(n, y, x);
}

/** [batch, …grid, filters] */
export function forwardMagnitude(x: Numbers, w: Numbers, size: ConvolutionSize): number[] {
  const { batch, image, grid, before, channels, filters, groups } = size;
  const [perGroup, share] = [channels / groups, filters / groups];
  const y = new Array<number>(batch * grid[1] * grid[2] * filters).fill(0);
  const kernels = Array.from({ length: perGroup }, (_, c) =>
    Array.from({ length: filters }, (_, f) =>
      around(
        G,
        NINE.map((t) => tap(w, t, c, f, size)),
      ),
    ),
  );
  eachTile(grid, batch, (n, line, column) => {
    const sums = Array.from({ length: filters }, () => new Array<number>(SIDE * SIDE).fill(0));
    for (let c = 0; c < channels; c++) {
      const v = around(B, square(x, image, channels, [n, line - before[1], column - before[2], c], SIDE));
      const first = Math.floor(c / perGroup) * share;
      for (let f = first; f < first + share; f++) {
        const u = kernels[c % perGroup]![f]!;
        for (let i = 0; i < SIDE * SIDE; i++) sums[f]![i]! += u[i]! * v[i]!;
      }
    }
    for (let f = 0; f < filters; f++) {
      around(A, sums[f]!).forEach((value, i) => {
        const [to, at] = [line + Math.floor(i / TILE), column + (i % TILE)];
        if (to < grid[1] && at < grid[2]) y[((n * grid[1] + to) * grid[2] + at) * filters + f] = value;
      });
    }
  });
  return y;
}

/** [batch, …image, channels]: the same of dy with the kernel turned around. */
export function inputMagnitude(dy: Numbers, w: Numbers, size: ConvolutionSize): number[] {
  const { image, grid, before, channels, filters, groups } = size;
  const [perGroup, share] = [channels / groups, filters / groups];
  const kernel = new Array<number>(9 * share * channels);
  for (const t of NINE) {
    for (let f = 0; f < filters; f++) {
      for (let c = 0; c < perGroup; c++) {
        const channel = Math.floor(f / share) * perGroup + c;
        kernel[(t * share + (f % share)) * channels + channel] = tap(w, 8 - t, c, f, size);
      }
    }
  }
  return forwardMagnitude(dy, kernel, {
    ...size,
    ...{ image: grid, grid: image, channels: filters, filters: channels },
    before: [0, 2 - before[1], 2 - before[2]],
  });
}

/** [3, 3, channels / groups, filters] */
export function filterMagnitude(x: Numbers, dy: Numbers, size: ConvolutionSize): number[] {
  const { batch, image, grid, before, channels, filters, groups } = size;
  const [perGroup, share] = [channels / groups, filters / groups];
  const sums = Array.from({ length: perGroup * filters }, () => new Array<number>(SIDE * SIDE).fill(0));
  eachTile(grid, batch, (n, line, column) => {
    const gradients = Array.from({ length: filters }, (_, f) =>
      around(turned(A), square(dy, grid, filters, [n, line, column, f], TILE)),
    );
    for (let c = 0; c < channels; c++) {
      const v = around(B, square(x, image, channels, [n, line - before[1], column - before[2], c], SIDE));
      const first = Math.floor(c / perGroup) * share;
      for (let f = first; f < first + share; f++) {
        const sum = sums[(c % perGroup) * filters + f]!;
        for (let i = 0; i < SIDE * SIDE; i++) sum[i]! += v[i]! * gradients[f]![i]!;
      }
    }
  });
  const taps = sums.map((sum) => around(turned(G), sum));
  return NINE.flatMap((t) => taps.map((of) => of[t]!));
}
