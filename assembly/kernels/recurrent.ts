import { address, float, word } from '../fields';
import { GEMM_PANEL, GEMM_ROWS, RECURRENT_ROWS, Recurrent, RecurrentFlag } from '../tape';
import { first, last, thread } from '../threads';
import { lstmRow, lstmRowGrad, useActivations } from './cells';
import { packPanels, packRows, turnPanels } from './pack';
import { tiles8 } from './tiles';

/*
 * A recurrent layer through all time in one instruction. Threads share the rows, which do not meet: no barrier stands
 * between time steps. The recurrent kernel is packed once; a step is a product of whole tiles in scratch, whose padding
 * is zero, and a pass over the rows (cells.ts). The products with the input, before, and those that make the gradients
 * of kernels and biases, after, are matrix products over all times at once.
 *
 *   scratch of a thread:  | packed kernel | packed states | products, [rows][columns] | states h, c: [rows][units] each |
 */

const GATES = 4;
const SAVED = 7;

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

/** c [rows, columns] = a [rows, k] · the packed kernel; all padded to whole tiles. */
function product(
  a: usize,
  aStride: usize,
  rows: i32,
  k: i32,
  packed: usize,
  kernel: usize,
  c: usize,
  columns: i32,
): void {
  packRows(a, aStride, rows, k, packed);
  const groups = up(rows, GEMM_ROWS) / GEMM_ROWS;
  const stride = <usize>columns << 2;
  const panel = <usize>k << 5;
  for (; columns > 0; columns -= GEMM_PANEL, kernel += panel, c += GEMM_PANEL * 4) {
    tiles8(packed, kernel, c, stride, groups, k, 0, 0);
  }
}

export function recurrence(p: usize): void {
  const to = last(word(p, Recurrent.Rows), GEMM_ROWS);
  let row = first(word(p, Recurrent.Rows), GEMM_ROWS);
  if (row >= to) return;
  useActivations(
    word(p, Recurrent.Activation),
    float(p, Recurrent.Alpha),
    word(p, Recurrent.GateActivation),
    float(p, Recurrent.GateAlpha),
  );
  const units = word(p, Recurrent.Units);
  const columns = GATES * units;
  const kernel = address(p, Recurrent.Scratch) + <usize>thread * address(p, Recurrent.ScratchBytes);
  packPanels(address(p, Recurrent.Kernel), floats(1, columns), columns, units, kernel);
  for (; row < to; row += RECURRENT_ROWS) forward(p, row, min<i32>(RECURRENT_ROWS, to - row), kernel);
}

/** Some rows through all time. */
function forward(p: usize, row: i32, rows: i32, kernel: usize): void {
  const units = word(p, Recurrent.Units);
  const time = word(p, Recurrent.Time);
  const flags = word(p, Recurrent.Flags);
  const columns = up(GATES * units, GEMM_PANEL);
  const state = floats(1, up(units, 4));
  const packed = kernel + floats(columns, units);
  const products = packed + floats(up(rows, GEMM_ROWS), units);
  const h = products + floats(up(rows, GEMM_ROWS), columns);
  const c = h + <usize>rows * state;
  const z = address(p, Recurrent.Source);
  const y = address(p, Recurrent.Target);
  const saved = address(p, Recurrent.Saved);

  memory.fill(products, 0, h - products + 2 * <usize>rows * state);
  for (let step = 0; step < time; step++) {
    const t = flags & RecurrentFlag.Backwards ? time - 1 - step : step;
    if (step) product(h, state, rows, units, packed, kernel, products, columns);
    for (let r = 0; r < rows; r++) {
      const at = (row + r) * time + t;
      lstmRow(
        z + floats(at, GATES * units),
        products + floats(r, columns),
        c + <usize>r * state,
        h + <usize>r * state,
        saved ? saved + <usize>at * SAVED * state : 0,
        outputAt(y, row + r, step, t, time, units, flags),
        units,
      );
    }
  }
}

/** Where the output of a step lies; 0: nowhere. */
function outputAt(y: usize, row: i32, step: i32, t: i32, time: i32, units: i32, flags: i32): usize {
  if (flags & RecurrentFlag.Sequences) {
    return y + floats(row * time + (flags & RecurrentFlag.Reversed ? step : t), units);
  }
  return step == time - 1 ? y + floats(row, units) : 0;
}

export function recurrenceGrad(p: usize): void {
  const to = last(word(p, Recurrent.Rows), GEMM_ROWS);
  let row = first(word(p, Recurrent.Rows), GEMM_ROWS);
  if (row >= to) return;
  useActivations(
    word(p, Recurrent.Activation),
    float(p, Recurrent.Alpha),
    word(p, Recurrent.GateActivation),
    float(p, Recurrent.GateAlpha),
  );
  const units = word(p, Recurrent.Units);
  const columns = GATES * units;
  const kernel = address(p, Recurrent.Scratch) + <usize>thread * address(p, Recurrent.ScratchBytes);
  turnPanels(address(p, Recurrent.Kernel), floats(1, columns), units, columns, kernel);
  for (; row < to; row += RECURRENT_ROWS) backward(p, row, min<i32>(RECURRENT_ROWS, to - row), kernel);
}

/** dh' = dz · recurrentKernelᵀ, from the last step to the first. */
function backward(p: usize, row: i32, rows: i32, kernel: usize): void {
  const units = word(p, Recurrent.Units);
  const time = word(p, Recurrent.Time);
  const flags = word(p, Recurrent.Flags);
  const columns = up(units, GEMM_PANEL);
  const gates = GATES * units;
  const state = floats(1, up(units, 4));
  const packed = kernel + floats(columns, gates);
  const products = packed + floats(up(rows, GEMM_ROWS), gates);
  const carry = products + floats(up(rows, GEMM_ROWS), columns);
  const dy = address(p, Recurrent.Source);
  const saved = address(p, Recurrent.Saved);
  const dz = address(p, Recurrent.Target);

  memory.fill(products, 0, carry - products + <usize>rows * state);
  for (let step = time - 1; step >= 0; step--) {
    const t = flags & RecurrentFlag.Backwards ? time - 1 - step : step;
    for (let r = 0; r < rows; r++) {
      const at = (row + r) * time + t;
      lstmRowGrad(
        outputAt(dy, row + r, step, t, time, units, flags),
        products + floats(r, columns),
        carry + <usize>r * state,
        saved + <usize>at * SAVED * state,
        dz + floats(at, gates),
        units,
      );
    }
    if (step) {
      product(dz + floats(row * time + t, gates), floats(time, gates), rows, gates, packed, kernel, products, columns);
    }
  }
}
