import { describe, expect, it } from 'vitest';
import type { ChainLayer, SymbolicTensor, Tensor, TextGenerator, Weight } from '../../src/index.ts';
import {
  add,
  average,
  CustomLayer,
  dense,
  embedding,
  globalAveragePooling1d,
  input,
  lambda,
  layerNormalization,
  loadModel,
  type Model,
  model,
  multiHeadAttention,
  ops,
  positionEmbedding,
  prelu,
  sequential,
  sinePositionEncoding,
  textGenerator,
  transformerDecoder,
  transformerEncoder,
  UsageError,
} from '../../src/index.ts';
import { draw } from '../../src/train/generator.ts';
import { generator as random } from '../reference/numbers.ts';

const TOKENS = 11;

function decoder(context: number, layers: readonly ChainLayer[]): Model {
  return sequential({ inputShape: [context], seed: 5 }, [
    embedding(TOKENS, 12),
    ...layers,
    layerNormalization(),
    dense(TOKENS),
  ]);
}

const forms: readonly (readonly [string, () => readonly ChainLayer[]])[] = [
  ['learned positions', () => [positionEmbedding(), transformerDecoder({ numHeads: 3 })]],
  [
    'sines, grouped queries, two blocks',
    () => [
      sinePositionEncoding(),
      transformerDecoder({ numHeads: 4, numKeyValueHeads: 2 }),
      transformerDecoder({ numHeads: 2, numKeyValueHeads: 1, normalizeFirst: false, dropout: 0.1 }),
    ],
  ],
  ['rotary', () => [transformerDecoder({ numHeads: 2, rotary: true })]],
  [
    'functions and weights that are the same at all positions',
    () => [
      lambda((x) => ops.mul(ops.add(x, table(1)), 1 / x.shape[2]!)),
      prelu({ sharedAxes: [1], alphaInitializer: 'randomNormal' }),
      new Shift({ per: 'channel' }),
      transformerDecoder({ numHeads: 2 }),
    ],
  ],
  ['alibi, an attention alone', () => [multiHeadAttention({ numHeads: 3, causal: true, alibi: true })]],
];

/** Adds a weight: a number for each channel, or for each position and channel. */
class Shift extends CustomLayer<{ per: 'channel' | 'position' }> {
  static readonly type = 'Shift';
  shift!: Weight;

  override build(shape: readonly number[]) {
    const from = this.options.per === 'channel' ? 1 : 0;
    this.shift = this.addWeight('shift', shape.slice(from), { initializer: 'randomNormal' });
  }

  call(x: Tensor) {
    return ops.add(x, this.shift);
  }
}

/** Numbers [rows, 12], a row for each position. */
const table = (rows: number): number[][] =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: 12 }, (_, j) => Math.sin(i + 2 * j)));

const text = (count: number): number[] => {
  const next = random(3);
  return Array.from({ length: count }, () => Math.floor(next() * TOKENS));
};

