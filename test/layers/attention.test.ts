import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ChainLayer } from '../../src/index.ts';
import {
  add,
  dense,
  dropout,
  input,
  layerNormalization,
  loadModel,
  type Model,
  model,
  multiHeadAttention,
  positionEmbedding,
  sequential,
  sgd,
  sinePositionEncoding,
  Trainer,
  transformerDecoder,
  transformerEncoder,
} from '../../src/index.ts';
import { each, loose } from '../errors/support.ts';
import { deviation, randomValues } from '../train/support.ts';

interface Values {
  name: string;
  shape: number[];
  data: number[];
}

interface Golden {
  x: [Values, Values, Values];
  y: Values;
  initialWeights: Values[];
  losses: number[];
  finalWeights: Values[];
  finalOutput: Values;
}

const golden: Golden = JSON.parse(
  readFileSync(new URL('../golden/attention.json', import.meta.url), 'utf8'),
).decoder;
const typed = ({ name, shape, data }: Values) => ({ name, shape, data: Float32Array.from(data) });

const ROWS = 5;
const [TIME, KEYS, CHANNELS] = [6, 9, 8];
const some = (...shape: number[]) => {
  const size = shape.reduce((a, b) => a * b);
  return { data: randomValues(size, size), shape };
};

describe('transformerDecoder', () => {
  it('with a memory and its padding trains as nn.TransformerDecoderLayer', async () => {
    const [x, memory, mask] = [input([3, 4]), input([5, 4]), input([5])];
    const block = transformerDecoder({ numHeads: 2, intermediateDim: 6, mask: true });
    const trained = model({
      inputs: { x, memory, mask },
      outputs: block([x, memory, mask]),
      reproducible: true,
    });
    trained.setWeights(golden.initialWeights.map(typed));
    const optimizer = sgd({ learningRate: 0.05, momentum: 0.5 });
    const trainer = await Trainer.create(trained, { loss: 'meanSquaredError', optimizer });
    const inputs = Object.fromEntries(golden.x.map((values) => [values.name, typed(values)]));
    const losses: number[] = [];
    const options = { epochs: golden.losses.length, batchSize: 2 };
    await trainer.fit(
      { x: inputs, y: typed(golden.y) },
      { ...options, onStep: (event) => losses.push(event.loss) },
    );
    expect(deviation(losses, golden.losses)).toBeLessThan(1e-5);
    const weights = trained.getWeights();
    expect(weights.map(({ name, shape }) => [name, shape])).toEqual(
      golden.finalWeights.map(({ name, shape }) => [name, shape]),
    );
    weights.forEach(({ name, data }, i) => {
      expect(deviation(data, golden.finalWeights[i]!.data), name).toBeLessThan(1e-5);
    });
    const { data } = trained.predictSync(inputs);
    expect(deviation(data, golden.finalOutput.data)).toBeLessThan(1e-5);
  });

  it('in its plain form is layers one can write down', () => {
    const block = transformerDecoder({ numHeads: 2, intermediateDim: 7, activation: 'relu' });
    const one = sequential({ inputShape: [TIME, CHANNELS], seed: 3 }, [block]);
    const x = input([TIME, CHANNELS]);
    const norm = () => layerNormalization({ epsilon: 1e-5 });
    const attended = add()([x, multiHeadAttention({ numHeads: 2, causal: true })(norm()(x))]);
    const hidden = dense(7, { activation: 'relu' })(norm()(attended));
    const written = model({ inputs: x, outputs: add()([attended, dense(CHANNELS)(hidden)]), seed: 3 });
    const data = some(ROWS, TIME, CHANNELS);
    written.setWeights(
      one.getWeights().map((weight, i) => ({ ...weight, name: written.getWeights()[i]!.name })),
    );
    expect(written.predictSync(data)).toEqual(one.predictSync(data));
  });

  it('is frozen as a whole', async () => {
    const frozen = sequential({ inputShape: [TIME, CHANNELS], seed: 3 }, [
      transformerDecoder({ numHeads: 2, name: 'block' }),
      dense(2),
    ]);
    frozen.freeze('block');
    const before = frozen.getWeights();
    const trainer = await Trainer.create(frozen, { loss: 'meanSquaredError' });
    await trainer.fit({ x: some(ROWS, TIME, CHANNELS), y: some(ROWS, TIME, 2) }, { epochs: 1 });
    const changed = frozen
      .getWeights()
      .filter(({ data }, i) => data.some((v, j) => v !== before[i]!.data[j]));
    expect(changed.map(({ name }) => name)).toEqual(['dense/kernel', 'dense/bias']);
  });

  it('names its weights by the layers within', () => {
    const block = transformerDecoder({ numHeads: 4, numKeyValueHeads: 1, name: 'block' });
    const { layout } = sequential({ inputShape: [TIME, CHANNELS] }, [block]);
    expect(layout.list.map(({ name, shape }) => [name, shape])).toEqual([
      ['block/attentionNormalization/gamma', [8]],
      ['block/attentionNormalization/beta', [8]],
      ['block/attention/kernel', [8, 12]],
      ['block/attention/bias', [12]],
      ['block/attention/outputKernel', [8, 8]],
      ['block/attention/outputBias', [8]],
      ['block/denseNormalization/gamma', [8]],
      ['block/denseNormalization/beta', [8]],
      ['block/denseIntermediate/kernel', [8, 32]],
      ['block/denseIntermediate/bias', [32]],
      ['block/denseOutput/kernel', [32, 8]],
      ['block/denseOutput/bias', [8]],
    ]);
  });
});

