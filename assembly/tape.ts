/**
 * The tape: the contract between the compiler (src/compiler/encode.ts) and the executor (assembly/executor.ts).
 * Imported by both, so it holds nothing but constants.
 *
 * A tape is a run of instructions of 32-bit words. Word 0 of each:
 *
 *    31            16 15    9  8   7      0
 *   +----------------+-------+---+--------+
 *   | length (words) |   0   | B | opcode |     B: a barrier stands before this instruction
 *   +----------------+-------+---+--------+
 *
 * The other words are the fields named below: byte addresses, counts, flags, or float32 bits.
 */

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

export const enum GemmFlag {
  /** A is stored [K, M]. */
  TransposedA = 1,
  /** The sums go on from C; a bias does not count then. */
  Accumulate = 2,
  /** The epilogue multiplies by the activation's derivative, taken from Reference. */
  Derivative = 4,
  /** B is stored [N, K]. */
  TransposedB = 8,
  /** A convolution of 3 x 3 taps by minimal filtering; Box1 and Box2 count lines and columns of tiles of 2 x 2 positions. */
  Minimal = 16,
}

/** C [M, N] = bias + A · B, then the activation (or times its derivative). */
export const enum Gemm {
  A = 1,
  AStride,
  B,
  BStride,
  C,
  CStride,
  M,
  N,
  K,
  Flags,
  /** Address or 0. */
  Bias,
  Activation,
  Alpha,
  /** [M, N], stride CStride; address or 0. */
  Reference,
  /** Of Gemm: ScratchBytes for each thread. */
  Scratch,
  ScratchBytes,
  Length,
}

/**
 * Fields of a convolution, behind those of its Gemm. A row of A is a position of a grid, [Images, Grid0, Grid1, Grid2];
 * a column is a tap and a channel, [Taps0, Taps1, Taps2, Channels]; the element is that of the source image at
 * (position · Mul + tap · Step + Offset) / Div in each dimension, 0 where that is outside or not a whole number.
 * B is [taps, Channels, N], with GemmFlag.TransposedB [taps, N, Channels]. With GemmFlag.TransposedA it is Aᵀ · B, and
 * B one row for each position.
 */
export const enum Patch {
  Grid0 = 17,
  Grid1,
  Grid2,
  Source0,
  Source1,
  Source2,
  Taps0,
  Taps1,
  Taps2,
  /** Div other than 1: Mul is 1. */
  Mul0,
  Mul1,
  Mul2,
  Step0,
  Step1,
  Step2,
  Offset0,
  Offset1,
  Offset2,
  Div0,
  Div1,
  Div2,
  /** The least index in the source, over all taps, that a position at 0 reads. */
  Low0,
  Low1,
  Low2,
  /** Positions (of every Div-th) that are computed at a time, and pixels of the source that they read. */
  Box0,
  Box1,
  Box2,
  Extent0,
  Extent1,
  Extent2,
  Images,
  BoxImages,
  /** Of a patch. */
  Channels,
  /** Floats between neighbouring pixels of the source. */
  Pixel,
  /** 1: no patch leaves the source, and Channels = Pixel. */
  Inside,
  /** Floats between the taps of B. */
  TapB,
  Length,
}

/** Most positions that a convolution computes at a time, and floats of the source that they should not exceed. */
export const BOX_POSITIONS = 384;
export const BOX_FLOATS = 8192;
/** Positions from which BOX_FLOATS counts. */
export const BOX_FEW = 64;
/** Rows of a filter's gradient that are computed at a time. */
export const FILTER_ROWS = 16;

/** Floats that a thread keeps of a box's transformed tiles, in minimal filtering; the fewest tiles of a box all the same. */
export const MINIMAL_FLOATS = 65536;
export const MINIMAL_TILES = 96;
/** Bytes between the 16 elements' tiles, so that they do not share cache sets. */
export const MINIMAL_GAP = 64;

