import { BinaryKind } from '../../assembly/tape/dense.ts';
import { flag, knownKeys } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { arithmeticOps } from '../ops/arithmetic.ts';
import { embeddingOps } from '../ops/embedding.ts';
import { positionOps } from '../ops/positions.ts';
import { sourceOps } from '../ops/sources.ts';
import { type Shape, showShape, type Tensor } from '../ops/tensor.ts';
import { type InitializerLike, initializerConfig } from './initializers.ts';
import type { Generation } from './layer.ts';
import { type LayerOptions, layerName, written } from './options.ts';
import { type CallableLayer, callable } from './symbolic.ts';

export interface PositionEmbeddingOptions extends LayerOptions {
  /** Of the table [positions, channels]. Default 'randomUniform', from -0.05 to 0.05. */
  embeddingsInitializer?: InitializerLike;
  /** False: training leaves the table as it is. Default true. */
  trainable?: boolean;
}

/** The length and the channels of a sequence. */
function sequenceShape(shape: Shape, layer: string, what: string): readonly [number, number] {
  if (shape.length === 2) return shape as [number, number];
  throw new UsageError(
    `layer '${layer}': ${what} needs [batch, positions, channels], got ${showShape([-1, ...shape])}`,
  );
}

/** x + the rows of a table: all of them in order, or those of the positions at hand. */
function addPositions(graph: Graph, x: Tensor, table: Tensor, generation: Generation | undefined): Tensor {
  if (!generation) return graph.add(positionOps.positional, [x, table], {});
  return graph.add(arithmeticOps.binary, [x, rowsAt(graph, table, generation)], { kind: BinaryKind.Add });
}

/** Rows of a table [positions, …] for the positions at hand. */
export function rowsAt(graph: Graph, table: Tensor, { positions }: Generation): Tensor {
  return graph.add(embeddingOps.embedding, [positions, table], {});
}

/**
 * A trained vector for each position, added: x and y [batch, positions, channels], embeddings [positions, channels].
 * @throws UsageError on an unknown name or an option out of range, or on another shape of x, when it is applied.
 */
export function positionEmbedding(options: PositionEmbeddingOptions = {}): CallableLayer {
  const what = 'positionEmbedding';
  knownKeys(options, ['name', 'embeddingsInitializer', 'trainable'], what);
  const trainable = flag(options.trainable ?? true, `${what}: trainable`);
  const embeddingsInitializer = initializerConfig(
    options.embeddingsInitializer ?? 'randomUniform',
    `${what}: embeddingsInitializer`,
  );
  return callable({
    type: what,
    passesMask: true,
    name: layerName(options, what),
    config: written({ embeddingsInitializer, trainable }),
    parameters([shape], layer) {
      const [positions, channels] = sequenceShape(shape, layer, what);
      return [
        {
          name: 'embeddings',
          shape: [positions, channels],
          ...{ fanIn: positions, fanOut: channels },
          initializer: embeddingsInitializer,
          trainable,
          learningRateScale: 1,
        },
      ];
    },
    trace: ([x], { graph, parameters: [table], generation }) => addPositions(graph, x, table!, generation),
  });
}

/**
 * Sines and cosines of the position, added (Vaswani et al. 2017, section 3.5): x and y [batch, positions, channels];
 * channel 2i gets sin(position / 10000^(2i / channels)), channel 2i + 1 the cosine.
 * @throws UsageError on an unknown option, or on another shape of x, when it is applied.
 */
export function sinePositionEncoding(options: LayerOptions = {}): CallableLayer {
  const what = 'sinePositionEncoding';
  knownKeys(options, ['name'], what);
  return callable({
    type: what,
    passesMask: true,
    name: layerName(options, what),
    config: {},
    parameters: ([shape], layer) => {
      sequenceShape(shape, layer, what);
      return [];
    },
    trace([x], { graph, generation }) {
      const channels = x.shape[2]!;
      const positions = generation?.capacity ?? x.shape[1]!;
      const table = constantTable(graph, positions, channels, (position, channel) => {
        const angle = position * angularSpeed(channel >> 1, channels);
        return channel % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
      });
      return addPositions(graph, x, table, generation);
    },
  });
}

/** A table [positions, columns] whose numbers are made with the program. */
function constantTable(
  graph: Graph,
  positions: number,
  columns: number,
  entry: (position: number, column: number) => number,
): Tensor {
  const values = () =>
    Float32Array.from({ length: positions * columns }, (_, i) => entry(Math.floor(i / columns), i % columns));
  return graph.add(sourceOps.constant, [], { type: 'f32', shape: [positions, columns], values });
}

function angularSpeed(pair: number, size: number): number {
  return 10000 ** ((-2 * pair) / size);
}

/**
 * Rotary positions (Su et al. 2021) of the first `heads` of x [batch, positions, columns]: the pair (i, i + size / 2)
 * of a head is turned by position / 10000^(2i / size), the halves as in GPT-NeoX and Llama.
 */
export function applyRotary(
  graph: Graph,
  x: Tensor,
  heads: number,
  size: number,
  generation: Generation | undefined,
): Tensor {
  const positions = generation?.capacity ?? x.shape[1]!;
  const half = size / 2;
  const table = constantTable(graph, positions, size, (position, column) => {
    const angle = position * angularSpeed(column % half, size);
    return column < half ? Math.cos(angle) : Math.sin(angle);
  });
  const rows = generation ? rowsAt(graph, table, generation) : table;
  return graph.add(positionOps.rotary, [x, rows], { heads, inverse: false });
}
