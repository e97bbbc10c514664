import { Activation } from '../../assembly/tape/dense.ts';
import { Cell } from '../../assembly/tape/sequence.ts';
import type { RecurrenceAttributes, RecurrentExtra } from '../../src/ops/attributes.ts';
import { CELLS, recurrentOps, savedStride } from '../../src/ops/recurrent.ts';
import { BATCH, type Tensor } from '../../src/ops/tensor.ts';
import { make, type Numbers, uniform } from '../reference/numbers.ts';
import * as twins from '../reference/recurrent.ts';
import { exact, type Tracked } from '../reference/tracked.ts';
import { COLUMNS, matrix, type Operand, ROWS, type Rows, type Size, tensor } from './row.ts';

const TANH = { kind: Activation.Tanh, alpha: 0 };
const SIGMOID = { kind: Activation.Sigmoid, alpha: 0 };
const SOFTSIGN = { kind: Activation.Softsign, alpha: 0 };

const LAST = {
  ...{ sequences: false, backwards: false, reversed: false, final: false },
  extras: [] as readonly RecurrentExtra[],
};
const FULL = { final: true, extras: ['mask', 'state', 'dropout'] as const };
const ALL = { ...LAST, sequences: true };

/**
 * The smallest radius within which no operand meets a singularity: tanh and sigmoid have theirs at pi/2 i and pi i, and
 * a change of 1/4 in one element moves no later sum by more than 1 (states stay below 1, kernels below 1 / units);
 * softsign is smooth on either side of 0 only, its second derivative jumps.
 */
const REACH = 0.25;

const usual = { activation: TANH, gateActivation: SIGMOID };

const variants = [
  { name: 'lstm', attributes: { cell: Cell.Lstm, ...usual, ...LAST } },
  { name: 'lstm, backwards', attributes: { cell: Cell.Lstm, ...usual, ...ALL, backwards: true } },
  {
    name: 'lstm, backwards, reversed, other activations',
    attributes: {
      cell: Cell.Lstm,
      activation: SOFTSIGN,
      gateActivation: TANH,
      ...ALL,
      backwards: true,
      reversed: true,
    },
    smooth: false as const,
  },
  { name: 'gru, reset after', attributes: { cell: Cell.Gru, ...usual, ...ALL, extras: ['bias' as const] } },
  { name: 'gru, reset before', attributes: { cell: Cell.GruBefore, ...usual, ...ALL, backwards: true } },
  { name: 'simple', attributes: { cell: Cell.Simple, ...usual, ...LAST } },
  { name: 'lstm with mask, states and dropout', attributes: { cell: Cell.Lstm, ...usual, ...ALL, ...FULL } },
  {
    name: 'gru with bias, mask, states and dropout',
    attributes: {
      cell: Cell.Gru,
      ...usual,
      ...ALL,
      final: true,
      extras: ['bias', 'mask', 'state', 'dropout'] as const,
    },
  },
  {
    name: 'gru, reset before, with mask, states and dropout',
    attributes: { cell: Cell.GruBefore, ...usual, ...LAST, ...FULL, backwards: true },
  },
  {
    name: 'simple with mask and dropout',
    attributes: { cell: Cell.Simple, ...usual, ...ALL, extras: ['mask', 'dropout'] as const },
  },
].map((variant) => ({ ...variant, reach: REACH }));

/** At most nine steps, and fewer units for many rows: the twin's time grows with batch · time · units². */
function sizeOf({ rows, columns, inner }: Size): twins.RecurrentSize {
  return {
    batch: rows,
    time: Math.min(Math.max(inner, 1), 9),
    units: rows > 16 ? Math.min(columns, 17) : columns,
  };
}

const tracked = (values: Numbers): Tracked[] => make(values.length, (i) => exact(values[i]!));
const valuesOf = (all: readonly Tracked[]): number[] => all.map(({ value }) => value);
const errorsOf = (all: readonly Tracked[]): number[] => all.map(({ error }) => error);

function projected(size: Size, cell: Cell, random: () => number): Operand {
  const { batch, time, units } = sizeOf(size);
  return tensor([BATCH, time, CELLS[cell].gates * units], batch, (n) => uniform(random, n));
}

