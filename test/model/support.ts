import { dense, input, type ModelOptions, model } from '../../src/index.ts';
import { add } from '../../src/layers/merge.ts';
import { randomValues } from '../train/support.ts';

export const matrix = (rows: number, columns: number, seed: number) => ({
  data: randomValues(rows * columns, seed),
  shape: [rows, columns],
});

/** Two inputs a [4], b [3], two outputs: classes of 3, and a number. */
export function pair(options: Omit<ModelOptions, 'inputs' | 'outputs'> = {}) {
  const a = input([4]);
  const b = input([3]);
  const left = dense(6, { name: 'left', activation: 'tanh' })(a);
  const right = dense(6, { name: 'right', activation: 'tanh' })(b);
  const both = add({ name: 'both' })([left, right]);
  return model({
    inputs: { a, b },
    outputs: {
      kind: dense(3, { name: 'kindLayer' })(both),
      size: dense(1, { name: 'sizeLayer' })(both),
    },
    ...options,
  });
}

export const pairData = (rows = 50) => ({
  x: { a: matrix(rows, 4, 1), b: matrix(rows, 3, 2) },
  y: { kind: Array.from({ length: rows }, (_, i) => i % 3), size: matrix(rows, 1, 3) },
});
