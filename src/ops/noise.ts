import { Noise } from '../../assembly/tape/tensors.ts';
import { Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import type { Rules } from './rule.ts';

export const noiseOps: Rules<'noise'> = {
  noise: {
    name: 'noise',
    family: families.tensors,
    shape: ([x]) => x!.shape,
    // of a sum dy, of a product dy times the same factors, computed again from the counter
    gradient: (tracer, { inputs: [x], attributes, layer }, dy) => [
      [x!, attributes.product ? tracer.add(noiseOps.noise, [dy], attributes, layer) : dy],
    ],
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const x = tensor.inputs[0]!;
      const { deviation, product, stream } = tensor.attributes;
      e.emit(
        Op.Noise,
        {
          [Noise.Source]: e.address(x),
          [Noise.Target]: e.address(output),
          [Noise.Count]: e.size(x),
          [Noise.Deviation]: { f32: deviation },
          [Noise.Product]: product ? 1 : 0,
          [Noise.Stream]: stream,
        },
        Noise.Length,
        [e.span(x)],
        [e.span(output)],
      );
    },
  },
};
