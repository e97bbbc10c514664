import { address, float, word } from '../fields';
import { GEMM_PANEL, GEMM_ROWS } from '../tape/dense';
import {
  Cell,
  RECURRENT_FEW_ROWS,
  RECURRENT_ROWS,
  RECURRENT_SMALL_KERNEL,
  Recurrent,
  RecurrentFlag,
} from '../tape/sequence';
import { first, last, thread } from '../threads';
import {
  copyUnits,
  gruCandidateRow,
  gruCandidateRowGrad,
  gruGatesRow,
  gruGatesRowGrad,
  gruRow,
  gruRowGrad,
  joinRow,
  lstmRow,
  lstmRowGrad,
  scaleUnits,
  simpleRow,
  simpleRowGrad,
  useActivations,
} from './cells';
import { fetchRows } from './fetch';
import { packPanels, packRows, turnPanels } from './pack';
import { tiles } from './wide';

/*
 * A recurrent layer through all time in one instruction. Threads share the rows, which do not meet: no barrier stands
 * between time steps. The recurrent kernel is packed once; a step is a product of whole tiles in scratch, whose padding
 * is zero, and a pass over the rows (cells.ts). The products with the input, before, and those that make the gradients
 * of kernels and biases, after, are matrix products over all times at once.
 *
 *   scratch of a thread:  | packed kernels | packed states | products, [rows][columns] | states h, c: [rows][units] | a saved step
 *   of each row, where the steps are not kept |
 */

/** Columns of the kernel, in units; as many arrays as a saved step has (src/ops/recurrent.ts has both tables too). */
function gatesOf(cell: i32): i32 {
  return cell == Cell.Lstm ? 4 : cell == Cell.Simple ? 1 : 3;
}

function savedOf(cell: i32): i32 {
  return cell == Cell.Lstm ? 7 : cell == Cell.Simple ? 2 : 5;
}

// @ts-ignore: decorator
@inline
function up(n: i32, unit: i32): i32 {
  return (n + unit - 1) & -unit;
}

// @ts-ignore: decorator
@inline
function floats(rows: i32, columns: i32): usize {
  return (<usize>rows * <usize>columns) << 2;
}

/**
 * c [rows, columns] = start + a [rows, k] · the packed kernel; all padded to whole tiles. A start of 0 counts as none.
 */
function product(
  a: usize,
  aStride: usize,
  rows: i32,
  k: i32,
  packed: usize,
  kernel: usize,
  c: usize,
  cStride: usize,
  columns: i32,
  start: usize,
  startStride: usize,
): void {
  packRows(a, aStride, rows, k, packed);
  const groups = up(rows, GEMM_ROWS) / GEMM_ROWS;
  const panels = up(columns, GEMM_PANEL) / GEMM_PANEL;
  tiles(packed, kernel, <usize>k << 5, c, GEMM_PANEL * 4, cStride, groups, k, start, startStride, panels);
}

/** What all calls of an instruction share. */
function prepare(p: usize): usize {
  useActivations(
    word(p, Recurrent.Activation),
    float(p, Recurrent.Alpha),
    word(p, Recurrent.GateActivation),
    float(p, Recurrent.GateAlpha),
  );
  return address(p, Recurrent.Scratch) + <usize>thread * address(p, Recurrent.ScratchBytes);
}

export function recurrence(p: usize): void {
  walk(p, false);
}

export function recurrenceGrad(p: usize): void {
  walk(p, true);
}

