import { address, word } from '../fields';
import { GEMM_PANEL, GEMM_ROWS, Gemm, GemmFlag } from '../tape/dense';
import { FILTER_ROWS, Patch } from '../tape/spatial';
import { first, last, thread } from '../threads';
import { block, epilogue } from './gemm';
import { copy, parts, zeros } from './lines';
import { minimal } from './minimal';
import { packColumns, packPanels, turnPanels } from './pack';
import { directTiles8 } from './tiles';
import { directTiles } from './wide';

/*
 * Convolutions as matrix products whose operand A is the patches of an image (implicit GEMM). The grid of positions is
 * computed by boxes. The part of the source that a box reads is copied with its zeros around, unless no patch leaves the
 * source; in it a tap is the same distance from every position. So the tiles read the patches where they lie, and they
 * are never packed.
 *
 * With Mul the strides, Step the dilations and Offset minus the padding it is the convolution. With Div the strides and
 * Step minus the dilations it is the gradient of the image: positions whose index leaves the same rest by Div (a phase)
 * take part in the same taps, so each phase is a product with its taps alone, and nothing is scattered. With
 * TransposedA it is the gradient of the filter, patchesᵀ · B, with boxes as blocks of K.
 *
 * Each sum runs over its taps and channels, or over the positions, in one order, whatever the box and the thread.
 */

// The source as it is read, in bytes. Globals, which each thread has for itself, as all below.
let pixel: usize = 0, line: usize = 0, plane: usize = 0, image: usize = 0;
// The box: where it begins (positions divided by Div), how many positions, and the first pixel that it reads.
let n0: i32 = 0, x0: i32 = 0, x1: i32 = 0, x2: i32 = 0;
let images: i32 = 0, b0: i32 = 0, b1: i32 = 0, b2: i32 = 0;
let base: usize = 0;

/** Positions of a dimension in its first phase, the longest. */
// @ts-ignore: decorator
@inline
function across(p: usize, d: i32): i32 {
  return parts(word(p, Patch.Grid0 + d), word(p, Patch.Div0 + d));
}

// @ts-ignore: decorator
@inline
function boxesOf(p: usize, d: i32): i32 {
  return parts(across(p, d), word(p, Patch.Box0 + d));
}

/** Sets the steps through the source; how many boxes there are. */
function prepare(p: usize): i32 {
  const from = word(p, Patch.Inside) ? Patch.Source0 : Patch.Extent0;
  pixel = (<usize>word(p, Patch.Channels)) << 2;
  line = pixel * <usize>word(p, from + 2);
  plane = line * <usize>word(p, from + 1);
  image = plane * <usize>word(p, from);
  return parts(word(p, Patch.Images), word(p, Patch.BoxImages)) * boxesOf(p, 0) * boxesOf(p, 1) * boxesOf(p, 2);
}

/** Makes box `index` the current one, and copies what it reads to `target`. */
function enterBox(p: usize, index: i32, target: usize): void {
  const boxes0 = boxesOf(p, 0);
  const boxes1 = boxesOf(p, 1);
  const boxes2 = boxesOf(p, 2);
  x2 = (index % boxes2) * word(p, Patch.Box2);
  index /= boxes2;
  x1 = (index % boxes1) * word(p, Patch.Box1);
  index /= boxes1;
  x0 = (index % boxes0) * word(p, Patch.Box0);
  n0 = (index / boxes0) * word(p, Patch.BoxImages);
  b2 = min<i32>(word(p, Patch.Box2), across(p, 2) - x2);
  b1 = min<i32>(word(p, Patch.Box1), across(p, 1) - x1);
  b0 = min<i32>(word(p, Patch.Box0), across(p, 0) - x0);
  images = min<i32>(word(p, Patch.BoxImages), word(p, Patch.Images) - n0);
  const from0 = x0 * word(p, Patch.Mul0) + word(p, Patch.Low0);
  const from1 = x1 * word(p, Patch.Mul1) + word(p, Patch.Low1);
  const from2 = x2 * word(p, Patch.Mul2) + word(p, Patch.Low2);
  if (word(p, Patch.Inside)) {
    base = address(p, Gemm.A) + <usize>n0 * image + <usize>from0 * plane + <usize>from1 * line + <usize>from2 * pixel;
    return;
  }
  base = target;
  for (let n = n0; n < n0 + images; n++) {
    for (let i0 = from0; i0 < from0 + word(p, Patch.Extent0); i0++) {
      for (let i1 = from1; i1 < from1 + word(p, Patch.Extent1); i1++, target += line) {
        copyLine(p, n, i0, i1, from2, target);
      }
    }
  }
}

