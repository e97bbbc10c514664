import { show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { AnyLayer, ParameterSpec, Tracing } from '../layers/layer.ts';
import {
  type Application,
  applyTo,
  callLayer,
  indicesOf,
  type SymbolicTensor,
  specsOf,
} from '../layers/symbolic.ts';
import { type Shape, sameShape, showShape, sizeOf, type Tensor } from '../ops/tensor.ts';
import { isModelLayer, type ModelLayer } from './model-layer.ts';
import type { WeightedLayer } from './shared.ts';

/** An input or an output of a model. */
export interface Port {
  readonly name: string;
  readonly tensor: SymbolicTensor;
  /** With the batch. */
  readonly shape: Shape;
  /** Of an input that embeddings read: integers from 0 to below this; undefined: any numbers. */
  readonly indices: number | undefined;
}

/** How a user gives and gets several inputs and outputs. */
export type PortForm = 'single' | 'list' | 'record';

export interface Ports {
  readonly form: PortForm;
  readonly list: readonly { readonly name: string | undefined; readonly tensor: SymbolicTensor }[];
}

/** A layer of a model; a shared one is there once. */
export interface NamedLayer {
  readonly name: string;
  readonly layer: AnyLayer;
  /** Of its (first) output, with the batch. */
  readonly shape: Shape;
  readonly parameters: number;
  /**
   * What the layer makes of another tensor, or of several in a list; of several results the first. A model that is made
   * of it has the same weights, as `model` says.
   */
  apply(inputs: SymbolicTensor | readonly SymbolicTensor[]): SymbolicTensor;
}

interface Member extends NamedLayer {
  /** Its specs among those of the model. */
  readonly first: number;
  readonly specs: readonly ParameterSpec[];
}

/** What a WebAssembly memory of 4 GiB can hold. */
const MAX_FLOATS = 2 ** 30;
/**
 * Layers that a program traces: sub-models that are applied twice within each other would be 2^depth of them, from a file
 * of a few kilobytes. Tracing this many takes about 2 s.
 */
const MAX_APPLICATIONS = 2 ** 18;
/** Each model keeps the specs of those within it, so this bounds the memory that a file may ask for. */
const MAX_DEPTH = 100;

/** The graph of layers from inputs to outputs; layers one after the other are the plain case. */
export class Architecture {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly inputForm: PortForm;
  readonly outputForm: PortForm;
  /** In the order in which they were made: each after those that it reads. */
  readonly applications: readonly Application[];
  /** Layers that it is traced to: those of sub-models count each time that these are applied. */
  readonly expanded: number;
  /** Models one within the other, this one too. */
  readonly depth: number;
  readonly layers: readonly NamedLayer[];
  /** With the names of their layers: dense/kernel. */
  readonly specs: readonly ParameterSpec[];
  readonly #members = new Map<AnyLayer, Member>();

  constructor(
    readonly what: 'sequential' | 'model',
    inputs: Ports,
    outputs: Ports,
  ) {
    this.inputForm = inputs.form;
    this.outputForm = outputs.form;
    this.applications = reached(
      inputs.list.map(({ tensor }) => tensor),
      outputs.list.map(({ tensor }) => tensor),
    );
    const parts = this.applications.map(({ layer }) =>
      isModelLayer(layer) ? layer.model.architecture : undefined,
    );
    this.expanded = parts.reduce((sum, part) => sum + (part?.expanded ?? 1), 0);
    this.depth = parts.reduce((most, part) => Math.max(most, 1 + (part?.depth ?? 0)), 1);
    checkExtent(this);
    const inner = new Set<object>();
    const names = uniqueNames([...new Set(this.applications.map(({ layer }) => layer))], what);
    const specs: ParameterSpec[] = [];
    let total = 0;
    for (const application of this.applications) {
      const { layer, shapes } = application;
      const name = names.get(layer)!;
      const own = specsOf(layer, application.inputs, name);
      const before = this.#members.get(layer);
      if (before) checkShared(before, own);
      else {
        checkContained(layer, name, inner);
        const parameters = own.reduce((sum, { shape }) => sum + sizeOf(shape, 1), 0);
        total += parameters;
        this.#members.set(layer, {
          name,
          layer,
          shape: shapes[0]!,
          parameters,
          apply: (given) => applyTo(layer, given)[0]!,
          first: specs.length,
          specs: own,
        });
        specs.push(...own.map((spec) => ({ ...spec, name: `${name}/${spec.name}` })));
      }
      if (Math.max(total, ...shapes.map((shape) => sizeOf(shape, 1))) > MAX_FLOATS) {
        throw new UsageError(
          `layer '${name}': its output ${showShape(shapes[0]!)} or the ${total.toLocaleString('en-US')} parameters so far ` +
            'do not fit into the 4 GiB of a WebAssembly memory',
        );
      }
    }
    this.specs = specs;
    this.layers = [...this.#members.values()];
    const limits = limitsOf(this.applications);
    this.inputs = named(inputs, (_, i) => (i === 0 ? 'input' : `input_${i}`), `${what}: inputs`).map(
      (port) => ({
        ...port,
        indices: this.#indicesOf(port, limits.get(port.tensor) ?? []),
      }),
    );
    this.outputs = named(outputs, (tensor) => this.producer(tensor), `${what}: outputs`).map((port) => ({
      ...port,
      indices: undefined,
    }));
  }

  /** Embeddings that read an input take integers below the smallest of their sizes; nothing else may read it then. */
  #indicesOf({ name }: Omit<Port, 'indices'>, limits: readonly (number | undefined)[]): number | undefined {
    const known = limits.filter((limit) => limit !== undefined);
    if (known.length > 0 && known.length < limits.length) {
      throw new UsageError(
        `${this.what}: input '${name}' is read by an embedding, which takes integers, and by another layer; ` +
          'give that one an input of its own',
      );
    }
    return known.length > 0 ? known.reduce((least, limit) => Math.min(least, limit)) : undefined;
  }

  /** Whether layers carry states from batch to batch. */
  get stateful(): boolean {
    return this.layers.some(({ layer }) => layer.stateful);
  }

  /** The layer, or the input, that makes a tensor. */
  producer({ source }: SymbolicTensor): string {
    if (source.layer) return this.#members.get(source.layer)!.name;
    return this.inputs.find(({ tensor }) => tensor.source === source)?.name ?? source.name ?? 'input';
  }

  /** The layer that reads an input first. */
  reader(port: Port): string {
    const found = this.applications.find(({ inputs }) => inputs.includes(port.tensor));
    return found ? this.#members.get(found.layer)!.name : port.name;
  }

  /** Sub-models, with the place of the first of their parameters. */
  subModels(): readonly { readonly layer: ModelLayer; readonly first: number }[] {
    return [...this.#members.values()].flatMap(({ layer, first }) =>
      isModelLayer(layer) ? [{ layer, first }] : [],
    );
  }

  /** Layers with weights, but for sub-models. */
  weightedLayers(): readonly WeightedLayer[] {
    return [...this.#members.values()].filter(({ layer, specs }) => specs.length > 0 && !isModelLayer(layer));
  }

  /** Traces all layers; `prefix` goes before their names. */
  trace(
    xs: readonly Tensor[],
    parameters: readonly Tensor[],
    tracing: Tracing,
    prefix: string,
  ): readonly Tensor[] {
    const results = new Map<Application | object, readonly Tensor[]>();
    for (const [i, { tensor }] of this.inputs.entries()) results.set(tensor.source, [xs[i]!]);
    const of = ({ source, index }: SymbolicTensor): Tensor => results.get(source)![index]!;
    for (const application of this.applications) {
      const { layer, inputs } = application;
      const { name, first, specs } = this.#members.get(layer)!;
      const own = parameters.slice(first, first + specs.length);
      results.set(application, callLayer(layer, inputs.map(of), own, tracing, prefix + name));
    }
    return this.outputs.map(({ tensor }) => of(tensor));
  }
}

