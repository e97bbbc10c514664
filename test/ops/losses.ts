import { Activation } from '../../assembly/tape/dense.ts';
import { LossForm } from '../../assembly/tape/training.ts';
import { activationOps } from '../../src/ops/activations.ts';
import type { LossAttributes, OpAttributes } from '../../src/ops/attributes.ts';
import { lossOps } from '../../src/ops/losses.ts';
import { BATCH, type Shape, type Tensor } from '../../src/ops/tensor.ts';
import * as activations from '../reference/activations.ts';
import * as twins from '../reference/losses.ts';
import * as metrics from '../reference/metrics.ts';
import { make, type Numbers, uniform } from '../reference/numbers.ts';
import * as bounds from './loss-bounds.ts';
import { COLUMNS, matrix, ROWS, type Rows, type Size, tensor } from './row.ts';

/** The shape of a prediction: [batch, columns], or [batch, positions, columns]. */
function predicted({ columns, inner }: Size): Shape {
  return inner === 1 ? [BATCH, columns] : [BATCH, inner, columns];
}

/** Elements of a prediction in one loss: of a row of the batch, or of a time step. */
function perLoss({ steps }: { readonly steps?: boolean }, { columns, inner }: Size): number {
  if (!steps) return columns * inner;
  return inner === 1 ? 1 : columns;
}

/** Factor of a loss, and of the gradient of their sum; losses of time steps are not divided by the batch. */
function scales(
  { reduction, steps }: LossAttributes,
  each: number,
  rows: number,
): { row: number; all: number } {
  if (reduction === 'sum') return { row: 1, all: 1 };
  return { row: 1 / each, all: 1 / (each * (steps ? 1 : rows)) };
}

/** Upstream gradient of the rows of a loss; undefined: any, losses of time steps multiply by it. */
export function lossSeed({ reduction, steps }: LossAttributes, rows: number): number | undefined {
  if (steps) return undefined;
  return reduction === 'mean' ? 1 / rows : 1;
}

/** The gradient that a loss makes; that of time steps times the upstream one, where there is one. */
function weighed({ steps }: LossAttributes, own: number[], dy: Numbers): number[] {
  if (!steps || dy.length === 0) return own;
  const each = own.length / dy.length;
  return make(own.length, (i) => own[i]! * dy[Math.floor(i / each)]!);
}

/** Its error: that of what the loss makes, and of one more product. */
function weighedBound(attributes: LossAttributes, own: number[], bound: number[], dy: Numbers): number[] {
  if (!attributes.steps || dy.length === 0) return bound;
  const more = make(own.length, (i) => bound[i]! + Math.abs(own[i]!));
  return weighed(
    attributes,
    more,
    make(dy.length, (i) => Math.abs(dy[i]!)),
  );
}

function classes(random: () => number, count: number, from: number): Int32Array {
  return Int32Array.from({ length: count }, () => Math.floor(random() * from));
}

const LOWEST = 1e-7;
/** Probabilities stay this far from 0 and 1. */
const MARGIN = 0.05;

function logits(reduction: LossAttributes['reduction'], steps = false) {
  const form = { form: LossForm.Logits, zeroClipped: false, low: LOWEST, high: 1 - LOWEST };
  const name = `logits, ${reduction}${steps ? ' of steps' : ''}`;
  return { name, attributes: { reduction, ...(steps && { steps }), ...form } };
}

function probability(name: string, form: LossForm, low: number, high: number, zeroClipped: boolean) {
  const reduction = form === LossForm.Sigmoid ? ('sum' as const) : ('mean' as const);
  const reach = form === LossForm.Sigmoid ? 1 : MARGIN;
  const variant = { name, attributes: { reduction, form, zeroClipped, low, high }, reach };
  // a clip that is passed through has the bound's gradient, not its own
  return low > LOWEST && !zeroClipped ? { ...variant, smooth: false as const } : variant;
}

function ofSteps<V extends { readonly name: string; readonly attributes: LossAttributes }>(variant: V): V {
  return { ...variant, name: `${variant.name} of steps`, attributes: { ...variant.attributes, steps: true } };
}

/** Units of three time steps. */
const STEPS = (n: number): Size => ({ rows: 2, columns: Math.max(n, 1), inner: 3 });

/** Rows of weights, or of the classes' one-hot rows. */
function weightsOf(t: Numbers, sparse: boolean, columns: number): Numbers {
  return sparse ? twins.oneHot(t, columns) : t;
}

type Names =
  | 'meanSquaredError'
  | 'binaryCrossEntropy'
  | 'softmaxCrossEntropy'
  | 'lossGradient'
  | 'classHits'
  | 'binaryHits'
  | 'rowLoss';