/** Windows over images; PoolGrad reads Gradient in the shape of the result and writes Target in that of Source. */
export const enum Pool {
  Source = 1,
  Target,
  Gradient,
  /** 1: the mean; 0: the largest. */
  Mean,
  Images,
  Channels,
  Source0,
  Source1,
  Source2,
  Grid0,
  Grid1,
  Grid2,
  Taps0,
  Taps1,
  Taps2,
  Stride0,
  Stride1,
  Stride2,
  Before0,
  Before1,
  Before2,
  Length,
}

/** Columns of a packed panel of B, rows of a packed group of A. */
export const GEMM_PANEL = 8;
export const GEMM_ROWS = 4;
/** Longest block of K; floats in a packed block of A, and its most rows. */
export const GEMM_K_BLOCK = 384;
export const GEMM_A_BLOCK = 36864;
export const GEMM_M_BLOCK = 512;
/** Columns of a packed block of B, where all rows of A fit into one block. */
export const GEMM_N_BLOCK = 64;

export const enum Activation {
  Linear = 0,
  Relu,
  LeakyRelu,
  Elu,
  Selu,
  Sigmoid,
  HardSigmoid,
  Tanh,
  Softplus,
  Softsign,
  Silu,
  Gelu,
  GeluTanh,
  Mish,
  Exponential,
  Log,
  Sqrt,
  Abs,
  Square,
  Sign,
}

/** A kind of Unary that is no activation: int32 to float32. */
export const FROM_INTEGER = 100;

/** y = f(x), n elements. */
export const enum Unary {
  Source = 1,
  Target,
  Count,
  Kind,
  Alpha,
  Length,
}

/** dx = dy * f'(reference); the reference is y, or x where the derivative needs x. */
export const enum UnaryGrad {
  Gradient = 1,
  Reference,
  Target,
  Count,
  Kind,
  Alpha,
  Length,
}

export const enum BinaryKind {
  Add = 0,
  Subtract,
  Multiply,
  Divide,
  Minimum,
  Maximum,
  Power,
  /** Comparisons give 1 or 0. */
  Greater,
  GreaterEqual,
  Equal,
  /** 1 where a > b, 1/2 where they are equal, 0 elsewhere: how a maximum shares its gradient. */
  Step,
  /** a where b is not 0, else 0. */
  Mask,
  /** a where b is 0, else 0. */
  Unmask,
  /** a. */
  First,
}

/**
 * y [D0, D1, D2, D3, D4] = a (kind) b, elementwise; of each operand the floats between neighbours in each dimension, 0
 * where it is broadcast. Those of the last dimension are 0 or 1. D0 follows from Count.
 */
export const enum Binary {
  A = 1,
  B,
  Target,
  Count,
  Kind,
  D1,
  D2,
  D3,
  D4,
  A0,
  A1,
  A2,
  A3,
  A4,
  B0,
  B1,
  B2,
  B3,
  B4,
  Length,
}

/** y [rows, columns] = x + bias [columns]. */
export const enum BiasAdd {
  Source = 1,
  Bias,
  Target,
  Rows,
  Columns,
  Length,
}

/** y = x * scale + offset. */
export const enum Affine {
  Source = 1,
  Target,
  Count,
  Scale,
  Offset,
  Length,
}

/** Over the last axis; Logarithm selects log-softmax. */
export const enum Softmax {
  Source = 1,
  Target,
  Rows,
  Columns,
  Logarithm,
  Length,
}

export const enum SoftmaxGrad {
  Gradient = 1,
  Output,
  Target,
  Rows,
  Columns,
  Logarithm,
  Length,
}

/** Row losses and the gradient of Scale * sum(row losses); Gradient may be 0. */
export const enum Loss {
  Prediction = 1,
  Target,
  Gradient,
  RowLoss,
  Rows,
  Columns,
  /** Of the gradient, and of a row's loss. */
  Scale,
  RowScale,
  /** BinaryCrossEntropy: LossForm. SoftmaxCrossEntropy: 1 when targets are classes, 0 when [rows, columns]. */
  Form,
  /** BinaryCrossEntropy: bounds of the probability. */
  Low,
  High,
  Length,
}

