import { activationOps } from '../../src/ops/activations.ts';
import { sourceOps } from '../../src/ops/sources.ts';
import { BATCH, type Tensor } from '../../src/ops/tensor.ts';
import { uniform } from '../reference/numbers.ts';
import { type Rows, tensor } from './row.ts';

/** Nothing is computed: the values come through as they are. */
export const sources: Rows<'input' | 'parameter' | 'state' | 'constant' | 'reshape'> = {
  input: {
    variants: [{ name: 'batch', attributes: { name: 'x', shape: [5], type: 'f32' } }],
    operands: (size, _, random) => [tensor([BATCH, 5], size.rows, (n) => uniform(random, n), false)],
    forward: ([x]) => Array.from(x!),
    forwardBound: () => 'exact',
    gradient: 'none',
    tails: [],
    build: (graph, _, attributes) => graph.add(sourceOps.input, [], attributes),
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

  // where it lies is said from outside, as of a parameter: its operand is one
  state: {
    variants: [{ name: 'rows', attributes: { size: 3 } }],
    operands: (size, _, random) => [tensor([BATCH, 3], size.rows, (n) => uniform(random, n), false)],
    forward: ([x]) => Array.from(x!),
    forwardBound: () => 'exact',
    gradient: 'none',
    tails: [],
    build: (_, [x]) => x!,
  },

  constant: {
    variants: [
      { name: 'floats', attributes: { type: 'f32', values: () => Float32Array.of(1, -2.5, 3), shape: [3] } },
      { name: 'integers', attributes: { type: 'i32', values: () => Int32Array.of(7, -1), shape: [2, 1] } },
    ],
    operands: () => [],
    forward: (_, { values }) => Array.from(values()),
    forwardBound: () => 'exact',
    gradient: 'none',
    tails: [],
    build: (graph, _, attributes) => {
      const constant = graph.add(sourceOps.constant, [], attributes) as unknown as Tensor;
      return constant.type === 'i32' ? graph.add(activationOps.toFloat, [constant], {}) : constant;
    },
  },

  reshape: {
    variants: [
      { name: 'row', attributes: { shape: [2, 3] } },
      { name: 'without a batch', attributes: { shape: [3, 1, 2] } },
    ],
    operands: (size, { shape }, random) => [
      tensor(shape.length === 2 ? [BATCH, 6] : [6], size.rows, (n) => uniform(random, n)),
    ],
    forward: ([x]) => Array.from(x!),
    forwardBound: () => 'exact',
    gradient: { twin: (_, __, dy) => [Array.from(dy)], bound: () => ['exact'] },
    tails: [],
  },
};
