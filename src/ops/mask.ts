import { StepMask } from '../../assembly/tape/sequence.ts';
import { Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import type { Rules } from './rule.ts';
import { showShape, sizeOf, type Tensor } from './tensor.ts';

export const maskOps: Rules<'stepMask'> = {
  stepMask: {
    name: 'stepMask',
    family: families.sequence,
    shape: ([x], _, fail) => {
      if (x!.shape.length < 2) fail(`a mask needs [batch, time, …], got ${showShape(x!.shape)}`);
      return x!.shape.slice(0, 2);
    },
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const x = tensor.inputs[0] as Tensor;
      e.emit(
        Op.StepMask,
        {
          [StepMask.Source]: e.address(x),
          [StepMask.Target]: e.address(output),
          [StepMask.Rows]: e.size(output),
          [StepMask.Columns]: sizeOf(x.shape.slice(2), 1),
          // integers are compared with 0 alone, whose bits are those of 0.0
          [StepMask.Value]: { f32: tensor.attributes.value },
        },
        StepMask.Length,
        [e.span(x)],
        [e.span(output)],
      );
    },
  },
};
