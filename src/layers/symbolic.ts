import { show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import { Graph } from '../graph/graph.ts';
import { sourceOps } from '../ops/sources.ts';
import { BATCH, type Shape, sameShape, showShape, type Tensor } from '../ops/tensor.ts';
import type { BlockLayer, CallContext, Layer, MergeLayer, ParameterSpec, Use } from './layer.ts';
import { joinMasks } from './masks.ts';

/** A parameter with the name of the layer that owns it; of a sub-model `encoder/dense`. */
export interface OwnedSpec {
  readonly layer: string;
  readonly spec: ParameterSpec;
}

/** What a layer traces with; each of its random operations takes the next stream. */
export type Tracing = Omit<CallContext, 'stream' | 'frozen' | 'mask'> & {
  readonly nextStream: () => number;
  isFrozen(parameter: Tensor): boolean;
};

/** A model as a layer of another. */
export interface SubModel {
  readonly type: string;
  readonly name: string | undefined;
  readonly inputs: readonly {
    readonly name: string;
    readonly shape: Shape;
    readonly indices: number | undefined;
  }[];
  readonly outputs: readonly { readonly name: string; readonly shape: Shape }[];
  toConfig(): Readonly<Record<string, unknown>>;
  /** Its parameters, as parts of the layer `name`. */
  specs(name: string): readonly OwnedSpec[];
  /** Models within it. */
  subModels(): readonly SubModel[];
  callOn(xs: readonly Tensor[], tracing: Tracing, name: string): readonly Tensor[];
}

/** What can be applied to symbolic tensors. */
export type Applicable = Layer | MergeLayer | BlockLayer | SubModel;

/** One use of a layer: of a shared one there are several. */
export interface Application {
  /** Counts applications and inputs in the order in which they were made. */
  readonly id: number;
  readonly layer: Applicable;
  readonly inputs: readonly SymbolicTensor[];
  /** Of its results, with the batch. */
  readonly shapes: readonly Shape[];
}

/** An input of a model. */
export interface InputNode {
  readonly id: number;
  readonly layer: undefined;
  readonly name: string | undefined;
}

/** The result of a layer that was applied to another, or an input: what `model` makes a model of. */
export class SymbolicTensor {
  constructor(
    /** With the batch as -1. */
    readonly shape: Shape,
    readonly source: Application | InputNode,
    /** Which of the results of the application. */
    readonly index: number,
  ) {}
}

let made = 0;

/** An input of a model, of `shape` without the batch. */
export function inputNode(shape: readonly number[], name: string | undefined): SymbolicTensor {
  return new SymbolicTensor([BATCH, ...shape], { id: ++made, layer: undefined, name }, 0);
}

export function isSubModel(layer: Applicable): layer is SubModel {
  return 'callOn' in layer;
}

function isMerge(layer: Applicable): layer is MergeLayer {
  return 'merge' in layer;
}

function isBlock(layer: Applicable): layer is BlockLayer {
  return 'body' in layer;
}

/** Below what the integers must be that a layer takes as input `i`; undefined: it takes any numbers. */
export function indicesOf(layer: Applicable, i: number): number | undefined {
  if (isSubModel(layer)) return layer.inputs[i]!.indices;
  return isMerge(layer) || isBlock(layer) ? undefined : layer.indices;
}

/** The parameters of a layer for inputs of these shapes, the batch included. */
export function specsOf(layer: Applicable, shapes: readonly Shape[], name: string): readonly OwnedSpec[] {
  if (isSubModel(layer)) return layer.specs(name);
  if (isBlock(layer)) return specsOfBlock(layer, shapes, name);
  const own = shapes.map((shape) => shape.slice(1));
  const specs = isMerge(layer) ? (layer.parameters?.(own, name) ?? []) : layer.parameters(own[0]!, name);
  return specs.map((spec) => ({ layer: name, spec }));
}

/** Found by tracing the block on a graph of its own. */
function specsOfBlock(block: BlockLayer, shapes: readonly Shape[], name: string): readonly OwnedSpec[] {
  const graph = new Graph();
  const specs: OwnedSpec[] = [];
  const use: Use = (part, layer, ...inputs) => {
    const full = `${name}/${part}`;
    const shapesOf = inputs.map(({ shape }) => shape);
    const own = specsOf(layer, shapesOf, full);
    specs.push(...own);
    return callLayer(layer, inputs, shapesOnly(graph, own), full)[0]!;
  };
  const xs = shapes.map((shape) =>
    graph.add(sourceOps.input, [], { name: 'x', shape: shape.slice(1), type: 'f32' }),
  );
  block.body(xs, use);
  return specs;
}

/** A trace for the sake of its shapes. */
function shapesOnly(graph: Graph, specs: readonly OwnedSpec[]): Tracing {
  const parameters = specs.map(({ spec: { shape } }, index) =>
    graph.add(sourceOps.parameter, [], { index, shape }),
  );
  return {
    ...{ graph, parameters, training: false },
    ...{ nextStream: () => 0, isFrozen: () => false, update: () => {} },
  };
}

/** Each layer of a block takes its parameters in turn. */
function callBlock(block: BlockLayer, xs: readonly Tensor[], tracing: Tracing, name: string): Tensor {
  let next = 0;
  return block.body(xs, (part, layer, ...inputs) => {
    const full = `${name}/${part}`;
    const shapes = inputs.map(({ shape }) => shape);
    const first = next;
    next += specsOf(layer, shapes, full).length;
    const parameters = tracing.parameters.slice(first, next);
    return callLayer(layer, inputs, { ...tracing, parameters }, full)[0]!;
  });
}

/** Traces a layer. */
export function callLayer(
  layer: Applicable,
  xs: readonly Tensor[],
  tracing: Tracing,
  name: string,
): readonly Tensor[] {
  if (isSubModel(layer)) return layer.callOn(xs, tracing, name);
  if (isBlock(layer)) return [callBlock(layer, xs, tracing, name)];
  const { graph, parameters, training, update, generation } = tracing;
  graph.layer = name;
  const keep = (y: Tensor, mask: Tensor | undefined): readonly Tensor[] => {
    if (layer.passesMask && mask) graph.masks.set(y, mask);
    return [y];
  };
  const frozen = parameters.some((parameter) => tracing.isFrozen(parameter));
  const mask = !isMerge(layer)
    ? graph.masks.get(xs[0]!)
    : layer.passesMask
      ? joinMasks(graph, xs)
      : undefined;
  // a merge layer without parameters takes no stream: the numbers of a model stay what they were
  const plain = isMerge(layer) && !layer.parameters;
  const stream = plain ? 0 : tracing.nextStream();
  const context = { graph, parameters, training, frozen, mask, update, generation, stream };
  if (!isMerge(layer) && layer.many) return layer.many.call(xs, context);
  return keep(
    isMerge(layer)
      ? layer.merge(xs, graph, context)
      : layer.trace
        ? layer.trace(xs[0]!, context)
        : layer.call(xs[0]!, context),
    mask,
  );
}

/** Applies a layer: checks that it fits its inputs and finds the shapes of its results. `name` is for messages. */
export function apply(
  layer: Applicable,
  inputs: readonly SymbolicTensor[],
  name = layer.name ?? layer.type,
): readonly SymbolicTensor[] {
  checkInputs(layer, inputs, name);
  const shapes = resultShapes(layer, inputs, name);
  const source: Application = { id: ++made, layer, inputs, shapes };
  return shapes.map((shape, i) => new SymbolicTensor(shape, source, i));
}

function resultShapes(layer: Applicable, inputs: readonly SymbolicTensor[], name: string): readonly Shape[] {
  if (isSubModel(layer)) return layer.outputs.map(({ shape }) => shape);
  const graph = new Graph();
  const shapes = inputs.map(({ shape }) => shape);
  const xs = inputs.map(({ shape, source }, i) => {
    const limit = source.layer ? undefined : indicesOf(layer, i);
    return graph.add(sourceOps.input, [], { name: 'x', shape: shape.slice(1), ...elementsBelow(limit) });
  });
  const tracing = shapesOnly(graph, specsOf(layer, shapes, name));
  return callLayer(layer, xs, tracing, name).map(({ shape }) => shape);
}

/** Attributes of an input of integers below a limit, or of any numbers. */
export function elementsBelow(limit: number | undefined): { type: 'f32' } | { type: 'i32'; limit: number } {
  return limit === undefined ? { type: 'f32' } : { type: 'i32', limit };
}

function checkInputs(layer: Applicable, inputs: readonly unknown[], name: string): void {
  for (const input of inputs) {
    if (input instanceof SymbolicTensor) continue;
    throw new UsageError(
      `layer '${name}' is applied to symbolic tensors, which input() and other layers make; got ${show(input)}`,
    );
  }
  const given = inputs.length;
  if (isSubModel(layer)) {
    if (given !== layer.inputs.length) {
      throw new UsageError(
        `layer '${name}' is a model with ${layer.inputs.length} input${layer.inputs.length > 1 ? 's' : ''} ` +
          `(${layer.inputs.map((port) => port.name).join(', ')}), got ${given}`,
      );
    }
    layer.inputs.forEach(({ name: port, shape }, i) => {
      const { shape: got } = inputs[i] as SymbolicTensor;
      if (!sameShape(shape, got)) {
        throw new UsageError(
          `layer '${name}' is a model whose input '${port}' has shape ${showShape(shape)}, got ${showShape(got)}`,
        );
      }
    });
  } else if (isMerge(layer) || isBlock(layer)) {
    const { least, most } = layer;
    if (given < least || given > most) {
      const upTo = most <= 8 ? `${least} to ${most}` : `at least ${least}`;
      const wanted = most === least ? `${least}` : upTo;
      throw new UsageError(
        `layer '${name}' (${layer.type}) takes ${wanted} inputs in an array, got ${given}`,
      );
    }
  } else if (given < 1 || given > (layer.many?.mostInputs ?? 1)) {
    const most = layer.many?.mostInputs ?? 1;
    throw new UsageError(
      `layer '${name}' (${layer.type}) takes ${most === 1 ? 'one input' : `1 to ${most} inputs`}, got ${given}`,
    );
  }
}

/** A layer that can be applied: `dense(64)(x)`. Applied several times it shares its weights. */
export type CallableLayer = Layer & ((x: SymbolicTensor) => SymbolicTensor);

/** A merge layer that can be applied: `add()([a, b])`. */
export type CallableMerge = MergeLayer & ((inputs: readonly SymbolicTensor[]) => SymbolicTensor);

/** A layer of one or more inputs: `attention(x)` or `attention([x, memory])`. */
type ApplyMany = (inputs: SymbolicTensor | readonly SymbolicTensor[]) => SymbolicTensor;
export type CallableMany = MergeLayer & { readonly least: 1 } & ApplyMany;
export type CallableBlock = BlockLayer & { readonly least: 1 } & ApplyMany;

/** What may stand in a sequential model. */
export type ChainLayer = Layer | ((MergeLayer | BlockLayer) & { readonly least: 1 });

/** Makes a layer callable; its fields stay what they are. */
export function callable(layer: Layer): CallableLayer {
  const self: CallableLayer = withFields((x: SymbolicTensor) => apply(self, [x])[0]!, layer);
  return self;
}

export function callableMerge(layer: MergeLayer): CallableMerge {
  const self: CallableMerge = withFields((inputs: readonly SymbolicTensor[]) => {
    if (!Array.isArray(inputs)) {
      throw new UsageError(
        `layer '${layer.name ?? layer.type}' takes its inputs in an array, as in ${layer.type}()([a, b]); ` +
          `got ${show(inputs)}`,
      );
    }
    return apply(self, inputs)[0]!;
  }, layer);
  return self;
}

/** Makes a layer of one or more inputs callable. */
export function callableMany<T extends (MergeLayer | BlockLayer) & { readonly least: 1 }>(
  layer: T,
): T & ApplyMany {
  const self: T & ApplyMany = withFields(
    (inputs: SymbolicTensor | readonly SymbolicTensor[]) =>
      apply(self, inputs instanceof SymbolicTensor ? [inputs] : inputs)[0]!,
    layer,
  );
  return self;
}

/** Own properties, since a function has a `name` and a `call` of its own. */
export function withFields<F extends (...args: never[]) => unknown, T extends object>(
  self: F,
  fields: T,
): F & T {
  for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(fields))) {
    Object.defineProperty(self, key, { ...property, enumerable: true, configurable: true });
  }
  return self as F & T;
}
