import { dimensions, flag, integer, knownKeys, nearest, number, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { BATCH, isTensor, showShape, sizeOf, type Tensor } from '../ops/tensor.ts';
import { type InitializerLike, initializerConfig } from './initializers.ts';
import type { AnyLayer, CallContext, Each, Layer, ParameterSpec } from './layer.ts';
import { showResult, Weight } from './operations/operand.ts';
import { type LayerOptions, layerName } from './options.ts';
import { type Regularizer, regularizer } from './regularizers.ts';
import {
  applyTo,
  type CallableLayer,
  type CallableMerge,
  callable,
  type SymbolicTensor,
} from './symbolic.ts';

export interface WeightOptions {
  /** Default 'glorotUniform'. */
  initializer?: InitializerLike;
  /** Penalty, part of the reported loss. Default: none. */
  regularizer?: Regularizer;
  /** False: training leaves it as it is, but for `context.update`. Default true. */
  trainable?: boolean;
  /** Multiplies the learning rate, at least 0. Default 1. */
  learningRateScale?: number;
}

/** What `call` of a custom layer gets beside its input. */
export interface CustomContext {
  /** Training, or inference. */
  readonly training: boolean;
  /**
   * While training: a weight that is not trainable becomes `value`, of its shape, after the step. What the call itself
   * reads is the old one; where the layer is applied again in the same model, that call reads `value`.
   */
  update(weight: Weight | Tensor, value: Tensor): void;
}

type List<N extends number, T, Start extends readonly T[] = []> = number extends N
  ? readonly T[]
  : Start['length'] extends N
    ? Readonly<Start>
    : List<N, T, [...Start, T]>;

/** What a layer of N inputs is given of each: of one input itself, of several a list. */
type Given<N extends number, T> = N extends 1 ? T : List<N, T>;

function given<N extends number, T>(each: readonly T[], inputs: N | undefined): Given<N, T> {
  return ((inputs ?? 1) === 1 ? each[0]! : each) as Given<N, T>;
}

/** A class of layers, made again from the options in a file. */
export type CustomLayerClass = new (options: never) => AnyLayer;

/**
 * A layer of one's own: a class with a `type`, weights made in `build`, and operations in `call`.
 *
 *     class Scale extends CustomLayer<{ start: number }> {
 *       static readonly type = 'Scale';
 *       factor!: Weight;
 *
 *       override build(shape: readonly number[]) {
 *         this.factor = this.addWeight('factor', [shape.at(-1)!], { initializer: constant(this.options.start) });
 *       }
 *
 *       call(x: Tensor) {
 *         return ops.mul(x, this.factor);
 *       }
 *     }
 *
 * `new Scale({ start: 1 })` goes into `sequential`, and is applied with `.apply(x)`. Options are JSON: a file holds them,
 * and `loadModel(file, { layers: { Scale } })` makes the layer again with `new Scale(options)`.
 *
 * A `CustomLayer<Options, 2>` with `readonly inputs = 2` takes two inputs: `build` gets a list of shapes, `call` a list of
 * tensors, and so does `.apply`.
 */
export abstract class CustomLayer<Options extends object = object, Inputs extends number = 1>
  implements Layer<Inputs>
{
  readonly options: Options;
  readonly type: string;
  readonly name?: string | undefined;
  /** Set it where the layer takes several inputs: how many. Default: one, which is given as itself and not in a list. */
  readonly inputs?: Inputs;
  /**
   * Set it where the layer reads inputs of the model as integers from 0 to below this, for `ops.gather`; a list has a limit
   * for each input, undefined for floats. Default: floats.
   */
  readonly indices?: number | readonly (number | undefined)[];
  /** Set it where the layer works on each time step by itself: steps count that do in all of its inputs with a mask. */
  readonly passesMask?: true;
  /** Weights of the `build` at hand; none outside of it. */
  private specs: { readonly spec: ParameterSpec; readonly weight: Weight }[] | undefined;

  /** @throws UsageError when the class has no `type`, or on a name out of range. */
  constructor(options: Options & LayerOptions = {} as Options) {
    // what files call the layer: a name of its own, since bundlers rename classes
    const made: { readonly type?: unknown; readonly name: string } = new.target;
    if (typeof made.type !== 'string' || !/^[\w.-]{1,100}$/.test(made.type)) {
      throw new UsageError(
        `class ${made.name} extends CustomLayer and needs a type, which names it in files: ` +
          `static readonly type = '${made.name}'`,
      );
    }
    if (typeof options !== 'object' || options === null || Array.isArray(options)) {
      throw new UsageError(`${made.type} takes its options as an object, got ${show(options)}`);
    }
    this.type = made.type;
    this.name = layerName(options, made.type);
    const { name: _, ...own } = options;
    this.options = own as unknown as Options;
  }

  /** Makes the weights for rows of `shape`, without the batch. Called whenever a model needs them: nothing else belongs here. */
  build(_shape: Given<Inputs, readonly number[]>): void {}

  /** The layer's operations: x [batch, …] and what it returns both have the batch in front. */
  abstract call(x: Given<Inputs, Tensor>, context: CustomContext): Tensor;

  /**
   * Declares a weight, in `build`.
   * @returns What operations take for its values, in `call`.
   * @throws UsageError outside of `build`, on a name used twice, or on an option out of range.
   */
  protected addWeight(name: string, shape: readonly number[], options: WeightOptions = {}): Weight {
    const what = `${this.type}: weight ${show(name)}`;
    if (!this.specs) throw new UsageError(`${what}: weights are made in build()`);
    if (layerName({ name }, what) === undefined) throw new UsageError(`${this.type}: a weight needs a name`);
    if (this.specs.some(({ spec }) => spec.name === name)) throw new UsageError(`${what} is made twice`);
    const dims = dimensions(shape, `${what}: shape`);
    knownKeys(options, ['initializer', 'regularizer', 'trainable', 'learningRateScale'], what);
    // a kernel [… , in, out]: positions before it count as inputs and outputs, as for convolutions
    const positions = sizeOf(dims.slice(0, -2), 1);
    const fanOut = dims.at(-1) ?? 1;
    const weight = new Weight(name, dims);
    const spec: ParameterSpec = {
      name,
      shape: dims,
      fanIn: positions * (dims.at(-2) ?? fanOut),
      fanOut: positions * fanOut,
      initializer: initializerConfig(options.initializer ?? 'glorotUniform', `${what}: initializer`),
      regularizer: regularizer(options.regularizer, `${what}: regularizer`),
      trainable: flag(options.trainable ?? true, `${what}: trainable`),
      learningRateScale: number(options.learningRateScale ?? 1, `${what}: learningRateScale`, { min: 0 }),
    };
    this.specs.push({ spec, weight });
    return weight;
  }

  /** The layer applied in a model: several times, it shares its weights. */
  apply(...x: readonly [Given<Inputs, SymbolicTensor>]): SymbolicTensor {
    return applyTo(this, ...x)[0]!;
  }

  /** Of a file. @throws UsageError on an option that is not JSON. */
  get config(): Readonly<Record<string, unknown>> {
    checkJson(this.options, `layer '${this.name ?? this.type}': its options`);
    return this.options as Readonly<Record<string, unknown>>;
  }

  parameters(shapes: Each<readonly number[]>): readonly ParameterSpec[] {
    return this.#built(shapes).map(({ spec }) => spec);
  }

  trace(inputs: Each<Tensor>, { graph, parameters, training, update, current }: CallContext): Tensor {
    const made = this.#built(inputs.map(({ shape }) => shape.slice(1)));
    made.forEach(({ weight, spec }, i) => {
      weight.tensor = spec.trainable ? parameters[i]! : current(parameters[i]!);
    });
    // JavaScript knows no abstract methods
    if (typeof this.call !== 'function') {
      throw new UsageError(
        `layer '${graph.layer}': its class needs a method call(x), which makes its output`,
      );
    }
    try {
      const y: unknown = this.call(given(inputs, this.inputs), {
        training,
        update: (weight, value) => {
          const place = made.findIndex((entry) => entry.weight === weight);
          const own = made[place];
          if (!own || own.spec.trainable) {
            throw new UsageError(
              `layer '${graph.layer}': update takes a weight of the layer made with trainable: false`,
            );
          }
          const { shape } = own.spec;
          if (!isTensor(value) || value.shape.join() !== shape.join()) {
            throw new UsageError(
              `layer '${graph.layer}': update of '${own.weight.name}' needs a tensor ${showShape(shape)}, got ` +
                (isTensor(value) ? showShape(value.shape) : show(value)),
            );
          }
          update(parameters[place]!, value);
        },
      });
      return checkedResult(y, graph);
    } finally {
      for (const { weight } of made) weight.tensor = undefined;
    }
  }

  #built(shapes: readonly (readonly number[])[]) {
    for (const limit of [this.indices ?? []].flat()) {
      if (limit !== undefined) integer(limit, `${this.type}: indices`, 1);
    }
    this.specs = [];
    try {
      this.build(given(shapes, this.inputs));
      return this.specs;
    } finally {
      this.specs = undefined;
    }
  }
}

