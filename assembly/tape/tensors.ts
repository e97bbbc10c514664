/** Fields of the family `tensors`: merges, normalization, embeddings, transposition, noise; see ../tape.ts. */

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
  /** Added to the result: as large, address or 0. */
  Addend,
  /** 1: relu follows. */
  Relu,
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
  /** With these: of each thread, three planes of whole vectors for the channels. */
  Scratch,
  ScratchBytes,
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
