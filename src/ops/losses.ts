import { Affine, BinaryKind } from '../../assembly/tape/dense.ts';
import { BinaryHits, ClassHits, Loss, LossForm } from '../../assembly/tape/training.ts';
import { Op } from '../../assembly/tape.ts';
import { arithmeticOps } from './arithmetic.ts';
import type { LossOp, OpAttributes } from './attributes.ts';
import type { Call, Emitter, Gradients, Rules, Tracer, Word } from './rule.ts';
import { sourceOps } from './sources.ts';
import { lastOf, type Shape, sameShape, showShape, sizeOf, type Tensor } from './tensor.ts';

type Fail = (message: string) => never;

function sameAsTarget(inputs: readonly Tensor[], { steps }: { steps?: boolean }, fail: Fail): Shape {
  const [x, t] = inputs as [Tensor, Tensor];
  if (!sameShape(x.shape, t.shape)) {
    fail(`the output has shape ${showShape(x.shape)}, the targets have ${showShape(t.shape)}`);
  }
  return x.shape.slice(0, steps ? 2 : 1);
}

/**
 * The gradient comes with the loss; that of the sigmoid form belongs to the sigmoid's input. Losses of time steps are
 * weighed: theirs, times the gradient of each.
 */
function lossGradient(tracer: Tracer, tensor: Tensor<LossOp>, dy: Tensor): Gradients {
  const prediction = tensor.inputs[0]!;
  const loss = tensor as unknown as Tensor;
  const { layer } = tensor;
  const form = 'form' in tensor.attributes ? tensor.attributes.form : LossForm.Logits;
  const of = form === LossForm.Sigmoid ? prediction.inputs[0]! : prediction;
  const own: Tensor = tracer.add(lossOps.lossGradient, [loss], {}, layer);
  if (!tensor.attributes.steps) return [[of, own]];
  const reshape = (x: Tensor, shape: Shape): Tensor =>
    tracer.add(sourceOps.reshape, [x], { shape }, layer) as unknown as Tensor;
  const losses = sizeOf(loss.shape, 1);
  const factors = [reshape(own, [losses, sizeOf(prediction.shape, 1) / losses]), reshape(dy, [losses, 1])];
  const product: Tensor = tracer.add(arithmeticOps.binary, factors, { kind: BinaryKind.Multiply }, layer);
  return [[of, reshape(product, prediction.shape.slice(1))]];
}

/**
 * Rows and columns as the kernel sees them. `mean` divides by the elements of a row of the batch (units, or
 * positions) and, for the gradient, by the batch; losses of steps by the units alone.
 */
function emitLoss<K extends LossOp>(
  e: Emitter,
  call: Call<K>,
  op: Op,
  columns: number,
  perRow: number,
  extra: Readonly<Record<number, Word>>,
): void {
  const [x, t] = call.tensor.inputs as [Tensor, Tensor];
  const { reduction, steps } = call.tensor.attributes;
  const mean = reduction === 'mean';
  const rows = e.size(x) / columns;
  e.emit(
    op,
    {
      [Loss.Prediction]: e.address(x),
      [Loss.Target]: e.address(t),
      [Loss.Gradient]: call.second ? e.address(call.second) : 0,
      [Loss.RowLoss]: e.address(call.output),
      [Loss.Rows]: rows,
      [Loss.Columns]: columns,
      [Loss.Scale]: { f32: mean ? 1 / (perRow * (steps ? 1 : e.batch)) : 1 },
      [Loss.RowScale]: { f32: mean ? 1 / perRow : 1 },
      [Loss.Form]: 0,
      [Loss.Low]: { f32: 0 },
      [Loss.High]: { f32: 0 },
      ...extra,
    },
    Loss.Length,
    [e.span(x), e.span(t)],
    [e.span(call.output), ...(call.second ? [e.span(call.second)] : [])],
  );
}

/** Elements of the prediction that one loss, or share of hits, is made of. */
function perLoss({ inputs, shape }: { readonly inputs: readonly Tensor[]; readonly shape: Shape }): number {
  return sizeOf(inputs[0]!.shape, 1) / sizeOf(shape, 1);
}

/** Classes in the shape of the output without its last dimension, or weights for each class in its shape. */
function classTargets(inputs: readonly Tensor[], { sparse }: { sparse: boolean }, fail: Fail): Shape {
  const [x, t] = inputs as [Tensor, Tensor];
  const wanted = sparse ? x.shape.slice(0, -1) : x.shape;
  if (!sameShape(wanted, t.shape)) {
    fail(
      `the output has shape ${showShape(x.shape)}: targets must be classes of shape ` +
        `${showShape(x.shape.slice(0, -1))} or one-hot rows of shape ${showShape(x.shape)}, got ${showShape(t.shape)}`,
    );
  }
  return x.shape.slice(0, -1);
}

