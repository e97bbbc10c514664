import { Accumulate } from '../../assembly/tape/training.ts';
import { Op } from '../../assembly/tape.ts';
import type { Encoder, Source } from '../compiler/encode.ts';
import { Program, type ProgramOptions, type Walk } from '../compiler/program.ts';
import { UsageError } from '../errors.ts';
import { gradients } from '../graph/gradient.ts';
import { elementsBelow } from '../layers/symbolic.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import { sourceOps } from '../ops/sources.ts';
import { isOp, type Tensor } from '../ops/tensor.ts';
import type { Engine } from '../runtime/engine.ts';
import type { CheckedDataset, TargetForm } from './dataset.ts';
import { type Logs, logsOf, type Reported } from './logs.ts';
import { applyLoss } from './losses.ts';
import { applyMetric } from './metrics.ts';
import type { Model, Trace } from './model.ts';
import { logNames, type Objective, reductionOf } from './objectives.ts';
import { kernelOf, type Optimizer } from './optimizers.ts';
import type { Parameter } from './parameters.ts';
import { type SparseGradient, tableGradient } from './sparse.ts';
import { StatesOfProgram } from './states.ts';
import { type Ranges, Update } from './update.ts';

/** Rows of an evaluation step. */
const EVALUATION_ROWS = 256;

/** The program of `fit`, for targets of a form. */
interface Training {
  readonly form: string;
  readonly program: Program;
  readonly update: Update;
  /** Gradients and what else the update needs. */
  readonly memory: number;
  readonly states: StatesOfProgram;
  readonly reported: Reported;
}

/** The program of `evaluate`, for targets of a form. */
interface Evaluation {
  readonly program: Program;
  readonly batchSize: number;
  readonly states: StatesOfProgram;
  readonly reported: Reported;
}

/** Data in the arena. */
export type Loaded = Pick<Walk, 'data' | 'rows'> & { free(): void };

interface Sink {
  readonly values: Tensor;
  /** How many there are of a row, or of a step that counts. */
  readonly each: number;
  /** Sums that it goes to, and its share in each. */
  readonly slots: readonly (readonly [slot: number, weight: number])[];
}

/** What a program is built from. */
interface Traced extends Pick<Trace, 'graph' | 'parameters' | 'updates'> {
  /** Row losses and their weights. */
  readonly losses: ReadonlyMap<Tensor, number>;
  readonly sinks: readonly Sink[];
  readonly reported: Reported;
  readonly fixed: Map<Tensor, number>;
  readonly roots: Tensor[];
  readonly states: StatesOfProgram;
}

/**
 * What a trainer keeps in the arena: parameters and optimizer states as equal flat ranges, gradients, the data, and the
 * programs compiled for them.
 *
 *   | parameters | state 1 | state 2 | state 3 |   the same offset is the same number in each
 *   | gradients | partial sums | scratch |         of the training program: see Update
 */
export class Session {
  /** Of the metrics. */
  readonly names: readonly string[];
  readonly #parameters: number;
  readonly #states: readonly number[];
  readonly #evaluation = new Map<string, Evaluation>();
  /** What is trained, and what follows from it. */
  #trainable: readonly boolean[] = [];
  #frozen: readonly boolean[] = [];
  #training: Training | undefined;
  #rate: number;
  #version = -1;

  constructor(
    readonly engine: Engine,
    readonly model: Model<unknown>,
    readonly objectives: readonly Objective[],
    readonly optimizer: Optimizer,
  ) {
    const { arena } = engine;
    const bytes = model.layout.floats * 4;
    this.names = logNames(objectives);
    this.#parameters = arena.allocate(bytes);
    this.#states = kernelOf(optimizer).states.map((used) => (used ? arena.allocate(bytes) : 0));
    this.#rate = optimizer.learningRate;
  }

  get learningRate(): number {
    return this.#rate;
  }

