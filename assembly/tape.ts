/**
 * The tape: the contract between the compiler (src/compiler/encode.ts) and the executor (assembly/executor.ts).
 * Imported by both, so it holds nothing but constants, as do the files of tape/.
 *
 * A tape is a run of instructions of 32-bit words. Word 0 of each:
 *
 *    31            16 15    9  8   7      0
 *   +----------------+-------+---+--------+
 *   | length (words) |   0   | B | opcode |     B: a barrier stands before this instruction
 *   +----------------+-------+---+--------+
 *
 * The other words are its fields, byte addresses, counts, flags, or float32 bits: an enum of each instruction names them,
 * in tape/.
 */

/** A word of the memory, below all data: not 0 where tiles are 16 columns wide (kernels/wide.ts). */
export const WIDE = 16;

/** What an instruction does. The upper two bits of an opcode are its family (FamilyIndex). */
export const enum Op {
  End = 0,
  Gather,
  Gemm,
  ThinGemm,
  Unary,
  UnaryGrad,
  Binary,
  BiasAdd,
  Affine,
  Softmax,
  SoftmaxGrad,
  MeanSquaredError,
  BinaryCrossEntropy,
  SoftmaxCrossEntropy,
  ClassHits,
  BinaryHits,
  Accumulate,
  Penalty,
  Dropout,
  Guard,
  SquaredNorm,
  Optimize,
  Reduce,
  BatchedGemm,

  Convolution = 0x40,
  Pool,
  PoolGrad,
  Depthwise,
  DepthwiseFilter,
  Pad,
  Resample,
  AdaptiveMaximum,

  Recurrence = 0x80,
  RecurrenceGrad,
  StepMask,
  Attention,
  AttentionGrad,
  Rotary,
  Cache,

  CopyRows = 0xc0,
  Maximum,
  MaximumGrad,
  RowDot,
  ScaleRows,
  Moments,
  MovingMoments,
  MovingAverage,
  Normalize,
  NormalizeGrad,
  ScaleGrad,
  Embedding,
  EmbeddingGrad,
  Transpose,
  Noise,
  DistinctRows,
}

/**
 * The modules of the core: each runs the instructions of its operations on the same memory. The executor is in `Core`
 * and calls the others through a table of functions; a family that no program needs is not loaded.
 */
export const enum FamilyIndex {
  Core = 0,
  Spatial,
  Sequence,
  Tensors,
  Count,
}

export const enum Head {
  OpcodeMask = 0xff,
  FamilyShift = 6,
  Barrier = 0x100,
  LengthShift = 16,
}

/** Element types of data that lies in the arena. */
export const enum Type {
  F32 = 0,
  I32 = 1,
  U8 = 2,
}

/** dst[r, :] = float(src[index[cursor + r], :]); index 0 means rows in order. */
export const enum Gather {
  Source = 1,
  Target,
  Rows,
  Columns,
  SourceType,
  TargetType,
  Length,
}

/** Why a run stopped. */
export const enum Status {
  Ok = 0,
  LossNotFinite = 1,
  GradientNotFinite = 2,
}

/** The program block, in words. float64 fields take two words and lie at even indices. */
export const enum Program {
  /** Tape of a whole batch, tape of the last, smaller one (0: none). */
  Tape = 0,
  TailTape,
  /** Whole batches in an epoch. */
  Batches,
  BatchRows,
  /** Row indices of the epoch (0: rows in order), rows. */
  Index,
  Rows,
  Shuffle,
  SeedLow,
  SeedHigh,
  /** Counters: optimizer steps done in all, steps done in this epoch, epochs done in all. */
  Step,
  EpochStep,
  Epoch,
  Status,
  /** Ended epochs not yet read by JavaScript, and how many fit. */
  Recorded,
  RecordCapacity,
  /** Accumulators in use. */
  Slots,
  LearningRate,
  Records,
  /** float64: beta1, beta2, their t-th powers, loss of the last step. */
  Beta1 = 18,
  Beta2 = 20,
  Beta1Power = 22,
  Beta2Power = 24,
  StepLoss = 26,
  /** float64[MAX_SLOTS]: loss, metrics … as sums over rows, and of metrics with a mask the steps that count. */
  Accumulators = 28,
  Words = 92,
}

export const MAX_SLOTS = 32;
/** One record: Slots float64 sums, MAX_SLOTS reserved. */
export const RECORD_BYTES = MAX_SLOTS * 8;