/** Pixels from2, from2 + 1 … of a line of the source; zeros where there are none. */
function copyLine(p: usize, n: i32, i0: i32, i1: i32, from2: i32, target: usize): void {
  const source0 = word(p, Patch.Source0);
  const source1 = word(p, Patch.Source1);
  const source2 = word(p, Patch.Source2);
  const channels = word(p, Patch.Channels);
  const extent = word(p, Patch.Extent2);
  let before = min<i32>(extent, max<i32>(0, -from2));
  let end = max<i32>(before, min<i32>(extent, source2 - from2));
  if (<u32>i0 >= <u32>source0 || <u32>i1 >= <u32>source1) {
    before = extent;
    end = extent;
  }
  const step = (<usize>word(p, Patch.Pixel)) << 2;
  const index = ((n * source0 + i0) * source1 + i1) * source2 + from2 + before;
  let s = address(p, Gemm.A) + <usize>index * step;
  target = zeros(target, before * channels);
  if (step == pixel) {
    target = copy(s, target, (end - before) * channels);
  } else {
    for (let i = end - before; i > 0; i--, s += step) target = copy(s, target, channels);
  }
  zeros(target, (extent - end) * channels);
}

/** The pixel of the source that tap t of dimension d reads at position 0 of its phase; sets that phase. */
function tapAt(p: usize, d: i32, t: i32): i32 {
  const at = t * word(p, Patch.Step0 + d) + word(p, Patch.Offset0 + d);
  const div = word(p, Patch.Div0 + d);
  const i = at > 0 ? (at + div - 1) / div : at / div;
  tapPhase = i * div - at;
  return i - word(p, Patch.Low0 + d);
}
let tapPhase: i32 = 0;

function tapsOf(p: usize, d: i32, phase: i32): i32 {
  let count = 0;
  for (let t = 0; t < word(p, Patch.Taps0 + d); t++) {
    tapAt(p, d, t);
    if (tapPhase == phase) count++;
  }
  return count;
}

/** What the tiles need to know of a phase; lies in scratch. */
const enum Phase {
  B = 0,
  Runs,
  Count,
  /** Of a run, in floats. */
  RunLength,
  /** Bytes of a panel of B. */
  Panel,
  Bytes = 20,
}

/** Packs the filter's taps of a phase in panels, the bias before them, and lists the runs. Where the panels end. */
function packPhase(p: usize, phase: usize, r0: i32, r1: i32, r2: i32, b: usize, runs: usize): usize {
  const channels = word(p, Patch.Channels);
  const N = word(p, Gemm.N);
  const K = tapsOf(p, 0, r0) * tapsOf(p, 1, r1) * tapsOf(p, 2, r2) * channels;
  const panel = <usize>(K + 1) << 5;
  const panels = parts(N, GEMM_PANEL);
  const bias = address(p, Gemm.Bias);
  for (let j = 0; j < panels; j++) {
    const head = b + <usize>j * panel;
    zeros(head, GEMM_PANEL);
    if (bias) copy(bias + (<usize>j << 5), head, min<i32>(GEMM_PANEL, N - j * GEMM_PANEL));
  }
  store<u32>(phase, b, Phase.B << 2);
  store<u32>(phase, runs, Phase.Runs << 2);
  store<u32>(phase, panel, Phase.Panel << 2);
  const taps1 = word(p, Patch.Taps1);
  const taps2 = word(p, Patch.Taps2);
  const stride = address(p, Gemm.BStride) << 2;
  const backwards = word(p, Patch.Step2) < 0;
  let target = b + 32;
  let count = 0;
  for (let t0 = 0; t0 < word(p, Patch.Taps0); t0++) {
    const i0 = tapAt(p, 0, t0);
    if (tapPhase != r0) continue;
    for (let t1 = 0; t1 < taps1; t1++) {
      const i1 = tapAt(p, 1, t1);
      if (tapPhase != r1) continue;
      // in the order of the pixels: neighbours are one run
      let end: usize = 0;
      for (let i = 0; i < taps2; i++) {
        const t2 = backwards ? taps2 - 1 - i : i;
        const i2 = tapAt(p, 2, t2);
        if (tapPhase != r2) continue;
        const offset = <usize>i0 * plane + <usize>i1 * line + <usize>i2 * pixel;
        if (offset != end || end == 0) {
          store<u32>(runs + (<usize>count << 2), offset);
          count++;
        }
        end = offset + pixel;
        const from = address(p, Gemm.B) + ((<usize>((t0 * taps1 + t1) * taps2 + t2) * <usize>word(p, Patch.TapB)) << 2);
        if (word(p, Gemm.Flags) & GemmFlag.TransposedB) turnPanels(from, stride, N, channels, target, panel);
        else packPanels(from, stride, N, channels, target, panel);
        target += pixel << 3;
      }
    }
  }
  store<i32>(phase, count, Phase.Count << 2);
  store<i32>(phase, count ? K / count : 0, Phase.RunLength << 2);
  return b + <usize>panels * panel;
}

