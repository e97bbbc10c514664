import { pathToFileURL } from 'node:url';
import {
  adam,
  binaryCrossEntropy,
  dense,
  type Model,
  sequential,
  sgd,
  Trainer,
  type WeightTensor,
} from 'downhill';

/*
 * The two-layer perceptron of textbook introductions: 2 inputs -> 4 tanh -> 1 sigmoid, trained on four rows by
 * full-batch gradient descent. The targets are the first input.
 */
export const X = [
  [0, 0],
  [1, 1],
  [1, 0],
  [0, 1],
];
export const Y = [[0], [1], [1], [0]];

/** Normally distributed weights and biases, written out so that anybody can follow the numbers. */
export const START = [
  [1.39501309, 2.170017, 0.737704933, 0.561118305, 1.23402441, 0.950228453, -0.528154671, 0.650133908],
  [0.35934481, -0.196753338, 0.872479975, -0.565958738],
  [-0.387100875, 0.539054811, 0.214330211, -0.0896515027],
  [-0.357004225],
];

const EPOCHS = 10_000;

/** The same start for a model of this architecture. */
function withStart(model: Model): Model {
  const tensors: WeightTensor[] = model.getWeights();
  model.setWeights(tensors.map((tensor, i) => ({ ...tensor, data: Float32Array.from(START[i]!) })));
  return model;
}

/**
 * As the textbook writes it: probabilities clipped to [0.01, 0.99]; the gradient of the output is (clipped p - y);
 * kernels get gradients summed over the batch, biases the mean of the four rows, which is a quarter of the sum.
 */
export async function textbook(): Promise<{ model: Model; trainer: Trainer }> {
  const model = withStart(
    sequential({ inputShape: [2] }, [
      dense(4, { activation: 'tanh', biasLearningRateScale: 1 / 4 }),
      dense(1, { activation: 'sigmoid', biasLearningRateScale: 1 / 4 }),
    ]),
  );
  const trainer = await Trainer.create(model, {
    loss: binaryCrossEntropy({ fromLogits: false, clip: [0.01, 0.99], reduction: 'sum' }),
    optimizer: sgd({ learningRate: 0.01 }),
  });
  return { model, trainer };
}

/** The same network as one would write it today: a loss on logits, means over the batch, Adam. */
async function today(): Promise<{ model: Model; trainer: Trainer }> {
  const model = withStart(
    sequential({ inputShape: [2] }, [dense(4, { activation: 'tanh' }), dense(1, { activation: 'sigmoid' })]),
  );
  const trainer = await Trainer.create(model, {
    loss: binaryCrossEntropy(), // on what goes into the last sigmoid
    optimizer: adam({ learningRate: 0.01 }),
  });
  return { model, trainer };
}

/** Trains, and gives the mean loss of the four rows before the first epoch and after each 1,000. */
export async function losses(trainer: Trainer, scale = 1): Promise<number[]> {
  const data = { x: X, y: Y };
  const { epochs } = await trainer.fit(data, { epochs: EPOCHS, batchSize: 4, progress: false });
  // an epoch's loss is that of the weights before its step
  const seen = epochs.filter((_, epoch) => epoch % 1000 === 0).map(({ loss }) => loss * scale);
  return [...seen, (await trainer.evaluate(data)).loss * scale];
}

/** Trains both and prints their losses and predictions. */
export async function main(): Promise<void> {
  const [old, now] = [await textbook(), await today()];
  const begun = performance.now();
  const oldLosses = await losses(old.trainer, 1 / 4); // reduction 'sum': the mean over four rows
  const nowLosses = await losses(now.trainer);
  const seconds = (performance.now() - begun) / 1000;

  console.log(' epoch   textbook      today');
  oldLosses.forEach((loss, i) => {
    const epoch = String(i * 1000).padStart(6);
    console.log(`${epoch}   ${loss.toFixed(6)}   ${nowLosses[i]!.toExponential(2)}`);
  });

  const p = (await old.model.predict(X)).data;
  const q = (await now.model.predict(X)).data;
  console.log('\n inputs   target   textbook      today');
  X.forEach((row, i) => {
    console.log(`   ${row.join(' ')}      ${Y[i]![0]}      ${p[i]!.toFixed(6)}   ${q[i]!.toFixed(6)}`);
  });
  console.log(`
Both start from the same weights. The textbook clips probabilities to [0.01, 0.99], so its loss cannot fall below
-log 0.99 = 0.01005; it sums the gradients of the kernels over the batch and averages those of the biases, at a rate
of 0.01. Today's loss works on logits, which need no clipping, and takes means; Adam sets the step of each weight.
2 x ${EPOCHS.toLocaleString('en-US')} epochs took ${seconds.toFixed(2)} s.`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
