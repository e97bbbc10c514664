import type * as Downhill from '../../src/index.ts';

/** What the page and Node both do, and compare: plain values only. */
export interface Work {
  readonly losses: readonly number[];
  readonly perceptron: readonly (readonly number[])[];
  readonly epochs: readonly Downhill.Logs[];
  readonly weights: readonly (readonly number[])[];
  readonly logits: readonly number[];
  readonly scores: Downhill.Logs;
  /** The saved model, byte by byte. */
  readonly bytes: readonly number[];
}

export const bits = ({ data }: { data: Float32Array }) => [
  ...new Int32Array(data.buffer, data.byteOffset, data.length),
];

/** Trains the perceptron and a small classifier, and saves and reads the latter. */
export async function work({
  sequential,
  dense,
  dropout,
  sgd,
  binaryCrossEntropy,
  Trainer,
  loadModel,
}: typeof Downhill): Promise<Work> {
  const common = { seed: 5, reproducible: true };
  const small = sequential({ inputShape: [2], ...common }, [
    dense(4, { activation: 'tanh', kernelInitializer: 'randomNormal' }),
    dense(1, { activation: 'sigmoid' }),
  ]);
  const textbook = await Trainer.create(small, {
    loss: binaryCrossEntropy({ fromLogits: false, clip: [0.01, 0.99] }),
    optimizer: sgd({ learningRate: 0.1 }),
  });
  const corners = [
    [0, 0],
    [1, 1],
    [1, 0],
    [0, 1],
  ];
  const history = await textbook.fit({ x: corners, y: [0, 1, 1, 0] }, { epochs: 1000 });

  const rows = 500;
  const x = Float32Array.from({ length: rows * 20 }, (_, i) => ((i * 7919) % 1009) / 504 - 1);
  const y = Uint8Array.from({ length: rows }, (_, row) =>
    [0, 1, 2, 3].reduce((most, c) => (x[row * 20 + c]! > x[row * 20 + most]! ? c : most), 0),
  );
  const data = { x: { data: x, shape: [rows, 20] }, y: { data: y, shape: [rows] } };
  const model = sequential({ inputShape: [20], ...common }, [
    dense(33, { activation: 'gelu' }),
    dropout(0.1),
    dense(4, { activation: 'softmax' }),
  ]);
  const trainer = await Trainer.create(model, { loss: 'crossEntropy', metrics: ['accuracy'] });
  const { epochs } = await trainer.fit(data, { epochs: 20, batchSize: 32, validationData: data });
  const bytes = model.toBytes();
  const again = await loadModel(bytes);
  return {
    losses: history.epochs.map(({ loss }) => loss),
    perceptron: small.getWeights().map(bits),
    epochs,
    weights: again.getWeights().map(bits),
    logits: bits(await again.predict(data.x)),
    scores: await trainer.evaluate(data),
    bytes: [...bytes],
  };
}
