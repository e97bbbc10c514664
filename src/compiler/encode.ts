import { Gather, Op, Type } from '../../assembly/tape.ts';
import type { Call, Emitter, Span } from '../ops/rule.ts';
import { isOp, lastOf, sizeOf, type Tensor } from '../ops/tensor.ts';
import type { MemoryPlan } from './memory.ts';
import type { Schedule } from './schedule.ts';
import { TapeWriter } from './tape.ts';

/** A column of the data set that lies in the arena. */
export interface Source {
  readonly address: number;
  readonly type: Type;
}

/** Addresses that encoding needs. */
export interface Layout {
  /** The block of activations. */
  readonly activations: number;
  /** Of each input, by name. */
  readonly data: ReadonlyMap<string, Source>;
}

/** What a writer of further instructions (metrics, optimizer) may use. */
export interface Encoder {
  readonly tape: TapeWriter;
  readonly batch: number;
  /** Of the whole data set. */
  readonly rows: number;
  span(tensor: Tensor): Span;
}

/** A tape, and where its results lie. */
export interface Encoding {
  readonly tape: TapeWriter;
  address(tensor: Tensor): number;
}

/**
 * Encodes the calls for a batch of `batch` rows: gathers of the inputs first, then `finish`. Where a batch is all rows,
 * which then keep their order, an input of the data's own type is read where the data lie.
 */
export function encode(
  { calls, sources }: Schedule,
  plan: MemoryPlan,
  layout: Layout,
  batch: number,
  rows: number,
  finish: (encoder: Encoder) => void,
): Encoding {
  const tape = new TapeWriter();
  const inData = new Map<Tensor, number>();
  const address = (tensor: Tensor): number => {
    const source = inData.get(plan.origin(tensor));
    if (source !== undefined) return source;
    const { fixed, at } = plan.place(tensor);
    return fixed ? at : layout.activations + at;
  };
  const span = (tensor: Tensor): Span => {
    const start = address(tensor);
    return { start, end: start + sizeOf(tensor.shape, batch) * 4 };
  };

  for (const tensor of sources) {
    if (!isOp(tensor, 'input')) continue;
    const { name, shape, type } = tensor.attributes;
    const source = layout.data.get(name);
    if (!source) throw new Error(`no data for input '${name}'`);
    const wanted = type === 'f32' ? Type.F32 : Type.I32;
    if (batch === rows && source.type === wanted) {
      inData.set(tensor as unknown as Tensor, source.address);
      continue;
    }
    tape.layer = name;
    tape.emit(
      Op.Gather,
      {
        [Gather.Source]: source.address,
        [Gather.Target]: address(tensor),
        [Gather.Rows]: batch,
        [Gather.Columns]: sizeOf(shape, 1),
        [Gather.SourceType]: source.type,
        [Gather.TargetType]: wanted,
      },
      Gather.Length,
      [],
      [span(tensor)],
    );
  }

  for (const call of calls) {
    tape.layer = call.tensor.layer;
    const { emit } = call.tensor.rule;
    if (typeof emit !== 'function') continue;
    emit(emitter(call), call);
  }
  finish({ tape, batch, rows, span });
  return { tape, address };

  function emitter(call: Call): Emitter {
    const { at, bytes } = plan.workspace(call);
    const start = layout.activations + at;
    const workspace = { start, end: start + bytes };
    return {
      batch,
      size: (tensor) => sizeOf(tensor.shape, batch),
      rows: (tensor) => sizeOf(tensor.shape, batch) / lastOf(tensor.shape),
      address,
      span,
      workspace,
      emit: (op, fields, length, reads, writes) => tape.emit(op, fields, length, reads, writes, workspace),
    };
  }
}
