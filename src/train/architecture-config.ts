import type { SymbolicTensor } from '../layers/symbolic.ts';
import type { Architecture, NamedLayer } from './architecture.ts';

type Config = Readonly<Record<string, unknown>>;

/**
 * The JSON of an architecture. A graph numbers its tensors: the inputs first, then the results of each application in
 * turn, so that an application reads lower numbers only and no file can hold a cycle.
 */
export function architectureConfig(architecture: Architecture): Config {
  const { what, inputs, outputs, inputForm, outputForm, applications } = architecture;
  const layers = architecture.layers.map(layerConfig);
  if (what === 'sequential') return { inputShape: inputs[0]!.shape.slice(1), layers };
  const numbers = new Map<object, number>();
  let next = 0;
  for (const { tensor } of inputs) numbers.set(tensor.source, next++);
  for (const application of applications) {
    numbers.set(application, next);
    next += application.shapes.length;
  }
  const number = ({ source, index }: SymbolicTensor): number => numbers.get(source)! + index;
  const names = new Map(architecture.layers.map(({ layer, name }) => [layer, name]));
  return {
    inputForm,
    outputForm,
    inputs: inputs.map(({ name, shape }) => ({ name, shape: shape.slice(1) })),
    layers,
    applications: applications.map(({ layer, inputs: reads }) => ({
      layer: names.get(layer),
      reads: reads.map(number),
    })),
    outputs: outputs.map(({ name, tensor }) => ({ name, tensor: number(tensor) })),
  };
}

function layerConfig({ name, layer }: NamedLayer): Config {
  // the name second, whether a sub-model had one of its own or not: the same bytes when it is written again
  return Object.assign({ type: layer.type, name }, layer.config, { name });
}
