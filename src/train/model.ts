import { dimensions, flag, integer, knownKeys, show } from '../checks.ts';
import type { ArrayInput } from '../data/arrays.ts';
import { UsageError } from '../errors.ts';
import { Graph } from '../graph/graph.ts';
import { encodeSafetensors } from '../io/safetensors.ts';
import { initialize } from '../layers/initializers.ts';
import type { Layer, ParameterSpec } from '../layers/layer.ts';
import { BATCH, type Shape, showShape, type Tensor } from '../ops/tensor.ts';
import { Engine } from '../runtime/engine.ts';
import { ParameterLayout, type WeightTensor } from './parameters.ts';
import { type Prediction, Predictor } from './predictor.ts';

export interface SequentialOptions {
  /** Dimensions of one row of the input, without the batch: [784], [28, 28]. */
  inputShape: readonly number[];
  /** Of initial weights, shuffling and dropout: an integer from 0 to 2^53 - 1. Default 0. */
  seed?: number;
  /**
   * Training and prediction give the same bits on every machine and browser, at the price of fused multiply-add.
   * Default false: the same bits on the same machine.
   */
  reproducible?: boolean;
}

/** A model traced on a graph. */
export interface Trace {
  readonly graph: Graph;
  readonly input: Tensor;
  readonly parameters: readonly Tensor[];
  readonly output: Tensor;
  /** State of layers after the step, by the index of the parameter. */
  readonly updates: ReadonlyMap<number, Tensor>;
}

interface NamedLayer {
  readonly name: string;
  readonly layer: Layer;
  /** Of its output, with the batch. */
  readonly shape: Shape;
  readonly parameters: number;
}

/** Key of the architecture in a file's metadata, and the version of its form. */
export const FORMAT_KEY = 'downhill';
export const FORMAT_VERSION = 1;

/** What a WebAssembly memory of 4 GiB can hold. */
const MAX_FLOATS = 2 ** 30;

/** Layers one after the other. Made by `sequential`. */
export class Model {
  readonly inputShape: readonly number[];
  readonly seed: number;
  readonly reproducible: boolean;
  readonly layers: readonly NamedLayer[];
  /** The model takes integers from 0 to below this; undefined: any numbers. */
  readonly indices: number | undefined;
  /** Of a result, with the batch as -1. */
  readonly outputShape: Shape;
  readonly layout: ParameterLayout;
  #weights: Float32Array | undefined;
  /** Counts changes of the weights from outside a trainer. */
  #version = 0;
  #predictor: Predictor | undefined;

  constructor(options: SequentialOptions, layers: readonly Layer[]) {
    knownKeys(options, ['inputShape', 'seed', 'reproducible'], 'sequential');
    this.inputShape = dimensions(options.inputShape, 'sequential: inputShape');
    this.seed = integer(options.seed ?? 0, 'sequential: seed', 0, Number.MAX_SAFE_INTEGER);
    this.reproducible = flag(options.reproducible ?? false, 'sequential: reproducible');
    checkLayers(layers);
    this.indices = layers[0]!.indices;
    const names = uniqueNames(layers);
    const specs: { layer: string; spec: ParameterSpec }[] = [];
    const named: NamedLayer[] = [];
    let total = 0;
    const graph = new Graph();
    let x: Tensor = graph.add('input', [], {
      name: 'x',
      shape: this.inputShape,
      type: this.indices === undefined ? 'f32' : 'i32',
    });
    layers.forEach((layer, i) => {
      const name = names[i]!;
      graph.layer = name;
      const own: readonly ParameterSpec[] = layer.parameters(x.shape.slice(1), name);
      const parameters = own.map((spec, j) => {
        specs.push({ layer: name, spec });
        return graph.add('parameter', [], { index: specs.length - own.length + j, shape: spec.shape });
      });
      x = layer.call(x, { graph, parameters, training: false, stream: i, update: () => {} });
      const count = own.reduce((sum, { shape }) => sum + rowSize(shape), 0);
      total += count;
      if (Math.max(total, rowSize(x.shape.slice(1))) > MAX_FLOATS) {
        throw new UsageError(
          `layer '${name}': its output ${showShape(x.shape)} or the ${total.toLocaleString('en-US')} parameters so far ` +
            'do not fit into the 4 GiB of a WebAssembly memory',
        );
      }
      named.push({ name, layer, shape: x.shape, parameters: count });
    });
    this.layers = named;
    this.outputShape = x.shape;
    this.layout = new ParameterLayout(specs);
  }