export const enum LossForm {
  /** The prediction is a logit. */
  Logits = 0,
  /** The prediction is a probability. */
  Probabilities = 1,
  /** The prediction is a probability that a sigmoid made; the gradient is that of the sigmoid's input. */
  Sigmoid = 2,
  /** Added to a form: the gradient is 0 where the probability was clipped (else the clip is passed through). */
  ZeroClipped = 4,
}

/** hits[r] = 1 where the class of the row is the predicted one. */
export const enum ClassHits {
  Prediction = 1,
  Target,
  Hits,
  Rows,
  Columns,
  /** 1 when targets are classes, 0 when [rows, columns]. */
  Sparse,
  Length,
}

/** hits[r] = mean over columns of (prediction > threshold) == (target > 0.5). */
export const enum BinaryHits {
  Prediction = 1,
  Target,
  Hits,
  Rows,
  Columns,
  Threshold,
  Length,
}

/** accumulator[Slot] += Share * sum(values) (float64, in order). Slot 0 is the loss: Scale * sum is that of the step. */
export const enum Accumulate {
  Values = 1,
  Count,
  Slot,
  Scale,
  Share,
  Length,
}

/** The step's loss += l1 * sum|w| + l2 * sum w²; Weight is the batch's share in the epoch's mean (its rows). */
export const enum Penalty {
  Parameter = 1,
  Count,
  L1,
  L2,
  Weight,
  /** As of Optimize. */
  Rows,
  Length,
}

/** Distributions that `initialize` fills a range with; A and B are their parameters. */
export const enum Fill {
  /** A everywhere. */
  Constant = 0,
  /** Uniform in [A, B). */
  Uniform,
  /** Mean A, standard deviation B. */
  Normal,
  /** The same, cut at two standard deviations. */
  TruncatedNormal,
}

/**
 * y = x · Scale + Offset where it is kept, else Other. x [rows, Positions, Channels]; what is kept is a function of (seed,
 * step, Stream, row · Channels + channel), the same for all positions.
 */
export const enum Dropout {
  Source = 1,
  Target,
  Count,
  Rate,
  Stream,
  Positions,
  Channels,
  Scale,
  Offset,
  Other,
  Length,
}

/** Stops the step when the loss, or one of the gradients, is not finite. */
export const enum Guard {
  Gradient = 1,
  Count,
  /** As of Optimize. */
  Rows,
  Length,
}

/** Partial sums (float64) of squared gradients, penalties included, one for each NORM_CHUNK elements. */
export const enum SquaredNorm {
  Parameter = 1,
  Gradient,
  Count,
  L1,
  L2,
  Partials,
  /** As of Optimize: a sum for each NORM_ROWS of them, Chunks sums in all. */
  Rows,
  Chunks,
  Length,
}

export const NORM_CHUNK = 4096;
export const NORM_ROWS = 32;

export const enum OptimizerKind {
  Sgd = 0,
  Momentum,
  Nesterov,
  RmsProp,
  Adam,
}

/** One pass over a range of parameters, or over some rows of a table. */
export const enum Optimize {
  Kind = 1,
  Parameter,
  Gradient,
  /** Momentum, first moment. */
  State1,
  /** Mean square, second moment. */
  State2,
  /** Mean gradient (centered RMSProp). */
  State3,
  Count,
  /** Multiplies the learning rate. */
  Rate,
  L1,
  L2,
  WeightDecay,
  /** Largest absolute gradient; 0: none. */
  ClipValue,
  /** Largest global norm; 0: none. */
  ClipNorm,
  Partials,
  PartialCount,
  Beta1,
  Beta2,
  /** 1 - beta, rounded once. */
  Rest1,
  Rest2,
  Epsilon,
  /**
   * 0, or where a number of rows and then these rows lie (DistinctRows): only they change, each of Count elements, and
   * Gradient has theirs one after the other.
   */
  Rows,
  /** OPTIMIZE_SCRATCH bytes for each thread. */
  Scratch,
  Length,
}

export const OPTIMIZE_SCRATCH = 128;

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
  /** float64[MAX_SLOTS]: loss, metrics … as sums over rows. */
  Accumulators = 28,
  Words = 60,
}

export const MAX_SLOTS = 16;
/** One record: Slots float64 sums, MAX_SLOTS reserved. */
export const RECORD_BYTES = MAX_SLOTS * 8;