  set learningRate(rate: number) {
    this.#rate = rate;
    if (this.#training) this.#training.program.learningRate = rate;
  }

  /** Takes the model's weights, when they changed elsewhere. */
  push(): void {
    if (this.#version === this.model.version) return;
    this.#weights.set(this.model.flat());
    this.#version = this.model.version;
  }

  /** Before training goes on: takes them, and the states of the model's layers. */
  resume(): void {
    this.push();
    this.#training!.states.push('fit');
  }

  /** While training pauses: the model has the trained weights, and the states of its layers. */
  pause(): void {
    this.#training!.states.pull();
    this.#version = this.model.lend(() => this.#weights);
  }

  /** The same when it has ended: the model has copies. Unless it has got others since the pause, which a callback gave. */
  pull(): void {
    this.#training?.states.pull();
    if (this.#version === this.model.version) this.#version = this.model.adopt(this.#weights);
    else this.model.flat();
  }

  get #weights(): Float32Array {
    return this.engine.arena.f32(this.#parameters, this.model.layout.floats);
  }

  /** Copies data into the arena. */
  load({ columns, rows }: Pick<CheckedDataset, 'columns' | 'rows'>): Loaded {
    const { arena } = this.engine;
    const data = new Map<string, Source>();
    const free = (): void => {
      for (const { address } of data.values()) arena.free(address);
    };
    try {
      for (const [name, column] of columns) {
        const { buffer, byteOffset, byteLength } = column.data;
        const address = arena.allocate(byteLength);
        data.set(name, { address, type: column.type });
        arena.u8(address, byteLength).set(new Uint8Array(buffer, byteOffset, byteLength));
      }
    } catch (error) {
      free(); // no memory for all of them
      throw error;
    }
    return { rows, data, free };
  }

  /** The program that trains on batches of a size; it goes on where one of another size stood, and replaces it. */
  trainingProgram(forms: readonly TargetForm[], batchSize: number): Program {
    this.#follow();
    const form = JSON.stringify(forms);
    const before = this.#training;
    if (before?.form === form && before.program.options.batch === batchSize) return before.program;
    const training = this.#buildTraining(form, forms, batchSize);
    const { program } = training;
    if (before) {
      program.resume(before.program);
      dispose(before);
      this.engine.arena.free(before.memory);
    }
    this.#training = training;
    program.learningRate = this.#rate;
    return program;
  }

  /** @param batchSize Where layers carry states: the rows that these have. */
  evaluationProgram(forms: readonly TargetForm[], batchSize = EVALUATION_ROWS): Evaluation {
    this.#follow();
    const form = JSON.stringify(forms);
    const before = this.#evaluation.get(form);
    if (before?.batchSize === batchSize) return before;
    const evaluation = this.#buildEvaluation(forms, batchSize);
    this.#evaluation.set(form, evaluation);
    if (before) dispose(before);
    return evaluation;
  }

  /** Values of an ended training epoch. */
  logs(sums: ArrayLike<number>): Logs {
    const { program, reported } = this.#training!;
    return logsOf(sums, program.rows, reported);
  }

  /** Values of the epoch so far. */
  partialLogs(): Logs {
    const { program, reported } = this.#training!;
    const rows = Math.max(1, Math.min(program.rows, program.epochStep * program.batchSize));
    return logsOf(program.sums(), rows, reported);
  }

  /** For messages: which parameter's gradient lies where. */
  gradientNames(): readonly { readonly parameter: Parameter; readonly values: Float32Array }[] {
    const { update, memory } = this.#training!;
    return this.model.layout.list.flatMap((parameter, i) => {
      const at = update.gradients[i];
      if (at === undefined) return [];
      return [{ parameter, values: this.engine.arena.f32(memory + at * 4, parameter.count) }];
    });
  }

  /** Layers may have been frozen or unfrozen: programs that know nothing of it are compiled anew. */
  #follow(): void {
    const trainable = this.model.trainable();
    const frozen = this.model.frozenParameters();
    const same = (a: readonly boolean[], b: readonly boolean[]): boolean =>
      a.length === b.length && a.every((value, i) => value === b[i]);
    if (same(trainable, this.#trainable) && same(frozen, this.#frozen)) return;
    this.#trainable = trainable;
    this.#frozen = frozen;
    for (const evaluation of this.#evaluation.values()) dispose(evaluation);
    this.#evaluation.clear();
    // its counters go on in the next program
    if (this.#training) this.#training = { ...this.#training, form: '' };
  }

  /** The model with its losses and metrics on a graph, and the sums that they go into. */
  #trace(forms: readonly TargetForm[], batch: number, training: boolean): Traced {
    const { model, objectives } = this;
    const { graph, parameters, outputs, updates, states: list } = model.trace(training);
    const single = objectives.length === 1;
    const losses = new Map<Tensor, number>();
    const sinks: Sink[] = [];
    const metricSinks: Sink[] = [];
    const steps = new Map<number, number>();
    const masks = new Map<Tensor, number>();
    let slot = single ? 1 : 1 + objectives.length;
    objectives.forEach(({ loss, weight, metrics, key }, i) => {
      const output = outputs[i]!;
      const form = forms[i]!;
      const shape = output.shape.slice(1);
      const target = graph.add(sourceOps.input, [], {
        name: key,
        shape: form === 'classes' ? shape.slice(0, -1) : form === 'dense' ? shape : form,
        ...elementsBelow(form === 'classes' ? shape.at(-1)! : undefined),
      });
      const rowLoss = applyLoss(graph, loss, output, target);
      losses.set(rowLoss, weight);
      sinks.push({ values: rowLoss, each: 1, slots: single ? [[0, weight]] : [[0, weight], [i + 1, 1]] }); // biome-ignore format: pairs
      for (const metric of metrics) {
        const { hits, each, mask } = applyMetric(graph, metric, loss, output, target);
        metricSinks.push({ values: hits, each, slots: [[slot, 1]] });
        if (mask) {
          const place = masks.get(mask) ?? 1 + this.names.length + masks.size;
          masks.set(mask, place);
          steps.set(slot, place);
        }
        slot++;
      }
    });
    const counts = Array.from(masks, ([values, place]): Sink => ({ values, each: 1, slots: [[place, 1]] }));
    sinks.push(...metricSinks, ...counts);
    const reported = { names: this.names, reduction: reductionOf(objectives), steps };
    const states = new StatesOfProgram(model.states, this.engine.arena, list, batch);
    const fixed = new Map(states.fixed);
    for (const [i, tensor] of parameters.entries()) {
      fixed.set(tensor, this.#parameters + model.layout.list[i]!.offset * 4);
    }
    const roots = [...sinks.map(({ values }) => values), ...list.map(({ next }) => next)];
    return { graph, parameters, updates, losses, sinks, reported, fixed, roots, states };
  }

  #buildTraining(form: string, forms: readonly TargetForm[], batch: number): Training {
    const traced = this.#trace(forms, batch, true);
    return unlessItFails(traced.states, () => ({ form, ...this.#trainingFrom(traced, batch) }));
  }

  #trainingFrom(traced: Traced, batch: number): Omit<Training, 'form'> {
    const { engine, optimizer } = this;
    const { list } = this.model.layout;
    const { graph, parameters, updates, losses, sinks, reported, fixed, roots, states } = traced;
    const wanted = parameters.flatMap((_, i) => (this.#trainable[i] ? [i] : []));
    const found = gradients(
      graph,
      losses,
      wanted.map((i) => parameters[i]!),
    );
    if (wanted.length > 0 && !found.some((gradient) => gradient !== undefined)) throw untrained();
    const results = new Map(updates);
    const tables = new Map<number, SparseGradient>();
    wanted.forEach((index, i) => {
      if (!found[i]) return;
      const gradient = tableGradient(graph, list[index]!, found[i], optimizer, batch);
      if ('rows' in gradient) tables.set(index, gradient);
      else results.set(index, gradient);
    });
    const update = new Update(
      list,
      optimizer,
      this.#trainable,
      [...updates.keys()],
      tables,
      batch,
      engine.threads,
    );
    const memory = engine.arena.allocate(update.bytes);
    for (const [index, tensor] of results) {
      // a place of its own: not another view of a tensor, nor one that has a place already
      const aliased = isOp(tensor, 'reshape') || isOp(tensor, 'lossGradient') || fixed.has(tensor);
      const result = aliased
        ? graph.add(elementwiseOps.affine, [tensor], { scale: 1, offset: 0 }, list[index]!.layer)
        : tensor;
      fixed.set(result, memory + update.gradients[index]! * 4);
      roots.push(result);
    }
    for (const { rows, values } of tables.values()) roots.push(rows, values);
    try {
      const program = this.#program({ graph, roots, fixed, batch }, sinks, (encoder) => {
        this.#encodeSums(encoder, sinks, update);
        states.encodeGuards(encoder);
        update.encode(encoder, this.#ranges, memory);
        states.encodeMoves(encoder);
      });
      return { program, update, memory, states, reported };
    } catch (error) {
      // no memory for all of it: a smaller batch may fit
      engine.arena.free(memory);
      throw error;
    }
  }

  #buildEvaluation(forms: readonly TargetForm[], batch: number): Evaluation {
    const { engine, optimizer, model } = this;
    const { graph, sinks, reported, fixed, roots, states } = this.#trace(forms, batch, false);
    const { list } = model.layout;
    // for its penalties alone
    const update = new Update(list, optimizer, this.#trainable, [], new Map(), batch, engine.threads);
    const program = unlessItFails(states, () =>
      this.#program({ graph, roots, fixed, batch }, sinks, (encoder) => {
        this.#encodeSums(encoder, sinks, update);
        states.encodeMoves(encoder);
      }),
    );
    return { program, batchSize: batch, states, reported };
  }

  #program(
    what: Pick<ProgramOptions, 'graph' | 'roots' | 'fixed' | 'batch'>,
    sinks: readonly Sink[],
    finish: ProgramOptions['finish'],
  ): Program {
    const { beta1, beta2 } = this.optimizer;
    const slots = 1 + Math.max(...sinks.flatMap((sink) => sink.slots.map(([slot]) => slot)));
    return new Program(this.engine, { ...what, slots, seed: this.model.seed, betas: [beta1, beta2], finish });
  }

  get #ranges(): Ranges {
    return { parameters: this.#parameters, states: this.#states };
  }

  /** Loss, metrics and penalties into the sums of the epoch. */
  #encodeSums(encoder: Encoder, sinks: readonly Sink[], update: Update): void {
    const { tape, batch, span } = encoder;
    const mean = reductionOf(this.objectives) === 'mean';
    for (const { values, each, slots } of sinks) {
      const { start, end } = span(values);
      for (const [slot, weight] of slots) {
        tape.layer = slot === 0 ? 'loss' : (this.names[slot - 1] ?? 'steps that count');
        tape.emit(
          Op.Accumulate,
          {
            [Accumulate.Values]: start,
            [Accumulate.Count]: (end - start) / 4,
            [Accumulate.Slot]: slot,
            [Accumulate.Scale]: { f32: mean ? weight / batch : weight },
            [Accumulate.Share]: { f32: weight / each },
          },
          Accumulate.Length,
          [{ start, end }],
          [],
        );
      }
    }
    update.encodePenalties(encoder, this.#ranges, mean);
  }
}

function dispose({ program, states }: Training | Evaluation): void {
  program.dispose();
  states.dispose();
}

/** What `build` makes; where it fails, the states' memory is given back. */
function unlessItFails<T>(states: StatesOfProgram, build: () => T): T {
  try {
    return build();
  } catch (error) {
    states.dispose();
    throw error;
  }
}

function untrained(): UsageError {
  return new UsageError(
    'fit: the loss depends on none of the weights that are trained; a loss of your own must use yPred, in operations that ' +
      'have a gradient (comparisons have none)',
  );
}