/** Lists where the rows of a box of k0 x k1 x k2 positions begin, in the source and in C. How many. */
function listRows(p: usize, k0: i32, k1: i32, k2: i32, rows: usize): i32 {
  const div0 = word(p, Patch.Div0);
  const div1 = word(p, Patch.Div1);
  const step = <usize>word(p, Patch.Mul2) * pixel;
  const stride = address(p, Gemm.CStride) << 2;
  const cStep = <usize>word(p, Patch.Div2) * stride;
  let d = rows;
  for (let n = 0; n < images; n++) {
    for (let i0 = 0; i0 < k0; i0++) {
      for (let i1 = 0; i1 < k1; i1++) {
        const row = ((n * word(p, Patch.Grid0) + i0 * div0) * word(p, Patch.Grid1) + i1 * div1) * word(p, Patch.Grid2);
        let c = <usize>row * stride;
        let a =
          <usize>n * image + <usize>(i0 * word(p, Patch.Mul0)) * plane + <usize>(i1 * word(p, Patch.Mul1)) * line;
        for (let i2 = k2; i2 > 0; i2--, a += step, c += cStep, d += 8) {
          store<u32>(d, a);
          store<u32>(d, c, 4);
        }
      }
    }
  }
  const count = <i32>((d - rows) >> 3);
  // the last group is filled up with its last row, which is then written several times
  for (let i = count; i & (GEMM_ROWS - 1); i++, d += 8) store<u64>(d, load<u64>(d - 8));
  return count;
}

