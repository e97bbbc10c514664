import { Affine } from '../../assembly/tape/dense.ts';
import {
  Guard,
  NORM_CHUNK,
  NORM_ROWS,
  OPTIMIZE_SCRATCH,
  Optimize,
  Penalty,
  SquaredNorm,
} from '../../assembly/tape/training.ts';
import { Op } from '../../assembly/tape.ts';
import type { Encoder } from '../compiler/encode.ts';
import type { Span } from '../ops/rule.ts';
import { lastOf } from '../ops/tensor.ts';
import { kernelOf, type Optimizer } from './optimizers.ts';
import type { Parameter } from './parameters.ts';
import { mostRows, type SparseGradient } from './sparse.ts';

/** Neighbouring parameters that are updated alike, as one range; or a table of which some rows are. */
interface Segment {
  /** In floats; of the gradient in the range of gradients. */
  readonly offset: number;
  readonly gradient: number;
  count: number;
  readonly l1: number;
  readonly l2: number;
  readonly rate: number;
  readonly table?: SparseGradient;
}

/** Where a segment's operands lie; of a table its rows, `count` floats each. */
interface Operands {
  readonly count: number;
  readonly gradient: Span;
  /** Where the number of rows lies; 0: no table. */
  readonly rows: number;
  /** What is read besides the gradient. */
  readonly lists: readonly Span[];
  /** Partial sums of the norm. */
  readonly chunks: number;
}

/** Flat ranges in the arena, where the same offset is the same number. */
export interface Ranges {
  readonly parameters: number;
  /** 0: not kept. */
  readonly states: readonly number[];
}

/** Floats between the starts of two parameters: see ParameterLayout. */
const ALIGN = 16;
/** Floats of a vector. */
const LANES = 4;

/**
 * What a step does with its gradients: the check, their norm where it is clipped, and the optimizer, a pass for each
 * segment. Gradients of whole parameters lie in a range of their own, in the order of the parameters.
 */
export class Update {
  /** Where each parameter's gradient begins in that range, in floats; undefined: it has none there. */
  readonly gradients: readonly (number | undefined)[];
  /** Bytes for gradients, partial sums of the norm and scratch of the optimizer. */
  readonly bytes: number;
  readonly #floats: number;
  readonly #partials: number;
  readonly #segments: readonly Segment[];

  /**
   * @param trained Which parameters the optimizer changes.
   * @param updated Those whose new values the graph makes itself.
   * @param tables Those of which it changes some rows.
   */
  constructor(
    readonly list: readonly Parameter[],
    readonly optimizer: Optimizer,
    trained: readonly boolean[],
    readonly updated: readonly number[],
    tables: ReadonlyMap<number, SparseGradient>,
    batch: number,
    readonly threads: number,
  ) {
    let floats = 0;
    this.gradients = list.map(({ count }, i) => {
      if (tables.has(i) || !(trained[i] || updated.includes(i))) return undefined;
      const at = floats;
      floats += Math.ceil(count / ALIGN) * ALIGN;
      return at;
    });
    this.#floats = floats;
    this.#segments = this.#segmentsOf(trained, tables);
    this.#partials = this.#segments.reduce((sum, segment) => sum + chunksOf(segment, batch), 0);
    this.bytes = this.#scratchAt + threads * OPTIMIZE_SCRATCH;
  }