/** What `call` or a lambda gave, if it is rows of a tensor of this trace. */
function checkedResult(y: unknown, graph: Graph): Tensor {
  if (isTensor(y) && y.tracer === graph && y.shape[0] === BATCH) return y;
  throw new UsageError(
    `layer '${graph.layer}': call must return a tensor [batch, …] made by operations from its input, ` +
      `got ${showResult(y, graph)}`,
  );
}

/** Throws unless JSON gives the same value again. */
function checkJson(value: unknown, what: string): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number' && Number.isFinite(value)) return;
  const plain = typeof value === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(value));
  if (!plain && !Array.isArray(value)) {
    throw new UsageError(`${what} must be JSON to be written to a file: there is ${show(value)}`);
  }
  for (const [key, entry] of Object.entries(value as object)) {
    if (entry !== undefined) checkJson(entry, `${what}: ${key}`);
  }
}

/** What the function of a lambda layer gets beside its inputs. */
type LambdaContext = Pick<CustomContext, 'training'>;

export interface LambdaOptions<Inputs extends number = number> extends LayerOptions {
  /** How many inputs it takes; of several the function gets a list. Default 1. */
  inputs?: Inputs;
}

/**
 * A layer of operations without weights: `lambda((x) => ops.square(x))`, or of several inputs
 * `lambda(([a, b]) => ops.sub(a, b), { inputs: 2 })`. A file holds its name, not its code: give it one to save it, and the
 * function again to load it, `loadModel(file, { layers: { name: fn } })`.
 */
