import { Program, type Walk } from '../compiler/program.ts';
import type { ArrayInput } from '../data/arrays.ts';
import { sizeOf, type Tensor } from '../ops/tensor.ts';
import { Engine } from '../runtime/engine.ts';
import { bestBuild } from '../runtime/module.ts';
import { checkedInput } from './dataset.ts';
import type { Model } from './model.ts';

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
  readonly #output: Tensor;
  readonly #weights: number;
  readonly #rows: number;
  #version = -1;
  #data = 0;

  constructor(readonly model: Model) {
    this.#engine = new Engine(bestBuild(model.reproducible));
    const { graph, input, parameters, output } = model.trace(false);
    const { arena } = this.#engine;
    this.#weights = arena.allocate(model.layout.floats * 4);
    const fixed = new Map(parameters.map((t, i) => [t, this.#weights + model.layout.list[i]!.offset * 4]));
    // a model without operations hands its input on
    const result = output === input ? graph.add('affine', [input], { scale: 1, offset: 0 }) : output;
    this.#output = result;
    this.#program = new Program(this.#engine, {
      graph,
      roots: [result],
      fixed,
      batch: PREDICT_ROWS,
      slots: 1,
      seed: model.seed,
      finish: () => {},
    });
    this.#rows = PREDICT_ROWS;
    this.#data = arena.allocate(PREDICT_ROWS * sizeOf(model.inputShape, 1) * 4);
  }

  run(x: ArrayInput): Prediction {
    const { model } = this;
    const { arena } = this.#engine;
    const column = checkedInput(model, x, 'predict: x');
    if (this.#version !== model.version) {
      arena.f32(this.#weights, model.layout.floats).set(model.flat());
      this.#version = model.version;
    }
    const rows = column.shape[0]!;
    const inSize = sizeOf(model.inputShape, 1);
    const outSize = sizeOf(model.outputShape, 1);
    const result = new Float32Array(rows * outSize);
    for (let from = 0; from < rows; from += this.#rows) {
      const count = Math.min(this.#rows, rows - from);
      const part = column.data.subarray(from * inSize, (from + count) * inSize);
      const { buffer, byteOffset, byteLength } = part;
      arena.u8(this.#data, byteLength).set(new Uint8Array(buffer, byteOffset, byteLength));
      const walk: Walk = {
        data: new Map([['x', { address: this.#data, type: column.type }]]),
        rows: count,
        batchSize: count,
        shuffle: false,
      };
      this.#program.start(walk);
      this.#program.run(1);
      this.#program.read(this.#output, count, result.subarray(from * outSize, (from + count) * outSize));
    }
    return { data: result, shape: [rows, ...model.outputShape.slice(1)] };
  }
}
