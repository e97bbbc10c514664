import { Activation, BinaryKind } from '../../assembly/tape/dense.ts';
import { UsageError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { OpName } from '../ops/attributes.ts';
import { isOp, type Tensor } from '../ops/tensor.ts';

type Squashing = 'sigmoid' | 'softmax';

/** Operations that move numbers and change none: of logits they make the logits of what they make of probabilities. */
const MOVES: ReadonlySet<OpName> = new Set<OpName>(['reshape', 'transpose', 'slice', 'take', 'concatenate']);

/**
 * Operations without weights whose result of probabilities is no logits either, and not what makes the same of their logits:
 * softmax and sigmoid do not go past them.
 */
const MIXES: ReadonlySet<OpName> = new Set<OpName>([
  ...(['pad', 'pool', 'resample', 'adaptiveMaximum', 'expand', 'scaleRows'] as const),
  ...(['dropout', 'noise', 'affine', 'clip'] as const),
]);

/** The same of two tensors, both of which are probabilities, or one a constant; of a quotient the first counts. */
const MERGES: ReadonlySet<BinaryKind> = new Set([
  ...[BinaryKind.Add, BinaryKind.Subtract, BinaryKind.Multiply, BinaryKind.Divide],
  ...[BinaryKind.Maximum, BinaryKind.Minimum],
]);

export function isSigmoid(tensor: Tensor): boolean {
  return isOp(tensor, 'activation') && tensor.attributes.kind === Activation.Sigmoid;
}

type Is = (tensor: Tensor) => boolean;

const isSoftmax: Is = (tensor) => isOp(tensor, 'softmax');
const isEither: Is = (tensor) => isSigmoid(tensor) || isSoftmax(tensor);

function isSquashing(tensor: Tensor, squashing: Squashing): boolean {
  return squashing === 'sigmoid' ? isSigmoid(tensor) : isSoftmax(tensor);
}

/**
 * What goes into the sigmoid, or the softmax over the classes, that makes an output, rearranged as the output is; the
 * output itself where none makes it.
 *
 * Where the output is made of probabilities in another way it would be squashed twice as logits, so that is an error. It is
 * one if between the squashing and the output there are only
 *
 * - rearrangements that take other classes, padding, pooling, resizing, means over axes before the last;
 * - dropout, noise, rescaling, clipping, and other functions of each element but a logarithm, which gives logits;
 * - sums, differences, products, larger and smaller ones of probabilities and probabilities, or and constants.
 *
 * A layer with weights of its own ends the search, since what goes into it may be anything: dense, convolution, attention,
 * recurrence, normalization (also without gamma and beta), prelu, a custom layer's. So do merges with what is not
 * probabilities, as in a gate or a residual, and sums over the last axis.
 * @throws UsageError as said.
 */
export function logitsBehind(graph: Graph, loss: string, squashing: Squashing, output: Tensor): Tensor {
  const logits = behind(graph, squashing, output);
  if (logits) return logits;
  const other = squashing === 'sigmoid' ? 'softmax' : 'sigmoid';
  const maker = squashedBy(output, (x) => isSquashing(x, squashing)) ?? squashedBy(output, isEither);
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

/**
 * What a text is drawn from: the numbers that go into a softmax over the last axis; where the output is made of a softmax in
 * another way, the output itself, which is `probabilities`; else the output, as logits.
 */
export function drawnFrom(graph: Graph, output: Tensor): { numbers: Tensor; probabilities: boolean } {
  const logits = behind(graph, 'softmax', output);
  if (logits) return { numbers: logits, probabilities: false };
  return { numbers: output, probabilities: squashedBy(output, isSoftmax) !== undefined };
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

/** The sigmoid or softmax whose numbers an output is made of, without a layer with weights between. */
function squashedBy(
  output: Tensor,
  is: Is,
  known = new Map<Tensor, Tensor | undefined>(),
): Tensor | undefined {
  if (is(output)) return output;
  const moves = MOVES.has(output.op);
  if (!moves && !keepsProbabilities(output)) return undefined;
  if (known.has(output)) return known.get(output);
  const found = sources(output).map((input) => squashedBy(input, is, known));
  const [maker] = found.filter((tensor) => tensor !== undefined);
  // logarithms of probabilities are logits, and so are their sums and means
  const logits = maker && isOp(maker, 'softmax') && maker.attributes.logarithm && !moves;
  const unlike = merges(output) && found.some((tensor) => tensor === undefined);
  const result = logits || unlike ? undefined : maker;
  known.set(output, result);
  return result;
}

/** Whether an operation that is no rearrangement makes of probabilities something that is no logits. */
function keepsProbabilities(output: Tensor): boolean {
  if (isOp(output, 'activation')) {
    return output.attributes.kind !== Activation.Log && output.attributes.kind !== Activation.Sigmoid;
  }
  if (isOp(output, 'reduce')) return output.attributes.to < output.inputs[0]!.shape.length;
  return MIXES.has(output.op) || merges(output);
}

/** Whether all inputs that are not constant must be probabilities for the output to be made of them. */
function merges(output: Tensor): boolean {
  return isOp(output, 'maximum') || (isOp(output, 'binary') && MERGES.has(output.attributes.kind));
}

/** The inputs whose numbers an operation gives: not the indices of a `take`, nor constants. */
function sources(output: Tensor): readonly Tensor[] {
  if (isOp(output, 'concatenate')) return output.inputs;
  const divides = isOp(output, 'binary') && output.attributes.kind === BinaryKind.Divide;
  if (!merges(output) || divides) return output.inputs.slice(0, 1);
  return output.inputs.filter((input) => !isFixed(input));
}

function isFixed({ op, inputs }: Tensor): boolean {
  return op === 'constant' || (inputs.length > 0 && inputs.every(isFixed));
}
