import {
  Cell,
  GEMM_PANEL,
  GEMM_ROWS,
  Gemm,
  GemmFlag,
  Op,
  RECURRENT_ROWS,
  Recurrent,
  RecurrentFlag,
} from '../../assembly/tape.ts';
import type { OpName, RecurrenceAttributes } from './attributes.ts';
import { emitReduce } from './broadcast.ts';
import { type Dimensions, gemmScratchBytes, isThin } from './matmul.ts';
import type { Emitter, Rules, Span } from './rule.ts';
import { BATCH, lastOf, type Shape, sameShape, showShape, sizeOf, type Tensor } from './tensor.ts';

/** Of each cell: gates (columns of the kernels, in units) and arrays of a saved step, the state before last. */
export const CELLS: Readonly<Record<Cell, { readonly gates: number; readonly saved: number }>> = {
  [Cell.Lstm]: { gates: 4, saved: 7 },
  [Cell.Gru]: { gates: 3, saved: 5 },
  [Cell.GruBefore]: { gates: 3, saved: 5 },
  [Cell.Simple]: { gates: 1, saved: 2 },
};

function up(n: number, unit: number): number {
  return Math.ceil(n / unit) * unit;
}

/** Floats from one saved array of a step to the next. */
export function savedStride(units: number): number {
  return up(units, 4);
}

/** Bytes that a thread needs: the layouts of assembly/kernels/recurrent.ts. */
function scratchBytes(batch: number, units: number, cell: Cell): number {
  const gates = CELLS[cell].gates * units;
  const rows = up(Math.min(batch, RECURRENT_ROWS), GEMM_ROWS);
  const state = savedStride(units);
  // the kernel of GruBefore is packed in two parts, each padded to a panel
  const columns = up(gates, GEMM_PANEL) + GEMM_PANEL;
  const forward = columns * (units + rows) + rows * (units + 2 * state);
  const backward = up(units, GEMM_PANEL) * (gates + 2 * rows) + rows * (2 * gates + state);
  return up(Math.max(forward, backward) * 4, 64);
}

function outputShape([batch, time]: Shape, units: number, sequences: boolean): Shape {
  return sequences ? [batch!, time!, units] : [batch!, units];
}

function emitRecurrence(
  e: Emitter,
  op: Op.Recurrence | Op.RecurrenceGrad,
  { cell, activation, gateActivation, sequences, backwards, reversed }: RecurrenceAttributes,
  time: number,
  kernel: Tensor,
  tensors: {
    source: Tensor;
    bias?: Tensor | undefined;
    saved: Tensor | undefined;
    target: Tensor;
    inner?: Tensor | undefined;
  },
  reads: Span[],
  writes: Span[],
): void {
  const { source, bias, saved, target, inner } = tensors;
  const units = kernel.shape[0]!;
  e.emit(
    op,
    {
      [Recurrent.Source]: e.address(source),
      [Recurrent.Kernel]: e.address(kernel),
      [Recurrent.Bias]: bias ? e.address(bias) : 0,
      [Recurrent.Saved]: saved ? e.address(saved) : 0,
      [Recurrent.Target]: e.address(target),
      [Recurrent.Inner]: inner ? e.address(inner) : 0,
      [Recurrent.Rows]: e.batch,
      [Recurrent.Time]: time,
      [Recurrent.Units]: units,
      [Recurrent.Cell]: cell,
      [Recurrent.Activation]: activation.kind,
      [Recurrent.Alpha]: { f32: activation.alpha },
      [Recurrent.GateActivation]: gateActivation.kind,
      [Recurrent.GateAlpha]: { f32: gateActivation.alpha },
      [Recurrent.Flags]:
        (sequences ? RecurrentFlag.Sequences : 0) |
        (backwards ? RecurrentFlag.Backwards : 0) |
        (reversed ? RecurrentFlag.Reversed : 0),
      [Recurrent.Scratch]: e.workspace.start,
      [Recurrent.ScratchBytes]: scratchBytes(e.batch, units, cell),
    },
    Recurrent.Length,
    reads,
    [...writes, e.workspace],
  );
}

/** Products of some columns of the recurrent kernel's gradient: aᵀ · dz, a an array of the saved steps. */
interface Part {
  readonly array: number;
  readonly column: number;
  readonly size: Dimensions;
}

function kernelParts(tensor: Tensor<'recurrentKernelGrad'>, batch: number): readonly Part[] {
  const { cell } = tensor.attributes;
  const { gates, saved } = CELLS[cell];
  const dz = tensor.inputs[1]!;
  const columns = lastOf(dz.shape);
  const units = columns / gates;
  const part = (array: number, column: number, N: number): Part => ({
    array,
    column,
    size: { M: units, N, K: sizeOf(dz.shape, batch) / columns },
  });
  // the candidate of GruBefore comes from r h', not from h'
  if (cell === Cell.GruBefore) return [part(saved - 1, 0, 2 * units), part(saved - 2, 2 * units, units)];
  return [part(saved - 1, 0, columns)];
}

export const recurrent: Rules<
  'secondResult' | 'recurrence' | 'recurrenceGrad' | 'recurrentKernelGrad' | 'recurrentBiasGrad'
