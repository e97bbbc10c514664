/** Fields of the family `spatial`: convolutions, pools, images in other sizes; see ../tape.ts. */

/**
 * Fields of a convolution, behind those of its Gemm. A row of A is a position of a grid, [Images, Grid0, Grid1, Grid2];
 * a column is a tap and a channel, [Taps0, Taps1, Taps2, Channels]; the element is that of the source image at
 * (position · Mul + tap · Step + Offset) / Div in each dimension, 0 where that is outside or not a whole number.
 * B is [taps, Channels, N], with GemmFlag.TransposedB [taps, N, Channels]. With GemmFlag.TransposedA it is Aᵀ · B, and
 * B one row for each position.
 */
export const enum Patch {
  Grid0 = 18,
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

/** Positions of a side of a tile, the pixels that it reads, and products of a tile, in minimal filtering. */
export const MINIMAL_TILE = 4;
export const MINIMAL_SIDE = 6;
export const MINIMAL_ELEMENTS = 36;
/** Floats that a thread keeps of a box's transformed tiles, in minimal filtering; the fewest tiles of a box all the same. */
export const MINIMAL_FLOATS = 65536;
export const MINIMAL_TILES = 96;
/** Bytes between the elements' tiles, so that they do not share cache sets. */
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
