import { knownKeys, named, number, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { lossOps } from '../ops/losses.ts';
import { sizeOf, type Tensor } from '../ops/tensor.ts';
import { type Loss, logitsOf } from './losses.ts';

/** A metric with its options; made by `accuracy` or `binaryAccuracy`. */
export type Metric =
  | { readonly name: 'accuracy' }
  | { readonly name: 'binaryAccuracy'; readonly threshold: number | undefined };

/** A name (with the defaults of its function), or a metric. */
export type MetricLike = Metric['name'] | Metric;

/**
 * Share of rows whose class is the predicted one (the first largest output), with crossEntropy; with
 * binaryCrossEntropy the same as `binaryAccuracy()`.
 */
export function accuracy(): Metric {
  return { name: 'accuracy' };
}

/**
 * Share of outputs on the right side of the threshold, targets being 1 above 0.5. The threshold is one of the model's
 * output; by default 0.5, and 0 where that is a logit of binaryCrossEntropy.
 */
export function binaryAccuracy(options: { threshold?: number } = {}): Metric {
  knownKeys(options, ['threshold'], 'binaryAccuracy');
  const { threshold } = options;
  if (threshold !== undefined) number(threshold, 'binaryAccuracy: threshold');
  return { name: 'binaryAccuracy', threshold };
}

const makers: { readonly [K in Metric['name']]: (options: object) => Metric } = {
  accuracy: (options) => {
    knownKeys(options, [], 'accuracy');
    return accuracy();
  },
  binaryAccuracy,
};

function metricConfig(value: unknown): Metric {
  const { name, ...options }: { name?: unknown } =
    typeof value === 'object' && value !== null ? value : { name: value };
  return named(makers, name, 'metric')(options);
}

/** Checks a list of metrics: each name once, each possible with the loss. */
export function metricList(values: unknown, loss: Loss): readonly Metric[] {
  if (!Array.isArray(values)) {
    throw new UsageError(`metrics must be an array such as ['accuracy'], got ${show(values)}`);
  }
  const metrics = values.map(metricConfig);
  if (loss.name === 'meanSquaredError' && metrics.some(({ name }) => name === 'accuracy')) {
    throw new UsageError(
      'accuracy counts classes: it needs crossEntropy or binaryCrossEntropy, not meanSquaredError; ' +
        'for single numbers against a threshold there is binaryAccuracy',
    );
  }
  const names = metrics.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice) throw new UsageError(`metric '${twice}' is given twice`);
  return metrics;
}

/** Values of a metric for every row, and how many of them a row of the batch has. */
export function applyMetric(
  graph: Graph,
  metric: Metric,
  loss: Loss,
  output: Tensor,
  target: Tensor,
): { readonly hits: Tensor; readonly perRow: number } {
  graph.layer = metric.name;
  const binary = metric.name === 'binaryAccuracy' || loss.name === 'binaryCrossEntropy';
  if (binary) {
    const given = metric.name === 'binaryAccuracy' ? metric.threshold : undefined;
    const onLogits = given === undefined && loss.name === 'binaryCrossEntropy' && loss.fromLogits;
    const hits = onLogits
      ? graph.add(lossOps.binaryHits, [logitsOf(loss, output), target], { threshold: 0 })
      : graph.add(lossOps.binaryHits, [output, target], { threshold: given ?? 0.5 });
    return { hits, perRow: 1 };
  }
  const hits = graph.add(lossOps.classHits, [logitsOf(loss, output), target], {
    sparse: target.type === 'i32',
  });
  return { hits, perRow: sizeOf(hits.shape, 1) };
}
