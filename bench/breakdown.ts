// Where the time of a training step goes: its tape run an instruction at a time, joined by layer and by operation.
import { OPERATION_NAMES } from '../src/compiler/schedule.ts';
import { stepData } from './data.ts';
import { probeLimit } from './limit.ts';
import { median } from './measure.ts';
import { describe } from './network.ts';
import type { StepCase } from './protocol.ts';
import { duration, table } from './report.ts';
import { createTrainer, startProgram } from './subjects/network.ts';
import { type Work, workOf } from './work.ts';

const PROBE_MS = 15;
const FEWEST = 5;
/** Share of the time spent before it. */
const WARMUP = 0.5;

/** Instructions of one kind, on operands of one size, for one layer. */
export interface ProfileRow extends Work {
  layer: string;
  /** In a step. */
  calls: number;
  /** Of all its calls, median over the steps; so are flops and bytes of all. */
  ms: number;
  /** Of the time of all instructions. */
  share: number;
}

export interface Profile {
  case: string;
  node: string;
  limitGflops: number;
  /** Of a whole step in one call, as `fit` runs it; the instructions one by one, with a call for each. */
  stepMs: number;
  sumMs: number;
  /** Steps that were taken apart. */
  steps: number;
  rows: ProfileRow[];
  /** Totals, `layer` being empty. */
  operations: ProfileRow[];
}

/** Of an instruction, and what its operation is called among the totals. */
interface Timed extends ProfileRow {
  total: string;
}

/** Takes steps apart for so long, at least five: each is done whole, then once more an instruction at a time. */
export async function profileStep(spec: StepCase, timeMs: number): Promise<Profile> {
  const data = stepData(spec);
  const program = startProgram(await createTrainer(spec, data), spec, data);
  // V8 compiles what runs often anew
  for (const warm = performance.now() + WARMUP * timeMs; performance.now() < warm; ) {
    program.run(1);
    program.takeRecords(() => {});
  }
  const kinds: Omit<Timed, 'ms' | 'share'>[] = [];
  program.each((instruction, words) => {
    const { layer, op } = instruction;
    kinds.push({ layer, ...workOf(instruction, words), calls: 1, total: OPERATION_NAMES[op] });
    return true;
  });
  const times: number[][] = kinds.map(() => []);
  const whole: number[] = [];
  const limits = probeLimit(PROBE_MS);
  const end = performance.now() + timeMs;
  while (whole.length < FEWEST || performance.now() < end) {
    const begun = performance.now();
    program.run(1);
    whole.push(performance.now() - begun);
    program.takeRecords(() => {});
    let at = 0;
    program.each((_, __, run) => {
      const start = performance.now();
      run();
      times[at++]!.push(performance.now() - start);
      return true;
    });
    if (whole.length % 32 === 0) limits.push(...probeLimit(PROBE_MS));
  }
  const ms = times.map(middle);
  const sumMs = ms.reduce((sum, one) => sum + one, 0);
  const timed = kinds.map((kind, i) => ({ ...kind, ms: ms[i]!, share: ms[i]! / sumMs }));
  const rows = joined(timed, ({ layer, operation, size }) => `${layer} | ${operation} | ${size}`);
  const operations = joined(timed, ({ total }) => total);
  return {
    case: spec.name,
    node: process.version,
    limitGflops: middle(limits),
    stepMs: middle(whole),
    sumMs,
    steps: whole.length,
    rows: rows.map(({ total: _, ...row }) => row),
    operations: operations.map(({ total, ...row }) => ({ ...row, layer: '', operation: total, size: '' })),
  };
}

function middle(times: readonly number[]): number {
  return median([...times].sort((a, b) => a - b));
}

/** Sums of those that have the same key, the longest first. */
function joined(timed: readonly Timed[], key: (row: Timed) => string): Timed[] {
  const found = new Map<string, Timed>();
  for (const row of timed) {
    const sum = found.get(key(row));
    if (sum) for (const field of SUMMED) sum[field] += row[field];
    else found.set(key(row), { ...row });
  }
  return [...found.values()].sort((a, b) => b.ms - a.ms);
}

const SUMMED = ['calls', 'ms', 'share', 'flops', 'bytes'] as const;

/** Rows that the table shows; the JSON has all. */
const SHOWN = 24;

export function profileTable(spec: StepCase, profile: Profile): string {
  const { limitGflops, stepMs, sumMs, steps, rows, operations } = profile;
  const numbers = ({ calls, ms, share, flops, bytes }: ProfileRow): string[] => [
    String(calls),
    duration(ms),
    percent(share),
    ...(flops > 0
      ? [`${(flops / 1e6 / ms).toFixed(1)} GFLOP/s`, percent(flops / 1e6 / ms / limitGflops)]
      : [bytes > 0 ? `${(bytes / 1e6 / ms).toFixed(1)} GB/s` : '', '']),
  ];
  const heads = ['calls', 'time', 'share', 'speed', 'of limit'];
  const shown = rows.slice(0, SHOWN);
  const rest = rows.slice(SHOWN);
  const others = rest.reduce((sum, { ms }) => sum + ms, 0);
  const lines = shown.map((row) => [row.layer, row.operation, row.size, ...numbers(row)]);
  if (rest.length > 0) {
    lines.push(['', `${rest.length} others`, '', '', duration(others), percent(others / sumMs), '', '']);
  }
  const title =
    `${spec.name}: ${describe(spec.layers)}, ${spec.batch} rows, ${spec.optimizer.name}\n` +
    `Node ${profile.node}, one thread, ${steps} steps; limit ${limitGflops.toFixed(1)} GFLOP/s\n`;
  const totals = operations.map((row) => [row.operation, ...numbers(row)]);
  return [
    table(title, ['layer', 'operation', 'size', ...heads], lines, 3, 2),
    table('\nBy operation', ['operation', ...heads], totals, 1, 2),
    `\nAll instructions one by one ${duration(sumMs)}, a whole step ${duration(stepMs)}: ` +
      `${(spec.flops / 1e6 / stepMs).toFixed(1)} GFLOP/s, ${percent(spec.flops / 1e6 / stepMs / limitGflops)} of the limit`,
  ].join('\n');
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