const layers: readonly (readonly [string, () => readonly ChainLayer[]])[] = [
  [
    'multiHeadAttention',
    () => [multiHeadAttention({ numHeads: 2, dropout: 0.2, kernelRegularizer: { l1: 0, l2: 0.1 } })],
  ],
  [
    'multiHeadAttention with all options',
    () => [
      multiHeadAttention({
        ...{
          numHeads: 4,
          keyDim: 6,
          numKeyValueHeads: 2,
          causal: true,
          rotary: true,
          alibi: true,
          name: 'heads',
        },
        ...{ useBias: false, kernelInitializer: 'heNormal', trainable: true },
      }),
    ],
  ],
  ['transformerEncoder', () => [positionEmbedding(), transformerEncoder({ numHeads: 2, dropout: 0.3 })]],
  [
    'transformerDecoder, twice',
    () => [
      sinePositionEncoding(),
      transformerDecoder({ numHeads: 2, normalizeFirst: false, activation: 'silu' }),
      dropout(0.1),
      transformerDecoder({ numHeads: 4, epsilon: 1e-3 }),
    ],
  ],
];

async function train(make: () => readonly ChainLayer[], threads: number): Promise<Model> {
  const trained = sequential({ inputShape: [TIME, CHANNELS], seed: 9 }, [...make(), dense(2)]);
  const optimizer = sgd({ learningRate: 0.1 });
  const trainer = await Trainer.create(trained, { loss: 'meanSquaredError', optimizer, threads });
  const data = { x: some(ROWS, TIME, CHANNELS), y: some(ROWS, TIME, 2) };
  await trainer.fit(data, { epochs: 3, batchSize: 3 });
  trainer.dispose();
  return trained;
}

describe.each(layers)('%s', (_, make) => {
  it('trains to the same bits on two threads, and comes through a file', async () => {
    const trained = await train(make, 1);
    expect((await train(make, 2)).getWeights()).toEqual(trained.getWeights());
    const again = await loadModel(trained.toBytes());
    expect(again.toConfig()).toEqual(trained.toConfig());
    expect(again.getWeights()).toEqual(trained.getWeights());
    const x = some(ROWS, TIME, CHANNELS);
    expect(again.predictSync(x)).toEqual(trained.predictSync(x));
  });
});

