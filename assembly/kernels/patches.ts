import { address, word } from '../fields';
import { Gemm, GEMM_ROWS, Patch } from '../tape';
import { turnPanels, turnRows } from './pack';

/*
 * The patches of an image as an operand of a matrix product (implicit GEMM): they are packed by blocks straight from the
 * image and never lie in memory as a whole. With Mul the strides, Step the dilations and Offset minus the padding a
 * patch is what a filter covers; with Div the strides and Step minus the dilations it is the outputs that a pixel takes
 * part in, so that the gradient of the image is gathered, not scattered.
 */

/** Index in a dimension of the source, or -1. */
// @ts-ignore: decorator
@inline
function sourceIndex(q: i32, div: i32, extent: i32): i32 {
  if (q < 0) return -1;
  if (div != 1) {
    if (q % div != 0) return -1;
    q /= div;
  }
  return q < extent ? q : -1;
}

/** `count` floats at s, or zeros where s is 0, to every fourth float from d on. */
function placeColumn(s: usize, count: i32, d: usize): void {
  if (s) {
    for (; count > 0; count--, s += 4, d += 16) store<f32>(d, load<f32>(s));
  } else {
    for (; count > 0; count--, d += 16) store<f32>(d, 0);
  }
}

function zeros(count: i32, d: usize): void {
  for (; count > 0; count--, d += 16) v128.store(d, f32x4.splat(0));
}

// The line of the grid that is being packed: whether all its taps lie inside the source in dimensions 0 and 1, where its
// first tap's line begins, and the bytes from tap to tap there. Globals, which each thread has for itself.
let clear: bool = false;
let lineBase: usize = 0;
let lineStep0: usize = 0;
let lineStep1: usize = 0;

// @ts-ignore: decorator
@inline
function allInside(from: i32, reach: i32, div: i32, extent: i32): bool {
  return div == 1 && min<i32>(from, from + reach) >= 0 && max<i32>(from, from + reach) < extent;
}

function enterLine(p: usize, image: i32, g0: i32, g1: i32, taps0: i32): void {
  const step0 = word(p, Patch.Step0);
  const step1 = word(p, Patch.Step1);
  const i0 = g0 * word(p, Patch.Mul0) + word(p, Patch.Offset0);
  const i1 = g1 * word(p, Patch.Mul1) + word(p, Patch.Offset1);
  clear =
    allInside(i0, (taps0 - 1) * step0, word(p, Patch.Div0), word(p, Patch.Source0)) &&
    allInside(i1, (word(p, Patch.Taps1) - 1) * step1, word(p, Patch.Div1), word(p, Patch.Source1));
  if (!clear) return;
  const line = (<usize>word(p, Patch.Source2) * <usize>word(p, Patch.Pixel)) << 2;
  lineStep1 = <usize>step1 * line;
  lineStep0 = <usize>step0 * <usize>word(p, Patch.Source1) * line;
  const index = (image * word(p, Patch.Source0) + i0) * word(p, Patch.Source1) + i1;
  lineBase = address(p, Gemm.A) + <usize>index * line;
}

