import type * as Downhill from '../../src/index.ts';
import { bits } from './work.ts';

const [ROWS, TIME, FEATURES, CLASSES] = [70, 9, 5, 3];

/** The class of a row is the third of its time in which feature 0 is largest. */
function sequences() {
  const x = Float32Array.from({ length: ROWS * TIME * FEATURES }, (_, i) => ((i * 7919) % 1009) / 504 - 1);
  const y = Uint8Array.from({ length: ROWS }, (_, row) => {
    const at = (t: number): number => x[(row * TIME + t) * FEATURES]!;
    const largest = Array.from({ length: TIME }, (_, t) => t).reduce((a, b) => (at(b) > at(a) ? b : a), 0);
    return Math.floor((largest * CLASSES) / TIME);
  });
  return { x: { data: x, shape: [ROWS, TIME, FEATURES] }, y: { data: y, shape: [ROWS] } };
}

/** Trains one model whose layers need all four modules of the core, saves it and predicts with what is loaded. */
export async function families({
  sequential,
  conv1d,
  layerNormalization,
  multiHeadAttention,
  CustomLayer,
  ops,
  lstm,
  dense,
  Trainer,
  adam,
  loadModel,
}: typeof Downhill) {
  /** x · sigmoid(x · kernel), each step less its mean. */
  class Gate extends CustomLayer {
    static readonly type = 'Gate';
    kernel!: Downhill.Weight;

    override build(shape: readonly number[]): void {
      this.kernel = this.addWeight('kernel', [shape.at(-1)!, shape.at(-1)!]);
    }

    call(x: Downhill.Tensor): Downhill.Tensor {
      const y = ops.mul(x, ops.sigmoid(ops.matmul(x, this.kernel)));
      return ops.sub(y, ops.mean(y, { axis: 2, keepDims: true }));
    }
  }

  const model = sequential({ inputShape: [TIME, FEATURES], seed: 3, reproducible: true }, [
    conv1d(8, 3, { padding: 'same', activation: 'relu' }), // spatial
    layerNormalization(), // tensors
    multiHeadAttention({ numHeads: 2, dropout: 0.1 }), // sequence
    new Gate(), // core
    lstm(8), // sequence
    dense(CLASSES),
  ]);
  const data = sequences();
  const trainer = await Trainer.create(model, {
    loss: 'crossEntropy',
    optimizer: adam({ learningRate: 0.01 }),
  });
  // the last batch is a smaller one
  const { epochs } = await trainer.fit(data, { epochs: 40, batchSize: 16 });
  const again = await loadModel(model.toBytes(), { layers: { Gate } });
  return {
    losses: epochs.map(({ loss }) => loss!),
    weights: again.getWeights().map(bits),
    logits: bits(await again.predict(data.x)),
  };
}
