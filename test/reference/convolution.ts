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

const volume = ([a, b, c]: Triple): number => a * b * c;

function each([a, b, c]: Triple, visit: (i: Triple, index: number) => void): void {
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

/** Calls back for every product of the convolution: indices into x, w and y. */
function products(size: ConvolutionSize, visit: (x: number, w: number, y: number) => void): void {
  const { batch, channels, filters, groups, image, grid, taps, dilations } = size;
  const [perGroup, share] = [channels / groups, filters / groups];
  for (let n = 0; n < batch; n++) {
    each(grid, (at, o) => {
      each(taps, (tap, t) => {
        const p = pixel(size, dilations, at, tap);
        if (p < 0) return;
        for (let f = 0; f < filters; f++) {
          const from = Math.floor(f / share) * perGroup;
          for (let c = 0; c < perGroup; c++) {
            const x = (n * volume(image) + p) * channels + from + c;
            visit(x, (t * perGroup + c) * filters + f, (n * volume(grid) + o) * filters + f);
          }
        }
      });
    });
  }
}

const zeros = (count: number): number[] => new Array<number>(count).fill(0);

export function convolution(x: Numbers, w: Numbers, size: ConvolutionSize): number[] {
  const y = zeros(size.batch * volume(size.grid) * size.filters);
  products(size, (i, j, o) => {
    y[o]! += x[i]! * w[j]!;
  });
  return y;
}

export function convolutionInput(dy: Numbers, w: Numbers, size: ConvolutionSize): number[] {
  const dx = zeros(size.batch * volume(size.image) * size.channels);
  products(size, (i, j, o) => {
    dx[i]! += dy[o]! * w[j]!;
  });
  return dx;
}

export function convolutionFilter(x: Numbers, dy: Numbers, size: ConvolutionSize): number[] {
  const dw = zeros((volume(size.taps) * size.channels * size.filters) / size.groups);
  products(size, (i, j, o) => {
    dw[j]! += x[i]! * dy[o]!;
  });
  return dw;
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
