import { describe } from 'vitest';
import { accuracy, adam, crossEntropy, dense, randomUniform, sequential } from '../../src/index.ts';
import { each, loose, trainer } from './support.ts';

describe('names', () => {
  each([
    [
      'a slip',
      () => loose.dense!(3, { activation: 'rleu' }),
      "dense: unknown activation 'rleu'; did you mean 'relu'?",
    ],
    ['a swap', () => trainer({ optimizer: 'sdg' }), "unknown optimizer 'sdg'; did you mean 'sgd'?"],
    ['a swap at the start', () => trainer({ optimizer: 'gsd' }), "did you mean 'sgd'?"],
    [
      'a swap in a long name',
      () => trainer({ loss: 'meanSquraedError' }),
      "did you mean 'meanSquaredError'?",
    ],
    [
      'one word of several names',
      () => loose.dense!(3, { kernelInitializer: 'normal' }),
      "unknown initializer 'normal'; did you mean 'randomNormal'?",
    ],
    [
      'another word of several names',
      () => loose.dense!(3, { kernelInitializer: 'uniform' }),
      "unknown initializer 'uniform'; did you mean 'randomUniform'?",
    ],
    [
      'one letter that is missing, before a word of other names',
      () => loose.dense!(3, { activation: 'rel' }),
      "did you mean 'relu'?",
    ],
    ['another case, before parts', () => loose.dense!(3, { activation: 'ELU' }), "did you mean 'elu'?"],
    ['another case', () => trainer({ optimizer: 'Adam' }), "unknown optimizer 'Adam'; did you mean 'adam'?"],
    ['snake case', () => loose.dense!(3, { activation: 'leaky_relu' }), "did you mean 'leakyRelu'?"],
    ['initials', () => trainer({ loss: 'mse' }), "unknown loss 'mse'; did you mean 'meanSquaredError'?"],
    ['a part', () => trainer({ metrics: ['acc'] }), "unknown metric 'acc'; did you mean 'accuracy'?"],
    [
      'the name elsewhere',
      () => trainer({ loss: 'categoricalCrossentropy' }),
      "did you mean 'crossEntropy'?",
    ],
    [
      'nothing near',
      () => trainer({ loss: 'hinge' }),
      'known: meanSquaredError, crossEntropy, binaryCrossEntropy',
    ],
    ['of a prototype', () => trainer({ loss: 'constructor' }), "unknown loss 'constructor'"],
    [
      'a function not called',
      () => trainer({ loss: crossEntropy }),
      "got the function crossEntropy; write 'crossEntropy'",
    ],
    ['an optimizer not called', () => trainer({ optimizer: adam }), "got the function adam; write 'adam'"],
    [
      'a metric not called',
      () => trainer({ metrics: [accuracy] }),
      "got the function accuracy; write 'accuracy'",
    ],
    [
      'an initializer not called',
      () => loose.dense!(3, { kernelInitializer: randomUniform }),
      "dense: kernelInitializer: the initializer must be a name or an object with its options, got the function randomUniform; write 'randomUniform'",
    ],
    [
      'one metric, not in an array',
      () => trainer({ metrics: 'accuracy' }),
      "metrics must be an array such as ['accuracy']",
    ],
    [
      'a metric twice',
      () => trainer({ metrics: ['accuracy', accuracy()] }),
      "metric 'accuracy' is given twice",
    ],
    [
      'two layers of one name',
      () => sequential({ inputShape: [3] }, [dense(2, { name: 'a' }), dense(2, { name: 'a' })]),
      "two layers are named 'a'; rename one",
    ],
    [
      'a layer name for a file system',
      () => dense(2, { name: '../a' }),
      "name must be 1 to 100 letters, digits, '_', '-' or '.'",
    ],
  ]);
});
