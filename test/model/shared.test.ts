import { describe, expect, it } from 'vitest';
import {
  batchNormalization,
  CustomLayer,
  dense,
  input,
  loadModel,
  type Model,
  model,
  ops,
  sequential,
  type Tensor,
  Trainer,
  type Weight,
} from '../../src/index.ts';
import { each } from '../errors/support.ts';
import { randomValues } from '../train/support.ts';

const ROWS = 40;
const x = { data: randomValues(ROWS * 4, 1), shape: [ROWS, 4] };

/** An autoencoder, and its encoder, made before or after it. */
function autoencoder() {
  const image = input([4]);
  const code = dense(2, { activation: 'tanh', name: 'code' })(batchNormalization({ name: 'norm' })(image));
  const copy = dense(4, { name: 'copy' })(code);
  const whole = model({ inputs: image, outputs: copy, seed: 1 });
  const encoder = model({ inputs: image, outputs: code, seed: 2 });
  return { whole, encoder, code, image };
}

type Net = ReturnType<typeof autoencoder>['whole'];

const values = (net: Net, layer: string) =>
  net
    .getWeights()
    .filter(({ name }) => name.startsWith(`${layer}/`))
    .map(({ data }) => [...data]);

async function train(net: Net, y: object): Promise<void> {
  const trainer = await Trainer.create(net, { loss: 'meanSquaredError' });
  await trainer.fit({ x, y: y as number[] }, { epochs: 3, onEpoch: () => {} });
}

describe('layers that are part of two graphs', () => {
  it('have one set of weights from the start: those of the graph made first', async () => {
    const { whole, encoder } = autoencoder();
    const alone = autoencoder().whole;
    expect(values(encoder, 'code')).toEqual(values(whole, 'code'));
    expect(whole.getWeights()).toEqual(alone.getWeights());
  });

  it('one graph uses what the other trains, in both directions', async () => {
    const { whole, encoder } = autoencoder();
    const before = await encoder.predict(x);
    await train(whole, x);
    const trained = await encoder.predict(x);
    expect(trained).not.toEqual(before);
    for (const layer of ['norm', 'code']) expect(values(encoder, layer)).toEqual(values(whole, layer));
    // it is what the autoencoder itself computes
    const twin = autoencoder();
    await train(twin.whole, x);
    const both = model({ inputs: twin.image, outputs: [twin.code] });
    expect((await both.predict(x))[0]).toEqual(trained);

    const copies = await whole.predict(x);
    await train(encoder, { data: randomValues(ROWS * 2, 2), shape: [ROWS, 2] });
    expect(values(whole, 'code')).toEqual(values(encoder, 'code'));
    expect(await whole.predict(x)).not.toEqual(copies);
  });

  it('while one trains, the other has its weights in each callback, and may set them', async () => {
    const { whole, encoder } = autoencoder();
    const trainer = await Trainer.create(whole, { loss: 'meanSquaredError' });
    const same: boolean[] = [];
    await trainer.fit(
      { x, y: x },
      {
        epochs: 3,
        onEpoch: ({ epoch }) => {
          same.push(JSON.stringify(values(encoder, 'code')) === JSON.stringify(values(whole, 'code')));
          if (epoch < 3) return;
          encoder.setWeights(encoder.getWeights().map((w) => ({ ...w, data: w.data.map(() => 0.5) })));
        },
      },
    );
    expect(same).toEqual([true, true, true]);
    expect(new Set(values(whole, 'code').flat())).toEqual(new Set([0.5]));
    expect(new Set(values(whole, 'copy').flat()).size).toBeGreaterThan(4);
  });

  it('train each in turn, as if there were one model', async () => {
    const { whole, encoder } = autoencoder();
    const y = { data: randomValues(ROWS * 2, 2), shape: [ROWS, 2] };
    await train(whole, x);
    await train(encoder, y);
    await train(whole, x);

    const one = autoencoder().whole;
    const two = autoencoder().encoder;
    const take = (to: Net, from: Net) =>
      to.setWeights(to.getWeights().map((w) => from.getWeights().find(({ name }) => name === w.name) ?? w));
    await train(one, x);
    take(two, one);
    await train(two, y);
    take(one, two);
    await train(one, x);
    expect(whole.getWeights()).toEqual(one.getWeights());
  });

  it("also within a model within another, and of a class of one's own", async () => {
    class Scale extends CustomLayer {
      static readonly type = 'Scale';
      factor!: Weight;
      override build() {
        this.factor = this.addWeight('factor', [1], { initializer: 'ones' });
      }
      call(t: Tensor) {
        return ops.mul(t, this.factor);
      }
    }
    const a = input([4]);
    const scaled = new Scale().apply(a);
    const net = model({ inputs: a, outputs: scaled });
    const part = model({ inputs: a, outputs: dense(2)(scaled), name: 'part' });
    const outer = sequential({ inputShape: [4] }, [part, dense(1)]);
    await train(
      outer as Net,
      Array.from({ length: ROWS }, () => 1),
    );
    const { data } = net.getWeights()[0]!;
    expect(data[0]).not.toBe(1);
    expect(outer.getWeights()[0]!.data).toEqual(data);
    const again = await loadModel(outer.toBytes(), { layers: { Scale } });
    expect(await again.predict(x)).toEqual(await outer.predict(x));
  });
});