/** Of each tensor that inputs are: for each layer that reads it, below what the integers must be, if it takes such. */
function limitsOf(
  applications: readonly Application[],
): ReadonlyMap<SymbolicTensor, readonly (number | undefined)[]> {
  const limits = new Map<SymbolicTensor, (number | undefined)[]>();
  for (const { layer, inputs } of applications) {
    for (const [i, input] of inputs.entries()) {
      if (input.source.layer) continue;
      const list = limits.get(input);
      if (list) list.push(indicesOf(layer, i));
      else limits.set(input, [indicesOf(layer, i)]);
    }
  }
  return limits;
}

/** The applications that the outputs need, in order; throws where an input is not given, or not needed. */
function reached(
  inputs: readonly SymbolicTensor[],
  outputs: readonly SymbolicTensor[],
): readonly Application[] {
  const given = new Set<object>(inputs.map(({ source }) => source));
  const seen = new Set<object>();
  const found: Application[] = [];
  const stack = outputs.map((tensor) => ({ tensor, reader: 'an output' }));
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { source } = next.tensor;
    if (seen.has(source)) continue;
    seen.add(source);
    if (!source.layer) {
      if (given.has(source)) continue;
      throw new UsageError(
        `model: ${next.reader} reads the input ${show(source.name ?? 'input')} of shape ${showShape(next.tensor.shape)}, ` +
          'which is not among inputs; it may belong to another model',
      );
    }
    if (given.has(source)) continue;
    found.push(source);
    const reader = `layer '${source.layer.name ?? source.layer.type}'`;
    for (const tensor of source.inputs) stack.push({ tensor, reader });
  }
  const idle = inputs.findIndex(({ source }) => !seen.has(source));
  if (idle >= 0) {
    const { source, shape } = inputs[idle]!;
    const name = source.layer ? source.layer.type : source.name;
    throw new UsageError(
      `model: no output depends on input ${name ? show(name) : idle + 1} of shape ${showShape(shape)}; ` +
        'leave it out, or connect it',
    );
  }
  return found.sort((a, b) => a.id - b.id);
}

