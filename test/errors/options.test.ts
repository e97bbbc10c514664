import { describe, expect, it } from 'vitest';
import type { ChainLayer } from '../../src/index.ts';
import {
  activation,
  adam,
  bidirectional,
  binaryAccuracy,
  binaryCrossEntropy,
  conv1d,
  dense,
  dropout,
  gru,
  l2,
  lstm,
  separableConv1d,
  sequential,
  sgd,
  simpleRnn,
  Trainer,
  transformerEncoder,
} from '../../src/index.ts';
import { each, loose, model, train, trainer, type Untyped, x, y } from './support.ts';

describe('options', () => {
  each([
    [
      'an unknown key',
      () => loose.dense!(3, { activtion: 'relu' }),
      "dense has no option 'activtion'; did you mean 'activation'?",
    ],
    [
      'initials of a key',
      () => loose.adam!({ lr: 0.1 }),
      "adam has no option 'lr'; did you mean 'learningRate'?",
    ],
    [
      'a key of Keras',
      () => train({ x, y }, { batch_size: 3 }),
      "fit has no option 'batch_size'; did you mean 'batchSize'?",
    ],
    [
      'none',
      () => loose.sequential!(),
      'sequential takes options as an object { inputShape, name, seed, reproducible, checkpoint }, got undefined',
    ],
    ['layers only', () => loose.sequential!([dense(2)]), 'sequential takes options as an object'],
    [
      'an argument among the options',
      () => loose.dense!({ units: 3, activation: 'relu' }),
      'dense: units must be an integer of at least 1, got an object; write dense(3, …)',
    ],
    [
      'a rate among the options',
      () => loose.dropout!({ rate: 0.5 }),
      'dropout: rate must be a number >= 0 and < 1, got an object; write dropout(0.5, …)',
    ],
    [
      'a loss of null',
      () => trainer({ loss: null }),
      "Trainer.create: give a loss, for example 'crossEntropy'",
    ],
    [
      'metrics of null',
      () => trainer({ metrics: null }),
      'Trainer.create: metrics is null; leave it out, or give undefined, for its default',
    ],
    [
      'weights of null',
      () => trainer({ lossWeights: null }),
      'Trainer.create: lossWeights is null; leave it out',
    ],
    [
      'an optimizer of null',
      () => trainer({ optimizer: null }),
      'Trainer.create: optimizer is null; leave it out',
    ],
    ['threads of null', () => trainer({ threads: null }), 'Trainer.create: threads is null; leave it out'],
    ['a rate of null', () => loose.adam!({ learningRate: null }), 'adam: learningRate is null; leave it out'],
    ['a bound of null', () => loose.sgd!({ clipValue: null }), 'sgd: clipValue is null; leave it out'],
    [
      'a rate of null in a config',
      () => trainer({ optimizer: { name: 'adam', learningRate: null } }),
      'adam: learningRate is null; leave it out',
    ],
    [
      'metrics of null of an output',
      () => trainer({ metrics: { dense_1: null } }),
      "metrics must be an array such as ['accuracy'], got null",
    ],
    [
      'a weight of null of an output',
      () => trainer({ lossWeights: { dense_1: null } }),
      "Trainer.create: the weight of loss 'dense_1' must be a number >= 0, got null",
    ],
    ['epochs of null', () => train({ x, y }, { epochs: null }), 'fit: epochs is null; leave it out'],
    [
      'validation data of null',
      () => train({ x, y }, { validationData: null }),
      'fit: validationData is null; leave it out',
    ],
    [
      'an option of an initializer of null',
      () => loose.randomNormal!({ stddev: null }),
      'randomNormal: stddev is null; leave it out',
    ],
    [
      'an option of an activation of null',
      () => loose.dense!(3, { activation: { name: 'elu', alpha: null } }),
      "dense: activation 'elu': alpha is null; leave it out",
    ],
    [
      'a seed of null',
      () => loose.sequential!({ inputShape: [3], seed: null }, [dense(2)]),
      'sequential: seed is null',
    ],
    [
      'new Trainer',
      () =>
        new (Trainer as unknown as new (...values: unknown[]) => unknown)(model(), { loss: 'crossEntropy' }),
      'a trainer is made by await Trainer.create(model, { loss, … }), not by new Trainer(…)',
    ],
    [
      'a promise of a model',
      () => loose.textGenerator!(Promise.resolve(model())),
      'textGenerator takes a model made by sequential(), model() or loadModel(), got a promise: await it first',
    ],
    [
      'a list with a symbol',
      () => loose.dense!([Symbol('units')]),
      'dense: units must be an integer of at least 1, got an array of 1',
    ],
    ['a number', () => loose.adam!(0.1), 'adam takes options as an object { learningRate, '],
    ['a string', () => loose.dense!(3, 'relu'), 'dense takes options as an object { name, activation, '],
    [
      'null',
      () => train({ x, y }, null as unknown as object),
      'fit takes options as an object { epochs, batchSize, ',
    ],
    [
      'a string for a number',
      () => loose.adam!({ learningRate: '0.1' }),
      "adam: learningRate must be a number >= 0, got '0.1'",
    ],
    [
      'an epsilon of 0',
      () => adam({ epsilon: 0 }),
      'adam: epsilon must be a number >= 1.1754943508222875e-38, got 0',
    ],
    ['below the range', () => adam({ learningRate: -1 }), 'adam: learningRate must be a number >= 0, got -1'],
    ['above the range', () => adam({ beta1: 1 }), 'adam: beta1 must be a number >= 0 and < 1, got 1'],
    [
      'in a config',
      () => trainer({ optimizer: { name: 'adam', beta1: 'x' } }),
      "adam: beta1 must be a number >= 0 and < 1, got 'x'",
    ],
    [
      'of another optimizer',
      () => trainer({ optimizer: { name: 'adam', momentum: 0.5 } }),
      "adam has no option 'momentum'",
    ],
    [
      'of another metric',
      () => trainer({ metrics: [{ name: 'accuracy', threshold: 1 }] }),
      "accuracy has no option 'threshold'",
    ],
    [
      'a threshold that is none',
      () => binaryAccuracy({ threshold: Number.NaN }),
      'binaryAccuracy: threshold must be a finite number, got NaN',
    ],
    ['Nesterov without momentum', () => sgd({ nesterov: true }), 'sgd: nesterov needs a momentum above 0'],
    ['a penalty below 0', () => l2(-1), 'l2: strength must be a number >= 0, got -1'],
    [
      'a penalty as a number',
      () => loose.dense!(3, { kernelRegularizer: 0.01 }),
      'dense: kernelRegularizer must be l1(), l2() or l1l2(), got 0.01',
    ],
    ['dropout of everything', () => dropout(1), 'dropout: rate must be a number >= 0 and < 1, got 1'],
    ['no units', () => loose.dense!(), 'dense: units must be an integer of at least 1, got undefined'],
    ['a clip on logits', () => binaryCrossEntropy({ clip: [0.1, 0.9] }), 'set fromLogits: false to use it'],
    [
      'a clip the wrong way round',
      () => binaryCrossEntropy({ fromLogits: false, clip: [0.9, 0.1] }),
      'clip[1] must be a number > 0.9 and < 1',
    ],
    [
      'a seed',
      () => sequential({ inputShape: [3], seed: 0.5 }, [dense(2)]),
      'seed must be an integer from 0 to 9007199254740991, got 0.5',
    ],
    [
      'no loss',
      () => Trainer.create(model(), {} as { loss: 'crossEntropy' }),
      "give a loss, for example 'crossEntropy'",
    ],
    [
      'no model',
      () => (Trainer.create as Untyped)({}, { loss: 'crossEntropy' }),
      'Trainer.create takes a model made by sequential(), model() or loadModel(), got an object',
    ],
    [
      'no epochs',
      () => train({ x, y }, { epochs: 0 }),
      'fit: epochs must be an integer of at least 1, got 0',
    ],
    [
      'an empty batch',
      () => train({ x, y }, { batchSize: 0 }),
      'fit: batchSize must be an integer of at least 1, got 0',
    ],
    [
      'a signal that is none',
      () => train({ x, y }, { signal: {} }),
      'fit: signal must be an AbortSignal, for example new AbortController().signal',
    ],
    [
      'a callback that is none',
      () => train({ x, y }, { onEpoch: 3 }),
      'fit: onEpoch must be a function, got 3',
    ],
    [
      'progress',
      () => train({ x, y }, { progress: 'yes' }),
      "fit: progress must be true or false, got 'yes'",
    ],
    [
      'a learning rate during training',
      async () => {
        (await trainer()).learningRate = Number.NaN;
      },
      'learningRate must be a number >= 0, got NaN',
    ],
  ]);
});