describe('a layer cannot be shared', () => {
  const layer = dense(2, { name: 'both' });
  const a = input([4]);
  const first = model({ inputs: a, outputs: layer(a), name: 'first' });
  const second = model({ inputs: a, outputs: dense(2)(layer(a)), name: 'second' });

  each([
    [
      'with weights of other shapes',
      () => {
        const narrow = input([3]);
        return model({ inputs: narrow, outputs: layer(narrow) });
      },
      "model: layer 'both' is part of a model made before, whose weights it shares: its kernel is [4, 2] there and [3, 2] " +
        'here; make another layer',
    ],
    [
      'by a model and one within it',
      () => model({ inputs: a, outputs: [first.apply(a), layer(a)] }),
      "model: layer 'both' is part of two models within this one",
    ],
    [
      'by two models within one',
      () => model({ inputs: a, outputs: [first.apply(a), second.apply(a)] }),
      "model: layer 'both' is part of two models within this one",
    ],
  ]);
});

describe('layers of a model that was loaded', () => {
  /** All layers but the last one, applied to another input. */
  function features(trained: Model) {
    const image = input([4]);
    const code = trained.layers.slice(0, -1).reduce((t, layer) => layer.apply(t), image);
    return { image, code };
  }

  it.each([
    ['graph', () => autoencoder().whole],
    [
      'chain',
      () =>
        sequential({ inputShape: [4], seed: 1 }, [
          batchNormalization({ name: 'norm' }),
          dense(2, { activation: 'tanh', name: 'code' }),
          dense(4, { name: 'copy' }),
        ]),
    ],
  ])('are shared with a graph that is made of them: a %s', async (_, make) => {
    const trained = make();
    await train(trained, x);
    const loaded = await loadModel(trained.toBytes());
    const { image, code } = features(loaded);
    const classifier = model({ inputs: image, outputs: dense(3, { name: 'class' })(code), seed: 9 });
    for (const layer of ['norm', 'code']) expect(values(classifier, layer)).toEqual(values(trained, layer));

    // a new head on frozen features, then all of it
    const y = { data: Float32Array.from({ length: ROWS }, (_, i) => i % 3), shape: [ROWS] };
    classifier.freeze('norm', 'code');
    await (await Trainer.create(classifier, { loss: 'crossEntropy' })).fit({ x, y });
    expect(values(classifier, 'code')).toEqual(values(trained, 'code'));
    classifier.unfreeze();
    await (await Trainer.create(classifier, { loss: 'crossEntropy' })).fit({ x, y });
    expect(values(classifier, 'code')).not.toEqual(values(trained, 'code'));
    expect(values(loaded, 'code')).toEqual(values(classifier, 'code'));
  });

  it('are not there twice: a chain within the graph and its layers beside it', () => {
    const chain = sequential({ inputShape: [4], seed: 1 }, [dense(4, { name: 'code' })]);
    const image = input([4]);
    const both = () => model({ inputs: image, outputs: chain.layers[0]!.apply(chain.apply(image)) });
    expect(both).toThrow(
      "model: layer 'code' is part of two models within this one, so its weights would be there twice; apply one of " +
        'them, and the layers of the other to what it gives',
    );
  });
});
