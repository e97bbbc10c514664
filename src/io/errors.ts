/**
 * A model file that breaks its format: truncated, damaged or made to do harm.
 * The only error that reading a model file's bytes raises, whatever they are.
 */
export class ModelFormatError extends Error {
  override readonly name = 'ModelFormatError';
  /** Byte of the file, counted from 0, where the violation stands. */
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(`${message} (at byte ${offset})`);
    this.offset = offset;
  }
}
