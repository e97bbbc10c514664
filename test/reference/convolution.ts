import type {
  ConvolutionAttributes,
  PoolAttributes,
  Triple,
  WindowAttributes,
} from '../../src/ops/attributes.ts';
import type { Numbers } from './numbers.ts';

/** x [batch, …image, channels], w [...taps, channels / groups, filters], y [batch, …grid, filters]. */
export interface ConvolutionSize extends ConvolutionAttributes {
  readonly batch: number;
  readonly channels: number;
  readonly filters: number;
}

export const volume = ([a, b, c]: Triple): number => a * b * c;

export function each([a, b, c]: Triple, visit: (i: Triple, index: number) => void): void {
  let index = 0;
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++) for (let k = 0; k < c; k++) visit([i, j, k], index++);
}

/** Index of the pixel under a tap of a window, or -1 outside the image. */
function pixel(
  { image, strides, before }: WindowAttributes,
  dilations: Triple,
  at: Triple,
  tap: Triple,
): number {
  let index = 0;
  for (let d = 0; d < 3; d++) {
    const i = at[d]! * strides[d]! + tap[d]! * dilations[d]! - before[d]!;
    if (i < 0 || i >= image[d]!) return -1;
    index = index * image[d]! + i;
  }
  return index;
}

/**
 * Every product of the convolution, y += x · w; or that of one of its gradients, x += y · w, w += x · y. One loop for the
 * three, on arrays of one type: as closures for each product they took most of the time of the tests.
 */
function products(
  size: ConvolutionSize,
  sum: 'x' | 'w' | 'y',
  given: { [K in 'x' | 'w' | 'y']?: Numbers },
): number[] {
  const { batch, channels, filters, groups, image, grid, taps, dilations } = size;
  const [perGroup, share] = [channels / groups, filters / groups];
  const [pixels, positions] = [volume(image), volume(grid)];
  const array = (values: Numbers | undefined, count: number): Float64Array =>
    values ? new Float64Array(values) : new Float64Array(count);
  const x = array(given.x, batch * pixels * channels);
  const w = array(given.w, volume(taps) * perGroup * filters);
  const y = array(given.y, batch * positions * filters);
  const result = { x, w, y }[sum];
  each(grid, (at, o) => {
    each(taps, (tap, t) => {
      const p = pixel(size, dilations, at, tap);
      if (p < 0) return;
      for (let n = 0; n < batch; n++) {
        for (let f = 0; f < filters; f++) {
          const toY = (n * positions + o) * filters + f;
          let toX = (n * pixels + p) * channels + Math.floor(f / share) * perGroup;
          let toW = t * perGroup * filters + f;
          for (let c = 0; c < perGroup; c++, toX++, toW += filters) {
            if (sum === 'y') y[toY]! += x[toX]! * w[toW]!;
            else if (sum === 'x') x[toX]! += y[toY]! * w[toW]!;
            else w[toW]! += x[toX]! * y[toY]!;
          }
        }
      }
    });
  });
  return Array.from(result);
}

const zeros = (count: number): number[] => new Array<number>(count).fill(0);

export function convolution(x: Numbers, w: Numbers, size: ConvolutionSize): number[] {
  return products(size, 'y', { x, w });
}

export function convolutionInput(dy: Numbers, w: Numbers, size: ConvolutionSize): number[] {
  return products(size, 'x', { y: dy, w });
}

export function convolutionFilter(x: Numbers, dy: Numbers, size: ConvolutionSize): number[] {
  return products(size, 'w', { x, y: dy });
}

/** Calls back for every window and channel: index into y, and those into x of what it covers, in the order of the taps. */
function covered(
  size: PoolAttributes,
  batch: number,
  channels: number,
  visit: (y: number, x: number[]) => void,
): void {
  for (let n = 0; n < batch; n++) {
    each(size.grid, (at, o) => {
      for (let c = 0; c < channels; c++) {
        const inside: number[] = [];
        each(size.taps, (tap) => {
          const p = pixel(size, [1, 1, 1], at, tap);
          if (p >= 0) inside.push((n * volume(size.image) + p) * channels + c);
        });
        visit((n * volume(size.grid) + o) * channels + c, inside);
      }
    });
  }
}

function firstLargest(x: Numbers, indices: readonly number[]): number {
  return indices.reduce((best, i) => (x[i]! > x[best]! ? i : best));
}

export function pool(x: Numbers, size: PoolAttributes, batch: number, channels: number): number[] {
  const y = zeros(batch * volume(size.grid) * channels);
  covered(size, batch, channels, (o, inside) => {
    y[o] = size.mean
      ? inside.reduce((sum, i) => sum + x[i]!, 0) / inside.length
      : x[firstLargest(x, inside)]!;
  });
  return y;
}

export function poolGradient(
  x: Numbers,
  dy: Numbers,
  size: PoolAttributes,
  batch: number,
  channels: number,
): number[] {
  const dx = zeros(x.length);
  covered(size, batch, channels, (o, inside) => {
    if (size.mean) for (const i of inside) dx[i]! += dy[o]! / inside.length;
    else dx[firstLargest(x, inside)]! += dy[o]!;
  });
  return dx;
}
