import {
  Accumulate,
  Affine,
  Guard,
  NORM_CHUNK,
  Op,
  Optimize,
  Penalty,
  SquaredNorm,
} from '../../assembly/tape.ts';
import type { Encoder, Source } from '../compiler/encode.ts';
import { Program, type Walk } from '../compiler/program.ts';
import { UsageError } from '../errors.ts';
import { gradients } from '../graph/gradient.ts';
import { elementsBelow } from '../layers/symbolic.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import type { Span } from '../ops/rule.ts';
import { sourceOps } from '../ops/sources.ts';
import { isOp, type Tensor } from '../ops/tensor.ts';
import type { Engine } from '../runtime/engine.ts';
import type { CheckedDataset, TargetForm } from './dataset.ts';
import { type Logs, logsOf } from './logs.ts';
import { applyLoss } from './losses.ts';
import { applyMetric } from './metrics.ts';
import type { Model } from './model.ts';
import { logNames, type Objective, reductionOf } from './objectives.ts';
import { kernelOf, type Optimizer } from './optimizers.ts';
import type { Parameter } from './parameters.ts';

/** Rows of an evaluation step. */
const EVALUATION_ROWS = 256;

/** Neighbouring parameters that are updated alike, as one range. */
interface Segment {
  readonly offset: number;
  count: number;
  readonly l1: number;
  readonly l2: number;
  readonly rate: number;
}

/** Data in the arena. */
export type Loaded = Pick<Walk, 'data' | 'rows'> & { free(): void };

interface Sink {
  readonly values: Tensor;
  readonly perRow: number;
  /** Sums that it goes to, and its share in each. */
  readonly slots: readonly (readonly [slot: number, weight: number])[];
}

/**
 * What a trainer keeps in the arena: parameters, gradients and optimizer states as equal flat ranges, the data, and
 * the programs compiled for them.
 *
 *   | parameters | gradients | state 1 | state 2 | state 3 |   the same offset is the same number in each
 */
export class Session {
  /** Of the metrics. */
  readonly names: readonly string[];
  readonly #parameters: number;
  readonly #gradients: number;
  readonly #states: readonly number[];
  readonly #partials: number;
  readonly #evaluation = new Map<string, Program>();
  /** What is trained, and what follows from it. */
  #trainable: readonly boolean[] = [];
  #frozen: readonly boolean[] = [];
  #segments: readonly Segment[] = [];
  #training: { readonly form: string; readonly program: Program } | undefined;
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
    this.#gradients = arena.allocate(bytes);
    this.#states = kernelOf(optimizer).states.map((used) => (used ? arena.allocate(bytes) : 0));
    // enough for any segments: joining neighbours, whose padding fills no chunk of its own, takes no more
    const chunks = model.layout.list.reduce((sum, { count }) => sum + Math.ceil(count / NORM_CHUNK), 0);
    this.#partials = arena.allocate(chunks * 8);
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
    this.engine.arena.f32(this.#parameters, this.model.layout.floats).set(this.model.flat());
    this.#version = this.model.version;
  }

  /** Gives the model the trained weights. */
  pull(): void {
    this.#version = this.model.adopt(this.engine.arena.f32(this.#parameters, this.model.layout.floats));
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
    const program = this.#build(forms, batchSize, true);
    if (before) {
      program.resume(before.program);
      before.program.dispose();
    }
    this.#training = { form, program };
    program.learningRate = this.#rate;
    return program;
  }

  evaluationProgram(forms: readonly TargetForm[]): { program: Program; batchSize: number } {
    this.#follow();
    const form = JSON.stringify(forms);
    const program = this.#evaluation.get(form) ?? this.#build(forms, EVALUATION_ROWS, false);
    this.#evaluation.set(form, program);
    return { program, batchSize: EVALUATION_ROWS };
  }

