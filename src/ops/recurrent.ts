import { GEMM_PANEL, GEMM_ROWS, Gemm, GemmFlag } from '../../assembly/tape/dense.ts';
import { Cell, RECURRENT_ROWS, Recurrent, RecurrentFlag } from '../../assembly/tape/sequence.ts';
import { Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import type { OpName, RecurrenceAttributes, RecurrentExtra } from './attributes.ts';
import { emitReduce } from './broadcast.ts';
import { type Dimensions, gemmScratchBytes, isThin } from './matmul.ts';
import type { Emitter, Rules, Span } from './rule.ts';
import { BATCH, lastOf, type Shape, sameShape, showShape, sizeOf, type Tensor } from './tensor.ts';

/** Of each cell: gates (columns of the kernels, in units), arrays of a saved step, the state before last, and states. */
export const CELLS: Readonly<
  Record<Cell, { readonly gates: number; readonly saved: number; readonly states: number }>
> = {
  [Cell.Lstm]: { gates: 4, saved: 7, states: 2 },
  [Cell.Gru]: { gates: 3, saved: 5, states: 1 },
  [Cell.GruBefore]: { gates: 3, saved: 5, states: 1 },
  [Cell.Simple]: { gates: 1, saved: 2, states: 1 },
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
  const { gates: count, saved } = CELLS[cell];
  const gates = count * units;
  const rows = up(Math.min(batch, RECURRENT_ROWS), GEMM_ROWS);
  const state = savedStride(units);
  // the kernel of GruBefore is packed in two parts, each padded to a panel
  const columns = up(gates, GEMM_PANEL) + GEMM_PANEL;
  const forward = columns * (units + rows) + rows * (units + (2 + saved) * state);
  const backward = up(units, GEMM_PANEL) * (gates + 2 * rows) + rows * (2 * gates + 2 * state);
  return up(Math.max(forward, backward) * 4, 64);
}

function outputFloats(time: number, units: number, { cell, sequences, final }: RecurrenceAttributes): number {
  return ((sequences ? time : 1) + (final ? CELLS[cell].states : 0)) * units;
}

function outputShape([batch, time]: Shape, units: number, attributes: RecurrenceAttributes): Shape {
  if (attributes.final) return [batch!, outputFloats(time!, units, attributes)];
  return attributes.sequences ? [batch!, time!, units] : [batch!, units];
}

/** Of the inputs behind the kernel, by name. */
function extrasOf(
  { extras }: RecurrenceAttributes,
  inputs: readonly Tensor[],
): Partial<Record<RecurrentExtra, Tensor>> {
  return Object.fromEntries(extras.map((name, i) => [name, inputs[i]!]));
}

function emitRecurrence(
  e: Emitter,
  op: Op.Recurrence | Op.RecurrenceGrad,
  attributes: RecurrenceAttributes,
  time: number,
  tensors: {
    source: Tensor;
    kernel: Tensor;
    saved: Tensor | undefined;
    target: Tensor;
    inner?: Tensor | undefined;
    initial?: Tensor | undefined;
    /** y or dy */
    output: Tensor;
  } & Partial<Record<RecurrentExtra, Tensor>>,
  reads: Span[],
  writes: Span[],
): void {
  const { cell, activation, gateActivation, sequences, backwards, reversed, final } = attributes;
  const units = tensors.kernel.shape[0]!;
  const at = (tensor: Tensor | undefined): number => (tensor ? e.address(tensor) : 0);
  const outputs = sequences ? time : 1;
  e.emit(
    op,
    {
      [Recurrent.Source]: at(tensors.source),
      [Recurrent.Kernel]: at(tensors.kernel),
      [Recurrent.Bias]: at(tensors.bias),
      [Recurrent.Saved]: at(tensors.saved),
      [Recurrent.Target]: at(tensors.target),
      [Recurrent.Inner]: at(tensors.inner),
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
      [Recurrent.Mask]: at(tensors.mask),
      [Recurrent.Dropout]: at(tensors.dropout),
      [Recurrent.Initial]: at(tensors.initial),
      [Recurrent.OutputRow]: outputFloats(time, units, attributes),
      [Recurrent.Final]: final ? at(tensors.output) + outputs * units * 4 : 0,
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

export const recurrentOps: Rules<
  'secondResult' | 'recurrence' | 'recurrenceGrad' | 'recurrentKernelGrad' | 'recurrentBiasGrad'
> = {
  secondResult: {
    name: 'secondResult',
    shape: (_, { shape, whole }) => (whole ? shape : [BATCH, ...shape]),
    gradient: 'none',
    emit: 'none',
  },

  recurrence: {
    name: 'recurrence',
    family: families.sequence,
    shape: ([z, kernel, ...rest], attributes, fail) => {
      const { cell } = attributes;
      const { bias, mask, state, dropout } = extrasOf(attributes, rest);
      const units = kernel!.shape[0]!;
      const columns = CELLS[cell].gates * units;
      if (z!.shape.length !== 3 || z!.shape[2] !== columns || kernel!.shape[1] !== columns) {
        fail(`cannot run a recurrent kernel ${showShape(kernel!.shape)} over ${showShape(z!.shape)}`);
      }
      if (bias && (cell !== Cell.Gru || !sameShape(bias.shape, [2, columns]))) {
        fail(`cannot add a bias of ${showShape(bias.shape)} to the products of a recurrent layer`);
      }
      for (const [what, tensor, wanted] of [
        ['mask', mask, z!.shape[1]!],
        ['initial state', state, CELLS[cell].states * units],
        ['recurrent dropout', dropout, units],
      ] as const) {
        if (tensor && !sameShape(tensor.shape.slice(1), [wanted])) {
          fail(`the ${what} has shape ${showShape(tensor.shape)}; it must be ${showShape([BATCH, wanted])}`);
        }
      }
      return outputShape(z!.shape, units, attributes);
    },
    // backpropagation through time (Werbos 1990): dz in one pass, dkernel = the states before, transposed, · d(product)
    gradient: (tracer, tensor, dy) => {
      const { attributes, layer } = tensor;
      const [z, kernel, ...rest] = tensor.inputs as [Tensor, Tensor, ...Tensor[]];
      const { cell, extras } = attributes;
      const { bias, state } = extrasOf(attributes, rest);
      const units = kernel.shape[0]!;
      const time = z.shape[1]!;
      const second = (of: Tensor<OpName>, shape: number[], third?: true): Tensor =>
        tracer.add(
          recurrentOps.secondResult,
          [of],
          { shape, ...(third && { third }) },
          layer,
        ) as unknown as Tensor;
      const saved = second(tensor as unknown as Tensor, [time, CELLS[cell].saved * savedStride(units)]);
      const dz = tracer.add(
        recurrentOps.recurrenceGrad,
        [dy, saved, kernel, ...rest.filter((input) => input !== bias)],
        { ...attributes, extras: extras.filter((name) => name !== 'bias') },
        layer,
      ) as unknown as Tensor;
      const inner = cell === Cell.Gru ? second(dz, [time, CELLS[cell].gates * units]) : dz;
      const kernelGrad = tracer.add(recurrentOps.recurrentKernelGrad, [saved, inner], { cell }, layer);
      const biasGrad = bias && tracer.add(recurrentOps.recurrentBiasGrad, [dz, inner], {}, layer);
      return [
        [z, dz],
        [kernel, kernelGrad],
        ...(bias && biasGrad ? [[bias, biasGrad] as const] : []),
        ...(state ? [[state, second(dz, state.shape.slice(1), true)] as const] : []),
      ];
    },
    workspace: ({ inputs, attributes }, batch) => scratchBytes(batch, inputs[1]!.shape[0]!, attributes.cell),
    emit: (e, { tensor, output, second }) => {
      const [z, kernel, ...rest] = tensor.inputs as [Tensor, Tensor, ...Tensor[]];
      const extras = extrasOf(tensor.attributes, rest);
      emitRecurrence(
        e,
        Op.Recurrence,
        tensor.attributes,
        z.shape[1]!,
        { ...extras, source: z, kernel, saved: second, target: output, initial: extras.state, output },
        tensor.inputs.map((input) => e.span(input)),
        [e.span(output), ...(second ? [e.span(second)] : [])],
      );
    },
  },

  recurrenceGrad: {
    name: 'recurrenceGrad',
    family: families.sequence,
    shape: ([, saved, kernel]) => [BATCH, saved!.shape[1]!, kernel!.shape[1]!],
    gradient: 'none',
    workspace: ({ inputs, attributes }, batch) => scratchBytes(batch, inputs[2]!.shape[0]!, attributes.cell),
    emit: (e, { tensor, output, second, third }) => {
      const [dy, saved, kernel, ...rest] = tensor.inputs as [Tensor, Tensor, Tensor, ...Tensor[]];
      emitRecurrence(
        e,
        Op.RecurrenceGrad,
        tensor.attributes,
        saved.shape[1]!,
        {
          ...extrasOf(tensor.attributes, rest),
          ...{ source: dy, kernel, saved, target: output, inner: second, initial: third, output: dy },
        },
        tensor.inputs.map((input) => e.span(input)),
        [e.span(output), ...(second ? [e.span(second)] : []), ...(third ? [e.span(third)] : [])],
      );
    },
  },

  recurrentKernelGrad: {
    name: 'recurrentKernelGrad',
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
            [Gemm.Sums]: 0,
          },
          Gemm.Length,
          [e.span(saved), e.span(dz)],
          [e.span(output), ...(thin ? [] : [e.workspace])],
        );
      }
    },
  },

  recurrentBiasGrad: {
    name: 'recurrentBiasGrad',
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