> = {
  secondResult: {
    shape: (_, { shape }) => [BATCH, ...shape],
    gradient: 'none',
    emit: 'none',
  },

  recurrence: {
    shape: ([z, kernel, bias], { cell, sequences }, fail) => {
      const units = kernel!.shape[0]!;
      const columns = CELLS[cell].gates * units;
      if (z!.shape.length !== 3 || z!.shape[2] !== columns || kernel!.shape[1] !== columns) {
        fail(`cannot run a recurrent kernel ${showShape(kernel!.shape)} over ${showShape(z!.shape)}`);
      }
      if (bias && (cell !== Cell.Gru || !sameShape(bias.shape, [2, columns]))) {
        fail(`cannot add a bias of ${showShape(bias.shape)} to the products of a recurrent layer`);
      }
      return outputShape(z!.shape, units, sequences);
    },
    // backpropagation through time (Werbos 1990): dz in one pass, dkernel = the states before, transposed, · d(product)
    gradient: (tracer, tensor, dy) => {
      const { attributes, layer } = tensor;
      const [z, kernel, bias] = tensor.inputs as [Tensor, Tensor, Tensor?];
      const { cell } = attributes;
      const units = kernel.shape[0]!;
      const time = z.shape[1]!;
      const second = (of: Tensor<OpName>, columns: number): Tensor =>
        tracer.add('secondResult', [of], { shape: [time, columns] }, layer) as unknown as Tensor;
      const saved = second(tensor as unknown as Tensor, CELLS[cell].saved * savedStride(units));
      const dz = tracer.add('recurrenceGrad', [dy, saved, kernel], attributes, layer) as unknown as Tensor;
      const inner = cell === Cell.Gru ? second(dz, CELLS[cell].gates * units) : dz;
      const kernelGrad = tracer.add('recurrentKernelGrad', [saved, inner], { cell }, layer);
      const biasGrad = bias && tracer.add('recurrentBiasGrad', [dz, inner], {}, layer);
      return [[z, dz], [kernel, kernelGrad], ...(bias && biasGrad ? [[bias, biasGrad] as const] : [])];
    },
    workspace: ({ inputs, attributes }, batch) => scratchBytes(batch, inputs[1]!.shape[0]!, attributes.cell),
    emit: (e, { tensor, output, second }) => {
      const [z, kernel, bias] = tensor.inputs as [Tensor, Tensor, Tensor?];
      const tensors = { source: z, bias, saved: second, target: output };
      const writes = [e.span(output), ...(second ? [e.span(second)] : [])];
      emitRecurrence(
        e,
        Op.Recurrence,
        tensor.attributes,
        z.shape[1]!,
        kernel,
        tensors,
        tensor.inputs.map((input) => e.span(input)),
        writes,
      );
    },
  },

  recurrenceGrad: {
    shape: ([, saved, kernel]) => [BATCH, saved!.shape[1]!, kernel!.shape[1]!],
    gradient: 'none',
    workspace: ({ inputs, attributes }, batch) => scratchBytes(batch, inputs[2]!.shape[0]!, attributes.cell),
    emit: (e, { tensor, output, second }) => {
      const [dy, saved, kernel] = tensor.inputs as [Tensor, Tensor, Tensor];
      const reads = tensor.inputs.map((input) => e.span(input));
      const tensors = { source: dy, saved, target: output, inner: second };
      emitRecurrence(e, Op.RecurrenceGrad, tensor.attributes, saved.shape[1]!, kernel, tensors, reads, [
        e.span(output),
        ...(second ? [e.span(second)] : []),
      ]);
    },
  },

  recurrentKernelGrad: {
    shape: ([, dz], { cell }) => [lastOf(dz!.shape) / CELLS[cell].gates, lastOf(dz!.shape)],
    gradient: 'none',
    workspace: (tensor, batch) =>
      Math.max(...kernelParts(tensor, batch).map(({ size }) => (isThin(size) ? 0 : gemmScratchBytes(size)))),
    emit: (e, { tensor, output }) => {
      const [saved, dz] = tensor.inputs as [Tensor, Tensor];
      const columns = lastOf(dz.shape);
      for (const { array, column, size } of kernelParts(tensor, e.batch)) {
        const thin = isThin(size);
        const stride = savedStride(size.M);
        e.emit(
          thin ? Op.ThinGemm : Op.Gemm,
          {
            [Gemm.A]: e.address(saved) + array * stride * 4,
            [Gemm.AStride]: lastOf(saved.shape),
            [Gemm.B]: e.address(dz) + column * 4,
            [Gemm.BStride]: columns,
            [Gemm.C]: e.address(output) + column * 4,
            [Gemm.CStride]: columns,
            [Gemm.M]: size.M,
            [Gemm.N]: size.N,
            [Gemm.K]: size.K,
            [Gemm.Flags]: GemmFlag.TransposedA,
            [Gemm.Bias]: 0,
            [Gemm.Activation]: 0,
            [Gemm.Alpha]: { f32: 0 },
            [Gemm.Reference]: 0,
            [Gemm.Scratch]: e.workspace.start,
            [Gemm.ScratchBytes]: thin ? 0 : gemmScratchBytes(size),
          },
          Gemm.Length,
          [e.span(saved), e.span(dz)],
          [e.span(output), ...(thin ? [] : [e.workspace])],
        );
      }
    },
  },

  recurrentBiasGrad: {
    shape: ([dz]) => [2, lastOf(dz!.shape)],
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const columns = lastOf(output.shape);
      tensor.inputs.forEach((of, i) => {
        const start = e.address(output) + i * columns * 4;
        const target = { start, end: start + columns * 4 };
        emitReduce(e, of, target, { outer: 1, reduced: e.rows(of), inner: columns });
      });
    },
  },
};