export const lossOps: Rules<LossOp | 'lossGradient' | 'classHits' | 'binaryHits' | 'rowLoss'> = {
  meanSquaredError: {
    name: 'meanSquaredError',
    shape: sameAsTarget,
    // d (x - t)² = 2 (x - t)
    gradient: lossGradient,
    emit: (e, call) => {
      const perRow = perLoss(call.tensor);
      emitLoss(e, call, Op.MeanSquaredError, perRow, perRow, {});
    },
  },

  binaryCrossEntropy: {
    name: 'binaryCrossEntropy',
    shape: sameAsTarget,
    // on logits sigmoid(x) - t; on probabilities (q - t) / (q (1 - q))
    gradient: lossGradient,
    emit: (e, call) => {
      const perRow = perLoss(call.tensor);
      const { form, zeroClipped, low, high }: OpAttributes['binaryCrossEntropy'] = call.tensor.attributes;
      emitLoss(e, call, Op.BinaryCrossEntropy, perRow, perRow, {
        [Loss.Form]: form | (zeroClipped ? LossForm.ZeroClipped : 0),
        [Loss.Low]: { f32: low },
        [Loss.High]: { f32: high },
      });
    },
  },

  softmaxCrossEntropy: {
    name: 'softmaxCrossEntropy',
    shape: classTargets,
    // softmax(x) - onehot(t)
    gradient: lossGradient,
    emit: (e, call) => {
      const shape = call.tensor.inputs[0]!.shape;
      const columns = lastOf(shape);
      const { steps, sparse } = call.tensor.attributes;
      const perRow = steps ? 1 : sizeOf(shape, 1) / columns;
      emitLoss(e, call, Op.SoftmaxCrossEntropy, columns, perRow, { [Loss.Form]: sparse ? 1 : 0 });
    },
  },

  // operations made the losses; here the gradient of their mean (or sum) begins: 1 / batch (or 1) for each
  rowLoss: {
    name: 'rowLoss',
    shape: ([x]) => x!.shape,
    gradient: (tracer, tensor) => [
      [tensor.inputs[0]!, tracer.add(lossOps.lossGradient, [tensor as unknown as Tensor], {}, tensor.layer)],
    ],
    emit: (e, { tensor, output, second }) => {
      const x = tensor.inputs[0]!;
      const affine = (y: Tensor, scale: number, offset: number): void =>
        e.emit(
          Op.Affine,
          {
            [Affine.Source]: e.address(x),
            [Affine.Target]: e.address(y),
            [Affine.Count]: e.size(x),
            [Affine.Scale]: { f32: scale },
            [Affine.Offset]: { f32: offset },
          },
          Affine.Length,
          [e.span(x)],
          [e.span(y)],
        );
      affine(output, 1, 0);
      // a loss that is not finite makes the gradient NaN: the step ends there
      if (second) affine(second, 0, tensor.attributes.reduction === 'mean' ? 1 / e.batch : 1);
    },
  },

  lossGradient: {
    name: 'lossGradient',
    shape: ([loss]) => loss!.inputs[0]!.shape,
    gradient: 'none',
    emit: 'none',
  },

  classHits: {
    name: 'classHits',
    shape: classTargets,
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const [x, t] = tensor.inputs as [Tensor, Tensor];
      e.emit(
        Op.ClassHits,
        {
          [ClassHits.Prediction]: e.address(x),
          [ClassHits.Target]: e.address(t),
          [ClassHits.Hits]: e.address(output),
          [ClassHits.Rows]: e.rows(x),
          [ClassHits.Columns]: lastOf(x.shape),
          [ClassHits.Sparse]: tensor.attributes.sparse ? 1 : 0,
        },
        ClassHits.Length,
        [e.span(x), e.span(t)],
        [e.span(output)],
      );
    },
  },

  binaryHits: {
    name: 'binaryHits',
    shape: sameAsTarget,
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const [x, t] = tensor.inputs as [Tensor, Tensor];
      const perRow = perLoss(tensor);
      e.emit(
        Op.BinaryHits,
        {
          [BinaryHits.Prediction]: e.address(x),
          [BinaryHits.Target]: e.address(t),
          [BinaryHits.Hits]: e.address(output),
          [BinaryHits.Rows]: e.size(x) / perRow,
          [BinaryHits.Columns]: perRow,
          [BinaryHits.Threshold]: { f32: tensor.attributes.threshold },
        },
        BinaryHits.Length,
        [e.span(x), e.span(t)],
        [e.span(output)],
      );
    },
  },
};
