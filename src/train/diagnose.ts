import { Status } from '../../assembly/tape.ts';
import type { Program } from '../compiler/program.ts';
import { OPERATION_NAMES } from '../compiler/schedule.ts';
import { NonFiniteError } from '../errors.ts';
import type { Optimizer } from './optimizers.ts';
import type { Parameter } from './parameters.ts';

/**
 * Finds where the step at hand left the finite numbers: it is done again, one instruction at a time, and the first
 * result with a NaN or an infinity names the layer and the operation.
 */
export function diagnose(
  program: Program,
  status: Status,
  epoch: number,
  { globalClipNorm }: Optimizer,
  learningRate: number,
  gradients: readonly { readonly parameter: Parameter; readonly values: Float32Array }[],
): NonFiniteError {
  const { arena } = program.engine;
  const found = program.trace((writes) =>
    writes.some(({ start, end }) => !arena.f32(start, (end - start) / 4).every(Number.isFinite)),
  );
  const quantity = status === Status.LossNotFinite ? 'loss' : 'gradient';
  const step = program.epochStep + 1;
  const guilty = gradients.find(({ values }) => !values.every(Number.isFinite));
  const layer = found?.layer ?? guilty?.parameter.layer ?? 'loss';
  const operation = found ? OPERATION_NAMES[found.op] : 'regularization penalty';
  const advice =
    globalClipNorm === undefined
      ? `Try a smaller learning rate than ${learningRate}, inputs scaled to about ±1, or globalClipNorm: 1.`
      : `Try a smaller learning rate than ${learningRate}, or inputs scaled to about ±1.`;
  return new NonFiniteError(
    { epoch, step, layer, operation, quantity },
    `the ${quantity} is no longer a finite number in epoch ${epoch}, step ${step}: first in layer '${layer}', ` +
      `${operation}. The model has the weights of the step before. ${advice}`,
  );
}
