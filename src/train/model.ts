import { BinaryKind } from '../../assembly/tape/dense.ts';
import { nearest, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import { Graph } from '../graph/graph.ts';
import { encodeSafetensors } from '../io/safetensors.ts';
import { initialize } from '../layers/initializers.ts';
import type { AnyLayer, Generation, Tracing } from '../layers/layer.ts';
import { apply, elementsBelow, refuseMore, type SymbolicTensor } from '../layers/symbolic.ts';
import { arithmeticOps } from '../ops/arithmetic.ts';
import { sourceOps } from '../ops/sources.ts';
import type { Shape, Tensor } from '../ops/tensor.ts';
import { Engine } from '../runtime/engine.ts';
import type { Architecture, NamedLayer, Port } from './architecture.ts';
import { architectureConfig } from './architecture-config.ts';
import { type ModelLayer, modelLayer } from './model-layer.ts';
import { ParameterLayout, type WeightTensor } from './parameters.ts';
import { byPort, inForm } from './ports.ts';
import { type ModelInput, type Prediction, Predictor } from './predictor.ts';
import type { SharedWeights } from './shared.ts';
import { type LastingState, StatesOfModel } from './states.ts';
import { summarize } from './summary.ts';

/** A model traced on a graph. */
export interface Trace {
  readonly graph: Graph;
  readonly inputs: readonly Tensor[];
  readonly parameters: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** State of layers after the step, by the index of the parameter. */
  readonly updates: ReadonlyMap<number, Tensor>;
  readonly states: readonly LastingState[];
}

/** What a model has besides its architecture, checked. */
export interface ModelSettings {
  readonly name: string | undefined;
  readonly seed: number;
  readonly reproducible: boolean;
  readonly checkpoint: boolean;
}

/** What a model makes of symbolic tensors, in the form of its outputs. */
export type Applied<Output> = Output extends Prediction
  ? SymbolicTensor
  : { [K in keyof Output]: SymbolicTensor };

/** A model within this one: its weights are a part of this one's. */
interface Part {
  readonly model: Model<unknown>;
  /** Of its first parameter: index, and place in floats. */
  readonly first: number;
  readonly offset: number;
  /** Its version when the weights were last the same. */
  seen: number;
}

/** A layer that is part of other models too: its weights are the same in all of them. */
interface Share {
  readonly weights: SharedWeights;
  /** Of its parameters: first, and behind the last; place in floats. */
  readonly range: readonly [from: number, to: number];
  readonly offset: number;
  readonly floats: number;
  /** The first model that has it made its weights. */
  readonly own: boolean;
  /** Their version when they were last the same. */
  seen: number;
}

/** Key of the architecture in a file's metadata, and the version of its form. */
export const FORMAT_KEY = 'downhill';
export const FORMAT_VERSION = 1;

/** Layers from inputs to outputs, and their weights. Made by `sequential`, `model` and `loadModel`. */
export class Model<Output = Prediction> {
  readonly name: string | undefined;
  readonly seed: number;
  readonly reproducible: boolean;
  readonly checkpoint: boolean;
  /** @internal */
  readonly layout: ParameterLayout;
  /** As a layer of other models, the same one in all of them. @internal */
  readonly asLayer: ModelLayer;
  /** Those that its layers carry from batch to batch; of models within it, too. @internal */
  readonly states = new StatesOfModel();
  readonly #parts: readonly Part[];
  readonly #shares: Share[] = [];
  readonly #frozen = new Set<string>();
  #weights: Float32Array | undefined;
  /** Newer ones than these, where a trainer has them. */
  #lent: (() => Float32Array) | undefined;
  /** Counts changes of the weights from outside a trainer. */
  #version = 0;
  #predictor: Predictor | undefined;

  constructor(
    readonly architecture: Architecture,
    settings: ModelSettings,
  ) {
    this.name = settings.name;
    this.seed = settings.seed;
    this.reproducible = settings.reproducible;
    this.checkpoint = settings.checkpoint;
    this.layout = new ParameterLayout(architecture.specs);
    const { list } = this.layout;
    this.#parts = architecture.subModels().map(({ layer: { model }, first }) => {
      const offset = list[first]?.offset ?? 0;
      return { model, first, offset, seen: -1 };
    });
    this.asLayer = modelLayer(this);
  }

  get type(): string {
    return this.architecture.what;
  }

  get inputs(): readonly Port[] {
    return this.architecture.inputs;
  }

  get outputs(): readonly Port[] {
    return this.architecture.outputs;
  }

  /** Whether layers carry states from batch to batch. */
  get stateful(): boolean {
    return this.architecture.stateful;
  }

  get layers(): readonly NamedLayer[] {
    return this.architecture.layers;
  }

  /** Dimensions of one row of the (first) input, without the batch. */
  get inputShape(): readonly number[] {
    return this.inputs[0]!.shape.slice(1);
  }

  /** Of a (first) result, with the batch as -1. */
  get outputShape(): Shape {
    return this.outputs[0]!.shape;
  }

  /**
   * Traces the model on a new graph; with `fresh`, as a text generator runs it: for so many new positions of its input,
   * an input 'positions' saying which.
   * @internal
   */
  trace(training: boolean, fresh?: number): Trace {
    const graph = new Graph();
    const inputs = this.inputs.map(
      (port): Tensor =>
        graph.add(sourceOps.input, [], {
          name: this.inputKey(port),
          shape: fresh === undefined ? port.shape.slice(1) : [fresh],
          ...elementsBelow(port.indices),
        }),
    );
    const generation = fresh === undefined ? undefined : this.#generation(graph, fresh);
    const parameters = this.layout.list.map(
      ({ shape, layer }, index): Tensor => graph.add(sourceOps.parameter, [], { index, shape }, layer),
    );
    let streams = 0;
    const updates = new Map<number, Tensor>();
    const states: LastingState[] = [];
    const index = new Map(parameters.map((tensor, i) => [tensor, i]));
    const frozen = this.frozenParameters();
    const tracing: Tracing = {
      graph,
      training,
      nextStream: () => streams++,
      isFrozen: (parameter) => frozen[index.get(parameter)!]!,
      update: (parameter, value) => {
        if (training) updates.set(index.get(parameter)!, value);
      },
      current: (parameter) => {
        const value = updates.get(index.get(parameter)!);
        // a copy, since `First` has no gradient
        return value
          ? graph.add(arithmeticOps.binary, [value, value], { kind: BinaryKind.First })
          : parameter;
      },
      state: (size) => graph.add(sourceOps.state, [], { size }),
      setState: (state, next) => states.push({ state, next }),
      generation,
    };
    const outputs = this.architecture.trace(inputs, parameters, tracing, '');
    return { graph, inputs, parameters, outputs, updates, states };
  }

  #generation(graph: Graph, fresh: number): Generation {
    const attributes = { name: 'positions', shape: [fresh], type: 'i32' } as const;
    const positions: Tensor = graph.add(sourceOps.input, [], attributes);
    return { positions, capacity: this.inputShape[0]! };
  }

  /** What programs call the data of an input: x, or x.name where there are several. @internal */
  inputKey({ name }: Port): string {
    return this.inputs.length === 1 ? 'x' : `x.${name}`;
  }

  /**
   * The model as a layer of another: what it makes of symbolic tensors, given and returned as its inputs and outputs
   * are. Both models have the same weights: what one trains, the other uses.
   * @throws UsageError on another number of inputs, or another shape.
   */
  apply(
    ...given: readonly [
      x: SymbolicTensor | readonly SymbolicTensor[] | Readonly<Record<string, SymbolicTensor>>,
    ]
  ): Applied<Output> {
    const [x, ...more] = given;
    refuseMore(this.asLayer, x, more);
    const what = `model '${this.name ?? this.type}'`;
    const results = apply(
      this.asLayer,
      byPort(this.inputs, this.architecture.inputForm, x, `${what}: inputs`),
    );
    return inForm(this.outputs, this.architecture.outputForm, results) as Applied<Output>;
  }

  /** Models within this one. @internal */
  subModels(): readonly Model<unknown>[] {
    return this.#parts.flatMap(({ model }) => [model, ...model.subModels()]);
  }

  /**
   * Training leaves the weights of these layers (of a sub-model: all of its layers) as they are, from the next `fit`
   * on; without names, all layers.
   * @throws UsageError on a name that no layer has.
   */
  freeze(...names: string[]): void {
    for (const name of this.#layerNames(names, 'freeze')) this.#frozen.add(name);
  }

  /** Undoes `freeze`; without names, for all layers. A layer made with `trainable: false` stays as it is. */
  unfreeze(...names: string[]): void {
    for (const name of this.#layerNames(names, 'unfreeze')) this.#frozen.delete(name);
  }

  /** Layers that `freeze` froze. */
  get frozen(): readonly string[] {
    return [...this.#frozen];
  }

  /** Whether each parameter is trained, in the order of the layout. @internal */
  trainable(): readonly boolean[] {
    const frozen = this.frozenParameters();
    return this.layout.list.map(({ trainable }, i) => trainable && !frozen[i]);
  }

  /** Whether each parameter is one of a frozen layer, here or in a sub-model. @internal */
  frozenParameters(): readonly boolean[] {
    const result = this.layout.list.map(({ layer }) => this.#frozen.has(layer.split('/', 1)[0]!));
    for (const { model, first } of this.#parts) {
      for (const [i, frozen] of model.frozenParameters().entries()) result[first + i] ||= frozen;
    }
    return result;
  }

  #layerNames(names: readonly string[], what: string): readonly string[] {
    const known = this.layers.map(({ name }) => name);
    const all = new Set(known);
    for (const name of names) {
      if (all.has(name)) continue;
      const near = typeof name === 'string' ? nearest(name, known) : undefined;
      throw new UsageError(
        `${what}: the model has no layer ${show(name)}; ` +
          (near ? `did you mean '${near}'?` : `it has ${known.slice(0, 20).join(', ')}`),
      );
    }
    return names.length > 0 ? names : known;
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
    this.adopt(flat);
  }

  /** All weights in one range (the model's own, not a copy), made from the seed at the first use. @internal */
  flat(): Float32Array {
    if (this.#lent) this.#take(this.#lent());
    this.#weights ??= initialWeights(this.layout, this.seed, [
      ...this.#parts.map(({ first, model }) => [first, first + model.layout.list.length] as const),
      ...this.#shares.flatMap(({ own, range }) => (own ? [] : [range])),
    ]);
    for (const part of this.#parts) {
      if (part.seen === part.model.version) continue;
      this.#weights.set(part.model.flat(), part.offset);
      part.seen = part.model.version;
    }
    for (const share of this.#shares) {
      if (share.seen === share.weights.version) continue;
      this.#weights.set(share.weights.flat(), share.offset);
      share.seen = share.weights.version;
    }
    return this.#weights;
  }

  /** A layer is part of another model too: `own` says that the weights are this one's. @internal */
  join(layer: AnyLayer, weights: SharedWeights, own: boolean): void {
    const { first, specs } = this.architecture.weightedLayers().find((entry) => entry.layer === layer)!;
    const range = [first, first + specs.length] as const;
    const [start, end] = [this.layout.list[first]!, this.layout.list[range[1] - 1]!];
    const { offset } = start;
    const floats = end.offset + end.count - offset;
    const seen = own ? weights.lend(() => this.flat().subarray(offset, offset + floats)) : -1;
    this.#shares.push({ weights, range, offset, floats, own, seen });
  }

  /** Changes with the weights, those of sub-models included. @internal */
  get version(): number {
    const parts = this.#parts.reduce((sum, { model }) => sum + model.version, this.#version);
    return this.#shares.reduce((sum, { weights }) => sum + weights.version, parts);
  }

  /** Takes over weights, and gives sub-models theirs; a trainer's own copy is up to date at the version returned. @internal */
  adopt(flat: Float32Array): number {
    this.#take(flat);
    for (const part of this.#parts) {
      const { model, offset } = part;
      part.seen = model.adopt(flat.subarray(offset, offset + model.layout.floats));
    }
    for (const share of this.#shares) {
      const { weights, offset, floats } = share;
      share.seen = weights.adopt(flat.subarray(offset, offset + floats));
    }
    this.#version++;
    return this.version;
  }

  /**
   * The same of weights that are asked for when somebody needs them, since to copy a large model may take longer than a
   * step. What `lent` gives is good to read until the next `adopt` or `lend`.
   * @internal
   */
  lend(lent: () => Float32Array): number {
    this.#lent = lent;
    for (const part of this.#parts) {
      const { model, offset } = part;
      part.seen = model.lend(() => lent().subarray(offset, offset + model.layout.floats));
    }
    for (const share of this.#shares) {
      const { weights, offset, floats } = share;
      share.seen = weights.lend(() => lent().subarray(offset, offset + floats));
    }
    this.#version++;
    return this.version;
  }

  #take(flat: Float32Array): void {
    this.#lent = undefined;
    this.#weights ??= new Float32Array(this.layout.floats);
    this.#weights.set(flat);
  }

  /**
   * Layers made with `stateful: true` begin the next batch with states of zero, and it may have any number of rows.
   */
  resetStates(): void {
    this.states.reset();
  }

  /**
   * The outputs for rows of input, with the weights of this moment. Where they take long, the event loop gets a turn every
   * few milliseconds; leave x as it is until then. Of a model with stateful layers at once, in batches of as many rows as
   * their states have; after `resetStates` all rows are one batch.
   * @param x Rows in the input shape, integers where an embedding reads them; of several inputs a list, or a record by
   *   their names.
   * @returns data [rows, …output shape], row-major; of several outputs a list or a record, as the model was made.
   * @throws UsageError on another shape or on numbers that are not finite.
   */
  async predict(x: ModelInput): Promise<Output> {
    this.#predictor ??= new Predictor(this);
    return this.#inForm(await this.#predictor.runInTurns(x));
  }

  /** `predict` at once: it blocks for as long as it computes. Arguments, result and errors are the same. */
  predictSync(x: ModelInput): Output {
    this.#predictor ??= new Predictor(this);
    return this.#inForm(this.#predictor.run(x));
  }

  #inForm(results: readonly Prediction[]): Output {
    // `Output` was inferred from that form
    return inForm(this.outputs, this.architecture.outputForm, results) as Output;
  }

  /** A table of the layers, their output shapes and numbers of parameters; of a graph also what each reads. */
  summary(): string {
    return summarize(this.architecture, this.parameterCount);
  }

  /** What `loadModel` makes the same architecture from. */
  toConfig(): Readonly<Record<string, unknown>> {
    const { type, name, seed, reproducible, checkpoint, frozen } = this;
    const named = name === undefined ? {} : { name };
    const cold = frozen.length === 0 ? {} : { frozen };
    const again = checkpoint ? { checkpoint } : {};
    return {
      type,
      ...named,
      ...architectureConfig(this.architecture),
      seed,
      reproducible,
      ...again,
      ...cold,
    };
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

/** Whether there is a file system to read and write: in Node, Deno and Bun, not in a browser. */
export function hasFiles(): boolean {
  return typeof process === 'object' && typeof process.versions?.node === 'string';
}

/** Computed by the core, so that they are the same bits everywhere; but for those that sub-models bring. */
function initialWeights(
  layout: ParameterLayout,
  seed: number,
  elsewhere: readonly (readonly [number, number])[],
): Float32Array {
  const engine = new Engine('simd');
  const flat = new Float32Array(layout.floats);
  layout.list.forEach((parameter, stream) => {
    if (elsewhere.some(([from, to]) => from <= stream && stream < to)) return;
    const address = engine.arena.allocate(parameter.count * 4);
    initialize(engine, parameter.initializer, parameter, address, seed, stream);
    flat.set(engine.arena.f32(address, parameter.count), parameter.offset);
    engine.arena.free(address);
  });
  return flat;
}
