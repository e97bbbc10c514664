import { Type } from '../../assembly/tape.ts';
import { integer, knownKeys, number, show } from '../checks.ts';
import { Program } from '../compiler/program.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { showShape, sizeOf, type Tensor } from '../ops/tensor.ts';
import { Engine } from '../runtime/engine.ts';
import { bestBuild } from '../runtime/module.ts';
import { drawnFrom } from './logits.ts';
import { Model } from './model.ts';
import { checkOperations, checkSameAtAll } from './stepwise.ts';

export interface GenerateOptions {
  /** Tokens to make at most. Default: as many as the model's context has. */
  maxTokens?: number | undefined;
  /** Logits are divided by it: below 1 likelier tokens are preferred; 0 takes the likeliest. At least 0. Default 1. */
  temperature?: number | undefined;
  /** Only that many of the likeliest tokens are drawn from. Default: all. */
  topK?: number | undefined;
  /** The same seed draws the same tokens. An integer from 0 to 2^53 - 1. Default 0. */
  seed?: number | undefined;
  /** A token, or several, that ends the text; it is given too. */
  stop?: number | readonly number[] | undefined;
}

/** Tokens of a prompt that are read at once; what is left is read one by one. */
const CHUNK = 32;

/** The model for some new positions; its result are logits, or probabilities. */
interface Part {
  readonly program: Program;
  readonly numbers: Tensor;
  readonly probabilities: boolean;
}

/**
 * Writes with a model that takes integers [positions] and gives logits [positions, tokens], or their softmax: embedding,
 * positions, transformerDecoder blocks, dense. Keys and values of what was read stay in memory, so that a token costs one
 * position and not the whole context; the logits are those of `model.predict`, or what makes its probabilities.
 *
 *     const generator = textGenerator(model);
 *     for (const token of generator.generate(prompt, { maxTokens: 200, temperature: 0.8, topK: 40 })) …
 *
 * @throws UsageError on a model of another form, with a layer that mixes positions otherwise than by causal
 *   self-attention, or with one that depends on how many positions there are: by a weight or a constant for each, other
 *   than positionEmbedding's, or by a function that reads their number.
 */
export function textGenerator(model: Model<unknown>): TextGenerator {
  return new TextGenerator(model);
}

/** Made by `textGenerator`. */
export class TextGenerator {
  /** Tokens that the model reads at once: the positions of its input. */
  readonly context: number;
  /** How many different tokens there are. */
  readonly vocabulary: number;
  readonly #model: Model<unknown>;
  readonly #engine: Engine;
  readonly #weights: number;
  readonly #data: { readonly tokens: number; readonly positions: number };
  readonly #caches: number[] = [];
  readonly #programs = new Map<number, Part>();
  /** The model for all positions at once, with which the others are compared. */
  readonly #whole: Graph;
  #read: number[] = [];
  #version: number;

