import { knownKeys, named, number, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { lossOps } from '../ops/losses.ts';
import { sizeOf, type Tensor } from '../ops/tensor.ts';
import { type RowFunction, valuesOf } from './custom-rows.ts';
import { type Loss, logitsOf } from './losses.ts';
import { maskedSteps, maskOfSteps } from './masked.ts';

/** A metric of one's own; a function with a name is one too, where no bundler renames it. */
export interface CustomMetric {
  /** In logs. */
  readonly name: string;
  readonly compute: RowFunction;
}

/** A metric with its options; made by `accuracy` or `binaryAccuracy`, or of one's own. */
export type Metric = KnownMetric | CustomMetric;

type KnownMetric =
  | { readonly name: 'accuracy' }
  | { readonly name: 'binaryAccuracy'; readonly threshold: number | undefined };

/** A name (with the defaults of its function), a metric, or a function of one's own. */
export type MetricLike = KnownMetric['name'] | Metric | RowFunction;

/**
 * Share of rows whose class is the predicted one (the first largest output), with crossEntropy; with
 * binaryCrossEntropy the same as `binaryAccuracy()`. Of time steps with a mask the share of those that count, in the whole
 * epoch.
 */
export function accuracy(...options: readonly []): Metric {
  // JavaScript passes more than a function takes
  const [given = {}]: readonly unknown[] = options;
  knownKeys(given, [], 'accuracy');
  return { name: 'accuracy' };
}

/**
 * Share of outputs on the right side of the threshold, targets being 1 above 0.5. The threshold is one of the model's
 * output; by default 0.5, and 0 where that is a logit of binaryCrossEntropy.
 */
export function binaryAccuracy(options: { threshold?: number | undefined } = {}): Metric {
  knownKeys(options, ['threshold'], 'binaryAccuracy');
  const { threshold } = options;
  if (threshold !== undefined) number(threshold, 'binaryAccuracy: threshold');
  return { name: 'binaryAccuracy', threshold };
}

const makers: { readonly [K in KnownMetric['name']]: (options: object) => Metric } = {
  accuracy,
  binaryAccuracy,
};

function metricConfig(value: unknown): Metric {
  // the functions that make metrics are none themselves
  if (typeof value === 'function' && !Object.hasOwn(makers, value.name))
    return customMetric(value.name, value);
  if (typeof value === 'object' && value !== null && 'compute' in value) {
    knownKeys(value, ['name', 'compute'], 'a metric of your own');
    return customMetric((value as CustomMetric).name, value.compute);
  }
  const { name, ...options }: { name?: unknown } =
    typeof value === 'object' && value !== null ? value : { name: value };
  return named(makers, name, 'metric')(options);
}

function customMetric(name: unknown, compute: unknown): CustomMetric {
  if (typeof compute !== 'function') {
    throw new UsageError(
      `metric ${show(name)}: compute must be a function (yTrue, yPred) => tensor, got ${show(compute)}`,
    );
  }
  if (typeof name !== 'string' || !/^[\w.-]{1,100}$/.test(name) || name === 'loss') {
    throw new UsageError(
      `a metric of your own needs a name for the logs, other than 'loss', got ${show(name)}: give a function with a ` +
        "name, or { name: 'error', compute: (yTrue, yPred) => … }",
    );
  }
  return { name, compute: compute as RowFunction };
}

function isCustom(metric: Metric): metric is CustomMetric {
  return 'compute' in metric;
}

/** Checks a list of metrics: each name once, each possible with the loss. */
export function metricList(values: unknown, loss: Loss): readonly Metric[] {
  if (!Array.isArray(values)) {
    throw new UsageError(`metrics must be an array such as ['accuracy'], got ${show(values)}`);
  }
  const metrics = values.map(metricConfig);
  const other = loss.name === 'meanSquaredError' || loss.name === 'custom';
  if (other && metrics.some((metric) => !isCustom(metric) && metric.name === 'accuracy')) {
    const not = loss.name === 'custom' ? 'a loss of your own' : loss.name;
    throw new UsageError(
      `accuracy counts classes: it needs crossEntropy or binaryCrossEntropy, not ${not}; ` +
        'for single numbers against a threshold there is binaryAccuracy',
    );
  }
  const names = metrics.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice) throw new UsageError(`metric '${twice}' is given twice`);
  return metrics;
}

/** Values of a metric, whose mean is reported. */
export interface Hits {
  readonly hits: Tensor;
  /** How many a row of the batch has; where there is a mask, a time step. */
  readonly each: number;
  /** Of the steps that count: the values of the others are 0. Without one all rows count. */
  readonly mask: Tensor | undefined;
}

/** A metric's values on the graph. Steps that a mask of the output leaves out do not count. */
export function applyMetric(graph: Graph, metric: Metric, loss: Loss, output: Tensor, target: Tensor): Hits {
  graph.layer = metric.name;
  const values = valuesOfMetric(graph, metric, loss, output, target);
  const mask = maskOfSteps(graph, output, values);
  const row = sizeOf(values.shape, 1);
  if (!mask) return { hits: values, each: row, mask };
  return { hits: maskedSteps(graph, values, mask, 'sum'), each: row / mask.shape[1]!, mask };
}

function valuesOfMetric(graph: Graph, metric: Metric, loss: Loss, output: Tensor, target: Tensor): Tensor {
  if (isCustom(metric)) return valuesOf(graph, metric.compute, target, output, `metric '${metric.name}'`);
  const binary = metric.name === 'binaryAccuracy' || loss.name === 'binaryCrossEntropy';
  if (binary) {
    const given = metric.name === 'binaryAccuracy' ? metric.threshold : undefined;
    const onLogits = given === undefined && loss.name === 'binaryCrossEntropy' && loss.fromLogits;
    const prediction = onLogits ? logitsOf(graph, loss, output) : output;
    const threshold = onLogits ? 0 : (given ?? 0.5);
    const steps = graph.masks.has(output);
    return graph.add(lossOps.binaryHits, [prediction, target], { threshold, steps });
  }
  const sparse = target.type === 'i32';
  return graph.add(lossOps.classHits, [logitsOf(graph, loss, output), target], { sparse });
}
