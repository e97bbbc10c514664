import { Head, Op } from '../../assembly/tape.ts';
import type { Span, Word } from '../ops/rule.ts';

/** An instruction on a tape, for messages, and for running and measuring it alone. */
export interface Instruction {
  readonly op: Op;
  readonly layer: string;
  /** Words of the tape. */
  readonly start: number;
  readonly length: number;
  readonly reads: readonly Span[];
  /** What it writes, scratch left out: that may hold anything. */
  readonly writes: readonly Span[];
}

/**
 * Writes a tape. A barrier goes before an instruction that touches what one since the last barrier wrote, or writes
 * what one read: other threads may be at work there.
 */
export class TapeWriter {
  readonly instructions: Instruction[] = [];
  layer = 'model';
  readonly #words: number[] = [];
  #reads: Span[] = [];
  #writes: Span[] = [];

  emit(
    op: Op,
    fields: Readonly<Record<number, Word>>,
    length: number,
    reads: readonly Span[],
    writes: readonly Span[],
    scratch?: Span,
  ): void {
    const start = this.#words.length;
    const conflict =
      start === 0 ||
      overlap(reads, this.#writes) ||
      overlap(writes, this.#writes) ||
      overlap(writes, this.#reads);
    if (conflict) {
      this.#reads = [];
      this.#writes = [];
    }
    this.#reads.push(...reads);
    this.#writes.push(...writes);
    this.#words.push(op | (conflict ? Head.Barrier : 0) | (length << Head.LengthShift));
    for (let field = 1; field < length; field++) {
      const value = fields[field];
      if (value === undefined) throw new Error(`field ${field} of opcode ${op} was not given`);
      this.#words.push(typeof value === 'number' ? value : floatBits(value.f32));
    }
    const results = writes.filter((span) => span !== scratch);
    this.instructions.push({ op, layer: this.layer, start, length, reads, writes: results });
  }

  /** The tape, ended. */
  words(): Int32Array {
    return Int32Array.from([...this.#words, Op.End | (1 << Head.LengthShift)], (word) => word | 0);
  }
}

function overlap(a: readonly Span[], b: readonly Span[]): boolean {
  return a.some((x) => b.some((y) => x.start < y.end && y.start < x.end));
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

function floatBits(value: number): number {
  float[0] = value;
  return bits[0]!;
}