  /** Traces the model on a new graph. */
  trace(training: boolean): Trace {
    const graph = new Graph();
    const input: Tensor = graph.add('input', [], {
      name: 'x',
      shape: this.inputShape,
      type: this.indices === undefined ? 'f32' : 'i32',
    });
    const parameters = this.layout.list.map((parameter, index) =>
      graph.add('parameter', [], { index, shape: parameter.shape }, parameter.layer),
    );
    const updates = new Map<number, Tensor>();
    const update = (parameter: Tensor, value: Tensor): void => {
      updates.set(parameters.indexOf(parameter as Tensor<'parameter'>), value);
    };
    let x = input;
    let next = 0;
    this.layers.forEach(({ layer, name }, stream) => {
      graph.layer = name;
      const first = next;
      while (this.layout.list[next]?.layer === name) next++;
      x = layer.call(x, { graph, parameters: parameters.slice(first, next), training, stream, update });
    });
    return { graph, input, parameters, output: x, updates };
  }

  /** Trainable and fixed numbers in all. */
  get parameterCount(): number {
    return this.layout.list.reduce((sum, { count }) => sum + count, 0);
  }

  /** Copies of all weights, in layer order: kernel, bias. */
  getWeights(): WeightTensor[] {
    return this.layout.split(this.flat());
  }

  /**
   * Replaces all weights, those of `getWeights`: give every one, in any order.
   * @throws UsageError on a missing or unknown name or another shape; nothing is changed then.
   */
  setWeights(tensors: readonly WeightTensor[]): void {
    const flat = new Float32Array(this.layout.floats);
    this.layout.join(tensors, flat);
    this.#weights = flat;
    this.#version++;
  }

  /** All weights in one range (the model's own, not a copy), made from the seed at the first use. */
  flat(): Float32Array {
    this.#weights ??= initialWeights(this.layout, this.seed);
    return this.#weights;
  }

  get version(): number {
    return this.#version;
  }

  /** Takes over weights from a trainer; its own copy is up to date then. */
  adopt(flat: Float32Array): number {
    this.flat().set(flat);
    return ++this.#version;
  }

  /**
   * The outputs for rows of input.
   * @param x Rows in the input shape; integers where the first layer is an embedding.
   * @returns data [rows, …output shape], row-major.
   * @throws UsageError on another shape or on numbers that are not finite.
   */
  async predict(x: ArrayInput): Promise<Prediction> {
    return this.predictSync(x);
  }

  /** `predict` at once: it blocks for as long as it computes. Arguments, result and errors are the same. */
  predictSync(x: ArrayInput): Prediction {
    this.#predictor ??= new Predictor(this);
    return this.#predictor.run(x);
  }

