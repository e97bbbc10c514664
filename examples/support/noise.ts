import type { Digits } from './digits-data.ts';
import { normalFrom } from './random.ts';

/** Pixels from 0 to 1, a row for each image. */
export interface Images {
  readonly data: Float32Array;
  readonly shape: readonly [number, number];
}

export function pixelsOf({ x }: Digits): Images {
  return { data: Float32Array.from(x.data, (byte) => byte / 255), shape: x.shape };
}

/** With normal noise of this standard deviation on every pixel, cut at 0 and 1. */
export function withNoise({ data, shape }: Images, deviation: number, seed: number): Images {
  const normal = normalFrom(seed);
  return { data: data.map((pixel) => Math.min(1, Math.max(0, pixel + deviation * normal()))), shape };
}

/** Peak signal-to-noise ratio in decibels, of pixels from 0 to 1: -10 log10 of the mean squared error. */
export function psnr(images: Float32Array, truth: Float32Array): number {
  const sum = images.reduce((total, pixel, i) => total + (pixel - truth[i]!) ** 2, 0);
  return -10 * Math.log10(sum / images.length);
}
