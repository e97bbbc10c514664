import { describe, expect, it } from 'vitest';
import { adam, dense, input, lambda, model, ops, sequential, Trainer } from '../../src/index.ts';
import { decodeModel } from '../../src/train/model-file.ts';
import { matrix, pair, pairData } from './support.ts';

const weightsOf = (net: { getWeights(): readonly { name: string; data: Float32Array }[] }) =>
  Object.fromEntries(net.getWeights().map(({ name, data }) => [name, [...data]]));

/** Squared eight times, each in float32. */
function squared8(x: number): number {
  let y = x;
  for (let i = 0; i < 8; i++) y = Math.fround(y * y);
  return y;
}

describe('freezing', () => {
  it('leaves layers as they are until they are unfrozen, and the optimizer goes on', async () => {
    const net = pair();
    const trainer = await Trainer.create(net, { loss: { kind: 'crossEntropy', size: 'meanSquaredError' } });
    await trainer.fit(pairData());
    net.freeze('left', 'sizeLayer');
    const before = weightsOf(net);
    await trainer.fit(pairData());
    const frozen = weightsOf(net);
    const same = Object.keys(before).filter((name) => frozen[name]!.join() === before[name]!.join());
    expect(same).toEqual(['left/kernel', 'left/bias', 'sizeLayer/kernel', 'sizeLayer/bias']);
    net.unfreeze();
    await trainer.fit(pairData());
    const after = weightsOf(net);
    expect(Object.keys(after).filter((name) => after[name]!.join() === frozen[name]!.join())).toEqual([]);
  });

  it('while training takes hold with the next fit, norm clipping and validation included', async () => {
    const run = async (freezeAt: number) => {
      const net = pair();
      const trainer = await Trainer.create(net, {
        loss: { kind: 'crossEntropy', size: 'meanSquaredError' },
        optimizer: adam({ globalClipNorm: 0.1 }),
      });
      const onEpoch = ({ epoch }: { epoch: number }) => {
        if (epoch === freezeAt) net.freeze('left');
      };
      await trainer.fit(pairData(), { epochs: 4, validationData: pairData(), onEpoch });
      return weightsOf(net);
    };
    expect(await run(1)).toEqual(await run(4));
  });

  it('works on all layers at once, and is written to the file', async () => {
    const net = sequential({ inputShape: [4] }, [dense(3), dense(3)]);
    net.freeze();
    expect(decodeModel(net.toBytes()).frozen).toEqual(['dense', 'dense_1']);
    const before = weightsOf(net);
    const trainer = await Trainer.create(net, { loss: 'meanSquaredError' });
    await trainer.fit({ x: matrix(9, 4, 1), y: matrix(9, 3, 2) }, { epochs: 2 });
    expect(weightsOf(net)).toEqual(before);
  });
});

describe('a model as a layer', () => {
  const parts = () => {
    const encoder = sequential({ inputShape: [4], name: 'encoder', seed: 5 }, [
      dense(2, { activation: 'tanh' }),
    ]);
    const x = input([4]);
    const net = model({ inputs: x, outputs: dense(4, { name: 'decoder' })(encoder.apply(x)) });
    return { encoder, net };
  };

  it('brings its weights and shares them', async () => {
    const { encoder, net } = parts();
    expect(weightsOf(net)['encoder/dense/kernel']).toEqual(weightsOf(encoder)['dense/kernel']);
    const rows = matrix(20, 4, 1);
    const trainer = await Trainer.create(net, { loss: 'meanSquaredError' });
    const before = encoder.predictSync(rows);
    await trainer.fit({ x: rows, y: rows }, { epochs: 2 });
    expect(weightsOf(net)['encoder/dense/kernel']).toEqual(weightsOf(encoder)['dense/kernel']);
    expect(encoder.predictSync(rows)).not.toEqual(before);
    const old = net.predictSync(rows);
    encoder.setWeights(encoder.getWeights().map((w) => ({ ...w, data: w.data.map((v) => v / 2) })));
    expect(net.predictSync(rows)).not.toEqual(old);
    const scores = await trainer.evaluate({ x: rows, y: rows });
    const { data } = net.predictSync(rows);
    const error = data.reduce((sum, v, i) => sum + (v - rows.data[i]!) ** 2 / data.length, 0);
    expect(scores.loss).toBeCloseTo(error, 6);
  });

  it('trains to the same bits as its layers in the place of it', async () => {
    const { net } = parts();
    const flat = sequential({ inputShape: [4] }, [dense(2, { activation: 'tanh' }), dense(4)]);
    flat.setWeights(net.getWeights().map((w, i) => ({ ...w, name: flat.getWeights()[i]!.name })));
    const rows = matrix(20, 4, 1);
    for (const each of [net, flat]) {
      const trainer = await Trainer.create(each, { loss: 'meanSquaredError' });
      await trainer.fit({ x: rows, y: rows }, { epochs: 3, batchSize: 6 });
    }
    expect(Object.values(weightsOf(net))).toEqual(Object.values(weightsOf(flat)));
  });

  it('can be frozen, from outside and from inside', async () => {
    const rows = matrix(20, 4, 1);
    const change = [
      ({ net }: ReturnType<typeof parts>) => net.freeze('encoder'),
      ({ encoder }: ReturnType<typeof parts>) => encoder.freeze(),
    ];
    for (const freeze of change) {
      const both = parts();
      freeze(both);
      const before = weightsOf(both.net);
      const trainer = await Trainer.create(both.net, { loss: 'meanSquaredError' });
      await trainer.fit({ x: rows, y: rows });
      const after = weightsOf(both.net);
      expect(after['encoder/dense/kernel']).toEqual(before['encoder/dense/kernel']);
      expect(after['decoder/kernel']).not.toEqual(before['decoder/kernel']);
    }
  });

  it('is not traced again where it is applied, so parts within parts cost nothing', () => {
    let traces = 0;
    const inner = lambda((x) => {
      traces++;
      return ops.square(x);
    });
    const x = input([2]);
    let net = model({ inputs: x, outputs: inner(x) });
    const before = traces;
    for (let depth = 0; depth < 3; depth++) {
      const y = input([2]);
      net = model({ inputs: y, outputs: net.apply(net.apply(y)) });
    }
    expect(traces).toBe(before);
    // 8 squares one after the other
    expect([...net.predictSync([[1.001, -1]]).data]).toEqual([Math.fround(1.001), -1].map(squared8));
  });

  it('applied twice has its weights once, and may have several inputs and outputs', () => {
    const inner = pair({ name: 'inner' });
    const [a, b] = [input([4]), input([3])];
    const { kind } = inner.apply({ a, b });
    const { size } = inner.apply([a, b]);
    const net = model({ inputs: { a, b }, outputs: { kind, size } });
    expect(net.parameterCount).toBe(inner.parameterCount);
    const { x } = pairData();
    expect(net.predictSync(x)).toEqual(inner.predictSync(x));
    expect(decodeModel(net.toBytes()).predictSync(x)).toEqual(net.predictSync(x));
  });
});