/** Packs the recurrent kernel, backwards turned, and takes the thread's rows through time. */
function walk(p: usize, back: bool): void {
  const to = last(word(p, Recurrent.Rows), GEMM_ROWS);
  let row = first(word(p, Recurrent.Rows), GEMM_ROWS);
  if (row >= to) return;
  const scratch = prepare(p);
  const cell = word(p, Recurrent.Cell);
  const units = word(p, Recurrent.Units);
  const columns = gatesOf(cell) * units;
  const source = address(p, Recurrent.Kernel);
  const stride = floats(1, columns);
  // the candidate of GruBefore has a product of its own
  const joint = cell == Cell.GruBefore ? columns - units : columns;
  packKernel(source, stride, joint, units, scratch, back);
  if (joint < columns) {
    const own = scratch + (back ? floats(up(units, GEMM_PANEL), joint) : floats(up(joint, GEMM_PANEL), units));
    packKernel(source + floats(1, joint), stride, units, units, own, back);
  }
  const most = columns * units > RECURRENT_SMALL_KERNEL ? RECURRENT_ROWS : RECURRENT_FEW_ROWS;
  for (; row < to; row += most) {
    const rows = min<i32>(most, to - row);
    if (back) backward(p, row, rows, scratch);
    else forward(p, row, rows, scratch);
  }
}

function packKernel(source: usize, stride: usize, columns: i32, units: i32, target: usize, turned: bool): void {
  if (turned) turnPanels(source, stride, units, columns, target, (<usize>columns) << 5);
  else packPanels(source, stride, columns, units, target, (<usize>units) << 5);
}

/** Whether row `at` of all rows and times is to be left out. */
// @ts-ignore: decorator
@inline
function masked(mask: usize, at: i32): bool {
  return mask != 0 && load<f32>(mask + floats(1, at)) == 0;
}

/** The states of some rows from an array [rows, states · units] (or there, its rows `stride` bytes apart). */
function moveStates(
  states: usize,
  stride: usize,
  out: bool,
  rows: i32,
  h: usize,
  c: usize,
  state: usize,
  units: i32,
): void {
  const both = c != 0;
  for (; rows > 0; rows--, states += stride, h += state, c += state) {
    copyUnits(out ? h : states, out ? states : h, units);
    const second = states + floats(1, units);
    if (both) copyUnits(out ? c : second, out ? second : c, units);
  }
}