describe('null', () => {
  const both = <T>(make: (value: null | 'linear') => T) => [make(null), make('linear')] as const;
  const layers: Readonly<Record<string, readonly [ChainLayer, ChainLayer]>> = {
    dense: both((value) => dense(2, { activation: value })),
    conv1d: both((value) => conv1d(2, 1, { activation: value })),
    separableConv1d: both((value) => separableConv1d(2, 1, { activation: value })),
    simpleRnn: both((value) => simpleRnn(2, { activation: value })),
    gru: both((value) => gru(2, { activation: value, recurrentActivation: value })),
    lstm: both((value) => lstm(2, { activation: value, recurrentActivation: value })),
    transformerEncoder: both((value) => transformerEncoder({ numHeads: 1, activation: value })),
    activation: both((value) => (activation as Untyped)(value) as ChainLayer),
  };
  it.each(Object.keys(layers))('as activation is linear, as in Keras: %s', (name) => {
    const of = (layer: ChainLayer) => sequential({ inputShape: [3, 4], seed: 1 }, [layer]);
    const [none, linear] = layers[name]!.map(of);
    expect(none!.toConfig()).toEqual(linear!.toConfig());
    const data = { data: Float32Array.from({ length: 12 }, (_, i) => i - 6), shape: [1, 3, 4] };
    expect(none!.predictSync(data)).toEqual(linear!.predictSync(data));
  });

  it('is another activation than the default', () => {
    const config = sequential({ inputShape: [3, 4] }, [simpleRnn(1, { activation: null })]).toConfig();
    expect(JSON.stringify(config)).toContain('"activation":{"name":"linear"}');
    const usual = sequential({ inputShape: [3, 4] }, [
      (simpleRnn as Untyped)(1, { activation: undefined }) as ChainLayer,
    ]).toConfig();
    expect(JSON.stringify(usual)).toContain('"activation":{"name":"tanh"}');
  });

  each([
    [
      'a merge mode',
      () => (bidirectional as Untyped)(gru(2), { mergeMode: null }),
      'bidirectional: mergeMode is null; leave it out, or give undefined, for its default',
    ],
    ['a flag', () => loose.dense!(3, { useBias: null }), 'dense: useBias is null'],
    ['a regularizer', () => loose.dense!(3, { kernelRegularizer: null }), 'dense: kernelRegularizer is null'],
    ['a name', () => loose.dense!(3, { name: null }), 'dense: name is null'],
    [
      'an option of an activation',
      () => loose.activation!({ name: 'elu', alpha: null }),
      "activation: activation 'elu': alpha is null",
    ],
    ['states', () => (gru(2) as Untyped)(null, { initialState: null }), 'gru: applied: initialState is null'],
  ]);
});