  get #partialsAt(): number {
    return this.#floats * 4;
  }

  get #scratchAt(): number {
    return this.#partialsAt + Math.ceil(this.#partials / 8) * 64;
  }

  /** The penalties of what is trained, into the loss. */
  encodePenalties(encoder: Encoder, { parameters }: Ranges, mean: boolean): void {
    const { tape, batch, rows } = encoder;
    for (const segment of this.#segments) {
      if (segment.l1 === 0 && segment.l2 === 0) continue;
      const parameter = range(parameters, segment.offset, segment.count);
      const { count, rows: list, lists } = operandsOf(segment, encoder, 0);
      tape.emit(
        Op.Penalty,
        {
          [Penalty.Parameter]: parameter.start,
          [Penalty.Count]: count,
          [Penalty.L1]: { f32: segment.l1 },
          [Penalty.L2]: { f32: segment.l2 },
          [Penalty.Weight]: { f32: mean ? batch : batch / rows },
          [Penalty.Rows]: list,
        },
        Penalty.Length,
        [parameter, ...lists],
        [],
      );
    }
  }

  /**
   * @param memory Where `bytes` were given out: gradients | partial sums | scratch.
   * New values that the graph made lie among the gradients, in the place of their parameter: they are checked with them,
   * and taken over only then.
   */
  encode(encoder: Encoder, ranges: Ranges, memory: number): void {
    const { tape } = encoder;
    tape.layer = 'optimizer';
    this.#encodeGuards(encoder, memory);
    const start = memory + this.#partialsAt;
    const partials = { start, end: start + this.#partials * 8 };
    if (this.optimizer.globalClipNorm !== undefined) this.#encodeNorm(encoder, ranges, memory, start);
    for (const segment of this.#segments) this.#encodePass(encoder, ranges, memory, segment, partials);
    for (const index of this.updated) {
      const { offset, count, layer } = this.list[index]!;
      const from = range(memory, this.gradients[index]!, count);
      const to = range(ranges.parameters, offset, count);
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

  #encodeGuards(encoder: Encoder, memory: number): void {
    const limit = largestGradient(this.optimizer);
    const rate = Math.max(1, ...this.#segments.map((segment) => segment.rate));
    const emit = (gradient: Span, count: number, rows: number, lists: readonly Span[]): void =>
      encoder.tape.emit(
        Op.Guard,
        {
          [Guard.Gradient]: gradient.start,
          [Guard.Count]: count,
          [Guard.Rows]: rows,
          [Guard.Limit]: { f32: limit },
          [Guard.Rate]: { f32: rate },
        },
        Guard.Length,
        [gradient, ...lists],
        [],
      );
    emit(range(memory, 0, this.#floats), this.#floats, 0, []);
    for (const segment of this.#segments) {
      if (!segment.table) continue;
      const { gradient, count, rows, lists } = operandsOf(segment, encoder, memory);
      emit(gradient, count, rows, lists);
    }
  }

  #encodeNorm(encoder: Encoder, { parameters }: Ranges, memory: number, partials: number): void {
    let at = partials;
    for (const segment of this.#segments) {
      const { gradient, count, rows, lists, chunks } = operandsOf(segment, encoder, memory);
      const parameter = range(parameters, segment.offset, segment.count);
      encoder.tape.emit(
        Op.SquaredNorm,
        {
          [SquaredNorm.Parameter]: parameter.start,
          [SquaredNorm.Gradient]: gradient.start,
          [SquaredNorm.Count]: count,
          [SquaredNorm.L1]: { f32: segment.l1 },
          [SquaredNorm.L2]: { f32: segment.l2 },
          [SquaredNorm.ClipValue]: { f32: this.optimizer.clipValue ?? 0 },
          [SquaredNorm.Partials]: at,
          [SquaredNorm.Rows]: rows,
          [SquaredNorm.Chunks]: chunks,
        },
        SquaredNorm.Length,
        [gradient, parameter, ...lists],
        [{ start: at, end: at + chunks * 8 }],
      );
      at += chunks * 8;
    }
  }

  #encodePass(encoder: Encoder, ranges: Ranges, memory: number, segment: Segment, partials: Span): void {
    const { optimizer } = this;
    const { kind } = kernelOf(optimizer);
    const { gradient, count, rows, lists } = operandsOf(segment, encoder, memory);
    // the padding of a parameter may take part, as that between two does: so a pass is one of whole vectors
    const padded = Math.ceil(segment.count / LANES) * LANES;
    const written = [ranges.parameters, ...ranges.states].map((base) =>
      base ? range(base, segment.offset, padded) : { start: 0, end: 0 },
    );
    const start = memory + this.#scratchAt;
    const scratch = { start, end: start + this.threads * OPTIMIZE_SCRATCH };
    encoder.tape.emit(
      Op.Optimize,
      {
        [Optimize.Kind]: kind,
        [Optimize.Parameter]: written[0]!.start,
        [Optimize.Gradient]: gradient.start,
        [Optimize.State1]: written[1]!.start,
        [Optimize.State2]: written[2]!.start,
        [Optimize.State3]: written[3]!.start,
        [Optimize.Count]: segment.table ? count : padded,
        [Optimize.Rate]: { f32: segment.rate },
        [Optimize.L1]: { f32: segment.l1 },
        [Optimize.L2]: { f32: segment.l2 },
        [Optimize.WeightDecay]: { f32: optimizer.weightDecay },
        [Optimize.ClipValue]: { f32: optimizer.clipValue ?? 0 },
        [Optimize.ClipNorm]: { f32: optimizer.globalClipNorm ?? 0 },
        [Optimize.Partials]: partials.start,
        [Optimize.PartialCount]: this.#partialCount(encoder.batch),
        ...decayFields(optimizer),
        [Optimize.Epsilon]: { f32: optimizer.epsilon },
        [Optimize.Rows]: rows,
        // each thread has its own, so no pass waits for another because of it
        [Optimize.Scratch]: scratch.start,
      },
      Optimize.Length,
      [gradient, partials, ...lists],
      written.filter(({ end }) => end > 0),
    );
  }

  /** For a smaller last batch there may be fewer. */
  #partialCount(batch: number): number {
    return this.#segments.reduce((sum, segment) => sum + chunksOf(segment, batch), 0);
  }

  /** Joins neighbours with the same penalties and rate; the padding between them stays zero under every optimizer. */
  #segmentsOf(trained: readonly boolean[], tables: ReadonlyMap<number, SparseGradient>): readonly Segment[] {
    const segments: Segment[] = [];
    for (const [i, { offset, count, regularizer, learningRateScale: rate }] of this.list.entries()) {
      if (!trained[i]) continue;
      const { l1 = 0, l2 = 0 } = regularizer ?? {};
      const table = tables.get(i);
      if (table) {
        segments.push({ offset, gradient: 0, count, l1, l2, rate, table });
        continue;
      }
      const last = segments.at(-1);
      const adjacent =
        last && !last.table && Math.ceil((last.offset + last.count) / ALIGN) * ALIGN === offset;
      if (adjacent && last.l1 === l1 && last.l2 === l2 && last.rate === rate)
        last.count = offset + count - last.offset;
      else segments.push({ offset, gradient: this.gradients[i]!, count, l1, l2, rate });
    }
    return segments;
  }
}

function range(base: number, offset: number, count: number): Span {
  const start = base + offset * 4;
  return { start, end: start + count * 4 };
}

function chunksOf({ table, count }: Segment, batch: number): number {
  return table ? Math.ceil(mostRows(table, batch) / NORM_ROWS) : Math.ceil(count / NORM_CHUNK);
}

function operandsOf(segment: Segment, encoder: Encoder, memory: number): Operands {
  const { table, count } = segment;
  const chunks = chunksOf(segment, encoder.batch);
  if (!table) return { count, gradient: range(memory, segment.gradient, count), rows: 0, lists: [], chunks };
  const list = encoder.span(table.rows);
  return {
    count: lastOf(table.values.shape),
    gradient: encoder.span(table.values),
    rows: list.start + 4 * mostRows(table, encoder.batch),
    lists: [list],
    chunks,
  };
}

/**
 * From this magnitude on a gradient may leave the finite numbers in the optimizer, at learning rates up to 1: Adam and
 * RMSprop square it, momentum adds up to 1 / (1 - momentum) of it. What is clipped first only has to be finite: 0.
 */
export function largestGradient({ name, momentum, clipValue, globalClipNorm }: Optimizer): number {
  if (clipValue !== undefined || globalClipNorm !== undefined) return 0;
  return name === 'sgd' ? 2 ** 125 * (1 - momentum) : 2 ** 62;
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