  /** A table of the layers, their output shapes and numbers of parameters. */
  summary(): string {
    const rows = [
      ['layer', 'type', 'output', 'parameters'],
      ...this.layers.map(({ name, layer, shape, parameters }) => [
        name,
        layer.type,
        showShape(shape),
        parameters.toLocaleString('en-US'),
      ]),
    ];
    const widths = [0, 1, 2, 3].map((i) => Math.max(...rows.map((row) => row[i]!.length)));
    const lines = rows.map((row) =>
      row.map((cell, i) => (i === 3 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  '),
    );
    const rule = '─'.repeat(lines[0]!.length);
    const total = `${this.parameterCount.toLocaleString('en-US')} parameters, input ${showShape([BATCH, ...this.inputShape])}`;
    return [lines[0], rule, ...lines.slice(1), rule, total].join('\n');
  }

  /** What `loadModel` makes the same architecture from. */
  toConfig(): Readonly<Record<string, unknown>> {
    const layers = this.layers.map(({ name, layer }) => ({ type: layer.type, name, ...layer.config }));
    const { inputShape, seed, reproducible } = this;
    return { type: 'sequential', inputShape, seed, reproducible, layers };
  }

  /** The model as one safetensors file: weights as tensors, the architecture as JSON in its metadata. */
  toBytes(): Uint8Array {
    const json = JSON.stringify({ version: FORMAT_VERSION, model: this.toConfig() });
    return encodeSafetensors(this.getWeights(), { [FORMAT_KEY]: json });
  }

  /**
   * Writes `toBytes()` to a file (Node), atomically: the old file stays whole if anything fails.
   * @throws UsageError in a browser, which has no files: keep or send `toBytes()` there. Error, naming the path, when
   *   the file cannot be written.
   */
  async save(path: string): Promise<void> {
    if (typeof path !== 'string' || path === '') throw new UsageError(`save takes a path, got ${show(path)}`);
    if (!hasFiles()) {
      throw new UsageError('save writes a file and needs Node; in a browser keep or send model.toBytes()');
    }
    const bytes = this.toBytes();
    const { writeFileAtomic } = await import('../io/files.ts');
    await writeFileAtomic(path, bytes);
  }
}

/**
 * A model of layers one after the other. Weights follow from the seed.
 * @throws UsageError on an option out of range, two layers of one name, or when a layer does not fit the output of the
 *   one before it.
 */
export function sequential(options: SequentialOptions, layers: readonly Layer[]): Model {
  return new Model(options, layers);
}

/** Whether there is a file system to read and write: in Node, Deno and Bun, not in a browser. */
export function hasFiles(): boolean {
  return typeof process === 'object' && typeof process.versions?.node === 'string';
}

function checkLayers(layers: unknown): void {
  if (!Array.isArray(layers) || layers.length === 0) {
    throw new UsageError(
      `sequential takes an array of at least one layer after its options, got ${show(layers)}`,
    );
  }
  layers.forEach((layer: unknown, i) => {
    if (typeof layer === 'object' && layer !== null && 'call' in layer && 'parameters' in layer) return;
    const call = typeof layer === 'function' ? `; call it: ${layer.name}(…)` : '';
    throw new UsageError(
      `sequential: layer ${i + 1} of ${layers.length} must be a layer such as dense(10), got ${show(layer)}${call}`,
    );
  });
}

/** Given names, and types numbered where there is none: dense, dense_1, … */
function uniqueNames(layers: readonly Layer[]): string[] {
  const used = new Set<string>();
  for (const { name } of layers) {
    if (name === undefined) continue;
    if (used.has(name)) throw new UsageError(`sequential: two layers are named '${name}'; rename one`);
    used.add(name);
  }
  const counts = new Map<string, number>();
  return layers.map(({ name, type }) => {
    if (name !== undefined) return name;
    for (;;) {
      const count = counts.get(type) ?? 0;
      counts.set(type, count + 1);
      const unique = count === 0 ? type : `${type}_${count}`;
      if (!used.has(unique)) return unique;
    }
  });
}

/** Computed by the core, so that they are the same bits everywhere. */
function initialWeights(layout: ParameterLayout, seed: number): Float32Array {
  const engine = new Engine('simd');
  const flat = new Float32Array(layout.floats);
  layout.list.forEach((parameter, stream) => {
    const address = engine.arena.allocate(parameter.count * 4);
    initialize(engine, parameter.initializer, parameter, address, seed, stream);
    flat.set(engine.arena.f32(address, parameter.count), parameter.offset);
    engine.arena.free(address);
  });
  return flat;
}

function rowSize(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
