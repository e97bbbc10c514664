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
import { firstDigits, loadDigits, PIXELS, SIDE, withMoved } from './support/digits-data.ts';
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
  const train = withMoved(firstDigits(all.train, rows));
  const heldOut = firstDigits(all.heldOut, rows / 4);
  const [copies, out] = [train, heldOut].map(({ y }) => y.shape[0].toLocaleString('en-US'));
  console.log(`${rows.toLocaleString('en-US')} digits to train on, as ${copies} copies moved by up to a pixel; ${out} held out\n`); // biome-ignore format: a line

  const relu = { activation: 'relu', kernelInitializer: 'heNormal' } as const;
  const model = sequential({ inputShape: [PIXELS], seed }, [
    rescaling(1 / 255), // bytes to 0 … 1
    reshape([SIDE, SIDE, 1]),
    conv2d(16, 3, relu),
    maxPooling2d(),
    conv2d(32, 3, relu),
    maxPooling2d(),
    flatten(),
    dropout(0.4),
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
    const history = await trainer.fit(train, {
      epochs,
      batchSize: 128,
      onEpoch: ({ epoch, logs }) => {
        console.log(
          `epoch ${epoch}/${epochs}  loss ${logs.loss.toFixed(4)}  accuracy ${percent(logs.accuracy!)}`,
        );
        trainer.learningRate = LEARNING_RATE * (1 - epoch / epochs);
      },
    });
    console.log(`\ntrained ${history.steps} steps in ${history.seconds.toFixed(1)} s, threads: ${threads}`);
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
  await run({ seed: 42, epochs: 8, rows: 8000, threads: 2 });
}
