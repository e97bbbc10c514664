import { address, word } from './fields';
import { Program } from './tape';

/** Where a run stands. Globals belong to an instance: every thread keeps its own, equal, copy. */
export let program: usize = 0;
/** First row of the batch within the epoch. */
export let cursor: i32 = 0;
/** Optimizer steps done. */
export let step: i32 = 0;
export let beta1Power: f64 = 1;
export let beta2Power: f64 = 1;

export function setCursor(row: i32): void {
  cursor = row;
}

export function startRun(block: usize): void {
  program = block;
  step = word(block, Program.Step);
  beta1Power = double(Program.Beta1Power);
  beta2Power = double(Program.Beta2Power);
}

/**
 * A family, which runs single instructions: where the thread's own core stands. Not read from the program, since thread 0
 * may count its step up while others are still in it.
 */
export function follow(block: usize, at: i32): void {
  program = block;
  step = at;
}

/** A new step begins: beta^t. */
export function startStep(): void {
  beta1Power *= double(Program.Beta1);
  beta2Power *= double(Program.Beta2);
}

/** The step was not done after all. */
export function undoStep(): void {
  beta1Power = double(Program.Beta1Power);
  beta2Power = double(Program.Beta2Power);
}

export function endStep(): void {
  step++;
}

// @ts-ignore: decorator
@inline
export function double(field: i32): f64 {
  return load<f64>(program + (<usize>field << 2));
}

export function seed(): u64 {
  return (<u64>address(program, Program.SeedHigh) << 32) | <u64>address(program, Program.SeedLow);
}
