import { show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import { Graph } from '../graph/graph.ts';
import { sourceOps } from '../ops/sources.ts';
import { BATCH, isTensor, type Shape, type Tensor } from '../ops/tensor.ts';
import type { AnyLayer, CallContext, Each, Layer, ParameterSpec, Tracing } from './layer.ts';
import { joinMasks } from './masks.ts';

/** One use of a layer: of a shared one there are several. */
export interface Application {
  /** Counts applications and inputs in the order in which they were made. */
  readonly id: number;
  readonly layer: AnyLayer;
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

/** Below what the integers must be that a layer takes as input `i`; undefined: it takes any numbers. */
export function indicesOf({ indices }: AnyLayer, i: number): number | undefined {
  return typeof indices === 'object' ? indices[i] : indices;
}

/** Attributes of an input of integers below a limit, or of any numbers. */
export function elementsBelow(limit: number | undefined): { type: 'f32' } | { type: 'i32'; limit: number } {
  return limit === undefined ? { type: 'f32' } : { type: 'i32', limit };
}

/** The fewest and the most inputs that a layer takes. */
export function inputCount({ inputs = 1 }: AnyLayer): { readonly least: number; readonly most: number } {
  return typeof inputs === 'number' ? { least: inputs, most: inputs } : inputs;
}

/** The parameters of a layer for such inputs. */
export function specsOf(
  layer: AnyLayer,
  inputs: readonly { readonly shape: Shape }[],
  name: string,
): readonly ParameterSpec[] {
  const shapes = inputs.map(({ shape }) => shape.slice(1));
  return layer.parameters?.(shapes as unknown as Each<Shape>, name) ?? [];
}

/** Traces a layer whose inputs were checked. */
export function callLayer(
  layer: AnyLayer,
  inputs: readonly Tensor[],
  parameters: readonly Tensor[],
  tracing: Tracing,
  name: string,
): readonly Tensor[] {
  const { graph } = tracing;
  graph.layer = name;
  const mask = layer.passesMask && joinMasks(graph, inputs);
  const context: CallContext = {
    ...tracing,
    parameters,
    stream: layer.streams ?? tracing.nextStream(),
    frozen: parameters.some((parameter) => tracing.isFrozen(parameter)),
  };
  const y = layer.trace(inputs as Each<Tensor>, context);
  const results = isTensor(y) ? [y] : y;
  if (mask) graph.masks.set(results[0]!, mask);
  return results;
}

/** Traces a layer on a graph that is there for its shapes alone. */
export function callForShapes(
  layer: AnyLayer,
  inputs: readonly Tensor[],
  specs: readonly ParameterSpec[],
  graph: Graph,
  name: string,
): readonly Tensor[] {
  const parameters = specs.map(
    ({ shape }, index): Tensor => graph.add(sourceOps.parameter, [], { index, shape }),
  );
  const state = (size: number): Tensor => graph.add(sourceOps.state, [], { size });
  const never = { nextStream: () => 0, isFrozen: () => false, update: () => {}, setState: () => {} };
  const same = { state, current: (parameter: Tensor) => parameter };
  return callLayer(layer, inputs, parameters, { graph, training: false, ...never, ...same }, name);
}

/** Applies a layer: checks that it fits its inputs and finds the shapes of its results. `name` is for messages. */
export function apply(
  layer: AnyLayer,
  inputs: readonly SymbolicTensor[],
  name = layer.name ?? layer.type,
): readonly SymbolicTensor[] {
  checkInputs(layer, inputs, name);
  const specs = specsOf(layer, inputs, name);
  const shapes = layer.resultShapes ?? tracedShapes(layer, inputs, specs, name);
  if (layer.resultShapes) checkIntegers(layer, inputs, name);
  const source: Application = { id: ++made, layer, inputs, shapes };
  return shapes.map((shape, i) => new SymbolicTensor(shape, source, i));
}

function tracedShapes(
  layer: AnyLayer,
  inputs: readonly SymbolicTensor[],
  specs: readonly ParameterSpec[],
  name: string,
): readonly Shape[] {
  const graph = new Graph();
  const xs = inputs.map(({ shape, source }, i): Tensor => {
    const limit = source.layer ? undefined : indicesOf(layer, i);
    return graph.add(sourceOps.input, [], { name: 'x', shape: shape.slice(1), ...elementsBelow(limit) });
  });
  return callForShapes(layer, xs, specs, graph, name).map(({ shape }) => shape);
}

/** What tracing would find: integers are inputs of the whole model. */
function checkIntegers(layer: AnyLayer, inputs: readonly SymbolicTensor[], name: string): void {
  for (const [i, { source }] of inputs.entries()) {
    const limit = indicesOf(layer, i);
    if (limit === undefined || !source.layer) continue;
    throw new UsageError(
      `layer '${name}': its input ${i + 1} is integers below ${limit}, but what the layer before it makes are not: give ` +
        'it an input of the model',
    );
  }
}

function checkInputs(layer: AnyLayer, inputs: readonly unknown[], name: string): void {
  for (const input of inputs) {
    if (input instanceof SymbolicTensor) continue;
    if (isTensor(input)) {
      throw new UsageError(
        `layer '${name}' is applied where a model is made, not inside call(), a loss, a metric or gradient(): compute there ` +
          'with ops (ops.matmul, ops.activation, …), on weights that addWeight made or inputs of the function',
      );
    }
    const data = Array.isArray(input) || ArrayBuffer.isView(input);
    throw new UsageError(
      `layer '${name}' is applied to symbolic tensors, which input() and other layers make; got ${show(input)}` +
        (data ? '; numbers go through a model: model.predict(x)' : ''),
    );
  }
  const given = inputs.length;
  const { least, most } = inputCount(layer);
  if (given >= least && given <= most) return;
  const range = most <= 8 ? `${least} to ${most}` : `at least ${least}`;
  const wanted = most === 1 ? 'one input' : `${most === least ? least : range} inputs in an array`;
  throw new UsageError(`layer '${name}' (${layer.type}) takes ${wanted}, got ${given}`);
}

/** What may stand in a sequential model. */
export type ChainLayer = Layer;

/** A function that is also called as its method: `dense(64)(x)` is `dense(64).apply(x)`, as of models and custom layers. */
export type Appliable<F> = F & { readonly apply: F };

/** A layer of one input: `dense(64)(x)`. Applied several times it shares its weights. */
export type CallableLayer = Layer<1> & Appliable<(x: SymbolicTensor) => SymbolicTensor>;

/** A layer of one or more inputs: `attention(x)` or `attention([x, memory])`. */
export type CallableMany = Layer &
  Appliable<(inputs: SymbolicTensor | readonly SymbolicTensor[]) => SymbolicTensor>;

/** A layer of several inputs: `add()([a, b])`. */
export type CallableMerge = AnyLayer & Appliable<(inputs: readonly SymbolicTensor[]) => SymbolicTensor>;

/** Makes a layer of one result callable; its fields stay what they are. */
export function callable(layer: Layer<1>): CallableLayer;
export function callable(layer: Layer): CallableMany;
export function callable(layer: AnyLayer): CallableMerge;
export function callable<L extends AnyLayer>(layer: L): L & Appliable<(inputs: unknown) => SymbolicTensor> {
  const self = withFields(
    (...given: readonly [inputs: unknown]): SymbolicTensor => applyTo(self, ...given)[0]!,
    layer,
  );
  return self;
}

/** Whether `more` is what `[a, b].map(layer)` gives behind each of its elements. */
export function isMapped(x: unknown, more: readonly unknown[]): boolean {
  const [index, list] = more;
  return more.length === 2 && typeof index === 'number' && Array.isArray(list) && list[index] === x;
}

/** Applies a layer to what a user gave: a list where it takes several inputs. `more` is what came behind. */
export function applyTo(
  layer: AnyLayer,
  inputs: unknown,
  ...more: readonly unknown[]
): readonly SymbolicTensor[] {
  refuseMore(layer, inputs, more);
  const { least, most } = inputCount(layer);
  if (most > 1 && Array.isArray(inputs)) return apply(layer, inputs);
  if (least === 1) return apply(layer, [inputs as SymbolicTensor]);
  const { type, name = type } = layer;
  const example = typeof layer === 'function' ? `${type}()([a, b])` : 'apply([a, b])';
  throw new UsageError(`layer '${name}' takes its inputs in an array, as in ${example}; got ${show(inputs)}`);
}

/** Throws where JavaScript would leave out arguments in silence: a layer is applied to one, as `applyTo` says. */
export function refuseMore(layer: AnyLayer, inputs: unknown, given: readonly unknown[]): void {
  const more = isMapped(inputs, given) ? [] : given.filter((value) => value !== undefined);
  if (more.length === 0) return;
  const { type, name = type } = layer;
  const applied = typeof layer === 'function' ? `${type}(…)` : 'apply';
  if (!(more[0] instanceof SymbolicTensor)) {
    throw new UsageError(
      `layer '${name}' is applied to its inputs alone, got ${show(more[0])} too: options are given where the layer is made`,
    );
  }
  const got = `got ${more.length + 1} arguments`;
  if (inputCount(layer).most > 1) {
    throw new UsageError(`layer '${name}' takes its inputs in an array, as in ${applied}([a, b]); ${got}`);
  }
  throw new UsageError(
    `layer '${name}' takes one input, ${got}: apply it to each, or make them one before, as in ` +
      `${applied}(concatenate()([a, b]))`,
  );
}

/** Own properties, since a function has a `name` and an `apply` of its own. */
export function withFields<F extends (...args: never[]) => unknown, T extends object>(
  self: F,
  fields: T,
): Appliable<F> & T {
  Object.defineProperty(self, 'apply', { value: self });
  for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(fields))) {
    Object.defineProperty(self, key, { ...property, enumerable: true, configurable: true });
  }
  return self as Appliable<F> & T;
}
