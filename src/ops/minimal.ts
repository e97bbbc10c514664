import { GEMM_PANEL, GEMM_ROWS, GemmFlag } from '../../assembly/tape/dense.ts';
import {
  MINIMAL_ELEMENTS,
  MINIMAL_FLOATS,
  MINIMAL_GAP,
  MINIMAL_TILE,
  MINIMAL_TILES,
} from '../../assembly/tape/spatial.ts';
import type { ConvolutionAttributes, Triple } from './attributes.ts';
import { type Boxes, type Product, parts, up, volume } from './patches.ts';

/** Channels from which a sum over them is long enough for the transformations to pay; measured in Node 20 and 24. */
const LEAST_CHANNELS = 12;

/**
 * Whether a convolution, or the gradient of its image, is computed by minimal filtering, for `channels` that it sums over
 * and `columns` that it makes of them: see assembly/kernels/minimal.ts. The batch does not matter: a row's result is the
 * same in any.
 */
export function isMinimal(convolution: ConvolutionAttributes, channels: number, columns: number): boolean {
  return channels >= LEAST_CHANNELS && isMinimalFilter(convolution, channels, columns);
}

/** The same for the gradient of the filter: its sums run over the tiles. */
export function isMinimalFilter(
  { image, grid, taps, strides, dilations }: ConvolutionAttributes,
  channels: number,
  columns: number,
): boolean {
  const plane = image[0] === 1 && grid[0] === 1 && fills(image) && fills(grid);
  const dense = volume(strides) === 1 && volume(dilations) === 1;
  const three = taps[0] === 1 && taps[1] === 3 && taps[2] === 3;
  return plane && dense && three && channels % 4 === 0 && columns % 4 === 0;
}

/** Whether tiles are full enough: two thirds of the multiplications of the definition at most. */
function fills([, height, width]: Triple): boolean {
  const tiles = parts(height, MINIMAL_TILE) * parts(width, MINIMAL_TILE);
  return MINIMAL_ELEMENTS * tiles * 3 <= 9 * height * width * 2;
}

/** Lines and columns of tiles of a box: whole lines, as many as fit, or equal parts of one. */
function boxOf({ grid, channels, columns }: Product, batch: number): Triple {
  const [height, width] = [parts(grid[1], MINIMAL_TILE), parts(grid[2], MINIMAL_TILE)];
  const fit = Math.max(
    MINIMAL_TILES,
    Math.floor(MINIMAL_FLOATS / (MINIMAL_ELEMENTS * (channels + up(columns, GEMM_PANEL)))),
  );
  if (width > fit) return [1, 1, parts(width, parts(width, fit))];
  return [1, Math.min(Math.floor(fit / width), batch * height), width];
}

/** How the grid is cut, in tiles; nothing of the source is copied before. */
export function minimalBoxes(product: Product, batch: number): Boxes {
  const { step, offset } = product;
  const low = ([0, 1, 2] as const).map((d) => offset[d] + Math.min(0, 2 * step[d])) as unknown as Triple;
  return { low, box: boxOf(product, batch), images: 1, inside: false, extent: [0, 0, 0] };
}

/** Bytes of a thread: what assembly/kernels/minimal.ts keeps there. */
export function minimalScratch(product: Product, batch: number): number {
  const { flags, channels } = product;
  const columns = up(product.columns, GEMM_PANEL);
  const [, lines, across] = boxOf(product, batch);
  const tiles = up(lines * across, GEMM_ROWS);
  const gaps = MINIMAL_ELEMENTS * MINIMAL_GAP;
  const work = (MINIMAL_ELEMENTS + 1) * channels;
  const transformed = MINIMAL_ELEMENTS * tiles * (channels + columns);
  if (flags & GemmFlag.TransposedA) {
    return up(4 * (work + MINIMAL_ELEMENTS * channels * columns + transformed) + 3 * gaps, 64);
  }
  const filter = MINIMAL_ELEMENTS * channels * columns;
  const boxes = Math.max(4 * transformed + 2 * gaps, 4 * 9 * channels * columns);
  return up(4 * (work + filter) + gaps + boxes, 64);
}
