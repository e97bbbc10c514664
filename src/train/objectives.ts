import { number, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import { showShape } from '../ops/tensor.ts';
import type { Port } from './architecture.ts';
import { type Loss, type LossLike, lossConfig, type Reduction, takesClasses } from './losses.ts';
import { type Metric, type MetricLike, metricList } from './metrics.ts';
import type { Model } from './model.ts';
import { byPort, checkNames } from './ports.ts';

/** What an output is trained for. */
export interface Objective {
  readonly output: Port;
  /** The layer that makes the output, for messages. */
  readonly layer: string;
  readonly loss: Loss;
  /** Its part in the loss of the model. */
  readonly weight: number;
  readonly metrics: readonly Metric[];
  /** What the data of its targets is called. */
  readonly key: string;
}

export interface ObjectiveOptions {
  loss: LossLike | readonly LossLike[] | Readonly<Record<string, LossLike>>;
  lossWeights?: readonly number[] | Readonly<Record<string, number>> | undefined;
  metrics?:
    | readonly MetricLike[]
    | readonly (readonly MetricLike[])[]
    | Readonly<Record<string, readonly MetricLike[]>>
    | undefined;
}

/** With the loss, and a number of steps for each output that has a mask and metrics, they fit into MAX_SLOTS sums. */
const MAX_REPORTED = 15;

/** A model with one output takes a loss and metrics; with several a loss for each, and weights and metrics by name. */
export function objectivesOf(model: Model<unknown>, options: ObjectiveOptions): readonly Objective[] {
  const { outputs, architecture } = model;
  const single = outputs.length === 1;
  const names = outputs.map(({ name }) => name);
  // a list of one, as the outputs of a model may be
  const loss =
    single && Array.isArray(options.loss) && options.loss.length === 1 ? options.loss[0] : options.loss;
  const lossWeights = options.lossWeights ?? {};
  const metrics = options.metrics ?? (single ? [] : {});
  // a loss by name is a record as well as one with options
  const alone = single && !(typeof loss === 'object' && Object.hasOwn(loss, names[0]!));
  const losses = byPort<unknown>(outputs, alone ? 'single' : 'record', loss, 'Trainer.create: loss').map(
    lossConfig,
  );
  const weights = Array.isArray(lossWeights)
    ? byPort<unknown>(outputs, 'list', lossWeights, 'Trainer.create: lossWeights')
    : byName(lossWeights, names, 'Trainer.create: lossWeights', '{ a: 1, b: 0.5 }');
  const lists = isListOfLists(metrics)
    ? byPort<unknown>(outputs, 'list', metrics, 'Trainer.create: metrics')
    : single && Array.isArray(metrics)
      ? [metrics]
      : single && (typeof metrics !== 'object' || !Object.hasOwn(metrics, names[0]!))
        ? [metrics]
        : byName(metrics, names, 'Trainer.create: metrics', "{ a: ['accuracy'] }");
  const objectives = outputs.map((output, i): Objective => {
    const { [i]: weight = 1 } = weights;
    const { [i]: list = [] } = lists;
    const layer = architecture.producer(output.tensor);
    const loss = losses[i]!;
    checkOutput(output, layer, loss);
    return {
      output,
      layer,
      loss,
      weight: number(weight, `Trainer.create: the weight of loss '${output.name}'`, { min: 0 }),
      metrics: metricList(list, loss),
      key: single ? 'y' : `y.${output.name}`,
    };
  });
  const [first, ...rest] = objectives as [Objective, ...Objective[]];
  const other = rest.find(({ loss: { reduction } }) => reduction !== first.loss.reduction);
  if (other) {
    throw new UsageError(
      `Trainer.create: the losses of one model need one reduction: '${first.output.name}' has ` +
        `'${first.loss.reduction}', '${other.output.name}' has '${other.loss.reduction}'`,
    );
  }
  const reported = logNames(objectives).length;
  if (reported > MAX_REPORTED) {
    throw new UsageError(
      `Trainer.create: at most ${MAX_REPORTED} losses of outputs and metrics can be reported, these are ${reported}`,
    );
  }
  return objectives;
}

/** Metrics of each output, in their order. */
function isListOfLists(metrics: unknown): boolean {
  return Array.isArray(metrics) && metrics.length > 0 && metrics.every(Array.isArray);
}

/** What is reported beside the loss: losses of several outputs, then metrics; with several outputs `a_accuracy`. */
export function logNames(objectives: readonly Objective[]): readonly string[] {
  if (objectives.length === 1) return objectives[0]!.metrics.map(({ name }) => name);
  return [
    ...objectives.map(({ output }) => `${output.name}_loss`),
    ...objectives.flatMap(({ output, metrics }) => metrics.map(({ name }) => `${output.name}_${name}`)),
  ];
}

export function reductionOf(objectives: readonly Objective[]): Reduction {
  return objectives[0]!.loss.reduction;
}

function byName(value: unknown, names: readonly string[], what: string, example: string): readonly unknown[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(
      `${what} takes a record by the names of the outputs, such as ${example}, got ${show(value)}`,
    );
  }
  checkNames(Object.keys(value), names, what);
  const record: Readonly<Record<string, unknown>> = { ...value };
  return names.map((name) => record[name]);
}

/** Throws unless an output is one that a loss can work on. */
function checkOutput({ shape }: Port, layer: string, loss: Loss): void {
  if (!takesClasses(loss) || (shape.length > 1 && shape.at(-1)! > 1)) return;
  throw new UsageError(
    `crossEntropy needs an output for each class, at least 2; that of layer '${layer}' has shape ` +
      `${showShape(shape)}: for two classes with one output there is binaryCrossEntropy`,
  );
}