describe('multiHeadAttention', () => {
  it('does not see what its mask hides, and comes through a file with all its inputs', async () => {
    const inputs = { x: input([TIME, CHANNELS]), memory: input([KEYS, 3]), mask: input([KEYS]) };
    const attention = multiHeadAttention({ numHeads: 2, mask: true });
    const masked = model({ inputs, outputs: attention([inputs.x, inputs.memory, inputs.mask]), seed: 2 });
    const x = some(ROWS, TIME, CHANNELS);
    const memory = some(ROWS, KEYS, 3);
    const shown = [1, 0, 1, 1, 0, 0, 1, 1, 0];
    const mask = {
      data: Float32Array.from({ length: ROWS * KEYS }, (_, i) => shown[i % KEYS]!),
      shape: [ROWS, KEYS],
    };
    const want = masked.predictSync({ x, memory, mask });
    const other = memory.data.map((value, i) => (shown[Math.floor(i / 3) % KEYS] ? value : value + 7));
    expect(masked.predictSync({ x, memory: { ...memory, data: other }, mask })).toEqual(want);
    const again = await loadModel(masked.toBytes());
    expect(again.toConfig()).toEqual(masked.toConfig());
    expect(again.predictSync({ x, memory, mask })).toEqual(want);
  });

  it('where nothing is seen gives its bias', () => {
    const [x, mask] = [input([TIME, CHANNELS]), input([TIME])];
    const outputs = multiHeadAttention({ numHeads: 2, mask: true, biasInitializer: 'ones' })([x, mask]);
    const hidden = model({ inputs: [x, mask], outputs });
    const { data } = hidden.predictSync([
      some(1, TIME, CHANNELS),
      { data: new Float32Array(TIME), shape: [1, TIME] },
    ]);
    expect(data).toEqual(new Float32Array(TIME * CHANNELS).fill(1));
  });

  it.each([
    ['more keys than queries', 3, 5],
    ['more queries than keys', 5, 3],
    ['as many', 4, 4],
  ])('causal across, %s: position i sees keys 0 to i', (_, queries, count) => {
    const inputs = { x: input([queries, 2]), memory: input([count, 2]) };
    const attention = multiHeadAttention({ numHeads: 1, causal: true, useBias: false });
    const causal = model({ inputs, outputs: attention([inputs.x, inputs.memory]) });
    // all projections are the identity: q = x, k = v = memory
    const data: Record<string, number[]> = {
      queryKernel: [1, 0, 0, 1],
      keyValueKernel: [1, 0, 1, 0, 0, 1, 0, 1],
      outputKernel: [1, 0, 0, 1],
    };
    causal.setWeights(
      causal.getWeights().map((w) => ({ ...w, data: Float32Array.from(data[w.name.split('/')[1]!]!) })),
    );
    const x = some(1, queries, 2);
    const memory = some(1, count, 2);
    const at = (values: Float32Array, i: number): readonly [number, number] => [
      values[2 * i]!,
      values[2 * i + 1]!,
    ];
    const want = Array.from({ length: queries }, (_, i) => {
      const [a, b] = at(x.data, i);
      const seen = Array.from({ length: Math.min(i + 1, count) }, (_, j) => at(memory.data, j));
      const shares = seen.map(([c, d]) => Math.exp((a * c + b * d) / Math.SQRT2));
      const total = shares.reduce((sum, share) => sum + share);
      return [0, 1].map((n) => seen.reduce((sum, v, j) => sum + (shares[j]! / total) * v[n]!, 0));
    });
    expect(deviation(causal.predictSync({ x, memory }).data, want.flat())).toBeLessThan(1e-6);
  });

  it('rotary and alibi: what counts is the distance of positions, not where they are', () => {
    const options = { numHeads: 2, rotary: true, alibi: true, mask: true };
    const of = (time: number) => {
      const [x, mask] = [input([time, CHANNELS]), input([time])];
      return model({ inputs: [x, mask], outputs: multiHeadAttention(options)([x, mask]), seed: 1 });
    };
    const x = some(1, TIME, CHANNELS);
    const before = some(1, 2, CHANNELS);
    const here = of(TIME).predictSync([x, { data: new Float32Array(TIME).fill(1), shape: [1, TIME] }]);
    // the same behind two that are hidden
    const later = of(TIME + 2).predictSync([
      { data: Float32Array.of(...before.data, ...x.data), shape: [1, TIME + 2, CHANNELS] },
      { data: new Float32Array(TIME + 2).fill(1).fill(0, 0, 2), shape: [1, TIME + 2] },
    ]);
    const largest = Math.max(...here.data.map(Math.abs));
    // projections, turns, scores, their exponentials and sums: fewer than 100 roundings in a row
    const bound = 100 * 2 ** -24 * largest;
    here.data.forEach((value, i) => {
      expect(Math.abs(later.data[2 * CHANNELS + i]! - value)).toBeLessThan(bound);
    });
  });
});

describe('errors', () => {
  const chain = (layer: ChainLayer, shape = [TIME, CHANNELS]) => sequential({ inputShape: shape }, [layer]);
  const heads = loose.multiHeadAttention!;
  each([
    [
      'numHeads',
      () => heads({}),
      'multiHeadAttention: numHeads must be an integer of at least 1, got undefined',
    ],
    ['an option', () => heads({ numHeads: 2, useCausalMask: true }), "has no option 'useCausalMask'"],
    [
      'groups',
      () => heads({ numHeads: 4, numKeyValueHeads: 3 }),
      'numKeyValueHeads must divide the 4 heads of the queries, got 3',
    ],
    [
      'heads',
      () => chain(multiHeadAttention({ numHeads: 3 })),
      "layer 'multiHeadAttention': 3 heads do not divide its 8 channels; give keyDim",
    ],
    [
      'pairs',
      () => chain(multiHeadAttention({ numHeads: 2, keyDim: 3, rotary: true })),
      'keyDim must be even, got 3',
    ],
    [
      'rank',
      () => chain(transformerEncoder({ numHeads: 2 }), [8]),
      "layer 'transformerEncoder/attention': multiHeadAttention needs [batch, positions, channels], got [batch, 8]",
    ],
    [
      'a mask that is missing',
      () => chain(multiHeadAttention({ numHeads: 2, mask: true })),
      'its last input must be a mask',
    ],
    [
      'a mask of another length',
      () => multiHeadAttention({ numHeads: 2, mask: true })([input([TIME, CHANNELS]), input([TIME + 1])]),
      'a mask needs a number for each key, [batch, 6], got [batch, 7]',
    ],
    [
      'rotary across',
      () =>
        multiHeadAttention({ numHeads: 2, rotary: true })([input([TIME, CHANNELS]), input([KEYS, CHANNELS])]),
      'rotary needs self-attention',
    ],
    [
      'too many inputs',
      () => multiHeadAttention({ numHeads: 2 })([1, 2, 3].map(() => input([TIME, CHANNELS]))),
      'takes 1 to 2 inputs in an array, got 3',
    ],
    [
      'positions',
      () => chain(positionEmbedding(), [8]),
      'positionEmbedding needs [batch, positions, channels]',
    ],
    [
      'sines',
      () => chain(sinePositionEncoding(), [8]),
      'sinePositionEncoding needs [batch, positions, channels]',
    ],
    [
      'a block',
      () => loose.transformerDecoder!({ numHeads: 2, epsilon: 0 }),
      'transformerDecoder: epsilon must be a number > 0',
    ],
  ]);
});
