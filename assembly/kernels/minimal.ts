import { address, word } from '../fields';
import { GEMM_PANEL, GEMM_ROWS, Gemm, GemmFlag } from '../tape/dense';
import { MINIMAL_ELEMENTS, MINIMAL_GAP, Patch } from '../tape/spatial';
import { first, last, thread } from '../threads';
import { parts } from './lines';
import {
  columnBytes,
  enterBox,
  finish,
  prepare,
  transformBox,
  transformFilter,
  transformGradient,
  transformOutput,
  transformSums,
} from './minimal-transforms';
import { minimalTiles, tiles } from './wide';

/*
 * Convolutions of 3 x 3 taps without strides by minimal filtering (minimal-transforms.ts), their images' gradients too.
 * With channels, each of the 36 elements is a matrix product, [tiles, channels] · [channels, filters], and in the filter's
 * gradient [channels, tiles] · [tiles, filters]. Every sum runs over the channels, or over the tiles, in order, whatever the
 * box and the thread.
 *
 * Compared with the convolution that reads patches (convolution.ts), in Node 20 and 24: 16 channels to 16 on 32 x 32 pixels
 * 1.9 and 1.7 times as fast, 32 to 32 on 16 x 16 2.4 times, 64 to 64 on 8 x 8 2.7 times; the filter's gradients 2.6, 3.1 and
 * 3.3 times (the layers' rows of `npm run profile`, with isMinimal and without).
 */

export function minimal(p: usize): void {
  if (word(p, Gemm.Flags) & GemmFlag.TransposedA) {
    filterGradient(p);
    return;
  }
  const boxes = prepare(p);
  const to = last(boxes, 1);
  let index = first(boxes, 1);
  if (index >= to) return;

  // scratch:  | columns | U | V | products |, while the filter is transformed its taps instead of V
  const K = word(p, Patch.Channels);
  const N = parts(word(p, Gemm.N), GEMM_PANEL) * GEMM_PANEL;
  const most = (word(p, Patch.Box1) * word(p, Patch.Box2) + GEMM_ROWS - 1) & ~(GEMM_ROWS - 1);
  const work = address(p, Gemm.Scratch) + <usize>thread * address(p, Gemm.ScratchBytes);
  const u = work + columnBytes(K);
  const panel = (<usize>K) << 5;
  const uStep = panel * <usize>(N / GEMM_PANEL) + MINIMAL_GAP;
  const v = u + uStep * MINIMAL_ELEMENTS;
  const vStep = ((<usize>(most * K)) << 2) + MINIMAL_GAP;
  const m = v + vStep * MINIMAL_ELEMENTS;
  const mStep = ((<usize>(most * N)) << 2) + MINIMAL_GAP;
  transformFilter(p, work, v, u, uStep);
  for (; index < to; index++) {
    const groups = parts(enterBox(p, index), GEMM_ROWS);
    transformBox(p, 0, K, work, v, vStep, (<usize>K) << 2, 16);
    for (let i: usize = 0; i < <usize>MINIMAL_ELEMENTS; i++) {
      minimalTiles(v + vStep * i, u + uStep * i, m + mStep * i, (<usize>N) << 2, groups, K, N / GEMM_PANEL);
    }
    transformOutput(p, work, m, mStep, (<usize>N) << 2);
    finish(p);
  }
}

/** dw [taps · channels, N]; threads share the channels. */
function filterGradient(p: usize): void {
  const boxes = prepare(p);
  const K = word(p, Patch.Channels);
  const from = first(K, GEMM_ROWS);
  const count = last(K, GEMM_ROWS) - from;
  if (count <= 0) return;

  // scratch:  | columns | dU, [channels][N] | V, [channels / 4][tiles][4] | A dy Aᵀ, [N / 8][tiles][8] |
  const N = parts(word(p, Gemm.N), GEMM_PANEL) * GEMM_PANEL;
  const most = word(p, Patch.Box1) * word(p, Patch.Box2);
  const work = address(p, Gemm.Scratch) + <usize>thread * address(p, Gemm.ScratchBytes);
  const u = work + columnBytes(count);
  const uStep = ((<usize>(count * N)) << 2) + MINIMAL_GAP;
  const v = u + uStep * MINIMAL_ELEMENTS;
  const vStep = ((<usize>(most * count)) << 2) + MINIMAL_GAP;
  const w = v + vStep * MINIMAL_ELEMENTS;
  const wStep = ((<usize>(most * N)) << 2) + MINIMAL_GAP;
  const stride = (<usize>N) << 2;
  for (let index = 0; index < boxes; index++) {
    const places = enterBox(p, index);
    transformBox(p, from, count, work, v, vStep, 16, (<usize>places) << 4);
    transformGradient(p, work, places, w, wStep);
    const panel = (<usize>places) << 5;
    for (let i: usize = 0; i < <usize>MINIMAL_ELEMENTS; i++) {
      const c = u + uStep * i;
      const start = index ? c : 0;
      tiles(v + vStep * i, w + wStep * i, panel, c, 32, stride, count / GEMM_ROWS, places, start, stride, N / GEMM_PANEL);
    }
  }
  transformSums(p, work, from, count, u, uStep, stride);
}
