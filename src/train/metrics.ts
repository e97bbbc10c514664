import { knownKeys, named, number } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { sizeOf, type Tensor } from '../ops/tensor.ts';
import type { Loss } from './losses.ts';

/** A metric with its options. */
export type Metric =
  | { readonly name: 'accuracy' }
  | { readonly name: 'binaryAccuracy'; readonly threshold: number | undefined };

export type MetricLike = Metric['name'] | Metric;

/**
 * Share of rows whose class is the predicted one (the first largest output); with binaryCrossEntropy, and for a
 * single output, binaryAccuracy.
 */
export function accuracy(): Metric {
  return { name: 'accuracy' };
}

/**
 * Share of outputs on the right side of the threshold, targets being 1 above 0.5.
 * Default threshold 0.5 for probabilities, 0 for the logits of binaryCrossEntropy.
 */
export function binaryAccuracy(options: { threshold?: number } = {}): Metric {
  knownKeys(options, ['threshold'], 'binaryAccuracy');
  const { threshold } = options;
  if (threshold !== undefined) number(threshold, 'binaryAccuracy: threshold');
  return { name: 'binaryAccuracy', threshold };
}

const makers = { accuracy, binaryAccuracy } as const;

export function metricConfig(value: unknown): Metric {
  if (typeof value === 'object' && value !== null && 'name' in value) {
    named(makers, value.name, 'metric');
    return value as Metric;
  }
  return named(makers, value, 'metric')();
}

/** Checks a list of metrics: each name once. */
export function metricList(values: readonly MetricLike[]): readonly Metric[] {
  const metrics = values.map(metricConfig);
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
    const onLogits = loss.name === 'binaryCrossEntropy' && loss.fromLogits;
    const hits = graph.add('binaryHits', [output, target], { threshold: given ?? (onLogits ? 0 : 0.5) });
    return { hits, perRow: 1 };
  }
  if (loss.name !== 'crossEntropy') {
    throw new UsageError(
      `accuracy counts classes and needs crossEntropy or binaryCrossEntropy, not ${loss.name}`,
    );
  }
  const hits = graph.add('classHits', [output, target], { sparse: target.type === 'i32' });
  return { hits, perRow: sizeOf(hits.shape, 1) };
}