/** Target[r, :] = Source[r, :], Columns wide; strides in floats. */
export const enum CopyRows {
  Source = 1,
  SourceStride,
  Target,
  TargetStride,
  Rows,
  Columns,
  Length,
}

/** y = max(a, b). */
export const enum Maximum {
  A = 1,
  B,
  Target,
  Count,
  Length,
}

/** da = dy where a > b, half of it where they are equal. */
export const enum MaximumGrad {
  Gradient = 1,
  A,
  B,
  Target,
  Count,
  Length,
}

/** y [rows] = sum over the columns of a · b. */
export const enum RowDot {
  A = 1,
  B,
  Target,
  Rows,
  Columns,
  Length,
}

/** y [rows, columns] = x · scale [rows]. */
export const enum ScaleRows {
  Source = 1,
  Scale,
  Target,
  Rows,
  Columns,
  Length,
}
/** What a recurrent layer computes in a time step; assembly/kernels/cells.ts has the formulas. */
export const enum Cell {
  Lstm = 0,
  /** The reset gate multiplies the product (Keras' resetAfter). */
  Gru,
  /** The reset gate multiplies the state before the product. */
  GruBefore,
  Simple,
}

export const enum RecurrentFlag {
  /** y (and dy) [rows, time, units], else the last output alone, [rows, units]. */
  Sequences = 1,
  /** From the last time to the first. */
  Backwards = 2,
  /** Outputs in the order in which they are made, the last time first where Backwards. */
  Reversed = 4,
}

/** All time steps of a recurrent layer, or of its gradient. */
export const enum Recurrent {
  /** The projected input z [rows, time, gates · units]; of the gradient dy. */
  Source = 1,
  /** [units, gates · units] */
  Kernel,
  /** Of Gru, forward: of the input and of the product, [2, 3 · units]; address or 0. */
  Bias,
  /** Where the steps' results lie for the gradient, [rows, time, arrays · units padded to 4]; may be 0 forward. */
  Saved,
  /** y; of the gradient dz. */
  Target,
  /** Of the gradient of Gru: that of the product, [rows, time, 3 · units]; address or 0. */
  Inner,
  Rows,
  Time,
  Units,
  Cell,
  Activation,
  Alpha,
  GateActivation,
  GateAlpha,
  Flags,
  Scratch,
  ScratchBytes,
  /** Steps that count, [rows, time]: 0 where one is left out and states and output stay; address or 0. */
  Mask,
  /** What h is multiplied with at the start of a step, [rows, units]; address or 0. */
  Dropout,
  /** States before the first step, of the gradient theirs, [rows, states · units]; address or 0. */
  Initial,
  /** Floats from one row of y (or dy) to the next. */
  OutputRow,
  /** States after the last step, of the gradient theirs: of the first row, the others OutputRow apart; address or 0. */
  Final,
  Length,
}

/** Rows that a thread takes through all time at once: their states stay in the cache. */
export const RECURRENT_ROWS = 64;
/** Statistics of groups of x [Outer, Inner, Groups, Width]: planes [3, Outer · Groups] of mean, inverse root, variance. */
export const enum Moments {
  Source = 1,
  Target,
  Outer,
  Inner,
  Groups,
  Width,
  /** 0: the mean counts as 0. */
  Centered,
  Epsilon,
  Length,
}

/** The same planes from a moving mean and variance [Count]. */
export const enum MovingMoments {
  Mean = 1,
  Variance,
  Target,
  Count,
  Epsilon,
  Length,
}

/** y [Count] = Old · Momentum + New · Rest. */
export const enum MovingAverage {
  Old = 1,
  New,
  Target,
  Count,
  Momentum,
  /** 1 - momentum, rounded once. */
  Rest,
  Length,
}

/** y = (x - mean) · inverse root · gamma + beta; Gamma and Beta may be 0. */
export const enum Normalize {
  Source = 1,
  Statistics,
  Gamma,
  Beta,
  Target,
  Outer,
  Inner,
  Groups,
  Width,
  Length,
}

