import { GEMM_PANEL, GEMM_ROWS, GemmFlag } from '../../assembly/tape/dense.ts';
import { BOX_FEW, BOX_FLOATS, BOX_POSITIONS, FILTER_ROWS } from '../../assembly/tape/spatial.ts';
import type { Triple } from './attributes.ts';

export const volume = ([a, b, c]: Triple): number => a * b * c;

/** A convolution or a gradient of one as a product of patches of its first input: the fields of `Patch`. */
export interface Product {
  readonly flags: number;
  /** By minimal filtering. */
  readonly minimal: boolean;
  readonly groups: number;
  readonly grid: Triple;
  readonly source: Triple;
  readonly taps: Triple;
  readonly mul: Triple;
  readonly step: Triple;
  readonly offset: Triple;
  readonly div: Triple;
  /** Channels of a patch (those of a group), and of the source. */
  readonly channels: number;
  readonly pixel: number;
  /** Columns of the result in a group. */
  readonly columns: number;
  readonly bStride: number;
  readonly cStride: number;
  /** Floats from one group to the next of B. */
  readonly bGroup: number;
}

/** How the grid is cut: what `Patch` says of it. */
export interface Boxes {
  readonly low: Triple;
  readonly box: Triple;
  readonly images: number;
  readonly inside: boolean;
  readonly extent: Triple;
}

const map = (f: (d: 0 | 1 | 2) => number): Triple => [f(0), f(1), f(2)];
export const parts = (count: number, size: number): number => Math.ceil(count / size);
export const up = (n: number, unit: number): number => parts(n, unit) * unit;

/** How the grid is cut into boxes: see assembly/kernels/convolution.ts. */
export function boxesOf(product: Product, batch: number): Boxes {
  const { grid, source, taps, mul, step, offset, div, channels, pixel } = product;
  const ends = ([0, 1, 2] as const).map((d) =>
    [0, taps[d] - 1].map((t) => Math.ceil((t * step[d] + offset[d]) / div[d])),
  );
  const low = map((d) => Math.min(...ends[d]!));
  const span = map((d) => Math.max(...ends[d]!) - low[d] + 1);
  const across = map((d) => parts(grid[d], div[d]));
  const inside =
    channels === pixel &&
    across.every((n, d) => low[d]! >= 0 && (n - 1) * mul[d]! + low[d]! + span[d]! <= source[d]!);
  const extentOf = (box: Triple): Triple => map((d) => (box[d] - 1) * mul[d] + span[d]);
  const fits = (images: number, box: Triple): boolean => {
    const positions = images * volume(box);
    const floats = images * volume(extentOf(box)) * channels;
    return positions <= BOX_POSITIONS && (positions <= BOX_FEW || floats <= BOX_FLOATS);
  };

  // whole lines, planes and images, as many as fit; the first dimension that does not fit is cut in equal parts
  const box: [number, number, number] = [1, 1, 1];
  let whole = true;
  for (const d of [2, 1, 0] as const) {
    if (!whole) break;
    for (let cut = 1; cut <= across[d]; cut++) {
      box[d] = parts(across[d], cut);
      if (fits(1, box)) break;
    }
    whole = box[d] === across[d];
  }
  let images = 1;
  while (whole && images < batch && fits(images + 1, box)) images++;
  return { low, box, images, inside, extent: extentOf(box) };
}

/** Bytes of a thread: what the kernels keep there. */
export function patchScratch(product: Product, batch: number): number {
  const { flags, taps, div, channels, columns } = product;
  const { box, images, extent, inside } = boxesOf(product, batch);
  const positions = images * volume(box);
  const panels = parts(columns, GEMM_PANEL) * GEMM_PANEL;
  const source = inside ? 0 : images * volume(extent) * channels;
  if (flags & GemmFlag.TransposedA) {
    return up(4 * (FILTER_ROWS * (positions + GEMM_PANEL) + panels * positions + source), 64);
  }
  const rows = up(positions, GEMM_ROWS);
  const tables = rows * 2 + (panels === columns ? 0 : rows * (2 + GEMM_PANEL));
  const phases = volume(div);
  const filter = panels * (volume(taps) * channels + phases);
  return up(4 * (tables + phases * 5 + volume(taps) + filter + source) + 16, 64);
}