export const losses: Rows<Names> = {
  rowLoss: {
    variants: [
      { name: 'mean', attributes: { reduction: 'mean' } },
      { name: 'sum', attributes: { reduction: 'sum' } },
    ],
    operands: (size, _, random) => [tensor([BATCH], size.rows, (n) => uniform(random, n))],
    forward: ([x]) => Array.from(x!),
    forwardBound: () => 'exact',
    gradient: {
      twin: ([x], attributes, _, { rows }) => [Array.from(x!, () => lossSeed(attributes, rows)!)],
      bound: () => ['exact'],
    },
    tails: [ROWS],
  },

  meanSquaredError: {
    variants: [
      { name: 'mean', attributes: { reduction: 'mean' } },
      { name: 'sum', attributes: { reduction: 'sum' } },
      { name: 'mean of steps', attributes: { reduction: 'mean', steps: true } },
      { name: 'sum of steps', attributes: { reduction: 'sum', steps: true } },
    ],
    operands: (size, _, random) => {
      const shape = predicted(size);
      const fill = (n: number): Float32Array => uniform(random, n);
      return [tensor(shape, size.rows, fill), tensor(shape, size.rows, fill, false)];
    },
    forward: ([x, t], attributes, size) => {
      const each = perLoss(attributes, size);
      return twins.meanSquaredError(x!, t!, each, scales(attributes, each, size.rows).row);
    },
    forwardBound: ([x, t], attributes, size) => {
      const each = perLoss(attributes, size);
      const { row } = scales(attributes, each, size.rows);
      return bounds.meanSquaredErrorBound(twins.meanSquaredError(x!, t!, each, row), each);
    },
    gradient: {
      twin: ([x, t], attributes, dy, size) => {
        const { all } = scales(attributes, perLoss(attributes, size), size.rows);
        return [weighed(attributes, twins.meanSquaredErrorGradient(x!, t!, all), dy)];
      },
      bound: ([x, t], attributes, dy, size) => {
        const { all } = scales(attributes, perLoss(attributes, size), size.rows);
        const own = twins.meanSquaredErrorGradient(x!, t!, all);
        return [weighedBound(attributes, own, bounds.meanSquaredErrorGradientBound(own), dy)];
      },
    },
    tails: [ROWS, COLUMNS, STEPS],
  },

  binaryCrossEntropy: {
    variants: [
      logits('mean'),
      logits('sum'),
      logits('mean', true),
      probability('probabilities', LossForm.Probabilities, LOWEST, 1 - LOWEST, false),
      probability('probabilities, clip passed', LossForm.Probabilities, 0.2, 0.7, false),
      probability('probabilities, clip zeroed', LossForm.Probabilities, 0.2, 0.7, true),
      probability('sigmoid', LossForm.Sigmoid, LOWEST, 1 - LOWEST, false),
      probability('sigmoid, clip passed', LossForm.Sigmoid, 0.2, 0.7, false),
      probability('sigmoid, clip zeroed', LossForm.Sigmoid, 0.2, 0.7, true),
      ofSteps(probability('sigmoid', LossForm.Sigmoid, LOWEST, 1 - LOWEST, false)),
    ],
    operands: (size, { form }, random) => {
      const shape = predicted(size);
      const [low, high] = form === LossForm.Logits ? [-4, 4] : [MARGIN, 1 - MARGIN];
      // two of three targets are 0 or 1
      const mixed = (n: number): Float32Array =>
        uniform(random, n, 0, 1).map((t, i) => (i % 3 ? Math.round(t) : t));
      return [
        tensor(shape, size.rows, (n) => uniform(random, n, low, high, [0.2, 0.7])),
        tensor(shape, size.rows, mixed, false),
      ];
    },
    forward: ([x, t], attributes, size) => {
      const each = perLoss(attributes, size);
      return twins.binaryCrossEntropy(x!, t!, each, attributes, scales(attributes, each, size.rows).row);
    },
    forwardBound: ([x, t], attributes, size) => {
      const each = perLoss(attributes, size);
      const { row } = scales(attributes, each, size.rows);
      return bounds.binaryCrossEntropyBound(x!, t!, each, attributes, row);
    },
    gradient: {
      twin: ([x, t], attributes, dy, size) => {
        const { all } = scales(attributes, perLoss(attributes, size), size.rows);
        return [weighed(attributes, twins.binaryCrossEntropyGradient(x!, t!, attributes, all), dy)];
      },
      bound: ([x, t], attributes, dy, size) => {
        const { all } = scales(attributes, perLoss(attributes, size), size.rows);
        const own = twins.binaryCrossEntropyGradient(x!, t!, attributes, all);
        const bound = bounds.binaryCrossEntropyGradientBound(x!, t!, attributes, all);
        return [weighedBound(attributes, own, bound, dy)];
      },
    },
    tails: [ROWS, COLUMNS, STEPS],
    through: ({ form }: OpAttributes['binaryCrossEntropy']) =>
      form !== LossForm.Sigmoid
        ? undefined
        : {
            forward: activations.sigmoid,
            inverse: (p) => Math.log(p / (1 - p)),
            wrap: (graph, x) =>
              graph.add(activationOps.activation, [x], {
                kind: Activation.Sigmoid,
                alpha: 0,
              }) as unknown as Tensor,
          },
  },

  softmaxCrossEntropy: {
    variants: [true, false].flatMap((sparse) =>
      (['mean', 'sum'] as const)
        .map((reduction) => ({
          name: `${sparse ? 'classes' : 'rows of weights'}, ${reduction}`,
          attributes: { reduction, sparse },
        }))
        .flatMap((variant) => [variant, ofSteps(variant)]),
    ),
    operands: (size, { sparse }, random) => {
      const shape = predicted(size);
      const targets = sparse
        ? tensor(shape.slice(0, -1), size.rows, (n) => classes(random, n, size.columns), false)
        : tensor(shape, size.rows, (n) => uniform(random, n, 0, 1), false);
      return [tensor(shape, size.rows, (n) => uniform(random, n, -5, 5)), targets];
    },
    forward: ([x, t], attributes, { rows, columns, inner }) => {
      const { row } = scales(attributes, attributes.steps ? 1 : inner, rows);
      return twins.softmaxCrossEntropy(x!, weightsOf(t!, attributes.sparse, columns), columns, row);
    },
    forwardBound: ([x, t], attributes, { rows, columns, inner }) => {
      const { row } = scales(attributes, attributes.steps ? 1 : inner, rows);
      return bounds.softmaxCrossEntropyBound(x!, weightsOf(t!, attributes.sparse, columns), columns, row);
    },
    gradient: {
      twin: ([x, t], attributes, dy, { rows, columns, inner }) => {
        const weights = weightsOf(t!, attributes.sparse, columns);
        const { all } = scales(attributes, attributes.steps ? 1 : inner, rows);
        return [weighed(attributes, twins.softmaxCrossEntropyGradient(x!, weights, columns, all), dy)];
      },
      bound: ([x, t], attributes, dy, { rows, columns, inner }) => {
        const weights = weightsOf(t!, attributes.sparse, columns);
        const { all } = scales(attributes, attributes.steps ? 1 : inner, rows);
        const own = twins.softmaxCrossEntropyGradient(x!, weights, columns, all);
        const bound = bounds.softmaxCrossEntropyGradientBound(x!, weights, columns, all);
        return [weighedBound(attributes, own, bound, dy)];
      },
    },
    tails: [ROWS, COLUMNS],
  },

  lossGradient: {
    variants: [{ name: 'mean squared error', attributes: {} }],
    operands: (size, _, random) => [matrix(size, random, -2, 2, false), matrix(size, random, -2, 2, false)],
    forward: ([x, t], _, { rows, columns }) => twins.meanSquaredErrorGradient(x!, t!, 1 / (rows * columns)),
    forwardBound: ([x, t], _, { rows, columns }) =>
      bounds.meanSquaredErrorGradientBound(twins.meanSquaredErrorGradient(x!, t!, 1 / (rows * columns))),
    gradient: 'none',
    tails: [],
    build: (graph, [x, t]) => {
      const loss = graph.add(lossOps.meanSquaredError, [x!, t!], { reduction: 'mean' });
      return graph.add(lossOps.lossGradient, [loss as unknown as Tensor], {}) as unknown as Tensor;
    },
  },

  classHits: {
    variants: [true, false].map((sparse) => ({
      name: sparse ? 'classes' : 'rows of weights',
      attributes: { sparse },
    })),
    operands: (size, { sparse }, random) => {
      const shape = predicted(size);
      // few different values: the first of several equal ones counts
      const ties = (n: number): Float32Array => uniform(random, n).map((x) => Math.round(2 * x));
      const targets = sparse
        ? tensor(shape.slice(0, -1), size.rows, (n) => classes(random, n, Math.min(2, size.columns)), false)
        : tensor(shape, size.rows, ties, false);
      return [tensor(shape, size.rows, ties, false), targets];
    },
    forward: ([x, t], { sparse }, { columns }) => metrics.classHits(x!, t!, columns, sparse),
    forwardBound: () => 'exact',
    gradient: 'none',
    tails: [ROWS, COLUMNS],
  },

  binaryHits: {
    variants: [
      { name: 'logits', attributes: { threshold: 0 } },
      { name: 'probabilities', attributes: { threshold: 0.5 } },
      { name: 'logits of steps', attributes: { threshold: 0, steps: true } },
    ],
    operands: (size, { threshold }, random) => {
      const shape = predicted(size);
      const fill = (n: number): Float32Array => uniform(random, n, threshold - 1, threshold + 1);
      const targets = (n: number): Float32Array => uniform(random, n, 0, 1).map(Math.round);
      return [tensor(shape, size.rows, fill, false), tensor(shape, size.rows, targets, false)];
    },
    forward: ([x, t], attributes, size) =>
      metrics.binaryHits(x!, t!, perLoss(attributes, size), attributes.threshold),
    forwardBound: () => 'exact',
    gradient: 'none',
    tails: [ROWS, COLUMNS, STEPS],
  },
};

export const lossNames: ReadonlySet<string> = new Set<Names>([
  'meanSquaredError',
  'binaryCrossEntropy',
  'softmaxCrossEntropy',
  'rowLoss',
]);
