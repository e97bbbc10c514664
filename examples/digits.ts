import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { accuracy, adam, crossEntropy, dense, dropout, loadModel, sequential, Trainer } from 'downhill';
import { type Digits, loadDigits, PIXELS } from './support/digits-data.ts';
import { confusionTable, drawDigit, sideBySide } from './support/draw.ts';

export interface DigitsOptions {
  /** Times that all training digits are seen. */
  epochs: number;
  /** Of the split, the initial weights, the order of the rows and dropout. */
  seed: number;
  /** Share of the digits to train on. */
  share: number;
  /** Where the model is saved. */
  path: string;
}

/** Trains a 784-128-10 network on real handwritten digits and shows how well it reads those it never saw. */
export async function run({ epochs, seed, share, path }: DigitsOptions): Promise<number> {
  const { train, heldOut } = loadDigits(share, seed);
  console.log(`${train.y.shape[0]} digits to train on, ${heldOut.y.shape[0]} held out\n`);

  const model = sequential({ inputShape: [PIXELS], seed }, [
    dense(128, { activation: 'relu', kernelInitializer: 'heNormal' }),
    dropout(0.3),
    dense(10), // logits
  ]);
  console.log(`${model.summary()}\n`);

  const trainer = await Trainer.create(model, {
    loss: crossEntropy(),
    optimizer: adam({ learningRate: 2e-3 }),
    metrics: [accuracy()],
  });
  const history = await trainer.fit(train, {
    epochs,
    batchSize: 64,
    onEpoch: ({ epoch }) => {
      if (epoch === Math.ceil((epochs * 2) / 3)) trainer.learningRate /= 5;
    },
  });
  const last = history.epochs.at(-1)!;
  const rate = Math.round(history.steps / history.seconds).toLocaleString('en-US');
  console.log(`trained ${history.steps} steps in ${history.seconds.toFixed(2)} s (${rate} steps/s)`);
  console.log(`  on the training digits  loss ${last.loss!.toFixed(4)}  accuracy ${percent(last.accuracy!)}`);

  const scores = await trainer.evaluate(heldOut);
  console.log(
    `  on the held-out digits  loss ${scores.loss!.toFixed(4)}  accuracy ${percent(scores.accuracy!)}\n`,
  );

  const logits = await model.predict(heldOut.x);
  report(heldOut, logits.data);

  await model.save(path);
  const again = await loadModel(path);
  const same = (await again.predict(heldOut.x)).data.every((value, i) => Object.is(value, logits.data[i]));
  if (!same) throw new Error(`the model read back from ${path} predicts something else`);
  console.log(`\nsaved to ${relative('.', path)}; read back, it predicts the same bits`);
  return scores.accuracy!;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

/** Confusion matrix, and the first digits that were misread. */
function report({ x, y }: Digits, logits: Float32Array): void {
  const counts = Array.from({ length: 10 }, () => new Array<number>(10).fill(0));
  const misread: { row: number; read: number }[] = [];
  y.data.forEach((digit, row) => {
    const own = logits.subarray(row * 10, row * 10 + 10);
    const read = own.indexOf(Math.max(...own));
    counts[digit]![read]! += 1;
    if (read !== digit) misread.push({ row, read });
  });
  console.log(confusionTable(counts));
  const shown = misread
    .slice(0, 3)
    .map(({ row, read }) => [
      `read as ${read}, is ${y.data[row]}`,
      ...drawDigit(x.data.subarray(row * PIXELS, (row + 1) * PIXELS)),
    ]);
  if (shown.length > 0) console.log(`\n${misread.length} misread, for example\n\n${sideBySide(shown)}`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await run({ epochs: 15, seed: 42, share: 0.8, path: join(tmpdir(), 'downhill-digits.safetensors') });
}
