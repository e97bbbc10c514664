import { describe, expect, it } from 'vitest';
import { constant, l1, l2, randomUniform } from '../../src/index.ts';
import { each, loose, messageOf } from './support.ts';

describe('arguments of functions that make initializers, penalties, optimizers, losses and metrics', () => {
  each([
    [
      'bounds one after the other',
      () => loose.randomUniform!(-1, 1),
      'randomUniform takes options as an object { min, max }, got -1',
    ],
    [
      'a standard deviation',
      () => loose.randomNormal!(0.1),
      'randomNormal takes options as an object { mean, stddev }, got 0.1',
    ],
    [
      'a standard deviation, cut',
      () => loose.truncatedNormal!(0.1),
      'truncatedNormal takes options as an object { mean, stddev }, got 0.1',
    ],
    ['a gain', () => loose.orthogonal!(2), 'orthogonal takes options as an object { gain }, got 2'],
    [
      'an option of another initializer',
      () => loose.randomUniform!({ stddev: 1 }),
      "randomUniform has no option 'stddev'",
    ],
    ['no value', () => loose.constant!(), 'constant: value must be a finite number, got undefined'],
    ['a value of null', () => loose.constant!(null), 'constant: value must be a finite number, got null'],
    [
      'a value among options',
      () => loose.constant!({ value: 1 }),
      'constant: value must be a finite number, got an object; write constant(1, …)',
    ],
    ['a penalty as text', () => loose.l2!('x'), "l2: strength must be a number >= 0, got 'x'"],
    ['a penalty of null', () => loose.l1!(null), 'l1: strength must be a number >= 0, got null'],
    [
      'options of accuracy',
      () => loose.accuracy!({ threshold: 0.3 }),
      "accuracy has no option 'threshold': it has none",
    ],
    ['a threshold of accuracy', () => loose.accuracy!(0.3), 'accuracy takes no options, got 0.3'],
  ]);

  it.each([
    ...['randomUniform', 'randomNormal', 'truncatedNormal', 'orthogonal', 'l1l2'],
    ...['sgd', 'rmsprop', 'adam', 'adamw', 'meanSquaredError', 'crossEntropy', 'binaryCrossEntropy'],
    'binaryAccuracy',
  ])('%s takes an object or nothing', async (name) => {
    const make = loose[name]!;
    expect(make()).toEqual(make({}));
    for (const given of [null, 1, 'sum', true, [1]]) {
      expect(await messageOf(() => make(given))).toContain(`${name} takes options as an object {`);
    }
  });

  it('are taken where they are what they should be', () => {
    expect(randomUniform({ min: -1, max: 1 })).toEqual({ name: 'randomUniform', min: -1, max: 1 });
    expect(constant(-2)).toEqual({ name: 'constant', value: -2 });
    expect(l1()).toEqual({ l1: 0.01, l2: 0 });
    expect(l2(0.5)).toEqual({ l1: 0, l2: 0.5 });
  });
});
