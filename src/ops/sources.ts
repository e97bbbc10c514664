import { rowShape } from './broadcast.ts';
import type { Rules } from './rule.ts';
import { BATCH, showShape, sizeOf } from './tensor.ts';

/** What lies in the arena before a program runs, and other views of it. */
export const sourceOps: Rules<'input' | 'parameter' | 'state' | 'constant' | 'reshape'> = {
  input: {
    name: 'input',
    shape: (_, { shape }) => [BATCH, ...shape],
    type: ({ type }) => type,
    gradient: 'none',
    emit: 'none',
  },

  parameter: {
    name: 'parameter',
    shape: (_, { shape }) => shape,
    gradient: 'none',
    emit: 'none',
  },

  state: {
    name: 'state',
    shape: (_, { size }) => [BATCH, size],
    gradient: 'none',
    emit: 'none',
  },

  constant: {
    name: 'constant',
    shape: (_, { shape }) => shape,
    type: ({ type }) => type,
    gradient: 'none',
    emit: 'none',
  },

  reshape: {
    name: 'reshape',
    shape: ([x], { shape }, fail) => {
      const front = x!.shape[0] === BATCH ? [BATCH] : [];
      const [from, to] = [sizeOf(x!.shape, 1), sizeOf(shape, 1)];
      if (from !== to) {
        fail(
          `${front.length > 0 ? 'a row of its input ' : ''}${showShape(x!.shape)} has ${from} numbers; ` +
            `the shape ${showShape([...front, ...shape])} needs ${to}`,
        );
      }
      return [...front, ...shape];
    },
    // dx = dy in the shape of x
    gradient: (tracer, { inputs: [x] }, dy) => [
      [x!, tracer.add(sourceOps.reshape, [dy], { shape: rowShape(x!.shape) }, x!.layer)],
    ],
    emit: 'alias',
  },
};