/** Before anything is done for each application. */
function checkExtent({ what, expanded, depth }: Architecture): void {
  const known = (count: number) => count.toLocaleString('en-US');
  if (expanded > MAX_APPLICATIONS) {
    throw new UsageError(
      `${what}: it has ${known(expanded)} layers, those of a sub-model counted each time that it is applied; at most ` +
        `${known(MAX_APPLICATIONS)} are possible`,
    );
  }
  if (depth > MAX_DEPTH) {
    throw new UsageError(
      `${what}: ${depth} models one within the other, at most ${MAX_DEPTH} are possible; apply their layers directly`,
    );
  }
}

/** A shared layer needs the same parameters wherever it is applied. */
function checkShared({ name, specs }: Member, again: readonly ParameterSpec[]): void {
  if (specs.length !== again.length) {
    throw new UsageError(
      `layer '${name}' is applied several times, so its inputs must fit the same weights: it has ${specs.length} for ` +
        `one and ${again.length} for another`,
    );
  }
  specs.forEach(({ name: parameter, shape }, i) => {
    const other = again[i]!.shape;
    if (sameShape(shape, other)) return;
    throw new UsageError(
      `layer '${name}' is applied several times, so its inputs must fit the same weights: its ${parameter} is ` +
        `${showShape(shape)} for one and ${showShape(other)} for another`,
    );
  });
}

/** A sub-model has its weights in one place of a model. */
function checkContained(layer: AnyLayer, name: string, inner: Set<object>): void {
  if (!isModelLayer(layer)) return;
  for (const part of [layer.model, ...layer.model.subModels()]) {
    if (inner.has(part)) {
      throw new UsageError(
        `model: '${name}' contains a model that is part of this one already; apply that one directly instead`,
      );
    }
    inner.add(part);
  }
}

/** Given names, and types numbered where there is none: dense, dense_1, … */
function uniqueNames(layers: readonly AnyLayer[], what: string): ReadonlyMap<AnyLayer, string> {
  const used = new Set<string>();
  for (const { name } of layers) {
    if (name === undefined) continue;
    if (used.has(name)) throw new UsageError(`${what}: two layers are named '${name}'; rename one`);
    used.add(name);
  }
  const counts = new Map<string, number>();
  return new Map(
    layers.map((layer) => {
      if (layer.name !== undefined) return [layer, layer.name];
      for (;;) {
        const count = counts.get(layer.type) ?? 0;
        counts.set(layer.type, count + 1);
        const unique = count === 0 ? layer.type : `${layer.type}_${count}`;
        if (!used.has(unique)) return [layer, unique];
      }
    }),
  );
}

function named(
  { list }: Ports,
  fallback: (tensor: SymbolicTensor, index: number) => string,
  what: string,
): readonly Omit<Port, 'indices'>[] {
  const used = new Set<string>();
  return list.map(({ name: given, tensor }, i) => {
    const wanted = given ?? fallback(tensor, i);
    if (used.has(wanted) && given !== undefined) {
      throw new UsageError(`${what}: two are named '${given}'; rename one`);
    }
    let name = wanted;
    for (let n = 1; used.has(name); n++) name = `${wanted}_${n}`;
    used.add(name);
    return { name, tensor, shape: tensor.shape };
  });
}