/** Some rows through all time. */
function forward(p: usize, row: i32, rows: i32, kernel: usize): void {
  const cell = word(p, Recurrent.Cell);
  const units = word(p, Recurrent.Units);
  const time = word(p, Recurrent.Time);
  const flags = word(p, Recurrent.Flags);
  const bias = address(p, Recurrent.Bias);
  const gates = gatesOf(cell) * units;
  const two = cell == Cell.GruBefore;
  const columns = up(two ? 2 * units : gates, GEMM_PANEL);
  const ownColumns = two ? up(units, GEMM_PANEL) : 0;
  const state = floats(1, up(units, 4));
  const arrays = savedOf(cell);
  const padded = up(rows, GEMM_ROWS);
  const own = kernel + floats(columns, units);
  const packed = own + floats(ownColumns, units);
  const products = packed + floats(padded, units);
  const ownProducts = products + floats(padded, columns);
  const h = ownProducts + floats(padded, ownColumns);
  const c = h + <usize>rows * state;
  const spare = c + <usize>rows * state;
  const source = address(p, Recurrent.Source);
  const savedSteps = address(p, Recurrent.Saved);
  const stride = <usize>arrays * state;
  const mask = address(p, Recurrent.Mask);
  const drop = address(p, Recurrent.Dropout);
  const initial = address(p, Recurrent.Initial);
  const final = address(p, Recurrent.Final);
  const states = cell == Cell.Lstm ? c : 0;
  const statesRow = floats(states ? 2 : 1, units);

  // whole tiles: the gates' sums begin with z, and those of whole groups of rows go at once to where the step is saved
  const plain = cell == Cell.Lstm || cell == Cell.Simple;
  const direct = plain && !(units & 3) && !(gates & (GEMM_PANEL - 1));
  const whole = rows & ~(GEMM_ROWS - 1);

  memory.fill(products, 0, spare - products);
  if (initial) moveStates(initial + <usize>row * statesRow, statesRow, false, rows, h, states, state, units);
  for (let step = 0; step < time; step++) {
    const t = flags & RecurrentFlag.Backwards ? time - 1 - step : step;
    if (drop) {
      for (let r = 0; r < rows; r++) {
        if (masked(mask, (row + r) * time + t)) continue;
        scaleUnits(h + <usize>r * state, drop + floats(row + r, units), units);
      }
    }
    const first = row * time + t;
    const savedRow = savedSteps ? savedSteps + <usize>first * stride : spare;
    const savedStep = savedSteps ? <usize>time * stride : stride;
    const sum = direct && (step > 0 || initial != 0);
    if (sum) {
      const z = source + floats(first, gates);
      const zRow = floats(time, gates);
      product(h, state, whole, units, packed, kernel, savedRow, savedStep, columns, z, zRow);
      if (whole < rows) {
        const rest = products + floats(whole, columns);
        for (let r = whole; r < rows; r++) {
          memory.copy(products + floats(r, columns), z + <usize>r * zRow, floats(1, gates));
        }
        const from = h + <usize>whole * state;
        const sumRow = floats(1, columns);
        product(from, state, rows - whole, units, packed, kernel, rest, sumRow, columns, rest, sumRow);
      }
    } else if (step || initial) {
      product(h, state, rows, units, packed, kernel, products, floats(1, columns), columns, 0, 0);
    }
    if (two) {
      for (let r = 0; r < rows; r++) {
        const at = (row + r) * time + t;
        if (masked(mask, at)) continue;
        const offset = <usize>r * state;
        const sums = products + floats(r, columns);
        const saved = savedRow + <usize>r * savedStep;
        gruGatesRow(source + floats(at, gates), sums, h + offset, c + offset, saved, units);
      }
      if (step || initial) {
        product(c, state, rows, units, packed, own, ownProducts, floats(1, ownColumns), ownColumns, 0, 0);
      }
    }
    for (let r = 0; r < rows; r++) {
      const at = (row + r) * time + t;
      let z = source + floats(at, gates);
      let sums = products + floats(r, columns);
      if (sum) {
        z = r < whole ? 0 : sums;
        sums = 0;
      }
      const saved = savedRow + <usize>r * savedStep;
      const offset = <usize>r * state;
      if (masked(mask, at)) memory.fill(saved, 0, stride);
      else if (cell == Cell.Lstm) lstmRow(z, sums, c + offset, h + offset, saved, units);
      else if (cell == Cell.Gru) gruRow(z, sums, bias, h + offset, saved, units);
      else if (cell == Cell.Simple) simpleRow(z, sums, h + offset, saved, units);
      else gruCandidateRow(z, ownProducts + floats(r, ownColumns), h + offset, saved, units);
      const y = outputAt(p, address(p, Recurrent.Target), row + r, step, t);
      if (y) copyUnits(h + offset, y, units);
    }
  }
  if (final) {
    const outputRow = floats(1, word(p, Recurrent.OutputRow));
    moveStates(final + <usize>row * outputRow, outputRow, true, rows, h, states, state, units);
  }
}

/** Where the output of a step lies; 0: nowhere. */
function outputAt(p: usize, y: usize, row: i32, step: i32, t: i32): usize {
  const units = word(p, Recurrent.Units);
  const flags = word(p, Recurrent.Flags);
  y += floats(row, word(p, Recurrent.OutputRow));
  if (flags & RecurrentFlag.Sequences) return y + floats(flags & RecurrentFlag.Reversed ? step : t, units);
  return step == word(p, Recurrent.Time) - 1 ? y : 0;
}

