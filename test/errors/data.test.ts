import { describe } from 'vitest';
import { binary, each, model, train, trainer, x, y } from './support.ts';

describe('data', () => {
  const typed = (data: unknown, shape: unknown) => ({ x: { data, shape }, y });
  each([
    [
      'two arguments',
      () => train([x, y]),
      'fit takes the data as an object { x, y }, rows and their targets; got an array of 2',
    ],
    [
      'no targets',
      () => train({ x }),
      'fit takes the data as an object { x, y }, rows and their targets; y is missing',
    ],
    [
      'more than data',
      () => train({ x, y, sampleWeight: [1, 2] }),
      "fit: the data have x and y, and no 'sampleWeight'; options go into a second argument",
    ],
    [
      'options among the data',
      () => train({ x, y, batch_size: 2 }),
      "fit: the data have x and y, and no 'batch_size'; options go into a second argument",
    ],
    [
      'a promise of data',
      () => train({ x: Promise.resolve(x), y }),
      'fit: x must be { data: TypedArray, shape: [rows, …] } or nested arrays, got a promise: await it first',
    ],
    [
      'a Map',
      () => train({ x: new Map(), y }),
      'fit: x must be { data: TypedArray, shape: [rows, …] } or nested arrays, got an object of class Map',
    ],
    ['a bigint', () => train({ x: [[1, 2, 3n]], y: [0] }), 'fit: x[0][2] must be a number, got 3n'],
    [
      'different lengths',
      () => train({ x, y: [0] }),
      'fit: x has 2 rows, y has 1; each row of x needs its target in y',
    ],
    [
      'rows of another length',
      () => train({ x: [[1, 2]], y: [0] }),
      "fit: x has shape [1, 2], but layer 'dense' takes the model's input, [rows, 3]",
    ],
    [
      'a single row',
      () => model().predict([1, 2, 3]),
      "predict: x has shape [3], but layer 'dense' takes the model's input, [rows, 3]; a single row has shape [1, 3]",
    ],
    ['no rows', () => train({ x: [], y: [] }), 'fit: x is empty: shape [0]; give at least one row'],
    ['no columns', () => train({ x: [[]], y: [0] }), 'fit: x is empty: shape [1, 0]'],
    [
      'a ragged row',
      () =>
        train({
          x: [
            [1, 2, 3],
            [4, 5],
          ],
          y,
        }),
      'fit: x[1] must be an array of 3 entries like the first, got 2 entries',
    ],
    [
      'text',
      () => train({ x: [[1, 2, '3']], y: [0] }),
      "fit: x[0][2] must be a number, got '3': encode text as numbers first",
    ],
    [
      'null',
      () => train({ x: [[1, null, 3]], y: [0] }),
      'fit: x[0][1] must be a number, got null: fill in missing values first',
    ],
    [
      'booleans',
      () => train({ x, y: [true, false] }),
      'fit: y[0] must be a number, got true: write 1 for true and 0 for false',
    ],
    [
      'NaN',
      () =>
        train({
          x: [
            [1, 2, 3],
            [4, Number.NaN, 6],
          ],
          y,
        }),
      'fit: x: row 1, column 1 (counted from 0) is NaN; every number must be finite',
    ],
    [
      'too large for float32',
      () => train({ x: [[1, 2, 1e39]], y: [0] }),
      'fit: x: row 0, column 2 (counted from 0) is 1e+39',
    ],
    [
      'NaN in a typed array',
      () => train(typed(Float32Array.of(1, 2, 3, 4, 5, Number.NaN), [2, 3])),
      'fit: x: row 1, column 2 (counted from 0) is NaN',
    ],
    [
      'NaN to predict',
      () => model().predict([[1, Number.NaN, 3]]),
      'predict: x: row 0, column 1 (counted from 0) is NaN',
    ],
    [
      'no shape',
      () => train({ x: new Float32Array(6), y }),
      'fit: x must be { data: TypedArray, shape: [rows, …] } or nested arrays, got Float32Array without a shape',
    ],
    [
      'a shape of another size',
      () => train(typed(new Float32Array(5), [2, 3])),
      'fit: x: shape [2, 3] holds 6 numbers, data has 5',
    ],
    [
      'a shape that is none',
      () => train(typed(new Float32Array(6), '2x3')),
      "fit: x: shape must be an array of integers of at least 0, got '2x3'",
    ],
    [
      'a negative dimension',
      () => train(typed(new Float32Array(6), [-3, 2])),
      'fit: x: shape must be an array of integers of at least 0, got [-3, 2]',
    ],
    [
      'an array as data',
      () => train(typed([1, 2, 3], [1, 3])),
      'fit: x: data must be a typed array of numbers, got [1, 2, 3]: make it a Float32Array',
    ],
    [
      'big integers',
      () => train(typed(new BigInt64Array(6), [2, 3])),
      'fit: x: data must be a typed array of numbers, got BigInt64Array',
    ],
    [
      'a class too high',
      () => train({ x, y: [0, 2] }),
      "fit: y: row 1 (counted from 0) has class 2, but the model's output has 2 classes, 0 to 1",
    ],
    ['a class below 0', () => train({ x, y: [-1, 0] }), 'fit: y: row 0 (counted from 0) has class -1'],
    ['half a class', () => train({ x, y: [0, 0.5] }), 'fit: y: row 1 (counted from 0) has class 0.5'],
    [
      'a class of bytes too high',
      () => train({ x, y: { data: Uint8Array.of(0, 7), shape: [2] } }),
      'fit: y: row 1 (counted from 0) has class 7',
    ],
    [
      'classes in a column',
      () => train({ x, y: [[0], [1]] }),
      "fit: y has shape [2, 1], but with the output [rows, 2] of layer 'dense_1' crossEntropy takes classes [rows] or one-hot rows [rows, 2]",
    ],
    [
      'a one-hot row below 0',
      () =>
        train({
          x,
          y: [
            [0, -1],
            [1, 0],
          ],
        }),
      'fit: y: row 0, column 1 (counted from 0) is -1; crossEntropy takes one-hot rows, or weights of at least 0',
    ],
    [
      'a probability above 1',
      () => binary([0, 2]),
      'fit: y: row 1, column 0 (counted from 0) is 2; binaryCrossEntropy takes targets from 0 to 1',
    ],
    [
      'targets in another shape',
      () =>
        binary([
          [0, 1],
          [1, 0],
        ] as unknown as number[]),
      "fit: y has shape [2, 2], but the output of layer 'out' is [rows, 1]",
    ],
    [
      'in validationData',
      () => train({ x, y }, { validationData: { x: [[1]], y: [0] } }),
      'fit: validationData: x has shape [1, 1]',
    ],
    [
      'to evaluate',
      async () => (await trainer()).evaluate({ x, y: [0, 9] }),
      'evaluate: y: row 1 (counted from 0) has class 9',
    ],
  ]);
});
