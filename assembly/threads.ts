/**
 * SPMD: every thread walks the same tape over the same memory; a kernel works on its own cut of the range.
 * Globals belong to an instance, so each thread has its own copies of these.
 */

export let thread: i32 = 0;
export let threads: i32 = 1;

/**
 * The barrier's words, in the arena:  | arrived | generation | sleeping | job | ended |
 * `job` counts the runs given to the workers, `ended` the workers that finished one.
 */
let sync: usize = 0;

const ARRIVED: usize = 0;
const GENERATION: usize = 4;
const SLEEPING: usize = 8;
const JOB: usize = 12;
const JOB_KIND: usize = 16;
const JOB_PROGRAM: usize = 20;
const JOB_STEPS: usize = 24;

/** Loads of the generation before a waiting thread falls asleep: about 3 µs (measured: a sleep costs 12-16 µs). */
const SPINS: i32 = 5000;

/**
 * Sleeps while the word holds the value. JavaScript's Atomics.wait, not
 * memory.atomic.wait32: after that instruction the baseline compiler of V8 11 (Node 20) no longer sees the word change.
 */
// @ts-ignore: decorator
@external("env", "sleep")
declare function sleep(word: usize, value: i32): void;

export function bind(index: i32, count: i32, words: usize): void {
  thread = index;
  threads = count;
  sync = words;
}

/** Kernels that this thread calls have their whole range to themselves, until `among`. */
export function alone(): void {
  thread = 0;
  threads = 1;
}

export function among(index: i32, count: i32): void {
  thread = index;
  threads = count;
}

/** Waits until every thread has come here. */
export function barrier(): void {
  if (threads == 1) return;
  const generation = atomic.load<i32>(sync, GENERATION);
  if (atomic.add<i32>(sync, 1, ARRIVED) == threads - 1) {
    atomic.store<i32>(sync, 0, ARRIVED);
    atomic.add<i32>(sync, 1, GENERATION);
    if (atomic.load<i32>(sync, SLEEPING) != 0) atomic.notify(sync + GENERATION, threads);
    return;
  }
  waitWhile(sync + GENERATION, generation);
}

function waitWhile(word: usize, value: i32): void {
  for (let spins = 0; spins < SPINS; spins++) {
    if (atomic.load<i32>(word) != value) return;
  }
  atomic.add<i32>(sync, 1, SLEEPING);
  while (atomic.load<i32>(word) == value) sleep(word, value);
  atomic.sub<i32>(sync, 1, SLEEPING);
}

/** Thread 0: hands a run to the workers. Kind 0 ends them. */
export function giveJob(kind: i32, program: usize, steps: i32): void {
  if (threads == 1) return;
  store<i32>(sync, kind, JOB_KIND);
  store<usize>(sync, program, JOB_PROGRAM);
  store<i32>(sync, steps, JOB_STEPS);
  atomic.add<i32>(sync, 1, JOB);
  atomic.notify(sync + JOB, threads);
}

/** A worker: waits for the job after the `seen` ones. */
export function awaitJob(seen: i32): void {
  waitWhile(sync + JOB, seen);
}

// @ts-ignore: decorator
@inline
export function jobKind(): i32 {
  return load<i32>(sync, JOB_KIND);
}

// @ts-ignore: decorator
@inline
export function jobProgram(): usize {
  return load<usize>(sync, JOB_PROGRAM);
}

// @ts-ignore: decorator
@inline
export function jobSteps(): i32 {
  return load<i32>(sync, JOB_STEPS);
}

/** Start of thread `t`'s cut of `count` items, in multiples of `unit`. */
// @ts-ignore: decorator
@inline
function cut(count: i32, unit: i32, t: i32): i32 {
  const units = (count + unit - 1) / unit;
  return min<i32>(count, <i32>((<i64>units * t) / threads) * unit);
}

// @ts-ignore: decorator
@inline
export function first(count: i32, unit: i32): i32 {
  return threads == 1 ? 0 : cut(count, unit, thread);
}

// @ts-ignore: decorator
@inline
export function last(count: i32, unit: i32): i32 {
  return threads == 1 ? count : cut(count, unit, thread + 1);
}
