import { Activation, BinaryKind } from '../../assembly/tape/dense.ts';
import { Op } from '../../assembly/tape.ts';
import type { Graph } from '../graph/graph.ts';
import type { OpName } from '../ops/attributes.ts';
import type { Call } from '../ops/rule.ts';
import { isOp, sameShape, type Tensor } from '../ops/tensor.ts';

/** Kernel calls in an order that respects their inputs, with what each reads. */
export interface Schedule {
  readonly calls: readonly Call[];
  /** Inputs, parameters, states and constants that the calls read. */
  readonly sources: readonly Tensor[];
}

const SOURCES: readonly OpName[] = ['input', 'parameter', 'state', 'constant'];

/** What a call reads, its epilogue included. */
export function readsOf(call: Call): readonly Tensor[] {
  const { bias, derivative, addend } = call.epilogue;
  const extra = [bias, derivative?.inputs[1], addend].filter((t) => t !== undefined);
  return [...call.tensor.inputs, ...extra];
}

/**
 * The calls that make `roots`, fused: bias, activation and the derivative of the activation below go into the
 * matrix product before them when nothing else reads what lies between, a sum and relu into a normalization; a loss and
 * its gradient are one call, and so are the gradients of a kernel and of its bias.
 */
export function schedule(graph: Graph, roots: readonly Tensor[]): Schedule {
  const reached = reach(roots);
  const tensors = graph.tensors.filter((tensor) => reached.has(tensor));
  const consumers = new Map<Tensor, Tensor[]>();
  for (const tensor of tensors) {
    for (const input of tensor.inputs) {
      const list = consumers.get(input);
      if (list) list.push(tensor);
      else consumers.set(input, [tensor]);
    }
  }

  const only = (tensor: Tensor): Tensor | undefined => {
    const list = consumers.get(tensor);
    return list?.length === 1 && !roots.includes(tensor) ? list[0] : undefined;
  };

  const sums = joinedSums(tensors, consumers);
  const joined = new Set(sums.values());
  const calls: Call[] = [];
  const made = new Map<Tensor, Call>();
  for (const tensor of tensors) {
    if (made.has(tensor) || joined.has(tensor)) continue;
    if (isOp(tensor, 'lossGradient') || isOp(tensor, 'secondResult')) {
      const third = isOp(tensor, 'secondResult') && tensor.attributes.third;
      made.get(tensor.inputs[0]!)![third ? 'third' : 'second'] = tensor as unknown as Tensor;
      continue;
    }
    if (typeof tensor.rule.emit !== 'function') continue;
    const call: Call = { tensor, output: tensor, epilogue: {} };
    const sum = sums.get(tensor);
    if (sum) call.sums = sum;
    made.set(tensor, call);
    const { epilogue } = tensor.rule;
    const fused = epilogue === 'product' ? fuse(call, only) : epilogue ? fuseResidual(call, only) : [];
    for (const one of fused) made.set(one, call);
    calls.push(call);
  }
  return {
    calls,
    sources: tensors.filter(({ op }) => SOURCES.includes(op)),
  };
}

/**
 * Of products Aᵀ · B the sums over the rows of the same B, where nothing reads them before: the product makes them as it
 * reads B. In this way the gradient of a bias comes with that of the kernel.
 */
function joinedSums(
  tensors: readonly Tensor[],
  consumers: ReadonlyMap<Tensor, readonly Tensor[]>,
): ReadonlyMap<Tensor, Tensor> {
  const found = new Map<Tensor, Tensor>();
  for (const tensor of tensors) {
    if (!isOp(tensor, 'sumRows')) continue;
    const sum = tensor as unknown as Tensor;
    const b = tensor.inputs[0]!;
    const first = Math.min(...(consumers.get(sum) ?? []).map(({ id }) => id));
    const product = consumers.get(b)!.find((other) => {
      if (!isOp(other, 'matmul') || other.inputs[1] !== b) return false;
      const { transposeA, transposeB } = other.attributes;
      return transposeA && !transposeB && other.id < first && !found.has(other as unknown as Tensor);
    });
    if (product) found.set(product, sum);
  }
  return found;
}

/** The only tensor that reads another one, unless that is a result itself. */
type Only = (tensor: Tensor) => Tensor | undefined;