/** Rows [row, row + rows) x k of block k0 of the patches, in groups of [k][4]. */
export function packPatches(p: usize, row: i32, rows: i32, k0: i32, k: i32, target: usize): void {
  const grid0 = word(p, Patch.Grid0);
  const grid1 = word(p, Patch.Grid1);
  const grid2 = word(p, Patch.Grid2);
  const whole = word(p, Patch.Div2) == 1;
  // the position of the group's first row
  let g2 = row % grid2;
  let rest = row / grid2;
  let g1 = rest % grid1;
  rest /= grid1;
  let g0 = rest % grid0;
  let image = rest / grid0;
  const taps0 = word(p, Gemm.K) / (word(p, Patch.Taps1) * word(p, Patch.Taps2) * word(p, Patch.Channels));
  let entered = -1;
  for (; rows > 0; rows -= GEMM_ROWS, target += (<usize>k) << 4) {
    const line = (image * grid0 + g0) * grid1 + g1;
    if (line != entered) {
      enterLine(p, image, g0, g1, taps0);
      entered = line;
    }
    if (whole && rows >= GEMM_ROWS && g2 + GEMM_ROWS <= grid2) {
      packRun(p, image, g0, g1, g2, k0, k, target);
      g2 += GEMM_ROWS;
    } else {
      for (let j = 0; j < GEMM_ROWS; j++) {
        const d = target + ((<usize>j) << 2);
        if (j >= rows) {
          placeColumn(0, k, d);
          continue;
        }
        packOne(p, image, g0, g1, g2, k0, k, d);
        if (++g2 == grid2) {
          g2 = 0;
          if (++g1 == grid1) {
            g1 = 0;
            if (++g0 == grid0) {
              g0 = 0;
              image++;
            }
          }
        }
      }
      continue;
    }
    if (g2 == grid2) {
      g2 = 0;
      if (++g1 == grid1) {
        g1 = 0;
        if (++g0 == grid0) {
          g0 = 0;
          image++;
        }
      }
    }
  }
}

/** Address of the first pixel of a row of the source (dimension 2), or 0 where the row lies outside. */
// @ts-ignore: decorator
@inline
function lineOf(p: usize, image: i32, g0: i32, g1: i32, t0: i32, t1: i32): usize {
  const i0 = sourceIndex(
    g0 * word(p, Patch.Mul0) + t0 * word(p, Patch.Step0) + word(p, Patch.Offset0),
    word(p, Patch.Div0),
    word(p, Patch.Source0),
  );
  const i1 = sourceIndex(
    g1 * word(p, Patch.Mul1) + t1 * word(p, Patch.Step1) + word(p, Patch.Offset1),
    word(p, Patch.Div1),
    word(p, Patch.Source1),
  );
  if ((i0 | i1) < 0) return 0;
  const line = (image * word(p, Patch.Source0) + i0) * word(p, Patch.Source1) + i1;
  return address(p, Gemm.A) + ((<usize>line * <usize>word(p, Patch.Source2) * <usize>word(p, Patch.Pixel)) << 2);
}

/** Four positions side by side. */
function packRun(p: usize, image: i32, g0: i32, g1: i32, g2: i32, k0: i32, k: i32, target: usize): void {
  const channels = word(p, Patch.Channels);
  const taps1 = word(p, Patch.Taps1);
  const taps2 = word(p, Patch.Taps2);
  const pixel = (<usize>word(p, Patch.Pixel)) << 2;
  const mul = word(p, Patch.Mul2);
  const step = word(p, Patch.Step2);
  const extent = word(p, Patch.Source2);
  const from = g2 * mul + word(p, Patch.Offset2);
  const stride = <usize>mul * pixel;
  const reach = (taps2 - 1) * step;
  if (min<i32>(from, from + reach) >= 0 && max<i32>(from, from + reach) + 3 * mul < extent) {
    packInside(p, image, g0, g1, from, k0, k, target);
    return;
  }
  let tap = k0 / channels;
  let c = k0 - tap * channels;
  let t2 = tap % taps2;
  tap /= taps2;
  let t1 = tap % taps1;
  let t0 = tap / taps1;
  let line = lineOf(p, image, g0, g1, t0, t1);
  for (let left = k; left > 0; ) {
    const count = min<i32>(channels - c, left);
    const at = from + t2 * step;
    const end = at + 3 * mul;
    if (line == 0) {
      zeros(count, target);
    } else if (at >= 0 && end < extent) {
      const s = line + <usize>at * pixel + ((<usize>c) << 2);
      if (stride == 4) v128.store(target, v128.load(s));
      else turnRows(s, stride, 4, count, target, 16);
    } else {
      for (let j = 0; j < 4; j++) {
        const i = at + j * mul;
        const inside = i >= 0 && i < extent;
        placeColumn(inside ? line + <usize>i * pixel + ((<usize>c) << 2) : 0, count, target + ((<usize>j) << 2));
      }
    }
    target += (<usize>count) << 4;
    left -= count;
    c = 0;
    if (++t2 == taps2) {
      t2 = 0;
      if (++t1 == taps1) {
        t1 = 0;
        t0++;
      }
      if (left > 0) line = lineOf(p, image, g0, g1, t0, t1);
    }
  }
}