/** How the statistics follow from x. */
export const enum NormalizeMode {
  Centered = 0,
  /** The mean counts as 0. */
  Rms,
  /** They do not. */
  Fixed,
}

export const enum NormalizeGrad {
  Gradient = 1,
  Source,
  Statistics,
  Gamma,
  Target,
  Outer,
  Inner,
  Groups,
  Width,
  Mode,
  /** The gradients of gamma and beta, of groups of one channel over all rows; addresses, or 0: they are summed here. */
  ScaleGrad,
  ShiftGrad,
  Length,
}

export const enum ScaleGrad {
  Gradient = 1,
  Source,
  Statistics,
  Target,
  Outer,
  Inner,
  Groups,
  Width,
  /** The gradient of beta; address or 0. */
  Shift,
  /** ScratchBytes for each thread. */
  Scratch,
  ScratchBytes,
  Length,
}

/** y [Outer, Count, Columns] = Table [Outer, Rows, Columns] at [:, Indices]. */
export const enum Embedding {
  Indices = 1,
  Table,
  Target,
  Count,
  Columns,
  Outer,
  Rows,
  Length,
}

/** y [Outer, Rows, Columns] = 0, then y[:, Indices] += Gradient [Outer, Count, Columns]. */
export const enum EmbeddingGrad {
  Gradient = 1,
  Indices,
  Target,
  Count,
  Rows,
  Columns,
  Outer,
  /** Where the number of rows lies; 0: it is Rows. */
  RowCount,
  /** 1: y is not set to 0 first. */
  Onto,
  Length,
}

/**
 * y [Images, Grid, Channels] from x [Images, Source, Channels] and w [Taps, Channels]: the pixel under a tap is
 * (position · Mul + tap · Step + Offset) / Div in each dimension, 0 where that is outside or not a whole number. The gradient
 * of w has the same fields, y's gradient as Kernel and w's as Target.
 */
export const enum Depthwise {
  Source = 1,
  Kernel,
  Target,
  /** Address or 0. */
  Bias,
  Activation,
  Alpha,
  /** y is multiplied by the activation's derivative, taken from here; address or 0. */
  Reference,
  Images,
  Channels,
  Grid0,
  Grid1,
  Grid2,
  Source0,
  Source1,
  Source2,
  Taps0,
  Taps1,
  Taps2,
  Mul0,
  Mul1,
  Mul2,
  Step0,
  Step1,
  Step2,
  Offset0,
  Offset1,
  Offset2,
  Div0,
  Div1,
  Div2,
  /** Taps from one that meets a whole number to the next. */
  TapStep0,
  TapStep1,
  TapStep2,
  Length,
}

/** y [Images, Grid, Channels][i] = x [Images, Source, Channels][i - Before], 0 outside. */
export const enum Pad {
  Source = 1,
  Target,
  Images,
  Channels,
  Source0,
  Source1,
  Source2,
  Grid0,
  Grid1,
  Grid2,
  Before0,
  Before1,
  Before2,
  Length,
}

export const enum ResampleMode {
  Mean = 0,
  Linear = 1,
  /** The other way: Grid is the size of the image, Source that of the result. */
  Gradient = 2,
}

/** x [Images, Source, Channels] in another size, [Images, Grid, Channels]; also AdaptiveMaximum and its gradient. */
export const enum Resample {
  Source = 1,
  Target,
  /** Of AdaptiveMaximum: dy [Images, Grid, Channels], Target is dx then; address or 0. */
  Gradient,
  Mode,
  Images,
  Channels,
  Source0,
  Source1,
  Source2,
  Grid0,
  Grid1,
  Grid2,
  Length,
}

/** y [Rows] = 1 where an element of x [Rows, Columns] differs from Value, else 0. */
export const enum StepMask {
  Source = 1,
  Target,
  Rows,
  Columns,
  Value,
  Length,
}

export const enum AttentionFlag {
  /** A query sees the keys up to its own position; the last query stands at the last key. */
  Causal = 1,
  /** Scores fall with the distance, by a slope of each head. */
  Alibi = 2,
}

