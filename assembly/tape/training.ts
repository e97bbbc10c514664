/** Fields of losses, metrics, penalties and optimizers, in the module `core`; see ../tape.ts. */

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

/** Stops the step when the loss, or one of the gradients, is not finite. */
export const enum Guard {
  Gradient = 1,
  Count,
  /** As of Optimize. */
  Rows,
  /** float: magnitudes from this on, at learning rates up to 1, stop the step too; 0: none. */
  Limit,
  /** float: the largest factor of the learning rate. */
  Rate,
  Length,
}

/** Partial sums (float64) of squared gradients, penalties included, one for each NORM_CHUNK elements. */
export const enum SquaredNorm {
  Parameter = 1,
  Gradient,
  Count,
  L1,
  L2,
  /** float: magnitudes are cut to this first; 0: they are not. */
  ClipValue,
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
