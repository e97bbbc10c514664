import { Activation } from '../../assembly/tape/dense.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { OpName } from '../ops/attributes.ts';
import { isOp, type Tensor } from '../ops/tensor.ts';

type Squashing = 'sigmoid' | 'softmax';

/** Operations that move numbers and change none: of logits they make the logits of what they make of probabilities. */
const MOVES: ReadonlySet<OpName> = new Set<OpName>(['reshape', 'transpose', 'slice', 'take', 'concatenate']);

/** Operations that make probabilities of probabilities, but not of their logits. */
const MIXES: ReadonlySet<OpName> = new Set<OpName>([
  ...(['pad', 'pool', 'resample', 'adaptiveMaximum', 'expand'] as const),
]);

export function isSigmoid(tensor: Tensor): boolean {
  return isOp(tensor, 'activation') && tensor.attributes.kind === Activation.Sigmoid;
}

function isSquashing(tensor: Tensor, squashing: Squashing): boolean {
  return squashing === 'sigmoid' ? isSigmoid(tensor) : isOp(tensor, 'softmax');
}

/**
 * What goes into the sigmoid, or the softmax over the classes, that makes an output, rearranged as the output is; the
 * output itself where none makes it.
 * @throws UsageError where the output is made of probabilities in another way: as logits they would be squashed twice.
 */
export function logitsBehind(graph: Graph, loss: string, squashing: Squashing, output: Tensor): Tensor {
  const logits = behind(graph, squashing, output);
  if (logits) return logits;
  const other = squashing === 'sigmoid' ? 'softmax' : 'sigmoid';
  const maker = squashedBy(output, squashing) ?? squashedBy(output, other);
  if (!maker) return output;
  const fits = isSquashing(maker, squashing);
  const made = fits ? squashing : other;
  const losses = { sigmoid: 'binaryCrossEntropy', softmax: 'crossEntropy' };
  const advice = fits ? `let the ${made} be the last layer` : `with ${made} goes '${losses[made]}'`;
  const also = loss === 'binaryCrossEntropy' ? ', or take binaryCrossEntropy({ fromLogits: false })' : '';
  const giver = output === maker ? '' : ` by way of layer '${output.layer}'`;
  throw new UsageError(
    `loss: ${loss} works on logits, but the output is probabilities, made by the ${made} of layer '${maker.layer}'` +
      `${giver}: ${advice}${also}`,
  );
}

function behind(graph: Graph, squashing: Squashing, output: Tensor): Tensor | undefined {
  if (isSquashing(output, squashing)) return output.inputs[0];
  if (!MOVES.has(output.op) || (squashing === 'softmax' && !keepsClasses(output))) return undefined;
  const moved = sources(output).map((input) => behind(graph, squashing, input));
  if (!moved.every((tensor) => tensor !== undefined)) return undefined;
  const inputs = [...moved, ...output.inputs.slice(moved.length)];
  return graph.add(output.rule, inputs, output.attributes, output.layer);
}

/** Whether the classes, the last axis, stay as they are. */
function keepsClasses(output: Tensor): boolean {
  const last = output.shape.length - 1;
  const [x] = output.inputs;
  if (isOp(output, 'reshape')) return x!.shape.at(-1) === output.shape[last];
  if (isOp(output, 'transpose')) return output.attributes.permutation[last] === last;
  const axis =
    (isOp(output, 'slice') || isOp(output, 'take') || isOp(output, 'concatenate')) && output.attributes.axis;
  return axis !== last;
}

/** The sigmoid or softmax whose numbers an output is made of. */
function squashedBy(output: Tensor, squashing: Squashing): Tensor | undefined {
  if (isSquashing(output, squashing)) return output;
  if (!MOVES.has(output.op) && !MIXES.has(output.op)) return undefined;
  for (const input of sources(output)) {
    const found = squashedBy(input, squashing);
    if (found) return found;
  }
  return undefined;
}

/** The inputs whose numbers an operation gives: not the indices of a `take`. */
function sources(output: Tensor): readonly Tensor[] {
  return isOp(output, 'concatenate') ? output.inputs : output.inputs.slice(0, 1);
}