export function convolution(p: usize): void {
  if (word(p, Gemm.Flags) & GemmFlag.Minimal) {
    minimal(p);
    return;
  }
  if (word(p, Gemm.Flags) & GemmFlag.TransposedA) {
    filterGradient(p);
    return;
  }
  const boxes = prepare(p);
  const indexTo = last(boxes, 1);
  let index = first(boxes, 1);
  if (index >= indexTo) return;

  const N = word(p, Gemm.N);
  const edgeColumns = N & (GEMM_PANEL - 1);
  const div0 = word(p, Patch.Div0);
  const div1 = word(p, Patch.Div1);
  const div2 = word(p, Patch.Div2);
  const phases = div0 * div1 * div2;
  const taps = word(p, Patch.Taps0) * word(p, Patch.Taps1) * word(p, Patch.Taps2);
  const boxRows =
    word(p, Patch.BoxImages) * word(p, Patch.Box0) * word(p, Patch.Box1) * word(p, Patch.Box2) + GEMM_ROWS - 1;
  const tables = <usize>(boxRows & ~(GEMM_ROWS - 1)) << 3;

  // scratch:  | rows | edge rows | edge tiles | phases | runs | filter | source of the box |
  const rows = address(p, Gemm.Scratch) + <usize>thread * address(p, Gemm.ScratchBytes);
  const edgeRows = rows + tables;
  const edge = edgeRows + (edgeColumns ? tables : 0);
  const table = edge + (edgeColumns ? tables << 2 : 0);
  const runs = table + <usize>(phases * Phase.Bytes);
  let target = (runs + (<usize>taps << 2) + 15) & ~15;
  let phase = table;
  let list = runs;
  for (let r0 = 0; r0 < div0; r0++) {
    for (let r1 = 0; r1 < div1; r1++) {
      for (let r2 = 0; r2 < div2; r2++, phase += Phase.Bytes) {
        target = packPhase(p, phase, r0, r1, r2, target, list);
        list += (<usize>load<i32>(phase, Phase.Count << 2)) << 2;
      }
    }
  }

  const grid0 = word(p, Patch.Grid0);
  const grid1 = word(p, Patch.Grid1);
  const grid2 = word(p, Patch.Grid2);
  const stride = address(p, Gemm.CStride) << 2;
  let listed: i64 = 0;
  let count = 0;
  for (; index < indexTo; index++) {
    enterBox(p, index, target);
    phase = table;
    for (let r0 = 0; r0 < div0; r0++) {
      const k0 = min<i32>(b0, parts(grid0 - r0, div0) - x0);
      for (let r1 = 0; r1 < div1; r1++) {
        const k1 = min<i32>(b1, parts(grid1 - r1, div1) - x1);
        for (let r2 = 0; r2 < div2; r2++, phase += Phase.Bytes) {
          const k2 = min<i32>(b2, parts(grid2 - r2, div2) - x2);
          if (min<i32>(k0, min<i32>(k1, k2)) <= 0) continue;
          // a box like the one before has the same rows
          const size = (((((<i64>images << 16) + k0) << 16) + k1) << 16) + k2;
          if (size != listed) {
            count = listRows(p, k0, k1, k2, rows);
            listed = size;
            if (edgeColumns) {
              for (let i: usize = 0; i < tables; i += 8) {
                store<u32>(edgeRows + i, load<u32>(rows + i));
                store<u32>(edgeRows + i, i << 2, 4);
              }
            }
          }
          const row =
            ((n0 * grid0 + x0 * div0 + r0) * grid1 + x1 * div1 + r1) * grid2 + x2 * div2 + r2;
          product(phase, rows, edgeRows, edge, count, address(p, Gemm.C) + <usize>row * stride, N);
        }
      }
    }
    finish(p);
  }
}

/** The rows of a box · the filter's taps of a phase. */
function product(phase: usize, rows: usize, edgeRows: usize, edge: usize, count: i32, c: usize, N: i32): void {
  const runs = <usize>load<u32>(phase, Phase.Runs << 2);
  const runCount = load<i32>(phase, Phase.Count << 2);
  const length = load<i32>(phase, Phase.RunLength << 2);
  const panel = <usize>load<u32>(phase, Phase.Panel << 2);
  const groups = parts(count, GEMM_ROWS);
  let b = <usize>load<u32>(phase, Phase.B << 2);
  if (runCount == 0) {
    // a phase without taps has the bias alone; its panels are one row
    for (let r = 0; r < count; r++) copy(b, c + <usize>load<u32>(rows + (<usize>r << 3), 4), N);
    return;
  }
  const panels = N / GEMM_PANEL;
  directTiles(rows, base, c, groups, runs, runCount, length, b, panel, panels);
  const rest = N & (GEMM_PANEL - 1);
  if (rest) {
    b += <usize>panels * panel;
    c += <usize>panels << 5;
    directTiles8(edgeRows, base, edge, groups, runs, runCount, length, b);
    for (let r = 0; r < count; r++) {
      copy(edge + (<usize>r << 5), c + <usize>load<u32>(rows + (<usize>r << 3), 4), rest);
    }
  }
}

/** The epilogue of the box's rows: of as many at once as lie together. */
function finish(p: usize): void {
  const grid0 = word(p, Patch.Grid0);
  const grid1 = word(p, Patch.Grid1);
  const grid2 = word(p, Patch.Grid2);
  const from0 = x0 * word(p, Patch.Div0);
  const from1 = x1 * word(p, Patch.Div1);
  const from2 = x2 * word(p, Patch.Div2);
  const to0 = min<i32>(grid0, from0 + b0 * word(p, Patch.Div0));
  let lines = min<i32>(grid1 - from1, b1 * word(p, Patch.Div1));
  let length = min<i32>(grid2 - from2, b2 * word(p, Patch.Div2));
  if (length == grid2) {
    length *= lines;
    lines = 1;
  }
  for (let n = n0; n < n0 + images; n++) {
    for (let i0 = from0; i0 < to0; i0++) {
      const row = ((n * grid0 + i0) * grid1 + from1) * grid2 + from2;
      for (let i1 = 0; i1 < lines; i1++) epilogue(p, row + i1 * grid2, length, 0, word(p, Gemm.N));
    }
  }
}

