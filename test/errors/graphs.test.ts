import { describe } from 'vitest';
import {
  add,
  CustomLayer,
  concatenate,
  dense,
  dot,
  dropout,
  embedding,
  input,
  maximum,
  model,
  multiHeadAttention,
  ops,
  rescaling,
  sequential,
  type Tensor,
  Trainer,
  type Weight,
} from '../../src/index.ts';
import { pair, pairData } from '../model/support.ts';
import { each, loose, type Untyped } from './support.ts';

class Plain extends CustomLayer {
  static readonly type = 'Plain';

  call(x: Tensor) {
    return ops.neg(x);
  }
}

const losses = { kind: 'crossEntropy', size: 'meanSquaredError' } as const;
const anyInput = () => input([3]);
const identity = () => sequential({ inputShape: [3] }, [rescaling(1)]);
const trainer = () => Trainer.create(pair(), { loss: losses });
const create = (options: object) => Trainer.create(pair(), { loss: losses, ...options });

describe('graphs', () => {
  each([
    [
      'a number as tensor',
      () => dense(3)(loose.dense!(2) as never),
      "layer 'dense' is applied to symbolic tensors",
    ],
    [
      'numbers',
      () => dense(3)([[1, 2, 3]] as never),
      'got an array of 1; numbers go through a model: model.predict(x)',
    ],
    [
      'a merge without array',
      () => add({ name: 'sum' })(anyInput() as never),
      "layer 'sum' takes its inputs in an array, as in add()([a, b])",
    ],
    [
      'a merge with arguments instead of an array',
      () => (add({ name: 'sum' }) as Untyped)([anyInput()], anyInput()),
      "layer 'sum' takes its inputs in an array, as in add(…)([a, b]); got 2 arguments",
    ],
    [
      'an attention in the style of Keras',
      () => (multiHeadAttention({ numHeads: 1 }) as Untyped)(input([2, 4]), input([3, 4])),
      "layer 'multiHeadAttention' takes its inputs in an array, as in multiHeadAttention(…)([a, b]); got 2 arguments",
    ],
    [
      'two inputs of a layer of one',
      () => (dense(1) as Untyped)(anyInput(), anyInput()),
      "layer 'dense' takes one input, got 2 arguments: apply it to each, or make them one before, as in " +
        'dense(…)(concatenate()([a, b]))',
    ],
    [
      'options where a layer is applied',
      () => (dropout(0.5) as Untyped)(anyInput(), { training: true }),
      "layer 'dropout' is applied to its inputs alone, got an object too: options are given where the layer is made",
    ],
    [
      'two inputs of a custom layer',
      () => (new Plain().apply as Untyped).call(new Plain(), anyInput(), anyInput()),
      "layer 'Plain' takes one input, got 2 arguments",
    ],
    [
      'two inputs of a model',
      () => {
        const inner = sequential({ inputShape: [3], name: 'inner' }, [dense(1)]);
        (inner.apply as Untyped).call(inner, anyInput(), anyInput());
      },
      "layer 'inner' takes one input, got 2 arguments: apply it to each, or make them one before, as in " +
        'apply(concatenate()([a, b]))',
    ],
    [
      'a merge of one',
      () => add({ name: 'sum' })([anyInput()]),
      "layer 'sum' (add) takes at least 2 inputs in an array, got 1",
    ],
    [
      'a dot of three',
      () => dot()([anyInput(), anyInput(), anyInput()]),
      "layer 'dot' (dot) takes 2 inputs in an array, got 3",
    ],
    [
      'shapes that differ',
      () => maximum({ name: 'top' })([anyInput(), input([4])]),
      "layer 'top': maximum needs inputs of one shape, or with dimensions of 1, got [batch, 3], [batch, 4]",
    ],
    [
      'the batch as axis',
      () => concatenate({ axis: 0 })([anyInput(), anyInput()]),
      "layer 'concatenate': cannot concatenate along axis 0 of [batch, 3]",
    ],
    [
      'rows that differ',
      () => concatenate({ axis: 1 })([input([2, 3]), input([2, 4])]),
      'may differ in axis 1 only, got [batch, 2, 3] and [batch, 2, 4]',
    ],
    [
      'sub-models that are applied too often',
      () => {
        for (let depth = 0, inner = identity(); depth < 40; depth++) {
          const x = anyInput();
          inner = model({ inputs: x, outputs: inner.apply(inner.apply(x)) });
        }
      },
      'model: it has 524,288 layers, those of a sub-model counted each time that it is applied; at most 262,144 are possible',
    ],
    [
      'sub-models within each other, too many',
      () => {
        for (let depth = 0, inner = identity(); depth < 200; depth++) {
          inner = sequential({ inputShape: [3] }, [inner]);
        }
      },
      'sequential: 101 models one within the other, at most 100 are possible',
    ],
    [
      'a sub-model of integers on what a layer makes',
      () => {
        const words = sequential({ inputShape: [3], name: 'words' }, [embedding(9, 2)]);
        words.apply(dense(3)(anyInput()));
      },
      "layer 'words': its input 1 is integers below 9, but what the layer before it makes are not",
    ],
    [
      'an input not given',
      () => {
        const [a, b] = [input([3], { name: 'a' }), input([3], { name: 'other' })];
        return model({ inputs: a, outputs: add({ name: 'sum' })([a, dense(3)(b)]) });
      },
      "model: layer 'dense' reads the input 'other' of shape [batch, 3], which is not among inputs; it may belong to another model",
    ],
    [
      'an output of another model',
      () => model({ inputs: anyInput(), outputs: dense(2)(anyInput()) }),
      "layer 'dense' reads the input 'input'",
    ],
    [
      'an input without use',
      () => {
        const a = anyInput();
        return model({ inputs: [a, input([5], { name: 'spare' })], outputs: dense(2)(a) });
      },
      "model: no output depends on input 'spare' of shape [batch, 5]",
    ],
    [
      'a layer as input',
      () => {
        const a = dense(2, { name: 'first' })(anyInput());
        return model({ inputs: a, outputs: dense(2)(a) });
      },
      "model: inputs are made by input(), got the result of layer 'first'",
    ],
    [
      'no outputs',
      () => model({ inputs: anyInput(), outputs: [] }),
      'model: outputs: give a symbolic tensor, a list or a record of them',
    ],
    [
      'a layer as output',
      () => loose.model!({ inputs: anyInput(), outputs: { a: dense(2) } }),
      "model: outputs: 'a' must be a symbolic tensor, as input() and layers make it, got a layer of type 'dense'",
    ],
    [
      'two layers of one name',
      () => {
        const x = anyInput();
        return model({ inputs: x, outputs: dense(2, { name: 'a' })(dense(2, { name: 'a' })(x)) });
      },
      "model: two layers are named 'a'; rename one",
    ],
    [
      'a shared layer on other inputs',
      () => {
        const [x, z] = [anyInput(), input([4])];
        const shared = dense(2, { name: 'shared' });
        return model({ inputs: [x, z], outputs: add()([shared(x), shared(z)]) });
      },
      "layer 'shared' is applied several times, so its inputs must fit the same weights: its kernel is [3, 2] for one and [4, 2] for another",
    ],
    [
      'a shared layer whose weights are others for other inputs',
      () => {
        class ByRank extends CustomLayer {
          static readonly type = 'ByRank';
          weights: Weight[] = [];

          override build(shape: readonly number[]): void {
            this.weights = shape.map((_, i) => this.addWeight(`weight${i}`, [1]));
          }

          call(x: Tensor): Tensor {
            return ops.mul(x, this.weights[0]!);
          }
        }
        const [x, z] = [input([2, 4]), input([4])];
        const shared = new ByRank();
        return model({ inputs: [x, z], outputs: [shared.apply(x), shared.apply(z)] });
      },
      "layer 'ByRank' is applied several times, so its inputs must fit the same weights: it has 2 for one and 1 for another",
    ],
    [
      'another number of inputs of a sub-model',
      () => pair({ name: 'inner' }).apply([anyInput()]),
      "model 'inner': inputs takes 2 entries (a, b), got an array of 1",
    ],
    [
      'another shape for a sub-model',
      () => pair({ name: 'inner' }).apply([anyInput(), anyInput()]),
      "layer 'inner' is a model whose input 'a' has shape [batch, 4], got [batch, 3]",
    ],
    [
      'a merge in a chain',
      () => loose.sequential!({ inputShape: [3] }, [add()]),
      "sequential: layer 1 of 1, 'add', takes several inputs; make the model with model()",
    ],
    [
      'a layer to freeze that is not there',
      () => pair().freeze('lefd'),
      "freeze: the model has no layer 'lefd'; did you mean 'left'?",
    ],
    [
      'a part of a part',
      () => {
        const inner = sequential({ inputShape: [3], name: 'inner' }, [dense(3)]);
        const outer = sequential({ inputShape: [3], name: 'outer' }, [inner]);
        const x = anyInput();
        return model({ inputs: x, outputs: add()([inner.apply(x), outer.apply(x)]) });
      },
      "model: 'outer' contains a model that is part of this one already",
    ],
    [
      'one loss for two outputs',
      () => create({ loss: 'crossEntropy' }),
      "Trainer.create: loss takes a list, or a record by the names kind, size; got 'crossEntropy'",
    ],
    [
      'a loss missing',
      () => create({ loss: { kind: 'crossEntropy' } }),
      "Trainer.create: loss: 'size' is missing",
    ],
    [
      'a loss for no output',
      () => create({ loss: { ...losses, sise: 'mse' } }),
      "loss: the model has no 'sise'; did you mean 'size'?",
    ],
    [
      'a weight below zero',
      () => create({ lossWeights: { size: -1 } }),
      "the weight of loss 'size' must be a number >= 0, got -1",
    ],
    [
      'metrics in a list',
      () => create({ metrics: ['accuracy'] }),
      "metrics takes a record by the names of the outputs, such as { a: ['accuracy'] }",
    ],
    [
      'more outputs than sums',
      () => {
        const x = anyInput();
        const outputs = Array.from({ length: 16 }, () => dense(1)(x));
        const loss = outputs.map(() => 'meanSquaredError' as const);
        return Trainer.create(model({ inputs: x, outputs }), { loss });
      },
      'Trainer.create: at most 15 losses of outputs and metrics can be reported, these are 16',
    ],
    [
      'two reductions',
      () => create({ loss: { ...losses, size: { name: 'meanSquaredError', reduction: 'sum' } } }),
      "'kind' has 'mean', 'size' has 'sum'",
    ],
    [
      'an input missing',
      () => pair().predict({ a: pairData().x.a }),
      "predict: x: 'b' is missing; it takes a, b",
    ],
    [
      'an unknown input',
      () => pair().predict({ ...pairData().x, c: [[1]] }),
      "predict: x: the model has no 'c'",
    ],
    [
      'rows for one input',
      () => pair().predict([[1, 2, 3, 4]]),
      'predict: x takes 2 entries (a, b), got an array of 1',
    ],
    [
      'another shape',
      () => pair().predict([[[1, 2, 3]], [[1, 2, 3]]]),
      "predict: x.a has shape [1, 3], but layer 'left' takes the model's input, [rows, 4]",
    ],
    [
      'fewer rows of one',
      () =>
        pair().predict([
          [[1, 2, 3, 4]],
          [
            [1, 2, 3],
            [1, 2, 3],
          ],
        ]),
      "predict: input 'a' has 1 rows, 'b' has 2",
    ],
    [
      'targets of one output',
      async () => (await trainer()).fit({ x: pairData().x, y: { kind: [1] } }),
      "fit: y: 'size' is missing",
    ],
    [
      'fewer targets',
      async () => (await trainer()).fit({ x: pairData().x, y: { ...pairData().y, kind: [1] } }),
      'fit: x has 50 rows, y.kind has 1',
    ],
  ]);
});