/** y = softmax(Scale · q · kᵀ) · v in each head, or its gradient. Strides in floats, from position to position. */
export const enum Attention {
  /** q [Batch, Queries, Heads · Size] */
  Query = 1,
  QueryStride,
  /** k and v [Batch, Keys, KeyHeads · Size] */
  Key,
  Value,
  KeyStride,
  /** [Batch, Keys], 0: a key is not seen; address or 0. */
  Mask,
  /** [Batch, Queries]: the keys end at the last query's; address or 0. */
  Positions,
  /** y [Batch, Queries, Heads · Size] */
  Output,
  /** [Batch, Heads, Queries]; forward address or 0. */
  LogSum,
  /** Of the gradient: dy like y, dq, dk and dv like q, k and v. */
  Gradient,
  QueryGrad,
  KeyGrad,
  ValueGrad,
  Batch,
  Heads,
  KeyHeads,
  Size,
  Queries,
  Keys,
  Flags,
  Scale,
  /** Dropout of probabilities. */
  Rate,
  Stream,
  Scratch,
  ScratchBytes,
  Length,
}

/** Queries and keys of a block: a multiple of GEMM_PANEL. */
export const ATTENTION_BLOCK = 64;

/** y = x with pairs (i, i + Size / 2) of the first Heads turned by the angles of Table [cosines, sines]. */
export const enum Rotary {
  /** [Rows, Time, Columns] */
  Source = 1,
  Target,
  /** [Time, Size]; with RowStride [Rows, Time, Size]. */
  Table,
  /** Floats of the table from row to row. */
  RowStride,
  Rows,
  Time,
  Columns,
  Heads,
  Size,
  /** 1: by the negative angles. */
  Inverse,
  Length,
}

/** Target [Rows, Capacity, Columns] at Positions [Rows, Time] = Source [Rows, Time, Columns]. */
export const enum Cache {
  Source = 1,
  Positions,
  Target,
  Rows,
  Time,
  Capacity,
  Columns,
  Length,
}
export const enum ReduceKind {
  Sum = 0,
  Maximum,
  Minimum,
}

/** y [Outer, Inner] = Scale · the sum (or the largest, the smallest) of x [Outer, Reduced, Inner] over the middle. */
export const enum Reduce {
  Source = 1,
  Target,
  Outer,
  Reduced,
  Inner,
  Kind,
  Scale,
  Length,
}

/**
 * y = x with its axes in another order. In loops O0, O1, O2, P, Q each has its floats between neighbours in the source
 * and in the target. Q is the last dimension of the target; either SourceQ is 1, or SourceP is.
 */
export const enum Transpose {
  Source = 1,
  Target,
  O0,
  O1,
  O2,
  P,
  Q,
  Source0,
  Source1,
  Source2,
  SourceP,
  SourceQ,
  Target0,
  Target1,
  Target2,
  TargetP,
  Length,
}

/**
 * Fields of Outer · Inner matrix products, behind those of the first's Gemm; floats between the operands of neighbours, 0
 * for one that is the same. Scratch holds, for each thread, an instruction of one product before its own scratch.
 */
export const enum Batched {
  Outer = 17,
  Inner,
  AOuter,
  AInner,
  BOuter,
  BInner,
  Thin,
  Length,
}

/** Bytes for the instruction of one product. */
export const BATCHED_HEAD = 128;

/** y = x + Deviation · n, or x · (1 + Deviation · n) where Product is set; n is standard normal. */
export const enum Noise {
  Source = 1,
  Target,
  Count,
  Deviation,
  Product,
  Stream,
  Length,
}

/**
 * Target = | Places [All] | number of rows | rows |: the rows of a table that the batch reads, each once, rising; of each
 * place of the batch which of them it reads. Indices of several readers come one after the other: each instruction
 * brings Count of them, the last one knows All, the others have 0 there.
 */
export const enum DistinctRows {
  Indices = 1,
  Count,
  Target,
  /** Places of the readers before. */
  First,
  All,
  /** Of Target; the rest is 0. */
  Words,
  /** Of the table. */
  Rows,
  /** For each 32 rows a bit each, and how many rows before them are read: 8 bytes. */
  Scratch,
  Length,
}