/** Four positions side by side, no tap of which leaves its line; pixels lie `step` apart from tap to tap. */
function packInside(p: usize, image: i32, g0: i32, g1: i32, from: i32, k0: i32, k: i32, target: usize): void {
  const channels = word(p, Patch.Channels);
  const taps1 = word(p, Patch.Taps1);
  const taps2 = word(p, Patch.Taps2);
  const pixel = (<usize>word(p, Patch.Pixel)) << 2;
  const stride = <usize>word(p, Patch.Mul2) * pixel;
  const step = <usize>word(p, Patch.Step2) * pixel;
  const row = taps2 * channels;
  let at = 0;
  let t1 = 0;
  let t0 = 0;
  // no divisions where a patch is packed whole
  if (k0) {
    const t = k0 / row;
    at = k0 - t * row;
    t1 = t % taps1;
    t0 = t / taps1;
  }
  while (k > 0) {
    const count = min<i32>(row - at, k);
    const line = clear
      ? lineBase + <usize>t0 * lineStep0 + <usize>t1 * lineStep1
      : lineOf(p, image, g0, g1, t0, t1);
    if (line == 0) {
      zeros(count, target);
      target += (<usize>count) << 4;
    } else {
      const first = line + <usize>from * pixel;
      if (step == pixel && pixel == ((<usize>channels) << 2)) {
        // the channels of neighbouring taps lie side by side: one long run
        target = turnFour(first + ((<usize>at) << 2), stride, count, target);
      } else {
        let t2 = at / channels;
        let c = at - t2 * channels;
        for (let left = count; left > 0; t2++, c = 0) {
          const some = min<i32>(channels - c, left);
          target = turnFour(first + <usize>t2 * step + ((<usize>c) << 2), stride, some, target);
          left -= some;
        }
      }
    }
    k -= count;
    at = 0;
    if (++t1 == taps1) {
      t1 = 0;
      t0++;
    }
  }
}

/** `count` floats of four pixels `stride` bytes apart as rows of four; where the rows end. */
// @ts-ignore: decorator
@inline
function turnFour(s: usize, stride: usize, count: i32, d: usize): usize {
  const end = d + ((<usize>count) << 4);
  if (stride == 4) {
    for (; d != end; d += 16, s += 4) v128.store(d, v128.load(s));
  } else {
    turnRows(s, stride, 4, count, d, 16);
  }
  return end;
}

/** One position, as a column of its group. */
function packOne(p: usize, image: i32, g0: i32, g1: i32, g2: i32, k0: i32, k: i32, target: usize): void {
  const channels = word(p, Patch.Channels);
  const taps1 = word(p, Patch.Taps1);
  const taps2 = word(p, Patch.Taps2);
  const pixel = (<usize>word(p, Patch.Pixel)) << 2;
  const from = g2 * word(p, Patch.Mul2) + word(p, Patch.Offset2);
  let tap = k0 / channels;
  let c = k0 - tap * channels;
  let t2 = tap % taps2;
  tap /= taps2;
  let t1 = tap % taps1;
  let t0 = tap / taps1;
  for (let left = k; left > 0; ) {
    const count = min<i32>(channels - c, left);
    const line = lineOf(p, image, g0, g1, t0, t1);
    const i = sourceIndex(from + t2 * word(p, Patch.Step2), word(p, Patch.Div2), word(p, Patch.Source2));
    placeColumn(line != 0 && i >= 0 ? line + <usize>i * pixel + ((<usize>c) << 2) : 0, count, target);
    target += (<usize>count) << 4;
    left -= count;
    c = 0;
    if (++t2 == taps2) {
      t2 = 0;
      if (++t1 == taps1) {
        t1 = 0;
        t0++;
      }
    }
  }
}

