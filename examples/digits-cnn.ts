import { pathToFileURL } from 'node:url';
import {
  accuracy,
  adam,
  conv2d,
  crossEntropy,
  dense,
  dropout,
  flatten,
  maxPooling2d,
  rescaling,
  reshape,
  sequential,
  Trainer,
} from 'downhill';
import { firstDigits, loadDigits, PIXELS, SIDE } from './support/digits-data.ts';
import { distorted } from './support/distort.ts';
import { percent, reportReading } from './support/reading.ts';

const LEARNING_RATE = 3e-3;

export interface DigitsCnnOptions {
  /** Of the split, the initial weights, the order of the rows and dropout. */
  seed: number;
  epochs: number;
  /** Digits to train on; a quarter as many are held out. */
  rows: number;
  threads: number;
}

/**
 * Trains a small convolutional network on real handwritten digits.
 * @returns Share of the held-out digits that it reads.
 */
export async function run({ seed, epochs, rows, threads }: DigitsCnnOptions): Promise<number> {
  const all = loadDigits(0.8, seed);
  const [train, heldOut] = [firstDigits(all.train, rows), firstDigits(all.heldOut, rows / 4)];
  const [count, out] = [train, heldOut].map(({ y }) => y.shape[0].toLocaleString('en-US'));
  console.log(`${count} digits to train on, ${out} held out\n`);

  const relu = { activation: 'relu', kernelInitializer: 'heNormal' } as const;
  const model = sequential({ inputShape: [PIXELS], seed }, [
    rescaling(1 / 255), // bytes to 0 … 1
    reshape([SIDE, SIDE, 1]),
    conv2d(16, 3, relu),
    maxPooling2d(),
    conv2d(32, 3, relu),
    maxPooling2d(),
    flatten(),
    dropout(0.3),
    dense(64, relu),
    dropout(0.3),
    dense(10), // logits
  ]);
  console.log(`${model.summary()}\n`);

  const trainer = await Trainer.create(model, {
    loss: crossEntropy(),
    optimizer: adam({ learningRate: LEARNING_RATE }),
    metrics: [accuracy()],
    threads,
  });
  try {
    let seconds = 0;
    for (let epoch = 1; epoch <= epochs; epoch++) {
      trainer.learningRate = LEARNING_RATE * (1 - (epoch - 1) / epochs);
      // each epoch sees the digits turned and moved in other ways
      const history = await trainer.fit(distorted(train, seed + epoch), { batchSize: 64 });
      const { loss, accuracy } = history.epochs[0]!;
      console.log(`epoch ${epoch}/${epochs}  loss ${loss.toFixed(4)}  accuracy ${percent(accuracy!)}`);
      seconds += history.seconds;
    }
    console.log(`\ntrained ${seconds.toFixed(1)} s, threads: ${threads}`);
    const scores = await trainer.evaluate(heldOut);
    console.log(
      `on the held-out digits  loss ${scores.loss.toFixed(4)}  accuracy ${percent(scores.accuracy!)}\n`,
    );
    reportReading(heldOut, (await model.predict(heldOut.x)).data);
    return scores.accuracy!;
  } finally {
    trainer.dispose();
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await run({ seed: 42, epochs: 20, rows: 8000, threads: 2 });
}
