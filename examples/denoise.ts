import { pathToFileURL } from 'node:url';
import {
  adam,
  conv2d,
  conv2dTranspose,
  maxPooling2d,
  meanSquaredError,
  reshape,
  sequential,
  Trainer,
} from 'downhill';
import { firstDigits, loadDigits, PIXELS, SIDE } from './support/digits-data.ts';
import { drawDigit, sideBySide } from './support/draw.ts';
import { pixelsOf, psnr, withNoise } from './support/noise.ts';

const NOISE = 0.4;
const LEARNING_RATE = 2e-3;
/** Digits that are drawn. */
const SHOWN = 3;

export interface DenoiseOptions {
  /** Of the split, the noise, the initial weights and the order of the rows. */
  seed: number;
  epochs: number;
  /** Digits to train on; a quarter as many are held out. */
  rows: number;
  threads: number;
}

/**
 * Trains a convolutional autoencoder to take noise off handwritten digits that it never saw.
 * @returns The peak signal-to-noise ratio of the held-out digits in decibels, before and after.
 */
export async function run({
  seed,
  epochs,
  rows,
  threads,
}: DenoiseOptions): Promise<{ before: number; after: number }> {
  const all = loadDigits(0.8, seed);
  const clean = pixelsOf(firstDigits(all.train, rows));
  const truth = pixelsOf(firstDigits(all.heldOut, rows / 4));
  const noisy = withNoise(truth, NOISE, seed);

  const same = { padding: 'same', activation: 'relu', kernelInitializer: 'heNormal' } as const;
  const model = sequential({ inputShape: [PIXELS], seed }, [
    reshape([SIDE, SIDE, 1]),
    conv2d(16, 3, same),
    maxPooling2d(), // to 14 x 14
    conv2d(32, 3, same),
    maxPooling2d(), // to 7 x 7: what it can tell of the digit
    conv2dTranspose(32, 4, { ...same, strides: 2 }), // back to 14 x 14
    conv2dTranspose(16, 4, { ...same, strides: 2 }), // back to 28 x 28
    conv2d(1, 3, { padding: 'same' }),
    reshape([PIXELS]),
  ]);
  console.log(`${model.summary()}\n`);

  const trainer = await Trainer.create(model, {
    loss: meanSquaredError(),
    optimizer: adam({ learningRate: LEARNING_RATE }),
    threads,
  });
  try {
    let seconds = 0;
    for (let epoch = 1; epoch <= epochs; epoch++) {
      trainer.learningRate = LEARNING_RATE * (1 - (epoch - 1) / epochs);
      // other noise each time, so that there is none to learn by heart
      const data = { x: withNoise(clean, NOISE, seed + epoch), y: clean };
      const history = await trainer.fit(data, { batchSize: 32 });
      seconds += history.seconds;
      console.log(`epoch ${epoch}/${epochs}  mean squared error ${history.epochs[0]!.loss.toFixed(4)}`);
    }
    console.log(`\ntrained ${seconds.toFixed(1)} s, threads: ${threads}; held-out digits:`);
  } finally {
    trainer.dispose();
  }

  const restored = (await model.predict(noisy)).data.map((pixel) => Math.min(1, Math.max(0, pixel)));
  const [before, after] = [noisy.data, restored].map((images) => psnr(images, truth.data)) as [
    number,
    number,
  ];
  console.log(`  with noise of ${NOISE} on every pixel  ${before.toFixed(2)} dB`);
  console.log(`  as the network restores them     ${after.toFixed(2)} dB\n`);
  const versions = [truth.data, noisy.data, restored];
  for (let row = 0; row < Math.min(SHOWN, truth.shape[0]); row++) {
    const drawn = versions.map((images) =>
      drawDigit(Uint8Array.from(images.subarray(row * PIXELS, (row + 1) * PIXELS), (pixel) => 255 * pixel)),
    );
    console.log(
      `${sideBySide(drawn.map((lines, i) => [['as written', 'with noise', 'restored'][i]!, ...lines]))}\n`,
    );
  }
  return { before, after };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await run({ seed: 42, epochs: 5, rows: 8000, threads: 2 });
}