/** Takes what follows into a product; what is done in its call then. */
function fuse(call: Call, only: Only): readonly Tensor[] {
  const { epilogue } = call;
  const fused: Tensor[] = [];
  const take = (next: Tensor): void => {
    call.output = next;
    fused.push(next);
  };
  for (;;) {
    const next = only(call.output);
    if (!next || next.inputs[0] !== call.output) return fused;
    if (isOp(next, 'biasAdd') && !epilogue.bias) {
      epilogue.bias = next.inputs[1]!;
      take(next as unknown as Tensor);
    } else if (isOp(next, 'activation')) {
      epilogue.activation = next;
      take(next as unknown as Tensor);
      return fused;
    } else if (isOp(next, 'activationGrad') && !epilogue.bias && next.inputs[1]!.id < call.tensor.id) {
      // its reference is there already: that of a block which is made again may come later
      epilogue.derivative = next;
      take(next as unknown as Tensor);
      return fused;
    } else {
      return fused;
    }
  }
}

/** The same of a normalization. */
function fuseResidual(call: Call, only: Only): readonly Tensor[] {
  const fused: Tensor[] = [];
  let next = only(call.output);
  if (next && isOp(next, 'binary') && next.attributes.kind === BinaryKind.Add) {
    const other = next.inputs.find((input) => input !== call.output)!;
    // the other is there already, and as large
    if (other.id > call.tensor.id || !sameShape(other.shape, call.output.shape)) return fused;
    call.epilogue.addend = other;
    call.output = next as unknown as Tensor;
    fused.push(call.output);
    next = only(call.output);
  }
  if (next && isOp(next, 'activation') && next.attributes.kind === Activation.Relu) {
    call.epilogue.activation = next;
    call.output = next as unknown as Tensor;
    fused.push(call.output);
  }
  return fused;
}

function reach(roots: readonly Tensor[]): ReadonlySet<Tensor> {
  const set = new Set<Tensor>();
  const stack = [...roots];
  for (let tensor = stack.pop(); tensor; tensor = stack.pop()) {
    if (set.has(tensor)) continue;
    set.add(tensor);
    stack.push(...tensor.inputs);
  }
  return set;
}

/** What a message calls an instruction. */
export const OPERATION_NAMES: Readonly<Record<Op, string>> = {
  [Op.End]: 'end',
  [Op.Gather]: 'batch',
  [Op.Gemm]: 'matrix product',
  [Op.ThinGemm]: 'matrix product',
  [Op.Unary]: 'activation',
  [Op.UnaryGrad]: 'gradient of the activation',
  [Op.Binary]: 'arithmetic',
  [Op.BiasAdd]: 'bias',
  [Op.Affine]: 'scaling',
  [Op.Softmax]: 'softmax',
  [Op.SoftmaxGrad]: 'gradient of softmax',
  [Op.MeanSquaredError]: 'mean squared error',
  [Op.BinaryCrossEntropy]: 'binary cross-entropy',
  [Op.SoftmaxCrossEntropy]: 'softmax cross-entropy',
  [Op.ClassHits]: 'accuracy',
  [Op.BinaryHits]: 'binary accuracy',
  [Op.Accumulate]: 'sum of the loss',
  [Op.Penalty]: 'regularization penalty',
  [Op.Dropout]: 'dropout',
  [Op.Guard]: 'check',
  [Op.SquaredNorm]: 'gradient norm',
  [Op.Optimize]: 'optimizer',
  [Op.Convolution]: 'convolution',
  [Op.Pool]: 'pooling',
  [Op.PoolGrad]: 'gradient of pooling',
  [Op.CopyRows]: 'copy of rows',
  [Op.Maximum]: 'maximum',
  [Op.MaximumGrad]: 'gradient of maximum',
  [Op.RowDot]: 'dot product',
  [Op.ScaleRows]: 'gradient of the dot product',
  [Op.Recurrence]: 'recurrence',
  [Op.RecurrenceGrad]: 'gradient of the recurrence',
  [Op.Moments]: 'mean and variance',
  [Op.MovingMoments]: 'moving mean and variance',
  [Op.MovingAverage]: 'moving average',
  [Op.Normalize]: 'normalization',
  [Op.NormalizeGrad]: 'gradient of the normalization',
  [Op.ScaleGrad]: 'gradient of gamma',
  [Op.Embedding]: 'embedding',
  [Op.EmbeddingGrad]: 'gradient of the embeddings',
  [Op.Depthwise]: 'depthwise convolution',
  [Op.DepthwiseFilter]: 'gradient of the depthwise kernel',
  [Op.Pad]: 'padding',
  [Op.Resample]: 'resampling',
  [Op.AdaptiveMaximum]: 'adaptive maximum',
  [Op.StepMask]: 'mask',
  [Op.Attention]: 'attention',
  [Op.AttentionGrad]: 'gradient of the attention',
  [Op.Rotary]: 'rotary positions',
  [Op.Cache]: 'key/value cache',
  [Op.Reduce]: 'sum, mean or extreme of an axis',
  [Op.Transpose]: 'transposition',
  [Op.BatchedGemm]: 'matrix products',
  [Op.Noise]: 'noise',
  [Op.DistinctRows]: 'rows of the batch',
};