export function lambda(
  fn: (x: Tensor, context: LambdaContext) => Tensor,
  options?: LambdaOptions<1>,
): CallableLayer;
export function lambda<const Inputs extends number>(
  fn: (inputs: Given<Inputs, Tensor>, context: LambdaContext) => Tensor,
  options: LambdaOptions<Inputs> & { inputs: Inputs },
): CallableMerge;
export function lambda(
  fn: (x: never, context: LambdaContext) => Tensor,
  options: LambdaOptions = {},
): CallableLayer | CallableMerge {
  knownKeys(options, ['name', 'inputs'], 'lambda');
  if (typeof fn !== 'function') throw new UsageError(`lambda takes a function of a tensor, got ${show(fn)}`);
  const name = layerName(options, 'lambda');
  const inputs = integer(options.inputs ?? 1, 'lambda: inputs', 1);
  return callable({
    type: 'lambda',
    name,
    inputs,
    get config() {
      if (name !== undefined) return inputs === 1 ? { function: name } : { function: name, inputs };
      throw new UsageError(
        "a lambda layer is a function, which a file cannot hold: give it a name, lambda(fn, { name: 'double' }), and " +
          'the function again to loadModel(file, { layers: { double: fn } })',
      );
    },
    trace: (tensors, { graph, training }) =>
      checkedResult(fn(given(tensors, inputs) as never, { training }), graph),
  });
}

/** Layers that a file may name besides those of the library: classes, and functions of lambda layers. */
export type CustomLayers = Readonly<
  Record<string, CustomLayerClass | ((x: never, context: LambdaContext) => Tensor)>
>;

/** Throws unless it is a record of classes and functions. */
export function checkedCustom(value: unknown, what: string): CustomLayers {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`${what} takes layers as { MyLayer, … }, got ${show(value)}`);
  }
  for (const [name, entry] of Object.entries(value)) {
    if (typeof entry !== 'function') {
      throw new UsageError(`${what}: layers: '${name}' must be a class or a function, got ${show(entry)}`);
    }
    const type: unknown = isClass(entry) ? entry.type : name;
    if (type !== name) {
      throw new UsageError(`${what}: layers: '${name}' is a class of type ${show(type)}; give it as that`);
    }
  }
  return value as CustomLayers;
}

function isClass(value: unknown): value is CustomLayerClass & { readonly type: unknown } {
  return typeof value === 'function' && value.prototype instanceof CustomLayer;
}

/** A custom layer of a file, or undefined where its type is one of the library. */
export function customFromConfig(
  type: unknown,
  config: Readonly<Record<string, unknown>>,
  known: CustomLayers,
): AnyLayer | undefined {
  if (typeof type !== 'string') return undefined;
  if (type === 'lambda') {
    const { function: key, ...options } = config;
    const fn = typeof key === 'string' && Object.hasOwn(known, key) ? known[key] : undefined;
    if (!fn || isClass(fn)) {
      throw new UsageError(
        `the lambda layer ${show(key)} is a function that the file does not hold: ` +
          `loadModel(file, { layers: { ${typeof key === 'string' ? key : 'name'}: fn } })`,
      );
    }
    return lambda(fn as Parameters<typeof lambda>[0], options as LambdaOptions<1>);
  }
  if (!Object.hasOwn(known, type)) return undefined;
  const entry = known[type];
  if (!isClass(entry)) {
    throw new UsageError(`'${type}' in layers must be the class of the layer, got ${show(entry)}`);
  }
  return new (entry as unknown as new (options: object) => CustomLayer)(config);
}

/** What to do about a type that is none of the library's. */
export function unknownLayer(type: unknown, names: readonly string[]): UsageError {
  const near = typeof type === 'string' ? nearest(type, names) : undefined;
  return new UsageError(
    `unknown layer type ${show(type)}${near ? `; did you mean '${near}'?` : ''}; if it is a class of your own, give it: ` +
      `loadModel(file, { layers: { ${typeof type === 'string' ? type : 'MyLayer'} } })`,
  );
}