/**
 * Columns [column, column + columns) x positions [k0, k0 + k) of the patches, in groups of [k][4]: the patches as the
 * stored-transposed operand of the filter's gradient. Div is 1.
 */
export function packPatchColumns(p: usize, column: i32, columns: i32, k0: i32, k: i32, target: usize): void {
  const channels = word(p, Patch.Channels);
  for (; columns > 0; columns -= GEMM_ROWS, column += GEMM_ROWS, target += (<usize>k) << 4) {
    const c = column % channels;
    if (columns >= GEMM_ROWS && c + GEMM_ROWS <= channels) {
      packStream(p, column / channels, c, k0, k, target, true);
      continue;
    }
    for (let j = 0; j < GEMM_ROWS; j++) {
      const d = target + ((<usize>j) << 2);
      if (j >= columns) placeColumn(0, k, d);
      else packStream(p, (column + j) / channels, (column + j) % channels, k0, k, d, false);
    }
  }
}

/** One channel, or four, of one tap for positions [k0, k0 + k). */
function packStream(p: usize, tap: i32, c: i32, k0: i32, k: i32, target: usize, four: bool): void {
  const grid0 = word(p, Patch.Grid0);
  const grid1 = word(p, Patch.Grid1);
  const grid2 = word(p, Patch.Grid2);
  const taps2 = word(p, Patch.Taps2);
  const taps1 = word(p, Patch.Taps1);
  const pixel = (<usize>word(p, Patch.Pixel)) << 2;
  const mul = word(p, Patch.Mul2);
  const extent = word(p, Patch.Source2);
  const stride = <usize>mul * pixel;
  const t2 = tap % taps2;
  tap /= taps2;
  const t1 = tap % taps1;
  const t0 = tap / taps1;
  const shift = t2 * word(p, Patch.Step2) + word(p, Patch.Offset2);
  let g2 = k0 % grid2;
  let rest = k0 / grid2;
  let g1 = rest % grid1;
  rest /= grid1;
  let g0 = rest % grid0;
  let image = rest / grid0;
  while (k > 0) {
    const run = min<i32>(k, grid2 - g2);
    const at = g2 * mul + shift;
    // positions of the run before, and up to the end of, those inside
    let before = at < 0 ? min<i32>(run, (-at + mul - 1) / mul) : 0;
    let inside = at > extent - 1 ? 0 : min<i32>(run, (extent - 1 - at) / mul + 1);
    const line = lineOf(p, image, g0, g1, t0, t1);
    if (line == 0 || inside < before) {
      before = run;
      inside = run;
    }
    let s = line + <usize>(at + before * mul) * pixel + ((<usize>c) << 2);
    if (four) {
      zeros(before, target);
      let d = target + ((<usize>before) << 4);
      for (let n = inside - before; n > 0; n--, s += stride, d += 16) v128.store(d, v128.load(s));
      zeros(run - inside, d);
    } else {
      placeColumn(0, before, target);
      let d = target + ((<usize>before) << 4);
      for (let n = inside - before; n > 0; n--, s += stride, d += 16) store<f32>(d, load<f32>(s));
      placeColumn(0, run - inside, d);
    }
    target += (<usize>run) << 4;
    k -= run;
    g2 = 0;
    if (++g1 == grid1) {
      g1 = 0;
      if (++g0 == grid0) {
        g0 = 0;
        image++;
      }
    }
  }
}

/** k of block k0 x `columns` columns of B that is stored [taps, N, channels], in panels. */
export function packTaps(p: usize, b: usize, stride: usize, columns: i32, k0: i32, k: i32, target: usize): void {
  const channels = word(p, Patch.Channels);
  const tapB = (<usize>word(p, Patch.TapB)) << 2;
  const panel = (<usize>k) << 5;
  let tap = k0 / channels;
  let c = k0 - tap * channels;
  for (let left = k; left > 0; ) {
    const count = min<i32>(channels - c, left);
    turnPanels(b + <usize>tap * tapB + ((<usize>c) << 2), stride, columns, count, target, panel);
    target += (<usize>count) << 5;
    left -= count;
    c = 0;
    tap++;
  }
}