describe('textGenerator', () => {
  it.each(forms)('%s: gives the logits of the whole context, bit for bit', async (_, layers) => {
    const context = 45;
    const decoding = decoder(context, layers());
    const tokens = text(context);
    const { data } = await decoding.predict([tokens]);
    const generator = textGenerator(decoding);
    // 33 at once: a chunk and one more; then one by one
    expect(generator.read(tokens.slice(0, 33))).toEqual(data.slice(32 * TOKENS, 33 * TOKENS));
    for (let i = 33; i < context; i++) {
      expect(generator.read([tokens[i]!])).toEqual(data.slice(i * TOKENS, (i + 1) * TOKENS));
    }
    generator.reset();
    expect(generator.read([tokens[0]!])).toEqual(data.slice(0, TOKENS));
  });

  it('goes through models within the model', async () => {
    const tokens = input([6]);
    const inner = sequential({ inputShape: [6, 12] }, [transformerDecoder({ numHeads: 2, alibi: true })]);
    const once = inner.apply(embedding(TOKENS, 12)(tokens));
    const outer = model({ inputs: tokens, outputs: dense(TOKENS)(add()([once, dense(12)(once)])) });
    const { data } = await outer.predict([text(6)]);
    expect(textGenerator(outer).read(text(6))).toEqual(data.slice(-TOKENS));
  });

  it('forgets the older half of a full context', () => {
    const decoding = decoder(8, forms[0]![1]());
    const tokens = text(30);
    const generator = textGenerator(decoding);
    const other = textGenerator(decoding);
    for (let i = 0; i < 8; i++) generator.read([tokens[i]!]);
    expect(generator.read([tokens[8]!])).toEqual(other.read(tokens.slice(4, 9)));
    other.reset();
    generator.reset();
    // of a long prompt the end is read
    expect(generator.read(tokens)).toEqual(other.read(tokens.slice(24)));
  });

  it('follows the weights of its model', () => {
    const decoding = decoder(8, forms[0]![1]());
    const generator = textGenerator(decoding);
    generator.read([1, 2, 3]);
    const weights = decoding.getWeights();
    for (const { data } of weights) for (let i = 0; i < data.length; i++) data[i] = data[i]! * 0.5 + 0.01;
    decoding.setWeights(weights);
    expect(generator.read([4])).toEqual(textGenerator(decoding).read([1, 2, 3, 4]));
  });

  it('writes the same text for the same seed, and ends at a stop', () => {
    const generator = textGenerator(decoder(16, forms[2]![1]()));
    const write = (options: Parameters<typeof generator.generate>[1]): number[] => {
      generator.reset();
      return [...generator.generate([1, 2], options)];
    };
    const some = write({ maxTokens: 30, seed: 4 });
    expect(some).toHaveLength(30);
    expect(write({ maxTokens: 30, seed: 4 })).toEqual(some);
    expect(write({ maxTokens: 30, seed: 5 })).not.toEqual(some);
    const stop = some[9]!;
    expect(write({ maxTokens: 30, seed: 4, stop: [stop] })).toEqual(some.slice(0, some.indexOf(stop) + 1));
    const likeliest = write({ temperature: 0 });
    expect(likeliest).toHaveLength(16);
    expect(write({ topK: 1, seed: 9 })).toEqual(likeliest);
  });

  it('draws in proportion to softmax(logits / temperature)', () => {
    const logits = Float32Array.of(1, 3, -1, 2);
    // e^3, e^2, e^1, e^-1 in this order: shares 0.657, 0.242, 0.089, 0.012
    const at = [0.6, 0.66, 0.89, 0.91, 0.98, 0.99].map((u) => draw(logits, 1, 4, u));
    expect(at).toEqual([1, 3, 3, 0, 0, 2]);
    // of the two likeliest at temperature 2: e^1.5 and e^1, shares 0.622 and 0.378
    expect([0.62, 0.63, 0.999].map((u) => draw(logits, 2, 2, u))).toEqual([1, 3, 3]);
  });

  describe('of a model that gives probabilities', () => {
    /** Whatever it reads, its heads give these probabilities, as softmax(log p). */
    const certain = (finish: (heads: readonly SymbolicTensor[]) => SymbolicTensor, ...heads: number[][]) => {
      const tokens = input([4]);
      const x = embedding(3, 2)(tokens);
      const softmax = (name: number) => dense(3, { activation: 'softmax', name: `head${name}` })(x);
      const made = model({ inputs: tokens, outputs: finish(heads.map((_, i) => softmax(i))) });
      made.setWeights(
        made.getWeights().map((weight) => {
          const [head, part] = weight.name.split('/');
          const p = part === 'bias' && heads[Number(head!.slice(4))];
          return { ...weight, data: p ? Float32Array.from(p, Math.log) : weight.data.fill(0) };
        }),
      );
      return made;
    };
    const count = (generator: TextGenerator): number[] => {
      const counts = [0, 0, 0];
      for (const token of generator.generate([0], { maxTokens: 300, seed: 1 })) counts[token]!++;
      return counts;
    };

    it('draws from them', () => {
      const generator = textGenerator(certain(([head]) => head!, [1, 2e-9, 2e-9]));
      expect(count(generator)).toEqual([300, 0, 0]);
      generator.reset();
      // what goes into the softmax: their logarithms
      const want = Float32Array.of(0, Math.log(2e-9), Math.log(2e-9));
      expect(generator.read([2])).toEqual(want);
    });

    it('draws from the average of two', async () => {
      const ensemble = certain((heads) => average()(heads), [1, 2e-9, 2e-9], [0.5, 2e-9, 0.5]);
      const generator = textGenerator(ensemble);
      const { data } = await ensemble.predict([[0, 0, 0, 0]]);
      expect(generator.read([0])).toEqual(data.slice(0, 3).map(Math.log));
      const [first, second, third] = count(generator) as [number, number, number];
      expect(second).toBe(0);
      // 225 and 75 are expected, with a deviation of 7.5
      expect(Math.abs(first - 225)).toBeLessThan(30);
      expect(first + third).toBe(300);
    });
  });

  it('goes through a file', async () => {
    const decoding = decoder(8, forms[1]![1]());
    const again = (await loadModel(decoding.toBytes())) as Model;
    expect(textGenerator(again).read([1, 2, 3])).toEqual(textGenerator(decoding).read([1, 2, 3]));
  });

  it.each<readonly [string, string, (context: number) => ChainLayer]>([
    ['a constant', 'lambda', (context) => lambda((x) => ops.add(x, table(context)))],
    ['a constant for each position alone', 'lambda', (context) =>
      lambda((x) => ops.mul(x, table(context).map(([first]) => [first!])))], // biome-ignore format: a row
    ['weights', 'prelu', () => prelu()],
    ['weights of a custom layer', 'Shift', () => new Shift({ per: 'position' })],
    ['a number made of the length', 'lambda', () => lambda((x) => ops.mul(x, 1 / x.shape[1]!))],
    ['a constant of that length', 'lambda', () => lambda((x) => ops.add(x, table(x.shape[1]!)))],
    ['other operations', 'lambda', () => lambda((x) => (x.shape[1] === 1 ? ops.tanh(x) : x))],
    ['other operations for long ones', 'lambda', () => lambda((x) => (x.shape[1]! > 2 ? ops.tanh(x) : x))],
  ])('refuses a layer that depends on the position: %s', (_, name, layer) => {
    // also as long as a chunk
    for (const context of [5, 32]) {
      const layers = [layer(context), transformerDecoder({ numHeads: 2 })];
      const message = new RegExp(`^textGenerator: layer '${name}' depends on the number of positions`);
      expect(() => textGenerator(decoder(context, layers))).toThrow(message);
    }
  });

  it('says what it cannot do', () => {
    const refuse = (layers: readonly ChainLayer[], message: RegExp): void =>
      expect(() => textGenerator(decoder(8, layers))).toThrow(message);
    refuse(
      [transformerEncoder({ numHeads: 2 })],
      /layer 'transformerEncoder\/attention': text is generated by causal/,
    );
    refuse([lambda((x) => ops.add(x, ops.slice(x, 0, 1, { axis: 1 })))], /layer 'lambda' mixes positions/);
    const pooled = sequential({ inputShape: [8] }, [embedding(5, 4), globalAveragePooling1d(), dense(5)]);
    expect(() => textGenerator(pooled)).toThrow(
      /textGenerator needs a model of one input, integers \[positions\]/,
    );
    const generator = textGenerator(decoder(8, [transformerDecoder({ numHeads: 2 })]));
    expect(() => generator.read([])).toThrow(UsageError);
    expect(() => generator.read([TOKENS])).toThrow(/read: token 0 must be an integer from 0 to 10, got 11/);
    expect(() => [...generator.generate([1], { temperature: -1 })]).toThrow(/generate: temperature/);
    expect(() => [...generator.generate([1], { topk: 3 } as object)]).toThrow(/did you mean 'topK'/);
  });
});
