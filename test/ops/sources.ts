import { BATCH } from '../../src/ops/tensor.ts';
import { uniform } from '../reference/numbers.ts';
import { type Rows, tensor } from './row.ts';

/** Nothing is computed: the values come through as they are. */
export const sources: Rows<'input' | 'parameter' | 'reshape' | 'constant'> = {
  input: {
    variants: [{ name: 'batch', attributes: { name: 'x', shape: [5], type: 'f32' } }],
    operands: (size, _, random) => [tensor([BATCH, 5], size.rows, (n) => uniform(random, n), false)],
    forward: ([x]) => Array.from(x!),
    forwardBound: () => 'exact',
    gradient: 'none',
    tails: [],
    build: (graph, _, attributes) => graph.add('input', [], attributes),
  },

  parameter: {
    variants: [{ name: 'matrix', attributes: { index: 0, shape: [BATCH, 3] } }],
    operands: (size, { shape }, random) => [tensor(shape, size.rows, (n) => uniform(random, n), false)],
    forward: ([x]) => Array.from(x!),
    forwardBound: () => 'exact',
    gradient: 'none',
    tails: [],
    build: (_, [x]) => x!,
  },

  reshape: {
    variants: [{ name: 'row', attributes: { shape: [2, 3] } }],
    operands: (size, _, random) => [tensor([BATCH, 6], size.rows, (n) => uniform(random, n))],
    forward: ([x]) => Array.from(x!),
    forwardBound: () => 'exact',
    gradient: { twin: (_, __, dy) => [Array.from(dy)], bound: () => ['exact'] },
    tails: [],
  },

  constant: {
    variants: [
      { name: 'matrix', attributes: { shape: [2, 3], values: () => Float32Array.of(1, -2, 3, 0.5, 5, 6) } },
    ],
    operands: (size, _, random) => [tensor([BATCH, 5], size.rows, (n) => uniform(random, n), false)],
    forward: (_, { values }) => Array.from(values()),
    forwardBound: () => 'exact',
    gradient: 'none',
    tails: [],
    build: (graph, _, attributes) => graph.add('constant', [], attributes),
  },
};
