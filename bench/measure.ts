// One case of one subject, in this process: first its result is compared with float64, then its time is taken, in turns.
import { Bench } from 'tinybench';
import { gemmData, stepData, uniforms } from './data.ts';
import { probeLimit } from './limit.ts';
import type { GemmCase, Measured, PassCase, Run, StepCase, SubjectModule, Turns } from './protocol.ts';
import { compareLoss, comparePass, compareProduct } from './reference.ts';
import { duration } from './report.ts';

/** Samples are taken in so many turns, and the CPU's limit is probed before and after each. */
const TURNS = 20;
const PROBE_MS = 4;
/** After so many times the time for samples, so many are enough. */
const PATIENCE = 8;
const FEWEST = 3;
/** Kernels repeat until a sample lasts this long: the clock and the call do not count, a burst of noise spoils few. */
const SAMPLE_MS = 1;
/** With less of a core than this, other programs ran. */
const WHOLE_CORE = 0.9;
/** What the steps of the check may take. */
const LONGEST_CHECK_MS = 60_000;
/** Share of the sampling time spent before it: V8 compiles what runs often anew, but not while it runs. */
const WARMUP = 0.5;
/** At least one step, product or pass before the samples of each later turn: others had the caches. */
const WARMUP_AGAIN_MS = 0.1;

interface Timed {
  medianMs: number;
  minMs: number;
  samples: number;
  limitGflops: number;
  bestLimitGflops: number;
  /** Processor time over time while the samples were taken. */
  core: number;
}

/** Of a subject whose time does not count. */
export const failed = {
  medianMs: null,
  minMs: null,
  samples: 0,
  limitGflops: null,
  bestLimitGflops: null,
  bytes: null,
  counts: false,
  comparable: true,
};

/** A step case: trains `checkSteps` steps, compares the loss, then trains on against the clock. */
export async function* measureStep(subject: SubjectModule, spec: StepCase, timeMs: number): Turns {
  const run = await subject.openStep!(spec, stepData(spec));
  const different = subject.differentAlgorithm === true;
  const tooSlow = different ? await run.run(spec.stepsPerCall) : await runCheck(run, spec.checkSteps);
  if (tooSlow) return { ...failed, finalLoss: null, remark: tooSlow };
  const finalLoss = await run.loss();
  const wrong = different ? null : compareLoss(spec, finalLoss);
  if (wrong) return { ...failed, finalLoss, remark: wrong };
  return { ...(yield* timed(run, spec.stepsPerCall, timeMs)), finalLoss, comparable: !different };
}

/** Trains `steps` steps, 2 or more, unless the second shows that they would take too long: then it says so. */
async function runCheck(run: Run, steps: number): Promise<string | undefined> {
  await run.run(1); // may compile, so its time says little
  const begun = performance.now();
  await run.run(1);
  const ms = run.elapsed?.() ?? performance.now() - begun;
  if (ms * steps > LONGEST_CHECK_MS) {
    return `a step took ${duration(ms)}: the ${steps} of the check were not waited for`;
  }
  if (steps > 2) await run.run(steps - 2);
  return undefined;
}

/** From nothing but loaded modules to the end of the first step: one sample, so it wants a fresh process. */
export async function measureFirstStep(subject: SubjectModule, spec: StepCase): Promise<Measured> {
  const data = stepData(spec);
  const begun = performance.now();
  const run = await subject.openStep!(spec, data);
  await run.run(1);
  const finalLoss = await run.loss();
  const ms = performance.now() - begun;
  const wrong = compareLoss(spec, finalLoss);
  if (wrong) return { ...failed, finalLoss, remark: wrong };
  return { ...failed, medianMs: ms, minMs: ms, samples: 1, finalLoss, remark: null, counts: true };
}

export async function* measureGemm(subject: SubjectModule, spec: GemmCase, timeMs: number): Turns {
  const { a, b } = gemmData(spec);
  const run = await subject.openGemm!(spec, a, b);
  await run.run(1);
  return yield* kernel(run, compareProduct(spec, a, b, await run.result()), timeMs);
}

export async function* measurePass(subject: SubjectModule, spec: PassCase, timeMs: number): Turns {
  const x = uniforms(3, spec.n);
  const run = await subject.openPass!(spec, x);
  await run.run(1);
  return yield* kernel(run, comparePass(spec, x, await run.result()), timeMs);
}

async function* kernel(run: Run, wrong: string | null, timeMs: number): Turns {
  if (wrong) return { ...failed, finalLoss: null, remark: wrong };
  return yield* timed(run, await repetitions(run), timeMs);
}

async function* timed(run: Run, times: number, timeMs: number): Turns {
  const { core, ...figures } = yield* sample(run, times, timeMs);
  const busy = core < WHOLE_CORE ? 'less than 90 % of a core, other programs ran' : undefined;
  const remark = [run.note, busy].filter((text) => text !== undefined).join('; ') || null;
  return { ...failed, ...figures, finalLoss: null, remark, counts: true };
}

/** How often a kernel has to run for SAMPLE_MS, by the best of three tries: V8 may compile it in one of them. */
async function repetitions(run: Run): Promise<number> {
  for (let times = 1; ; times *= 2) {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 3; i++) {
      const begun = performance.now();
      await run.run(times);
      best = Math.min(best, run.elapsed?.() ?? performance.now() - begun);
      if (best > 20 * SAMPLE_MS) return times;
    }
    if (best >= SAMPLE_MS) return times;
  }
}

async function* sample(run: Run, times: number, timeMs: number): AsyncGenerator<undefined, Timed> {
  const samples: number[] = [];
  const limits: number[] = [];
  const spent = { ms: 0, cpu: 0 };
  for (let turn = 0; turn < TURNS; turn++) {
    yield;
    const begun = { ms: performance.now(), cpu: process.cpuUsage() };
    limits.push(...probeLimit(PROBE_MS));
    const bench = new Bench({
      time: timeMs / TURNS,
      iterations: 1,
      warmup: true,
      warmupTime: turn === 0 ? timeMs * WARMUP : WARMUP_AGAIN_MS,
      warmupIterations: 1,
      retainSamples: true,
      throws: true,
    });
    bench.add('run', timedBy(run, times));
    const { result } = (await bench.run())[0]!;
    if (!('latency' in result) || !result.latency.samples) throw new Error(`tinybench: ${result.state}`);
    samples.push(...result.latency.samples);
    limits.push(...probeLimit(PROBE_MS));
    const { user, system } = process.cpuUsage(begun.cpu);
    spent.ms += performance.now() - begun.ms;
    spent.cpu += (user + system) / 1000;
    if (samples.length >= FEWEST && sum(samples) > PATIENCE * timeMs) break;
  }
  const ms = samples.map((total) => total / times).sort(ascending);
  limits.sort(ascending);
  return {
    medianMs: median(ms),
    minMs: ms[0]!,
    samples: ms.length,
    limitGflops: median(limits),
    bestLimitGflops: limits.at(-1)!,
    // a subject in another process computes while this one waits
    core: run.elapsed ? 1 : spent.cpu / spent.ms,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function ascending(a: number, b: number): number {
  return a - b;
}

/** What tinybench calls: timed from outside, or told by the subject. */
function timedBy(run: Run, times: number): () => unknown {
  if (!run.elapsed) return () => run.run(times);
  return async () => {
    await run.run(times);
    return { overriddenDuration: run.elapsed!() };
  };
}

export function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
