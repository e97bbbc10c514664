import { Affine } from '../../assembly/tape/dense.ts';
import { Guard } from '../../assembly/tape/training.ts';
import { Op } from '../../assembly/tape.ts';
import type { Encoder } from '../compiler/encode.ts';
import { UsageError } from '../errors.ts';
import { lastOf, type Tensor } from '../ops/tensor.ts';
import type { Arena } from '../runtime/arena.ts';

/** A state of a layer that lasts from batch to batch, and what a batch makes of it, both [batch, size]. */
export interface LastingState {
  readonly state: Tensor;
  readonly next: Tensor;
}

/** The states that a model's layers carry from batch to batch, whatever runs it: fit, evaluate or predict. */
export class StatesOfModel {
  /** Changes with them. */
  version = 0;
  #rows: number | undefined;
  /** In the order of the trace, [rows, size] each; those that no batch has changed are zeros and not there. */
  #values: Float32Array[] = [];

  /** Of each batch; undefined: after a reset, until the next batch. */
  get rows(): number | undefined {
    return this.#rows;
  }

  reset(): void {
    this.#rows = undefined;
    this.#values = [];
    this.version++;
  }

  /** Batches of so many rows come now. @throws UsageError where the states are those of another number. */
  expect(rows: number, what: string): void {
    if (this.#rows !== undefined && this.#rows !== rows) {
      throw new UsageError(
        `${what}: a batch of ${count(rows)}, but the model's stateful layers have the states of ${count(this.#rows)}: ` +
          `give batches of ${this.#rows}, or call model.resetStates() first`,
      );
    }
    this.#rows = rows;
  }

  /** Rows of a batch, of so many in all: what the states have, else all of them. @throws UsageError where they do not fit. */
  batchOf(rows: number, what: string): number {
    const batch = this.#rows ?? rows;
    if (rows > batch) checkWhole(rows, batch, what, 'call model.resetStates() first');
    this.expect(Math.min(rows, batch), what);
    return batch;
  }

  /** The state of a place in the trace, not a copy. */
  at(place: number, size: number): Float32Array {
    const values = this.#values[place] ?? new Float32Array(this.#rows! * size);
    this.#values[place] = values;
    return values;
  }
}

function count(rows: number): string {
  return rows === 1 ? '1 row' : `${rows} rows`;
}

/** Every batch has the same rows where layers carry states from one to the next. */
export function checkWhole(
  rows: number,
  batch: number,
  what: string,
  hint = 'choose another batchSize',
): void {
  if (rows % batch === 0) return;
  throw new UsageError(
    `${what}: ${rows} rows are no whole number of batches of ${batch}, which stateful layers need, since each row goes on ` +
      `where that of the batch before ended; leave ${count(rows % batch)} out, or ${hint}`,
  );
}

/** The same states in the memory of a program. */
export class StatesOfProgram {
  /** Where each lies. */
  readonly fixed: ReadonlyMap<Tensor, number>;
  #seen = -1;

  constructor(
    readonly states: StatesOfModel,
    readonly arena: Arena,
    readonly list: readonly LastingState[],
    /** Rows that there is room for. */
    readonly rows: number,
  ) {
    this.fixed = new Map(list.map(({ state }) => [state, arena.allocate(rows * lastOf(state.shape) * 4)]));
  }

  /** Takes the model's states, when they changed elsewhere; all rows. */
  push(what: string): void {
    if (this.list.length === 0 || this.#seen === this.states.version) return;
    this.states.expect(this.rows, what);
    this.load(0, this.rows);
    this.#seen = this.states.version;
  }

  /** Gives the model the states after the last batch; unless it has got others since they were taken. */
  pull(): void {
    if (this.list.length === 0 || this.#seen !== this.states.version) return;
    this.store(0, this.rows);
    this.#seen = this.states.version;
  }

  /** Takes the states of `count` rows. */
  load(from: number, count: number): void {
    this.#each(count, (here, values, size) => here.set(values.subarray(from * size, (from + count) * size)));
  }

  store(from: number, count: number): void {
    this.#each(count, (here, values, size) => values.set(here, from * size));
    this.states.version++;
  }

  /** What a batch makes of the states must be finite. */
  encodeGuards({ tape, span }: Encoder): void {
    for (const { next } of this.list) {
      const { start, end } = span(next);
      tape.layer = next.layer;
      tape.emit(
        Op.Guard,
        {
          [Guard.Gradient]: start,
          [Guard.Count]: (end - start) / 4,
          [Guard.Rows]: 0,
          [Guard.Limit]: { f32: 0 },
          [Guard.Rate]: { f32: 1 },
        },
        Guard.Length,
        [{ start, end }],
        [],
      );
    }
  }

  /** It takes their place at the end of a step: one that was refused leaves the states as they were. */
  encodeMoves({ tape, span }: Encoder): void {
    for (const { state, next } of this.list) {
      const [from, to] = [span(next), span(state)];
      tape.layer = next.layer;
      tape.emit(
        Op.Affine,
        {
          [Affine.Source]: from.start,
          [Affine.Target]: to.start,
          [Affine.Count]: (from.end - from.start) / 4,
          [Affine.Scale]: { f32: 1 },
          [Affine.Offset]: { f32: 0 },
        },
        Affine.Length,
        [from],
        [to],
      );
    }
  }

  dispose(): void {
    for (const address of this.fixed.values()) this.arena.free(address);
  }

  #each(count: number, copy: (here: Float32Array, values: Float32Array, size: number) => void): void {
    this.list.forEach(({ state }, place) => {
      const size = lastOf(state.shape);
      copy(this.arena.f32(this.fixed.get(state)!, count * size), this.states.at(place, size), size);
    });
  }
}
