import { flag, integer, knownKeys } from '../checks.ts';
import { UsageError } from '../errors.ts';
import { embeddingOps } from '../ops/embedding.ts';
import { maskOps } from '../ops/mask.ts';
import { showShape, type Tensor } from '../ops/tensor.ts';
import { type InitializerLike, initializerConfig } from './initializers.ts';
import { type LayerOptions, layerName, written } from './options.ts';
import { type Regularizer, regularizer } from './regularizers.ts';
import { type CallableLayer, callable } from './symbolic.ts';

export interface EmbeddingOptions extends LayerOptions {
  /** Of the table [inputDim, outputDim]. Default 'randomUniform', from -0.05 to 0.05. */
  embeddingsInitializer?: InitializerLike;
  /** Penalty on the table, part of the reported loss. Default: none. */
  embeddingsRegularizer?: Regularizer;
  /** True: 0 stands for no entry; layers that take masks leave its steps out. For x [batch, time]. Default false. */
  maskZero?: boolean;
  /** False: training leaves the table as it is. Default true. */
  trainable?: boolean;
  /**
   * True: a step changes only the rows that its batch reads, and takes time for these alone, however large the table is.
   * Plain gradient descent (`sgd` without momentum, decay and penalty) does so anyway: its step is the same. Under other
   * optimizers it is another one: rows that the batch does not read keep their weights, momentum and moments, where they
   * would go on moving; weight decay and the penalty are those of the rows read, also in the reported loss (`evaluate`
   * has the penalty of the whole table). As PyTorch's SparseAdam, TensorFlow Addons' LazyAdam. Default false.
   */
  sparseGradient?: boolean;
}

const keys = [
  'name',
  'embeddingsInitializer',
  'embeddingsRegularizer',
  'maskZero',
  'trainable',
  'sparseGradient',
];

/**
 * A vector for each integer: x [batch, …] of integers from 0 to inputDim - 1, embeddings [inputDim, outputDim],
 * y [batch, …, outputDim]. It stands first in its model, which then takes integers.
 * @param inputDim Different integers, at least 1.
 * @param outputDim Numbers that stand for each, at least 1.
 * @throws UsageError on an unknown name or an option out of range; when `sequential` gets it behind another layer.
 */
export function embedding(
  inputDim: number,
  outputDim: number,
  options: EmbeddingOptions = {},
): CallableLayer {
  const what = 'embedding';
  integer(inputDim, `${what}: inputDim`, 1, 2 ** 31 - 1);
  integer(outputDim, `${what}: outputDim`, 1);
  knownKeys(options, keys, what);
  const trainable = flag(options.trainable ?? true, `${what}: trainable`);
  const maskZero = flag(options.maskZero ?? false, `${what}: maskZero`);
  const sparseGradient = flag(options.sparseGradient ?? false, `${what}: sparseGradient`);
  const embeddingsInitializer = initializerConfig(
    options.embeddingsInitializer ?? 'randomUniform',
    `${what}: embeddingsInitializer`,
  );
  const embeddingsRegularizer = regularizer(options.embeddingsRegularizer, `${what}: embeddingsRegularizer`);
  return callable({
    type: what,
    name: layerName(options, what),
    config: written({
      inputDim,
      outputDim,
      embeddingsInitializer,
      embeddingsRegularizer,
      maskZero,
      trainable,
      sparseGradient,
    }),
    indices: inputDim,
    parameters: () => [
      {
        name: 'embeddings',
        shape: [inputDim, outputDim],
        fanIn: inputDim,
        fanOut: outputDim,
        initializer: embeddingsInitializer,
        regularizer: embeddingsRegularizer,
        trainable,
        learningRateScale: 1,
        sparseGradient,
      },
    ],
    trace([x], { graph, parameters: [table] }) {
      if (x.type !== 'i32') {
        throw new UsageError(
          `layer '${graph.layer}': embedding takes integers, but what the layer before it makes are not: ` +
            'make it the first layer of the model',
        );
      }
      const y: Tensor = graph.add(embeddingOps.embedding, [x, table!], {});
      if (maskZero) {
        if (x.shape.length !== 2) {
          throw new UsageError(
            `layer '${graph.layer}': maskZero needs integers of shape [batch, time], got ${showShape(x.shape)}`,
          );
        }
        graph.masks.set(y, graph.add(maskOps.stepMask, [x], { value: 0 }));
      }
      return y;
    },
  });
}
