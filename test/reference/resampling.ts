import type { OpAttributes, ResampleAttributes, Triple } from '../../src/ops/attributes.ts';
import { each, volume } from './convolution.ts';
import { make, type Numbers } from './numbers.ts';

/** y[i] = x[i - before] where that is inside; x [batch, …image, channels]. */
export function pad(
  x: Numbers,
  { image, grid, before }: OpAttributes['pad'],
  batch: number,
  channels: number,
): number[] {
  const y: number[] = [];
  for (let n = 0; n < batch; n++) {
    each(grid, (at) => {
      const [a, b, c] = at.map((i, d) => i - before[d]!) as unknown as Triple;
      const inside = [a, b, c].every((i, d) => i >= 0 && i < image[d]!);
      const pixel = ((n * image[0] + a) * image[1] + b) * image[2] + c;
      for (let k = 0; k < channels; k++) y.push(inside ? x[pixel * channels + k]! : 0);
    });
  }
  return y;
}

/** [m][n]: the part of each of n pixels in each of m positions, of means of adaptive windows. */
function meanWeights(n: number, m: number): number[][] {
  return make(m, (o) => {
    const from = Math.floor((o * n) / m);
    const to = Math.ceil(((o + 1) * n) / m);
    return make(n, (i) => (i >= from && i < to ? 1 / (to - from) : 0));
  });
}

/** Linear, half-pixel centers, as PyTorch's interpolate with align_corners=False. */
function linearWeights(n: number, m: number): number[][] {
  return make(m, (o) => {
    const at = Math.max(0, ((o + 0.5) * n) / m - 0.5);
    const left = Math.floor(at);
    const weights = make(n, () => 0);
    weights[left]! += 1 - (at - left);
    weights[Math.min(left + 1, n - 1)]! += at - left;
    return weights;
  });
}

/** Calls back for each pair of a pixel and a position that it has a part in: indices into x and y, and the weight. */
export function parts(
  { image, grid, linear }: ResampleAttributes,
  batch: number,
  channels: number,
  visit: (x: number, y: number, weight: number) => void,
): void {
  const weights = image.map((n, d) => (linear ? linearWeights : meanWeights)(n, grid[d]!));
  const [pixels, positions] = [volume(image), volume(grid)];
  each(grid, (at, o) => {
    each(image, (pixel, i) => {
      const weight = pixel.reduce((w, k, d) => w * weights[d]![at[d]!]![k]!, 1);
      if (weight === 0) return;
      for (let n = 0; n < batch; n++) {
        for (let c = 0; c < channels; c++) {
          visit((n * pixels + i) * channels + c, (n * positions + o) * channels + c, weight);
        }
      }
    });
  });
}

/** Calls back for each window and channel: index into y, and those into x of what it covers. */
function covered(
  { image, grid }: Omit<ResampleAttributes, 'linear'>,
  batch: number,
  channels: number,
  visit: (y: number, x: number[]) => void,
): void {
  const windows = new Map<number, number[]>();
  parts({ image, grid, linear: false }, batch, channels, (i, o) => {
    const window = windows.get(o);
    if (window) window.push(i);
    else windows.set(o, [i]);
  });
  for (const [o, window] of windows) visit(o, window);
}

const firstLargest = (x: Numbers, indices: readonly number[]): number =>
  indices.reduce((best, i) => (x[i]! > x[best]! ? i : best));

export function adaptiveMaximum(
  x: Numbers,
  size: Omit<ResampleAttributes, 'linear'>,
  batch: number,
  channels: number,
): number[] {
  const y = make(batch * volume(size.grid) * channels, () => 0);
  covered(size, batch, channels, (o, window) => {
    y[o] = x[firstLargest(x, window)]!;
  });
  return y;
}

export function adaptiveMaximumGradient(
  x: Numbers,
  dy: Numbers,
  size: Omit<ResampleAttributes, 'linear'>,
  batch: number,
  channels: number,
): number[] {
  const dx = make(x.length, () => 0);
  covered(size, batch, channels, (o, window) => {
    dx[firstLargest(x, window)]! += dy[o]!;
  });
  return dx;
}
