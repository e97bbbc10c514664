/** Fields of products, activations, arithmetic and sums, in the module `core`; see ../tape.ts. */

export const enum GemmFlag {
  /** A is stored [K, M]. */
  TransposedA = 1,
  /** The sums go on from C; a bias does not count then. */
  Accumulate = 2,
  /** The epilogue multiplies by the activation's derivative, taken from Reference. */
  Derivative = 4,
  /** B is stored [N, K]. */
  TransposedB = 8,
  /** A convolution of 3 x 3 taps by minimal filtering; Box1 and Box2 count lines and columns of tiles of positions. */
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
  /** [N], where the sums of B over K go: of an Aᵀ · B that makes the gradient of a kernel, the gradient of the bias. Or 0. */
  Sums,
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

/**
 * Fields of Outer · Inner matrix products, behind those of the first's Gemm; floats between the operands of neighbours, 0
 * for one that is the same. Scratch holds, for each thread, an instruction of one product before its own scratch.
 */
export const enum Batched {
  Outer = 18,
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

/** y [rows, columns] = x + bias [columns]. */
export const enum BiasAdd {
  Source = 1,
  Bias,
  Target,
  Rows,
  Columns,
  Length,
}

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
