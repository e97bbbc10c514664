import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  accuracy,
  adam,
  crossEntropy,
  dense,
  dropout,
  loadModel,
  rescaling,
  sequential,
  Trainer,
} from 'downhill';
import { loadDigits, PIXELS, withMoved } from './support/digits-data.ts';
import { percent, reportReading } from './support/reading.ts';

const EPOCHS = 5;
const LEARNING_RATE = 3e-3;

export interface DigitsOptions {
  /** Of the split, the initial weights, the order of the rows and dropout. */
  seed: number;
  /** Where the model is saved. */
  path: string;
}

/**
 * Trains a 784-128-10 network on real handwritten digits and shows how well it reads those it never saw.
 * @returns Share of the held-out digits that it reads.
 */
export async function run({ seed, path }: DigitsOptions): Promise<number> {
  const { train, heldOut } = loadDigits(0.8, seed);
  // a digit moved by a pixel is the same digit: four such copies of each are worth 1.7 points on the held-out ones
  const moved = withMoved(train);
  const [real, all, out] = [train, moved, heldOut].map(({ y }) => y.shape[0].toLocaleString('en-US'));
  console.log(`${real} digits to train on (${all} with copies moved by a pixel), ${out} held out\n`);

  const model = sequential({ inputShape: [PIXELS], seed }, [
    rescaling(1 / 255), // bytes to 0 … 1
    dense(128, { activation: 'relu', kernelInitializer: 'heNormal' }),
    dropout(0.2),
    dense(10), // logits
  ]);
  console.log(`${model.summary()}\n`);

  const trainer = await Trainer.create(model, {
    loss: crossEntropy(),
    optimizer: adam({ learningRate: LEARNING_RATE }),
    metrics: [accuracy()],
  });
  const history = await trainer.fit(moved, {
    epochs: EPOCHS,
    batchSize: 128,
    onEpoch: ({ epoch, epochs }) => {
      trainer.learningRate = LEARNING_RATE * (1 - epoch / epochs);
    },
  });
  const rate = Math.round(history.steps / history.seconds).toLocaleString('en-US');
  console.log(`trained ${history.steps} steps in ${history.seconds.toFixed(2)} s (${rate} steps/s)`);

  const seen = await trainer.evaluate(train);
  const scores = await trainer.evaluate(heldOut);
  console.log(`  on the training digits  loss ${seen.loss.toFixed(4)}  accuracy ${percent(seen.accuracy!)}`);
  console.log(
    `  on the held-out digits  loss ${scores.loss.toFixed(4)}  accuracy ${percent(scores.accuracy!)}\n`,
  );

  const logits = await model.predict(heldOut.x);
  reportReading(heldOut, logits.data);

  await model.save(path);
  const again = await loadModel(path);
  const same = (await again.predict(heldOut.x)).data.every((value, i) => Object.is(value, logits.data[i]));
  if (!same) throw new Error(`the model read back from ${path} predicts something else`);
  console.log(`\nsaved to ${path}; read back, it predicts the same bits`);
  return scores.accuracy!;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  // a folder of its own: the one for temporary files is everybody's
  const folder = await mkdtemp(join(tmpdir(), 'downhill-'));
  await run({ seed: 42, path: join(folder, 'digits.safetensors') });
}
