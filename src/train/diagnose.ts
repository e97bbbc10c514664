import { Op, Status } from '../../assembly/tape.ts';
import type { Program } from '../compiler/program.ts';
import { OPERATION_NAMES } from '../compiler/schedule.ts';
import { NonFiniteError } from '../errors.ts';
import type { Optimizer } from './optimizers.ts';
import type { Parameter } from './parameters.ts';

/** The gradients of the whole parameters, as the step at hand has them. */
export type NamedGradients = readonly { readonly parameter: Parameter; readonly values: Float32Array }[];

/**
 * Finds where the step at hand left the finite numbers: it is done again, one instruction at a time, and the first
 * result with a NaN or an infinity names the layer and the operation. Where all are finite, a gradient was too large for
 * the optimizer.
 */
export function diagnose(
  program: Program,
  status: Status,
  epoch: number,
  optimizer: Optimizer,
  learningRate: number,
  gradients: NamedGradients,
): NonFiniteError {
  const { arena } = program.engine;
  const found = program.trace((writes) =>
    writes.some(({ start, end }) => !arena.f32(start, (end - start) / 4).every(Number.isFinite)),
  );
  const quantity = status === Status.LossNotFinite ? 'loss' : 'gradient';
  const step = program.epochStep + 1;
  const kept = 'The model has the weights of the step before.';
  const advice = adviceFor(optimizer, learningRate);
  const guilty = gradients.find(({ values }) => !values.every(Number.isFinite));
  if (!found && !guilty && quantity === 'gradient') {
    const { layer, largest } = largestOf(gradients);
    return new NonFiniteError(
      { epoch, step, layer, operation: OPERATION_NAMES[Op.Optimize], quantity },
      `a gradient is too large for the optimizer in epoch ${epoch}, step ${step}: largest in layer '${layer}'` +
        `${largest > 0 ? `, where it is ${largest.toPrecision(3)}` : ''}. ${kept} ${advice}`,
    );
  }
  const layer = found?.layer ?? guilty?.parameter.layer ?? 'loss';
  const operation = found ? OPERATION_NAMES[found.op] : 'regularization penalty';
  return new NonFiniteError(
    { epoch, step, layer, operation, quantity },
    `the ${quantity} is no longer a finite number in epoch ${epoch}, step ${step}: first in layer '${layer}', ` +
      `${operation}. ${kept} ${advice}`,
  );
}

function adviceFor({ globalClipNorm }: Optimizer, learningRate: number): string {
  return globalClipNorm === undefined
    ? `Try a smaller learning rate than ${learningRate}, inputs scaled to about ±1, or globalClipNorm: 1.`
    : `Try a smaller learning rate than ${learningRate}, or inputs scaled to about ±1.`;
}

function largestOf(gradients: NamedGradients): { layer: string; largest: number } {
  // of a table some rows are updated: their gradients are not among these
  let [layer, largest] = ['optimizer', 0];
  for (const { parameter, values } of gradients) {
    for (const value of values) {
      if (Math.abs(value) > largest) [layer, largest] = [parameter.layer, Math.abs(value)];
    }
  }
  return { layer, largest };
}
