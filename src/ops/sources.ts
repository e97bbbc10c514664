import type { Rules } from './rule.ts';
import { BATCH, showShape, sizeOf } from './tensor.ts';

/** What lies in the arena before a program runs, and other views of it. */
export const sources: Rules<'input' | 'parameter' | 'reshape' | 'constant'> = {
  input: {
    shape: (_, { shape }) => [BATCH, ...shape],
    type: ({ type }) => type,
    gradient: 'none',
    emit: 'none',
  },

  parameter: {
    shape: (_, { shape }) => shape,
    gradient: 'none',
    emit: 'none',
  },

  reshape: {
    shape: ([x], { shape }, fail) => {
      const [from, to] = [sizeOf(x!.shape, 1), sizeOf(shape, 1)];
      if (from !== to) {
        fail(
          `a row of its input ${showShape(x!.shape)} has ${from} numbers; ` +
            `the shape [batch, ${shape.join(', ')}] needs ${to}`,
        );
      }
      return [BATCH, ...shape];
    },
    // dx = dy in the shape of x
    gradient: (tracer, { inputs: [x] }, dy) => [
      [x!, tracer.add('reshape', [dy], { shape: x!.shape.slice(1) }, x!.layer)],
    ],
    emit: 'alias',
  },

  constant: {
    shape: (_, { shape }) => shape,
    gradient: 'none',
    emit: 'none',
  },
};
