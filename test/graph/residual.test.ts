// A sum and relu in the call of a normalization: the bits of three calls.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Activation, BinaryKind } from '../../assembly/tape/dense.ts';
import { schedule } from '../../src/compiler/schedule.ts';
import { Graph } from '../../src/graph/graph.ts';
import { activationOps } from '../../src/ops/activations.ts';
import { arithmeticOps } from '../../src/ops/arithmetic.ts';
import type { GroupAttributes } from '../../src/ops/attributes.ts';
import { normalizeOps } from '../../src/ops/normalize.ts';
import { sourceOps } from '../../src/ops/sources.ts';
import { BATCH, type Shape, type Tensor } from '../../src/ops/tensor.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { builds, engineOf, firstDifference } from '../kernels/machine.ts';
import type { Operand } from '../ops/row.ts';
import { runGraph } from '../ops/run.ts';
import { generator, uniform } from '../reference/numbers.ts';

type Step = 'sum' | 'relu';

interface Form {
  readonly steps: readonly Step[];
  /** The other operand of the sum: a tensor of its own, x itself, or one of which the channels are broadcast. */
  readonly other: 'own' | 'x' | 'channels';
  /** The place of the normalization in the sum. */
  readonly place: 0 | 1;
}

const FORMS: readonly Form[] = [
  { steps: ['relu'], other: 'own', place: 0 },
  { steps: ['sum'], other: 'own', place: 1 },
  { steps: ['sum', 'relu'], other: 'own', place: 0 },
  { steps: ['sum', 'relu'], other: 'x', place: 1 },
  { steps: ['sum', 'relu'], other: 'channels', place: 0 },
];

const GROUPS: readonly (GroupAttributes & { channels: number })[] = [
  ...[1, 5, 8, 16, 27].map((channels) => ({ over: 'batch', groupSize: 1, channels }) as const),
  ...[3, 8].map((channels) => ({ over: 'features', groupSize: 0, channels }) as const),
  { over: 'positions', groupSize: 3, channels: 6 },
];

const [ROWS, PLACES] = [7, 11];

/** The normalization of x and what follows it: each result. */
function trace(
  graph: Graph,
  [x, gamma, beta, own, channels]: readonly Tensor[],
  groups: GroupAttributes,
  form: Form,
) {
  const attributes = { over: groups.over, groupSize: groups.groupSize };
  const statistics = graph.add(normalizeOps.moments, [x!], { ...attributes, centered: true, epsilon: 0.1 });
  const results: Tensor[] = [
    graph.add(normalizeOps.normalize, [x!, statistics, gamma!, beta!], {
      ...attributes,
      ...{ mode: 'centered', scale: true, center: true },
    }),
  ];
  for (const step of form.steps) {
    const y = results.at(-1)!;
    const other = { own, x, channels }[form.other]!;
    results.push(
      step === 'relu'
        ? graph.add(activationOps.activation, [y], { kind: Activation.Relu, alpha: 0 })
        : graph.add(arithmeticOps.binary, form.place ? [other, y] : [y, other], { kind: BinaryKind.Add }),
    );
  }
  return results;
}

function operandsOf(channels: number): Operand[] {
  const random = generator(channels);
  const of = (shape: Shape, count: number): Operand => ({
    shape,
    values: uniform(random, count),
    wanted: false,
  });
  const large = (): Operand => of([BATCH, PLACES, channels], ROWS * PLACES * channels);
  return [large(), of([channels], channels), of([channels], channels), large(), of([channels], channels)];
}

const cases = GROUPS.flatMap((groups) => FORMS.map((form) => ({ groups, form })));
const label = ({ groups, form }: (typeof cases)[number]): string =>
  `${groups.over} of ${groups.channels}, ${form.steps.join(' and ')}, ${form.other}, ${form.place}`;

describe.each(builds)('%s', (build) => {
  const engine = new Engine(build);
  let two: Engine;
  beforeAll(async () => {
    two = await engineOf(build, 2);
  });
  afterAll(() => two.dispose());

  it.each(cases.map((one) => [label(one), one] as const))('%s', (_, { groups, form }) => {
    const operands = operandsOf(groups.channels);
    // what is read as a result is not fused
    const apart = runGraph(engine, operands, ROWS, (graph, inputs) => trace(graph, inputs, groups, form)).at(
      -1,
    )!;
    for (const each of [engine, two]) {
      const [fused] = runGraph(each, operands, ROWS, (graph, inputs) => [
        trace(graph, inputs, groups, form).at(-1)!,
      ]);
      expect(firstDifference(fused!, apart)).toBe(-1);
    }
    expect(apart.some((y) => y !== 0)).toBe(true);
  });
});

/** How many calls the results of a graph take. */
function calls(build: (graph: Graph, inputs: readonly Tensor[]) => readonly Tensor[]): number {
  const graph = new Graph();
  const inputs = operandsOf(4).map(
    ({ shape }, index) => graph.add(sourceOps.parameter, [], { index, shape }) as unknown as Tensor,
  );
  return schedule(graph, build(graph, inputs)).calls.length;
}

describe('the schedule', () => {
  const groups = { over: 'batch', groupSize: 1 } as const;
  const form = (other: Form['other']): Form => ({ steps: ['sum', 'relu'], other, place: 0 });

  it('has a sum and relu in the call of the normalization', () => {
    expect(calls((graph, inputs) => [trace(graph, inputs, groups, form('own')).at(-1)!])).toBe(2);
  });

  it('leaves a broadcast sum alone', () => {
    expect(calls((graph, inputs) => [trace(graph, inputs, groups, form('channels')).at(-1)!])).toBe(4);
  });

  it('leaves what else is read alone', () => {
    expect(calls((graph, inputs) => trace(graph, inputs, groups, form('own')))).toBe(4);
  });

  it('has no sum with what is made later', () => {
    const made = calls((graph, inputs) => {
      const [y] = trace(graph, inputs, groups, { ...form('own'), steps: [] });
      const later = graph.add(activationOps.activation, [inputs[3]!], { kind: Activation.Tanh, alpha: 0 });
      return [graph.add(arithmeticOps.binary, [y!, later], { kind: BinaryKind.Add })];
    });
    expect(made).toBe(4);
  });

  it('has no other activation', () => {
    const made = calls((graph, inputs) => {
      const [y] = trace(graph, inputs, groups, { ...form('own'), steps: [] });
      return [graph.add(activationOps.activation, [y!], { kind: Activation.Tanh, alpha: 0 })];
    });
    expect(made).toBe(3);
  });
});
