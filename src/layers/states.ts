import { knownKeys, show } from '../checks.ts';
import { UsageError } from '../errors.ts';
import type { AnyLayer, Layer } from './layer.ts';
import { type Appliable, isMapped, SymbolicTensor } from './symbolic.ts';

/** States before the first step, each [batch, units]: h, of an LSTM also c. Default: zeros. */
export interface InitialState {
  /** Of a bidirectional layer those of the forward direction, then those of the backward one. */
  initialState?: readonly SymbolicTensor[];
}

/** A recurrent layer that can be applied: `lstm(64)(x)`, or `lstm(64)(x, { initialState: [h, c] })`. */
export type RecurrentLayer = Layer & Appliable<(x: SymbolicTensor, states?: InitialState) => SymbolicTensor>;

/** The same with returnState: its results are a list. */
export type StateLayer<Results extends SymbolicTensor[]> = Layer &
  Appliable<(x: SymbolicTensor, states?: InitialState) => Results>;

/**
 * The states among what such a layer is applied to, `more` being what comes behind x.
 * @throws UsageError on anything else, or where the layer is stateful.
 */
export function statesAmong(
  { type, stateful }: AnyLayer,
  x: unknown,
  more: readonly unknown[],
): readonly SymbolicTensor[] {
  if (isMapped(x, more)) return [];
  const [options = {}, ...others] = more;
  const written = `${type}(…)(x, { initialState: [h, …] })`;
  const misplaced = options instanceof SymbolicTensor || Array.isArray(options);
  if (misplaced || others.some((value) => value !== undefined)) {
    throw new UsageError(`${type}: applied: states before the first step are given as ${written}`);
  }
  knownKeys(options, ['initialState'], `${type}: applied`);
  const { initialState = [] } = options as InitialState;
  if (!Array.isArray(initialState)) {
    throw new UsageError(
      `${type}: applied: initialState must be a list of tensors, as in ${written}; got ${show(initialState)}`,
    );
  }
  if (stateful && initialState.length > 0) {
    throw new UsageError(
      `${type}: applied: a stateful layer begins with its own last states; leave initialState out`,
    );
  }
  return initialState;
}
