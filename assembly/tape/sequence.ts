/** Fields of the family `sequence`: recurrences, attention, positions, masks of steps; see ../tape.ts. */

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
/**
 * The same where the recurrent kernel has no more than so many floats: what a step of so few rows reads and writes stays in
 * the L1 cache from the product to the gates, while the kernel comes from the L2 cache for each of them.
 */
export const RECURRENT_FEW_ROWS = 8;
export const RECURRENT_SMALL_KERNEL = 65536;

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
  /** A query sees the keys up to its own position; both begin at 0, or with Positions the last query is at the last key. */
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