  /** Values of an ended training epoch. */
  logs(sums: ArrayLike<number>): Logs {
    return logsOf(sums, this.names, this.#training!.program.rows, reductionOf(this.objectives));
  }

  /** Values of the epoch so far. */
  partialLogs(program: Program): Logs {
    const rows = Math.max(1, Math.min(program.rows, program.epochStep * program.batchSize));
    return logsOf(program.sums(), this.names, rows, reductionOf(this.objectives));
  }

  /** For messages: which parameter's gradient lies where. */
  gradientNames(): readonly { readonly parameter: Parameter; readonly values: Float32Array }[] {
    return this.model.layout.list.map((parameter) => ({
      parameter,
      values: this.engine.arena.f32(this.#gradients + parameter.offset * 4, parameter.count),
    }));
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
    this.#segments = segmentsOf(this.model.layout.list, trainable);
    for (const program of this.#evaluation.values()) program.dispose();
    this.#evaluation.clear();
    // its counters go on in the next program
    if (this.#training) this.#training = { ...this.#training, form: '' };
  }

  #build(forms: readonly TargetForm[], batch: number, training: boolean): Program {
    const { model, engine, objectives } = this;
    const { list } = model.layout;
    const { graph, parameters, outputs, updates } = model.trace(training);
    const single = objectives.length === 1;
    const losses = new Map<Tensor, number>();
    const sinks: Sink[] = [];
    const reported: Sink[] = [];
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
      sinks.push({ values: rowLoss, perRow: 1, slots: single ? [[0, weight]] : [[0, weight], [i + 1, 1]] }); // biome-ignore format: pairs
      for (const metric of metrics) {
        const { hits, perRow } = applyMetric(graph, metric, loss, output, target);
        reported.push({ values: hits, perRow, slots: [[slot++, 1]] });
      }
    });
    sinks.push(...reported);
    const fixed = new Map<Tensor, number>();
    for (const [i, tensor] of parameters.entries()) {
      fixed.set(tensor, this.#parameters + list[i]!.offset * 4);
    }
    const roots = sinks.map(({ values }) => values);
    if (training) {
      const wanted = parameters.filter((_, i) => this.#trainable[i]);
      const found = gradients(graph, losses, wanted);
      if (wanted.length > 0 && !found.some((gradient) => gradient !== undefined)) throw untrained();
      const results = new Map(updates);
      wanted.forEach((tensor, i) => {
        if (found[i]) results.set(parameters.indexOf(tensor), found[i]);
      });
      for (const [index, tensor] of results) {
        const { offset, layer } = list[index]!;
        // a place of its own: not another view of a tensor, nor one that has a place already
        const aliased = isOp(tensor, 'reshape') || isOp(tensor, 'lossGradient') || fixed.has(tensor);
        const result = aliased
          ? graph.add(elementwiseOps.affine, [tensor], { scale: 1, offset: 0 }, layer)
          : tensor;
        fixed.set(result, this.#gradients + offset * 4);
        roots.push(result);
      }
    }
    return new Program(engine, {
      graph,
      roots,
      fixed,
      batch,
      slots: 1 + this.names.length,
      seed: model.seed,
      betas: [this.optimizer.beta1, this.optimizer.beta2],
      finish: (encoder) => {
        this.#encodeSums(encoder, sinks);
        if (training) this.#encodeUpdate(encoder, [...updates.keys()]);
      },
    });
  }

  /** Loss, metrics and penalties into the sums of the epoch. */
  #encodeSums({ tape, batch, rows, span }: Encoder, sinks: readonly Sink[]): void {
    const mean = reductionOf(this.objectives) === 'mean';
    for (const { values, perRow, slots } of sinks) {
      const { start, end } = span(values);
      for (const [slot, weight] of slots) {
        tape.layer = slot === 0 ? 'loss' : this.names[slot - 1]!;
        tape.emit(
          Op.Accumulate,
          {
            [Accumulate.Values]: start,
            [Accumulate.Count]: (end - start) / 4,
            [Accumulate.Slot]: slot,
            [Accumulate.Scale]: { f32: mean ? weight / batch : weight },
            [Accumulate.Share]: { f32: weight / perRow },
          },
          Accumulate.Length,
          [{ start, end }],
          [],
        );
      }
    }
    for (const { offset, count, l1, l2 } of this.#segments) {
      if (l1 === 0 && l2 === 0) continue;
      const parameter = this.#range(this.#parameters, offset, count);
      tape.emit(
        Op.Penalty,
        {
          [Penalty.Parameter]: parameter.start,
          [Penalty.Count]: count,
          [Penalty.L1]: { f32: l1 },
          [Penalty.L2]: { f32: l2 },
          [Penalty.Weight]: { f32: mean ? batch : batch / rows },
        },
        Penalty.Length,
        [parameter],
        [],
      );
    }
  }

  /**
   * Checks the step, measures the gradients where they are clipped, and updates every segment. The new state of layers
   * lies among the gradients, in the place of its parameter: it is checked with them, and taken over only then.
   */
  #encodeUpdate({ tape }: Encoder, updated: readonly number[]): void {
    const { optimizer, model } = this;
    const { kind } = kernelOf(optimizer);
    tape.layer = 'optimizer';
    const all = this.#range(this.#gradients, 0, model.layout.floats);
    const count = model.layout.floats;
    tape.emit(Op.Guard, { [Guard.Gradient]: all.start, [Guard.Count]: count }, Guard.Length, [all], []);
    const partials = { start: this.#partials, end: this.#partials + partialCount(this.#segments) * 8 };
    if (optimizer.globalClipNorm !== undefined) {
      let at = this.#partials;
      for (const { offset, count, l1, l2 } of this.#segments) {
        const gradient = this.#range(this.#gradients, offset, count);
        const parameter = this.#range(this.#parameters, offset, count);
        const bytes = Math.ceil(count / NORM_CHUNK) * 8;
        tape.emit(
          Op.SquaredNorm,
          {
            [SquaredNorm.Parameter]: parameter.start,
            [SquaredNorm.Gradient]: gradient.start,
            [SquaredNorm.Count]: count,
            [SquaredNorm.L1]: { f32: l1 },
            [SquaredNorm.L2]: { f32: l2 },
            [SquaredNorm.Partials]: at,
          },
          SquaredNorm.Length,
          [gradient, parameter],
          [{ start: at, end: at + bytes }],
        );
        at += bytes;
      }
    }
    for (const { offset, count, l1, l2, rate } of this.#segments) {
      const ranges = [this.#parameters, ...this.#states].map((base) =>
        base ? this.#range(base, offset, count) : { start: 0, end: 0 },
      );
      const gradient = this.#range(this.#gradients, offset, count);
      tape.emit(
        Op.Optimize,
        {
          [Optimize.Kind]: kind,
          [Optimize.Parameter]: ranges[0]!.start,
          [Optimize.Gradient]: gradient.start,
          [Optimize.State1]: ranges[1]!.start,
          [Optimize.State2]: ranges[2]!.start,
          [Optimize.State3]: ranges[3]!.start,
          [Optimize.Count]: count,
          [Optimize.Rate]: { f32: rate },
          [Optimize.L1]: { f32: l1 },
          [Optimize.L2]: { f32: l2 },
          [Optimize.WeightDecay]: { f32: optimizer.weightDecay },
          [Optimize.ClipValue]: { f32: optimizer.clipValue ?? 0 },
          [Optimize.ClipNorm]: { f32: optimizer.globalClipNorm ?? 0 },
          [Optimize.Partials]: partials.start,
          [Optimize.PartialCount]: (partials.end - partials.start) / 8,
          ...decayFields(optimizer),
          [Optimize.Epsilon]: { f32: optimizer.epsilon },
        },
        Optimize.Length,
        [gradient, partials],
        ranges.filter(({ end }) => end > 0),
      );
    }
    for (const index of updated) {
      const { offset, count, layer } = model.layout.list[index]!;
      const from = this.#range(this.#gradients, offset, count);
      const to = this.#range(this.#parameters, offset, count);
      tape.layer = layer;
      tape.emit(
        Op.Affine,
        {
          [Affine.Source]: from.start,
          [Affine.Target]: to.start,
          [Affine.Count]: count,
          [Affine.Scale]: { f32: 1 },
          [Affine.Offset]: { f32: 0 },
        },
        Affine.Length,
        [from],
        [to],
      );
    }
  }

  #range(base: number, offset: number, count: number): Span {
    const start = base + offset * 4;
    return { start, end: start + count * 4 };
  }
}

function untrained(): UsageError {
  return new UsageError(
    'fit: the loss depends on none of the weights that are trained; a loss of your own must use yPred, in operations that ' +
      'have a gradient (comparisons have none)',
  );
}

/** The two decay rates of the kernel: momentum and mean square, or Adam's betas. */
function decayFields({ name, momentum, rho, beta1, beta2 }: Optimizer): Record<number, { f32: number }> {
  const adam = name === 'adam' || name === 'adamw';
  const [first, second] = adam ? [beta1, beta2] : [momentum, rho];
  return {
    [Optimize.Beta1]: { f32: first },
    [Optimize.Beta2]: { f32: second },
    [Optimize.Rest1]: { f32: 1 - first },
    [Optimize.Rest2]: { f32: 1 - second },
  };
}

function partialCount(segments: readonly Segment[]): number {
  return segments.reduce((sum, { count }) => sum + Math.ceil(count / NORM_CHUNK), 0);
}

/** Joins neighbours with the same penalties and rate; the padding between them stays zero under every optimizer. */
function segmentsOf(list: readonly Parameter[], trained: readonly boolean[]): readonly Segment[] {
  const segments: Segment[] = [];
  for (const [i, { offset, count, regularizer, learningRateScale: rate }] of list.entries()) {
    if (!trained[i]) continue;
    const { l1 = 0, l2 = 0 } = regularizer ?? {};
    const last = segments.at(-1);
    const adjacent = last && Math.ceil((last.offset + last.count) / 16) * 16 === offset;
    if (adjacent && last.l1 === l1 && last.l2 === l2 && last.rate === rate)
      last.count = offset + count - last.offset;
    else segments.push({ offset, count, l1, l2, rate });
  }
  return segments;
}