function kernelOf(size: Size, cell: Cell, random: () => number): Operand {
  const { units } = sizeOf(size);
  const limit = 1 / units;
  return tensor([units, CELLS[cell].gates * units], 1, (n) => uniform(random, n, -limit, limit));
}

/** Saved steps as a forward pass makes them, rounded to float32. */
function savedOf(
  size: Size,
  attributes: RecurrenceAttributes,
  random: () => number,
  kernel: Operand,
): Operand {
  const z = projected(size, attributes.cell, random);
  const { saved } = twins.recurrence(tracked(z.values), tracked(kernel.values), sizeOf(size), attributes);
  const { batch, time, units } = sizeOf(size);
  const shape = [BATCH, time, CELLS[attributes.cell].saved * savedStride(units)];
  return { ...tensor(shape, batch, () => Float32Array.from(valuesOf(saved))), wanted: false };
}

function outputs(
  size: Size,
  { cell, sequences, final }: RecurrenceAttributes,
  random: () => number,
): Operand {
  const { batch, time, units } = sizeOf(size);
  const last = ((sequences ? time : 1) + CELLS[cell].states) * units;
  const shape = final ? [BATCH, last] : sequences ? [BATCH, time, units] : [BATCH, units];
  return tensor(shape, batch, (n) => uniform(random, n), false);
}

/** The inputs behind the kernel; of the mask every third step or so is left out, of the states one in four dropped. */
function extraOperands(
  size: Size,
  { cell, extras }: RecurrenceAttributes,
  random: () => number,
  wanted = true,
): Operand[] {
  const { batch, time, units } = sizeOf(size);
  const chosen = (n: number, share: number, value: number): Float32Array =>
    Float32Array.from({ length: n }, () => (random() < share ? 0 : value));
  const make: Readonly<Record<RecurrentExtra, () => Operand>> = {
    bias: () => tensor([2, 3 * units], 1, (n) => uniform(random, n, -0.5, 0.5), wanted),
    mask: () => tensor([BATCH, time], batch, (n) => chosen(n, 0.3, 1), false),
    state: () => tensor([BATCH, CELLS[cell].states * units], batch, (n) => uniform(random, n), wanted),
    dropout: () => tensor([BATCH, units], batch, (n) => chosen(n, 0.25, 4 / 3), false),
  };
  return extras.map((name) => make[name]());
}

const from1 = (n: number): number => Math.max(n, 1);
const tails = [
  (n: number): Size => ({ rows: from1(n), columns: 5, inner: 2 }),
  (n: number): Size => ({ rows: 3, columns: from1(n), inner: 2 }),
];

const extrasOf = ({ extras }: RecurrenceAttributes, inputs: readonly Numbers[]): twins.Extras =>
  Object.fromEntries(extras.map((name, i) => [name, tracked(inputs[i]!)]));

function forward(inputs: readonly Numbers[], attributes: RecurrenceAttributes, size: Size) {
  const [z, kernel] = inputs.map(tracked) as [Tracked[], Tracked[]];
  return twins.recurrence(z, kernel, sizeOf(size), attributes, extrasOf(attributes, inputs.slice(2)));
}

function backward(inputs: readonly Numbers[], attributes: RecurrenceAttributes, size: Size) {
  const [dy, saved, kernel] = inputs.map(tracked) as [Tracked[], Tracked[], Tracked[]];
  const extras = extrasOf(attributes, inputs.slice(3));
  return twins.recurrenceGrad(dy, saved, kernel, sizeOf(size), attributes, extras).dz;
}

/** Gradients of z, the kernel, the bias and the states, from the twin's own steps. */
function whole(inputs: readonly Numbers[], attributes: RecurrenceAttributes, dy: Numbers, size: Size) {
  const { saved } = forward(inputs, attributes, size);
  const shape = sizeOf(size);
  const extras = extrasOf(attributes, inputs.slice(2));
  const { dz, inner, dstate } = twins.recurrenceGrad(
    tracked(dy),
    saved,
    tracked(inputs[1]!),
    shape,
    attributes,
    extras,
  );
  const dkernel = twins.recurrentKernelGrad(saved, inner, shape, attributes.cell);
  const columns = CELLS[attributes.cell].gates * shape.units;
  return [
    ...[dz, dkernel],
    ...(extras.bias ? [twins.recurrentBiasGrad(dz, inner, columns)] : []),
    ...(extras.state ? [dstate] : []),
  ];
}