/** dh' = (gradient of the products) · recurrentKernelᵀ, from the last step to the first. */
function backward(p: usize, row: i32, rows: i32, kernel: usize): void {
  const cell = word(p, Recurrent.Cell);
  const units = word(p, Recurrent.Units);
  const time = word(p, Recurrent.Time);
  const flags = word(p, Recurrent.Flags);
  const gates = gatesOf(cell) * units;
  const columns = up(units, GEMM_PANEL);
  const two = cell == Cell.GruBefore;
  const joint = two ? 2 * units : gates;
  const state = floats(1, up(units, 4));
  const savedStep = <usize>savedOf(cell) * state;
  const padded = up(rows, GEMM_ROWS);
  const own = kernel + floats(columns, joint);
  const packed = own + (two ? floats(columns, units) : 0);
  const products = packed + floats(padded, gates);
  const ownProducts = products + floats(padded, columns);
  const carry = ownProducts + (two ? floats(padded, columns) : 0);
  const carried = carry + <usize>rows * state;
  const inner = carried + <usize>rows * state;
  const savedSteps = address(p, Recurrent.Saved);
  const target = address(p, Recurrent.Target);
  const inners = address(p, Recurrent.Inner);
  const mask = address(p, Recurrent.Mask);
  const drop = address(p, Recurrent.Dropout);
  const initial = address(p, Recurrent.Initial);
  const final = address(p, Recurrent.Final);
  const states = cell == Cell.Lstm ? carried : 0;
  // what a step hands down besides its products
  const carries = two || cell == Cell.Gru || mask || final;
  const statesRow = floats(states ? 2 : 1, units);

  memory.fill(products, 0, inner - products);
  if (final) {
    const outputRow = floats(1, word(p, Recurrent.OutputRow));
    moveStates(final + <usize>row * outputRow, outputRow, false, rows, carry, states, state, units);
  }
  for (let step = time - 1; step >= 0; step--) {
    const t = flags & RecurrentFlag.Backwards ? time - 1 - step : step;
    fetchRows(savedSteps + <usize>(row * time + t) * savedStep, <usize>time * savedStep, rows, savedStep);
    for (let r = 0; r < rows; r++) {
      const at = (row + r) * time + t;
      const saved = savedSteps + <usize>at * savedStep;
      const dz = target + floats(at, gates);
      const dh = products + floats(r, columns);
      const mine = inner + floats(r, gates);
      const offset = <usize>r * state;
      const dy = outputAt(p, address(p, Recurrent.Source), row + r, step, t);
      if (dy || carries) joinRow(dh, carry + offset, dy, units);
      if (masked(mask, at)) {
        copyUnits(dh, carry + offset, units);
        memory.fill(dz, 0, floats(1, gates));
        memory.fill(mine, 0, floats(1, gates));
      } else if (cell == Cell.Lstm) lstmRowGrad(dh, carried + offset, saved, dz, units);
      else if (cell == Cell.Simple) simpleRowGrad(dh, saved, dz, units);
      else if (two) gruCandidateRowGrad(dh, carry + offset, saved, dz, units);
      else gruRowGrad(dh, carry + offset, saved, dz, mine, units);
      if (inners) memory.copy(inners + floats(at, gates), mine, floats(1, gates));
    }
    const first = target + floats(row * time + t, gates);
    const stride = floats(time, gates);
    const productRow = floats(1, columns);
    if (two) {
      product(first + floats(2, units), stride, rows, units, packed, own, ownProducts, productRow, columns, 0, 0);
      for (let r = 0; r < rows; r++) {
        const at = (row + r) * time + t;
        if (masked(mask, at)) continue;
        const saved = savedSteps + <usize>at * savedStep;
        const dq = ownProducts + floats(r, columns);
        gruGatesRowGrad(dq, carry + <usize>r * state, saved, target + floats(at, gates), units);
      }
    }
    if (step == 0 && !initial) return;
    const from = cell == Cell.Gru ? inner : first;
    const fromRow = cell == Cell.Gru ? floats(1, gates) : stride;
    product(from, fromRow, rows, joint, packed, kernel, products, productRow, columns, 0, 0);
    if (!drop) continue;
    for (let r = 0; r < rows; r++) {
      if (masked(mask, (row + r) * time + t)) continue;
      const scale = drop + floats(row + r, units);
      scaleUnits(products + floats(r, columns), scale, units);
      scaleUnits(carry + <usize>r * state, scale, units);
    }
  }
  for (let r = 0; r < rows; r++) joinRow(products + floats(r, columns), carry + <usize>r * state, 0, units);
  for (let r = 0; r < rows; r++) copyUnits(products + floats(r, columns), carry + <usize>r * state, units);
  moveStates(initial + <usize>row * statesRow, statesRow, true, rows, carry, states, state, units);
}