  constructor(model: Model<unknown>) {
    if (!(model instanceof Model)) {
      throw new UsageError(
        `textGenerator takes a model made by sequential(), model() or loadModel(), got ${show(model)}`,
      );
    }
    const [input] = model.inputs;
    const shape = model.outputShape;
    const fits = model.inputs.length === 1 && model.outputs.length === 1 && input!.shape.length === 2;
    if (!fits || input!.indices === undefined || shape.length !== 3 || shape[1] !== input!.shape[1]) {
      throw new UsageError(
        'textGenerator needs a model of one input, integers [positions] for an embedding, and one output ' +
          `[positions, tokens]; this one makes ${showShape(shape)} of ${model.inputs.map((port) => showShape(port.shape)).join(' and ')}`,
      );
    }
    this.#model = model;
    this.context = input!.shape[1]!;
    this.vocabulary = shape[2]!;
    this.#engine = new Engine(bestBuild(model.reproducible));
    const { arena } = this.#engine;
    this.#weights = arena.allocate(model.layout.floats * 4);
    this.#data = { tokens: arena.allocate(CHUNK * 4), positions: arena.allocate(CHUNK * 4) };
    this.#version = this.#copyWeights();
    this.#whole = model.trace(false, this.context).graph;
    checkOperations(this.#whole);
    this.#program(1);
  }

  /** Forgets all that was read. */
  reset(): void {
    this.#read = [];
  }

  /**
   * Reads tokens behind those read so far; returns the logits of the token that follows, a copy: the model's output, or
   * of one that ends in softmax what goes into it; where it makes its output of softmaxes in another way, as their average,
   * the logarithms of the output. When the context is full the older half of it is forgotten.
   * @throws UsageError on a token that the model does not know, or none at all.
   */
  read(tokens: ArrayLike<number>): Float32Array {
    const list = Array.from(tokens, (token, i) =>
      integer(token, `read: token ${i}`, 0, this.#model.inputs[0]!.indices! - 1),
    );
    if (list.length === 0) throw new UsageError('read takes at least one token, got none');
    if (this.#version !== this.#model.version) {
      // other weights: what is remembered is not theirs
      this.#version = this.#copyWeights();
      list.unshift(...this.#read);
      this.#read = [];
    }
    const all = [...this.#read, ...list];
    if (all.length > this.context) {
      const half = Math.ceil(this.context / 2);
      const over = all.length - this.context;
      const kept = all.slice(Math.ceil(over / half) * half);
      this.#read = [];
      return this.#advance(kept);
    }
    return this.#advance(list);
  }

  /**
   * Reads a prompt, after what was read before, then gives one drawn token after the other.
   * @throws UsageError on a prompt without tokens, or an option out of range.
   */
  *generate(prompt: ArrayLike<number>, options: GenerateOptions = {}): Generator<number, void, void> {
    knownKeys(options, ['maxTokens', 'temperature', 'topK', 'seed', 'stop'], 'generate');
    const maxTokens = integer(options.maxTokens ?? this.context, 'generate: maxTokens', 0);
    const temperature = number(options.temperature ?? 1, 'generate: temperature', { min: 0 });
    const topK = integer(options.topK ?? this.vocabulary, 'generate: topK', 1);
    const seed = integer(options.seed ?? 0, 'generate: seed', 0, Number.MAX_SAFE_INTEGER);
    const stops = new Set(
      [options.stop ?? []].flat().map((token) => integer(token, 'generate: stop', 0, this.vocabulary - 1)),
    );
    let next = prompt;
    for (let i = 0; i < maxTokens; i++) {
      const token = draw(this.read(next), temperature, topK, uniform(seed, i));
      yield token;
      if (stops.has(token)) return;
      next = [token];
    }
  }

  #advance(tokens: readonly number[]): Float32Array {
    let logits: Float32Array | undefined;
    for (let from = 0; from < tokens.length; ) {
      const count = tokens.length - from >= CHUNK ? CHUNK : 1;
      logits = this.#step(tokens.slice(from, from + count), from + count === tokens.length);
      from += count;
    }
    return logits!;
  }

  /** Runs the model over new tokens. */
  #step(tokens: readonly number[], last: boolean): Float32Array | undefined {
    const { arena } = this.#engine;
    const { program, numbers, probabilities } = this.#program(tokens.length);
    arena.i32(this.#data.tokens, tokens.length).set(tokens);
    arena.i32(this.#data.positions, tokens.length).set(tokens.map((_, i) => this.#read.length + i));
    const source = (address: number) => ({ address, type: Type.I32 });
    const { tokens: at, positions } = this.#data;
    const data = new Map([['x', source(at)], ['positions', source(positions)]]); // biome-ignore format: pairs
    program.start({ data, rows: 1, batchSize: 1, shuffle: false });
    program.run(1);
    this.#read.push(...tokens);
    if (!last) return undefined;
    const all = new Float32Array(sizeOf(numbers.shape, 1));
    program.read(numbers, 1, all);
    const next = all.slice(-this.vocabulary);
    return probabilities ? next.map(Math.log) : next;
  }

  /** The model for so many new tokens; all share the weights, and the keys and values. */
  #program(fresh: number): Part {
    const before = this.#programs.get(fresh);
    if (before) return before;
    const model = this.#model;
    const { arena } = this.#engine;
    const { graph, parameters, outputs } = model.trace(false, fresh);
    checkOperations(graph);
    checkSameAtAll(this.#whole, graph, fresh);
    const fixed = new Map(parameters.map((t, i) => [t, this.#weights + model.layout.list[i]!.offset * 4]));
    const drawn = drawnFrom(graph, outputs[0]!);
    let caches = 0;
    for (const tensor of graph.tensors) {
      if (tensor.op !== 'cache') continue;
      this.#caches[caches] ??= arena.allocate(sizeOf(tensor.shape, 1) * 4);
      fixed.set(tensor, this.#caches[caches++]!);
    }
    const program = new Program(this.#engine, {
      ...{ graph, roots: [drawn.numbers], fixed, batch: 1, slots: 1, seed: model.seed },
      finish: () => {},
    });
    const made = { program, ...drawn };
    this.#programs.set(fresh, made);
    return made;
  }

  #copyWeights(): number {
    const { layout } = this.#model;
    this.#engine.arena.f32(this.#weights, layout.floats).set(this.#model.flat());
    return this.#model.version;
  }
}

/** A token by its logits: the likeliest `topK`, softmax(logits / temperature), where the sum passes `u` of the whole. */
export function draw(logits: Float32Array, temperature: number, topK: number, u: number): number {
  if (logits.some((x) => Number.isNaN(x))) {
    throw new UsageError(
      `generate: the model's logits are not numbers (${show(NaN)}); was its training stopped by an error?`,
    );
  }
  const order = Array.from(logits, (_, i) => i).sort((a, b) => logits[b]! - logits[a]! || a - b);
  const most = logits[order[0]!]!;
  if (temperature === 0) return order[0]!;
  const some = order.slice(0, topK);
  const weights = some.map((token) => Math.exp((logits[token]! - most) / temperature));
  let rest = u * weights.reduce((a, b) => a + b, 0);
  const found = weights.findIndex((weight) => {
    rest -= weight;
    return rest < 0;
  });
  return some[found] ?? some[0]!;
}

/** A number in [0, 1) from a seed and a counter (Wellons 2018, "lowbias32", under both halves of the seed). */
function uniform(seed: number, index: number): number {
  const mix = (x: number): number => {
    let z = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    z = Math.imul(z ^ (z >>> 15), 0x846ca68b);
    return z ^ (z >>> 16);
  };
  const low = mix((index + 0x9e3779b9) ^ mix(seed | 0));
  return (mix(low ^ mix(Math.floor(seed / 2 ** 32) + 0x7f4a7c15)) >>> 0) / 2 ** 32;
}
