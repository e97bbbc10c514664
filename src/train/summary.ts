import { showShape } from '../ops/tensor.ts';
import type { Architecture } from './architecture.ts';

/** A table of the layers; of a graph with a row for each application and what it reads. */
export function summarize(architecture: Architecture, parameterCount: number): string {
  const { inputs, outputs, layers, applications, what } = architecture;
  const graph = what === 'model';
  const byLayer = new Map(layers.map((named) => [named.layer, named]));
  const seen = new Set<object>();
  const rows = applications.map(({ layer, inputs: reads }) => {
    const { name, shape, parameters } = byLayer.get(layer)!;
    const again = seen.has(layer);
    seen.add(layer);
    const cells = [name, layer.type, showShape(shape), again ? 'shared' : parameters.toLocaleString('en-US')];
    return graph ? [...cells, reads.map((tensor) => architecture.producer(tensor)).join(', ')] : cells;
  });
  const header = ['layer', 'type', 'output', 'parameters', ...(graph ? ['reads'] : [])];
  const own = inputs.map(({ name, shape }) => [name, 'input', showShape(shape), '0', '']);
  const table = [header, ...(graph ? own : []), ...rows];
  const widths = header.map((_, i) => Math.max(...table.map((row) => row[i]!.length)));
  const lines = table.map((row) =>
    row
      .map((cell, i) => (i === 3 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .replace(graph ? / +$/ : /$^/, ''),
  );
  const rule = '─'.repeat(Math.max(...lines.map(({ length }) => length)));
  const total = `${parameterCount.toLocaleString('en-US')} parameters`;
  const ends = graph
    ? `outputs ${outputs.map(({ name, shape }) => `${name} ${showShape(shape)}`).join(', ')}`
    : `input ${showShape(inputs[0]!.shape)}`;
  return [lines[0], rule, ...lines.slice(1), rule, `${total}, ${ends}`].join('\n');
}
