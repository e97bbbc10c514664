import type { Source } from '../compiler/encode.ts';
import { Program, type Walk } from '../compiler/program.ts';
import type { ArrayInput } from '../data/arrays.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import { sizeOf, type Tensor } from '../ops/tensor.ts';
import { Engine } from '../runtime/engine.ts';
import { bestBuild } from '../runtime/module.ts';
import { checkedInputs } from './dataset.ts';
import { BUDGET_MS, turn } from './event-loop.ts';
import type { Model } from './model.ts';
import { StatesOfProgram } from './states.ts';

/** Rows of a model's input; of several inputs a list, or a record by their names. */
export type ModelInput = ArrayInput | readonly ArrayInput[] | Readonly<Record<string, ArrayInput>>;

/** A result: numbers in row-major order and their dimensions, rows first. */
export interface Prediction {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** Rows that `predict` computes at once. */
const PREDICT_ROWS = 256;

/** The compiled forward pass of a model, for a few rows at a time. */
export class Predictor {
  readonly #engine: Engine;
  readonly #program: Program;
  readonly #outputs: readonly Tensor[];
  readonly #weights: number;
  readonly #states: StatesOfProgram;
  /** Of each input, for PREDICT_ROWS rows. */
  readonly #data: readonly number[];
  #version = -1;

  constructor(readonly model: Model<unknown>) {
    this.#engine = new Engine(bestBuild(model.reproducible));
    const { graph, inputs, parameters, outputs, states } = model.trace(false);
    const { arena } = this.#engine;
    this.#weights = arena.allocate(model.layout.floats * 4);
    const places = parameters.map((t, i) => [t, this.#weights + model.layout.list[i]!.offset * 4] as const);
    this.#states = new StatesOfProgram(model.states, arena, states, PREDICT_ROWS);
    // an output that is an input is handed on
    this.#outputs = outputs.map((output) =>
      inputs.includes(output) ? graph.add(elementwiseOps.affine, [output], { scale: 1, offset: 0 }) : output,
    );
    this.#program = new Program(this.#engine, {
      graph,
      roots: [...this.#outputs, ...states.map(({ next }) => next)],
      fixed: new Map([...places, ...this.#states.fixed]),
      batch: PREDICT_ROWS,
      slots: 1,
      seed: model.seed,
      finish: (encoder) => this.#states.encodeMoves(encoder),
    });
    this.#data = model.inputs.map(({ shape }) => arena.allocate(sizeOf(shape, PREDICT_ROWS) * 4));
  }

  /** At once. */
  run(x: ModelInput): readonly Prediction[] {
    const batches = this.#batches(x);
    for (;;) {
      const { done, value } = batches.next();
      if (done) return value;
    }
  }

  /** The same, with turns for the event loop; all rows with the weights that the model has now. */
  async runInTurns(x: ModelInput): Promise<readonly Prediction[]> {
    // states would meet those of other batches
    if (this.model.stateful) return this.run(x);
    const batches = this.#batches(x);
    const version = this.model.version;
    let kept: Float32Array | undefined;
    let lastTurn = performance.now();
    for (;;) {
      const { done, value } = batches.next();
      if (done) return value;
      if (performance.now() - lastTurn < BUDGET_MS) continue;
      kept ??= this.#weightsInArena.slice();
      await turn();
      if (this.#version !== version) {
        this.#weightsInArena.set(kept);
        this.#version = version;
      }
      lastTurn = performance.now();
    }
  }

  get #weightsInArena(): Float32Array {
    return this.#engine.arena.f32(this.#weights, this.model.layout.floats);
  }

  /** Between batches others may use the program. */
  *#batches(x: ModelInput): Generator<undefined, readonly Prediction[]> {
    const { model } = this;
    const { arena } = this.#engine;
    const columns = checkedInputs(model, x, 'predict');
    if (this.#version !== model.version) {
      this.#weightsInArena.set(model.flat());
      this.#version = model.version;
    }
    const rows = columns[0]!.shape[0]!;
    const results = model.outputs.map(({ shape }) => ({
      data: new Float32Array(sizeOf(shape, rows)),
      shape: [rows, ...shape.slice(1)],
    }));
    const batch = model.stateful ? model.states.batchOf(rows, 'predict') : rows;
    for (let from = 0, count: number; from < rows; from += count) {
      if (from > 0) yield;
      // rows of a batch do not meet: those that are too many at once follow with their own states
      const row = from % batch;
      count = Math.min(PREDICT_ROWS, batch - row);
      const data = new Map<string, Source>();
      columns.forEach((column, i) => {
        const port = model.inputs[i]!;
        const size = sizeOf(port.shape, 1);
        const part = column.data.subarray(from * size, (from + count) * size);
        const address = this.#data[i]!;
        const { buffer, byteOffset, byteLength } = part;
        arena.u8(address, byteLength).set(new Uint8Array(buffer, byteOffset, byteLength));
        data.set(model.inputKey(port), { address, type: column.type });
      });
      const walk: Walk = { data, rows: count, batchSize: count, shuffle: false };
      if (model.stateful) this.#states.load(row, count);
      this.#program.start(walk);
      this.#program.run(1);
      if (model.stateful) this.#states.store(row, count);
      this.#outputs.forEach((output, i) => {
        const size = sizeOf(output.shape, 1);
        this.#program.read(output, count, results[i]!.data.subarray(from * size, (from + count) * size));
      });
    }
    return results;
  }
}