/** dw [taps · channels, N] = patchesᵀ · dy; a box of positions is a block of K. Threads share the rows. */
function filterGradient(p: usize): void {
  const boxes = prepare(p);
  const N = word(p, Gemm.N);
  const rowFrom = first(word(p, Gemm.M), FILTER_ROWS);
  const rowTo = last(word(p, Gemm.M), FILTER_ROWS);
  if (rowFrom >= rowTo) return;
  const most = word(p, Patch.BoxImages) * word(p, Patch.Box0) * word(p, Patch.Box1) * word(p, Patch.Box2);
  const stride = address(p, Gemm.BStride) << 2;

  // scratch:  | rows | edge tiles | dy | source of the box |
  const a = address(p, Gemm.Scratch) + <usize>thread * address(p, Gemm.ScratchBytes);
  const edge = a + <usize>most * (FILTER_ROWS * 4);
  const b = edge + FILTER_ROWS * GEMM_PANEL * 4;
  const target = b + ((<usize>(parts(N, GEMM_PANEL) * most)) << 5);
  for (let index = 0; index < boxes; index++) {
    enterBox(p, index, target);
    // positions of a box follow one another
    const k = images * b0 * b1 * b2;
    const position = ((n0 * word(p, Patch.Grid0) + x0) * word(p, Patch.Grid1) + x1) * word(p, Patch.Grid2) + x2;
    packPanels(address(p, Gemm.B) + <usize>position * stride, stride, N, k, b, (<usize>k) << 5);
    for (let row = rowFrom; row < rowTo; row += FILTER_ROWS) {
      const rows = min<i32>(FILTER_ROWS, rowTo - row);
      packTaps(p, row, rows, a, (<usize>k) << 4);
      block(p, row, rows, 0, N, k, index > 0, a, b, edge);
    }
  }
}

/** Taps and channels [row, row + rows) of the box's positions, in groups of [k][4] that are `group` bytes apart. */
function packTaps(p: usize, row: i32, rows: i32, target: usize, group: usize): void {
  const channels = word(p, Patch.Channels);
  const taps1 = word(p, Patch.Taps1);
  const taps2 = word(p, Patch.Taps2);
  const step = <usize>word(p, Patch.Mul2) * pixel;
  const lineStep = <usize>word(p, Patch.Mul1) * line;
  const planeStep = <usize>word(p, Patch.Mul0) * plane;
  for (let g = 0; g < rows; ) {
    let tap = (row + g) / channels;
    const c = (row + g) - tap * channels;
    const t2 = tap % taps2;
    tap /= taps2;
    const t1 = tap % taps1;
    const t0 = tap / taps1;
    // of neighbouring taps too, which lie side by side
    const side = word(p, Patch.Step2) == 1 ? taps2 - t2 : 1;
    let count = min<i32>(rows - g, side * channels - c);
    // whole groups, or one row
    count = g & 3 || count < 4 ? 1 : count & ~3;
    const from =
      base +
      <usize>tapAt(p, 0, t0) * plane +
      <usize>tapAt(p, 1, t1) * line +
      <usize>tapAt(p, 2, t2) * pixel +
      (<usize>c << 2);
    let d = target + <usize>(g >> 2) * group + ((<usize>(g & 3)) << 2);
    for (let n = 0; n < images; n++) {
      for (let i0 = 0; i0 < b0; i0++) {
        let s = from + <usize>n * image + <usize>i0 * planeStep;
        for (let i1 = b1; i1 > 0; i1--, s += lineStep, d += (<usize>b2) << 4) {
          if (count > 1) packColumns(s, step, count, b2, d, group);
          else copySpread(s, step, b2, d);
        }
      }
    }
    g += count;
  }
}

/** `count` floats, `step` bytes apart, to every fourth place. */
function copySpread(s: usize, step: usize, count: i32, d: usize): void {
  for (; count > 0; count--, s += step, d += 16) store<f32>(d, load<f32>(s));
}
