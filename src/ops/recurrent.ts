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
import type { RecurrenceAttributes } from './attributes.ts';
import { type Dimensions, gemmScratchBytes, isThin } from './matmul.ts';
import type { Emitter, Rules, Span } from './rule.ts';
import { BATCH, lastOf, type Shape, showShape, sizeOf, type Tensor } from './tensor.ts';

/** Of each cell: gates (columns of the kernels, in units) and arrays of a saved step, the state before last. */
export const CELLS: Readonly<Record<Cell, { readonly gates: number; readonly saved: number }>> = {
  [Cell.Lstm]: { gates: 4, saved: 7 },
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
  const forward = up(gates, GEMM_PANEL) * (units + rows) + rows * (units + 2 * savedStride(units));
  const backward = up(units, GEMM_PANEL) * (gates + rows) + rows * (gates + savedStride(units));
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
  tensors: { source: Tensor; saved: Tensor | undefined; target: Tensor },
  reads: Span[],
  writes: Span[],
): void {
  const { source, saved, target } = tensors;
  const units = kernel.shape[0]!;
  e.emit(
    op,
    {
      [Recurrent.Source]: e.address(source),
      [Recurrent.Kernel]: e.address(kernel),
      [Recurrent.Saved]: saved ? e.address(saved) : 0,
      [Recurrent.Target]: e.address(target),
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

/** Rows of the product that makes the gradient of the recurrent kernel: M = units, N = gates, K = batch · time. */
function kernelProduct(tensor: Tensor<'recurrentKernelGrad'>, batch: number): Dimensions {
  const dz = tensor.inputs[1]!;
  const columns = lastOf(dz.shape);
  return {
    M: columns / CELLS[tensor.attributes.cell].gates,
    N: columns,
    K: sizeOf(dz.shape, batch) / columns,
  };
}

export const recurrent: Rules<'secondResult' | 'recurrence' | 'recurrenceGrad' | 'recurrentKernelGrad'> = {
  secondResult: {
    shape: (_, { shape }) => [BATCH, ...shape],
    gradient: 'none',
    emit: 'none',
  },

  recurrence: {
    shape: ([z, kernel], { cell, sequences }, fail) => {
      const units = kernel!.shape[0]!;
      const columns = CELLS[cell].gates * units;
      if (z!.shape.length !== 3 || z!.shape[2] !== columns || kernel!.shape[1] !== columns) {
        fail(`cannot run a recurrent kernel ${showShape(kernel!.shape)} over ${showShape(z!.shape)}`);
      }
      return outputShape(z!.shape, units, sequences);
    },
    // backpropagation through time (Werbos 1990): dz in one pass, dkernel = the states before, transposed, · dz
    gradient: (tracer, tensor, dy) => {
      const { attributes, layer } = tensor;
      const [z, kernel] = tensor.inputs as [Tensor, Tensor];
      const { cell } = attributes;
      const units = kernel.shape[0]!;
      const time = z.shape[1]!;
      const shape = [time, CELLS[cell].saved * savedStride(units)];
      const saved = tracer.add(
        'secondResult',
        [tensor as unknown as Tensor],
        { shape },
        layer,
      ) as unknown as Tensor;
      const dz = tracer.add('recurrenceGrad', [dy, saved, kernel], attributes, layer) as unknown as Tensor;
      return [
        [z, dz],
        [kernel, tracer.add('recurrentKernelGrad', [saved, dz], { cell }, layer)],
      ];
    },
    workspace: ({ inputs, attributes }, batch) => scratchBytes(batch, inputs[1]!.shape[0]!, attributes.cell),
    emit: (e, { tensor, output, second }) => {
      const [z, kernel] = tensor.inputs as [Tensor, Tensor];
      const tensors = { source: z, saved: second, target: output };
      const writes = [e.span(output), ...(second ? [e.span(second)] : [])];
      emitRecurrence(
        e,
        Op.Recurrence,
        tensor.attributes,
        z.shape[1]!,
        kernel,
        tensors,
        [e.span(z), e.span(kernel)],
        writes,
      );
    },
  },

  recurrenceGrad: {
    shape: ([, saved, kernel]) => [BATCH, saved!.shape[1]!, kernel!.shape[1]!],
    gradient: 'none',
    workspace: ({ inputs, attributes }, batch) => scratchBytes(batch, inputs[2]!.shape[0]!, attributes.cell),
    emit: (e, { tensor, output }) => {
      const [dy, saved, kernel] = tensor.inputs as [Tensor, Tensor, Tensor];
      const reads = tensor.inputs.map((input) => e.span(input));
      const tensors = { source: dy, saved, target: output };
      emitRecurrence(e, Op.RecurrenceGrad, tensor.attributes, saved.shape[1]!, kernel, tensors, reads, [
        e.span(output),
      ]);
    },
  },

  recurrentKernelGrad: {
    shape: ([, dz], { cell }) => [lastOf(dz!.shape) / CELLS[cell].gates, lastOf(dz!.shape)],
    gradient: 'none',
    workspace: (tensor, batch) => {
      const size = kernelProduct(tensor, batch);
      return isThin(size) ? 0 : gemmScratchBytes(size);
    },
    emit: (e, { tensor, output }) => {
      const [saved, dz] = tensor.inputs as [Tensor, Tensor];
      const size = kernelProduct(tensor, e.batch);
      const thin = isThin(size);
      const arrays = CELLS[tensor.attributes.cell].saved;
      const stride = savedStride(size.M);
      e.emit(
        thin ? Op.ThinGemm : Op.Gemm,
        {
          [Gemm.A]: e.address(saved) + (arrays - 1) * stride * 4,
          [Gemm.AStride]: arrays * stride,
          [Gemm.B]: e.address(dz),
          [Gemm.BStride]: size.N,
          [Gemm.C]: e.address(output),
          [Gemm.CStride]: size.N,
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
    },
  },
};
