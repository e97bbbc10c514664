/** An option, shape or value that cannot be used; the message names the place, what came and what was expected. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}

/** Where a number stopped being finite during training. */
export interface NonFinitePlace {
  /** From 1. */
  readonly epoch: number;
  /** Step within the epoch, from 1. */
  readonly step: number;
  readonly layer: string;
  readonly operation: string;
  /** What turned NaN or infinite. */
  readonly quantity: 'loss' | 'gradient';
}

/** The loss or a gradient turned NaN or infinite. The model keeps the weights of the last good step. */
export class NonFiniteError extends Error {
  override readonly name: string = 'NonFiniteError';

  constructor(
    readonly place: NonFinitePlace,
    message: string,
  ) {
    super(message);
  }
}