type Names = 'secondResult' | 'recurrence' | 'recurrenceGrad' | 'recurrentKernelGrad' | 'recurrentBiasGrad';

export const recurrent: Rows<Names> = {
  recurrence: {
    variants,
    operands: (size, attributes, random) => [
      projected(size, attributes.cell, random),
      kernelOf(size, attributes.cell, random),
      ...extraOperands(size, attributes, random),
    ],
    forward: (...args) => valuesOf(forward(...args).y),
    forwardBound: (...args) => errorsOf(forward(...args).y),
    gradient: {
      twin: (inputs, attributes, dy, size) => whole(inputs, attributes, dy, size).map(valuesOf),
      bound: (inputs, attributes, dy, size) => whole(inputs, attributes, dy, size).map(errorsOf),
    },
    tails,
  },

  recurrenceGrad: {
    variants: variants.map((variant) => ({
      ...variant,
      attributes: {
        ...variant.attributes,
        extras: variant.attributes.extras.filter((name) => name !== 'bias'),
      },
    })),
    operands: (size, attributes, random) => {
      const kernel = kernelOf(size, attributes.cell, random);
      return [
        outputs(size, attributes, random),
        savedOf(size, attributes, random, kernel),
        kernel,
        ...extraOperands(size, attributes, random, false),
      ];
    },
    forward: (...args) => valuesOf(backward(...args)),
    forwardBound: (...args) => errorsOf(backward(...args)),
    gradient: 'none',
    tails,
  },

  recurrentKernelGrad: {
    variants: [
      { name: 'lstm', attributes: { cell: Cell.Lstm } },
      { name: 'gru, reset before', attributes: { cell: Cell.GruBefore } },
    ],
    operands: (size, { cell }, random) => {
      const attributes = { ...ALL, cell, activation: TANH, gateActivation: SIGMOID };
      return [savedOf(size, attributes, random, kernelOf(size, cell, random)), projected(size, cell, random)];
    },
    forward: ([saved, dz], { cell }, size) =>
      valuesOf(twins.recurrentKernelGrad(tracked(saved!), tracked(dz!), sizeOf(size), cell)),
    forwardBound: ([saved, dz], { cell }, size) =>
      errorsOf(twins.recurrentKernelGrad(tracked(saved!), tracked(dz!), sizeOf(size), cell)),
    gradient: 'none',
    tails,
  },

  recurrentBiasGrad: {
    variants: [{ name: '', attributes: {} }],
    operands: (size, _, random) => [matrix(size, random), matrix(size, random)],
    forward: ([dz, inner], _, { columns }) =>
      valuesOf(twins.recurrentBiasGrad(tracked(dz!), tracked(inner!), columns)),
    forwardBound: ([dz, inner], _, { columns }) =>
      errorsOf(twins.recurrentBiasGrad(tracked(dz!), tracked(inner!), columns)),
    gradient: 'none',
    tails: [ROWS, COLUMNS],
  },

  secondResult: {
    variants: [{ name: 'saved steps of an lstm', attributes: { shape: [] } }],
    operands: (size, _, random) => [projected(size, Cell.Lstm, random), kernelOf(size, Cell.Lstm, random)],
    forward: ([z, kernel], _, size) =>
      valuesOf(twins.recurrence(tracked(z!), tracked(kernel!), sizeOf(size), variants[0]!.attributes).saved),
    forwardBound: ([z, kernel], _, size) =>
      errorsOf(twins.recurrence(tracked(z!), tracked(kernel!), sizeOf(size), variants[0]!.attributes).saved),
    gradient: 'none',
    tails: [],
    build: (graph, [z, kernel]) => {
      const y = graph.add(
        recurrentOps.recurrence,
        [z!, kernel!],
        variants[0]!.attributes,
      ) as unknown as Tensor;
      const shape = [z!.shape[1]!, CELLS[Cell.Lstm].saved * savedStride(kernel!.shape[0]!)];
      return graph.add(recurrentOps.secondResult, [y], { shape }) as unknown as Tensor;
    },
  },
};
