// Images larger than the boxes that a convolution computes at a time: lines, planes and images cut, on one and two threads.
import { describe, expect, it } from 'vitest';
import { type Padding, windows } from '../../src/layers/windows.ts';
import type { ConvolutionAttributes } from '../../src/ops/attributes.ts';
import type { OpRule } from '../../src/ops/rule.ts';
import { BATCH, type Tensor } from '../../src/ops/tensor.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { bounds } from '../ops/convolution.ts';
import { tensor } from '../ops/row.ts';
import { rules } from '../ops/rules.ts';
import { runGraph } from '../ops/run.ts';
import * as twin from '../reference/convolution.ts';
import { generator, uniform } from '../reference/numbers.ts';
import { shareOfBound } from '../reference/rounding.ts';
import { builds, engineOf, firstDifference } from './machine.ts';

interface Large {
  readonly name: string;
  readonly batch: number;
  readonly image: readonly number[];
  readonly taps: readonly number[];
  readonly channels: number;
  readonly filters: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly padding?: Padding;
}

const CASES: readonly Large[] = [
  { name: 'a line in parts', batch: 2, image: [1000], taps: [3], channels: 2, filters: 5, padding: 'causal' },
  { name: 'a line, stride 3', batch: 1, image: [1301], taps: [4], channels: 3, filters: 8, stride: 3 },
  {
    name: 'lines of a plane',
    batch: 2,
    image: [31, 29],
    taps: [3, 3],
    channels: 4,
    filters: 9,
    padding: 'same',
  },
  { name: 'planes, stride 2', batch: 2, image: [43, 45], taps: [3, 3], channels: 3, filters: 4, stride: 2 },
  { name: 'dilation 2', batch: 1, image: [30, 33], taps: [3, 2], channels: 3, filters: 16, dilation: 2 },
  {
    name: 'many channels',
    batch: 3,
    image: [9, 10],
    taps: [3, 3],
    channels: 65,
    filters: 3,
    padding: 'same',
  },
  {
    name: 'lines of tiles in parts',
    batch: 1,
    image: [5, 421],
    taps: [3, 3],
    channels: 28,
    filters: 12,
    padding: 'same',
  },
  { name: 'tiles of several images', batch: 7, image: [9, 8], taps: [3, 3], channels: 12, filters: 36 },
  {
    name: 'a volume',
    batch: 1,
    image: [9, 10, 11],
    taps: [2, 3, 2],
    channels: 2,
    filters: 3,
    padding: 'same',
  },
  {
    name: 'a volume, stride 2',
    batch: 2,
    image: [11, 16, 9],
    taps: [3, 1, 2],
    channels: 3,
    filters: 5,
    stride: 2,
  },
];

function attributesOf({
  image,
  taps,
  stride = 1,
  dilation = 1,
  padding = 'valid',
}: Large): ConvolutionAttributes {
  const all = (n: number): number[] => image.map(() => n);
  const where = windows([BATCH, ...image, 1], taps, all(stride), all(dilation), padding, 'test');
  const [a, b, c] = [...new Array<number>(3 - image.length).fill(1), ...all(dilation)] as [
    number,
    number,
    number,
  ];
  return { ...where, dilations: [a, b, c], groups: 1 };
}

const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);

/** The three convolutions of one set of operands; each its own graph. */
function compute(
  engine: Engine,
  large: Large,
  attributes: ConvolutionAttributes,
  x: Float32Array,
  w: Float32Array,
  dy: Float32Array,
) {
  const { batch, image, taps, channels, filters } = large;
  const grid = attributes.grid.slice(3 - image.length);
  const operand = {
    x: tensor([BATCH, ...image, channels], batch, () => x),
    w: tensor([...taps, channels, filters], 1, () => w),
    dy: tensor([BATCH, ...grid, filters], batch, () => dy),
  };
  const run = (
    op: 'convolution' | 'convolutionInput' | 'convolutionFilter',
    a: keyof typeof operand,
    b: keyof typeof operand,
  ) =>
    runGraph(engine, [operand[a], operand[b]], batch, (graph, inputs) => [
      graph.add(rules[op] as OpRule, inputs, attributes) as unknown as Tensor,
    ])[0]!;
  return [
    run('convolution', 'x', 'w'),
    run('convolutionInput', 'dy', 'w'),
    run('convolutionFilter', 'x', 'dy'),
  ];
}

describe.each(builds)('%s', (build) => {
  const engine = new Engine(build);

  it.each(CASES)('$name: the twin, and the same bits from two threads', async (large) => {
    const { batch, image, taps, channels, filters } = large;
    const attributes = attributesOf(large);
    const size = { ...attributes, batch, channels, filters };
    const random = generator(1);
    const positions = batch * product(attributes.grid);
    const x = uniform(random, batch * product(image) * channels);
    const w = uniform(random, product(taps) * channels * filters);
    const dy = uniform(random, positions * filters);
    const want = [
      twin.convolution(x, w, size),
      twin.convolutionInput(dy, w, size),
      twin.convolutionFilter(x, dy, size),
    ];
    const limits = [bounds.forward(x, w, size), bounds.input(dy, w, size), bounds.filter(x, dy, size)];
    const got = compute(engine, large, attributes, x, w, dy);
    for (const [i, values] of got.entries()) {
      expect(values.length).toBe(want[i]!.length);
      expect(shareOfBound(values, want[i]!, limits[i]!)).toBeLessThanOrEqual(1);
    }
    const two = compute(await engineOf(build, 2), large, attributes, x, w, dy);
    for (const [i, values] of got.entries()) expect(firstDifference(values, two[i]!)).toBe(-1);
  });
});
