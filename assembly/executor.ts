import { beta1Power, beta2Power, endStep, program, seed, setCursor, startRun, startStep, step, undoStep } from './clock';
import { address, word } from './fields';
import { unary, unaryGrad } from './kernels/activation';
import { reduce } from './kernels/axes';
import { batchedGemm } from './kernels/batched';
import { dropout } from './kernels/dropout';
import { affine, biasAdd, binary } from './kernels/elementwise';
import { gather } from './kernels/gather';
import { gemm } from './kernels/gemm';
import { guard } from './kernels/guard';
import { binaryCrossEntropy, meanSquaredError, softmaxCrossEntropy } from './kernels/loss';
import { binaryHits, classHits } from './kernels/metric';
import { optimize } from './kernels/optimizer';
import { accumulate, penalty, squaredNorm } from './kernels/reduce';
import { softmax, softmaxGrad } from './kernels/softmax';
import { thinGemm } from './kernels/thin';
import { shuffle } from './random';
import { Head, Op, Program, RECORD_BYTES, Status } from './tape';
import { awaitJob, barrier, giveJob, jobKind, jobProgram, jobSteps, thread } from './threads';

/**
 * Walks a tape. Returns false when a guard stopped it.
 * Kept small and called once for each step: V8 never replaces a running wasm function, so a long run of one call
 * would stay in the baseline compiler's code.
 */
function walk(p: usize): bool {
  let head = load<u32>(p);
  while ((head & Head.OpcodeMask) != Op.End) {
    if (head & Head.Barrier) barrier();
    switch (head & Head.OpcodeMask) {
      case Op.Gather:
        gather(p);
        break;
      case Op.Gemm:
        gemm(p);
        break;
      case Op.ThinGemm:
        thinGemm(p);
        break;
      case Op.Unary:
        unary(p);
        break;
      case Op.UnaryGrad:
        unaryGrad(p);
        break;
      case Op.Binary:
        binary(p);
        break;
      case Op.BiasAdd:
        biasAdd(p);
        break;
      case Op.Affine:
        affine(p);
        break;
      case Op.Softmax:
        softmax(p);
        break;
      case Op.SoftmaxGrad:
        softmaxGrad(p);
        break;
      case Op.Reduce:
        reduce(p);
        break;
      case Op.BatchedGemm:
        batchedGemm(p);
        break;
      case Op.MeanSquaredError:
        meanSquaredError(p);
        break;
      case Op.BinaryCrossEntropy:
        binaryCrossEntropy(p);
        break;
      case Op.SoftmaxCrossEntropy:
        softmaxCrossEntropy(p);
        break;
      case Op.ClassHits:
        classHits(p);
        break;
      case Op.BinaryHits:
        binaryHits(p);
        break;
      case Op.Accumulate:
        accumulate(p);
        break;
      case Op.Penalty:
        penalty(p);
        break;
      case Op.Dropout:
        dropout(p);
        break;
      case Op.Guard:
        if (guard(p)) return false;
        break;
      case Op.SquaredNorm:
        squaredNorm(p);
        break;
      case Op.Optimize:
        optimize(p);
        break;
      default:
        // the core's own place in the table is empty: an opcode that it does not know traps
        call_indirect<void>((head & Head.OpcodeMask) >>> Head.FamilyShift, p, program, step);
    }
    p += (head >>> Head.LengthShift) << 2;
    head = load<u32>(p);
  }
  return true;
}

// @ts-ignore: decorator
@inline
function set(block: usize, field: i32, value: i32): void {
  store<i32>(block + (<usize>field << 2), value);
}

/** Rows of the epoch in a new order; its sums at zero. */
function startEpoch(block: usize): void {
  barrier();
  if (thread == 0) {
    const sums = block + ((<usize>Program.Accumulators) << 2);
    for (let i: usize = 0; i < <usize>RECORD_BYTES; i += 16) v128.store(sums + i, f64x2.splat(0));
    const index = address(block, Program.Index);
    if (index && word(block, Program.Shuffle)) {
      shuffle(index, word(block, Program.Rows), seed(), word(block, Program.Epoch));
    }
  }
  barrier();
}

/** The sums of the epoch go to the records. */
function endEpoch(block: usize): void {
  barrier();
  if (thread == 0) {
    const recorded = word(block, Program.Recorded);
    const target = address(block, Program.Records) + <usize>recorded * RECORD_BYTES;
    const sums = block + ((<usize>Program.Accumulators) << 2);
    for (let i: usize = 0; i < <usize>RECORD_BYTES; i += 16) v128.store(target + i, v128.load(sums + i));
    set(block, Program.Recorded, recorded + 1);
    set(block, Program.Epoch, word(block, Program.Epoch) + 1);
    set(block, Program.EpochStep, 0);
  }
  barrier();
}

/** One thread's part of a run of `steps` whole steps. */
function runThread(block: usize, steps: i32): void {
  startRun(block);
  const batches = word(block, Program.Batches);
  const tail = address(block, Program.TailTape);
  const perEpoch = batches + i32(tail != 0);
  let epochStep = word(block, Program.EpochStep);
  while (steps > 0) {
    if (epochStep == 0) startEpoch(block);
    startStep();
    setCursor(epochStep * word(block, Program.BatchRows));
    if (!walk(epochStep < batches ? address(block, Program.Tape) : tail)) {
      undoStep();
      break;
    }
    endStep();
    steps--;
    epochStep++;
    if (thread == 0) {
      set(block, Program.Step, step);
      set(block, Program.EpochStep, epochStep);
      store<f64>(block + ((<usize>Program.Beta1Power) << 2), beta1Power);
      store<f64>(block + ((<usize>Program.Beta2Power) << 2), beta2Power);
    }
    if (epochStep == perEpoch) {
      endEpoch(block);
      epochStep = 0;
    }
  }
  barrier();
}

const RUN = 1;
const WALK = 2;

/** Thread 0: runs whole training (or evaluation) steps on all threads; the status of the program. */
export function run(block: usize, steps: i32): i32 {
  giveJob(RUN, block, steps);
  runThread(block, steps);
  return word(block, Program.Status);
}

/** Thread 0: one instruction (or any tape) on all threads, the program's clock as it stands. */
export function execute(block: usize, tape: usize): void {
  giveJob(WALK, block, <i32>tape);
  walkThread(block, tape);
}

function walkThread(block: usize, tape: usize): void {
  startRun(block);
  startStep();
  setCursor(word(block, Program.EpochStep) * word(block, Program.BatchRows));
  walk(tape);
  barrier();
}

/** Another thread: works until it is sent home. */
export function work(): void {
  for (let seen = 0; ; seen++) {
    awaitJob(seen);
    const kind = jobKind();
    if (kind == RUN) runThread(jobProgram(), jobSteps());
    else if (kind == WALK) walkThread(jobProgram(), jobSteps());
    else return;
  }
}

/** Thread 0: sends the other threads home. */
export function dismiss(): void {
  giveJob(0, 0, 0);
}
