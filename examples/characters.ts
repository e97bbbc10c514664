import { pathToFileURL } from 'node:url';
import {
  adamw,
  crossEntropy,
  dense,
  embedding,
  layerNormalization,
  type Model,
  positionEmbedding,
  sequential,
  Trainer,
  textGenerator,
  transformerDecoder,
} from 'downhill';
import { bitsOfCounts, readBook, windowsOf } from './support/book-data.ts';

/** What the model reads and writes: bytes. */
const BYTES = 256;
const LEARNING_RATE = 2e-3;

export interface CharactersOptions {
  /** Of the initial weights, the order of the windows, and the text that is written. */
  seed: number;
  blocks: number;
  width: number;
  heads: number;
  /** Bytes that the model sees at once. */
  context: number;
  /** Bytes of the book, from its beginning, to train on once; the held-out ones follow. */
  train: number;
  heldOut: number;
  /** Bytes to write. */
  write: number;
}

/** A small GPT (Radford et al. 2018): blocks of causal attention over bytes and their positions. */
export function charGpt({ seed, blocks, width, heads, context }: CharactersOptions): Model {
  return sequential({ inputShape: [context], seed }, [
    embedding(BYTES, width),
    positionEmbedding(),
    ...Array.from({ length: blocks }, () => transformerDecoder({ numHeads: heads })),
    layerNormalization({ epsilon: 1e-5 }),
    dense(BYTES), // logits of the next byte
  ]);
}

/**
 * Reads Moby-Dick once, byte by byte, says how well it then guesses the bytes of a part it never saw, and writes.
 * @returns Bits per held-out byte: of the trained model, and of tables that count bytes and pairs of bytes.
 */
export async function run(options: CharactersOptions) {
  const { seed, context, write } = options;
  const book = readBook();
  const train = book.subarray(0, options.train);
  const heldOut = book.subarray(options.train, options.train + options.heldOut);
  const [unigram, bigram] = ([0, 1] as const).map((order) => bitsOfCounts(train, heldOut, order));

  const model = charGpt(options);
  console.log(`${model.summary()}\n`);
  const trainer = await Trainer.create(model, {
    loss: crossEntropy(),
    optimizer: adamw({ learningRate: 0, weightDecay: 0.01 }),
    threads: 2,
  });
  const bits = async (): Promise<number> => {
    const { loss } = await trainer.evaluate(windowsOf(heldOut, context));
    return loss / Math.LN2;
  };
  const before = await bits();
  const windows = windowsOf(train, context);
  const steps = Math.ceil(windows.x.shape[0] / 16);
  const history = await trainer.fit(windows, {
    epochs: 1,
    batchSize: 16,
    onStep: ({ step, loss }) => {
      // up for a tenth of the way, then down along a cosine
      const [rise, rest] = [step / (0.1 * steps), (step / steps - 0.1) / 0.9];
      trainer.learningRate = LEARNING_RATE * (rise < 1 ? rise : 0.02 + 0.49 * (1 + Math.cos(Math.PI * rest)));
      if (step % 100 === 0)
        console.log(`step ${step} of ${steps}: ${(loss / Math.LN2).toFixed(2)} bits per byte`);
    },
  });
  const after = await bits();
  trainer.dispose();
  const rate = (history.steps / history.seconds).toFixed(1);
  console.log(`\ntrained ${history.steps} steps in ${history.seconds.toFixed(1)} s (${rate} steps/s)`);
  console.log('bits for each byte of a part that was held out');
  for (const [what, value] of [
    ['counts of bytes', unigram],
    ['counts of pairs', bigram],
    ['the model before', before],
    ['the model after', after],
  ] as const) {
    console.log(`  ${what.padEnd(18)}${value!.toFixed(2)}`);
  }

  const start = new TextEncoder().encode('The whale ');
  const tokens = textGenerator(model).generate(start, { maxTokens: write, temperature: 0.8, topK: 40, seed });
  const text = new TextDecoder().decode(Uint8Array.of(...start, ...tokens));
  console.log(`\n${text}`);
  return { unigram: unigram!, bigram: bigram!, before, after, text };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await run({
    ...{ seed: 1, blocks: 4, width: 128, heads: 4, context: 64 },
    ...{ train: 576_000, heldOut: 60_000, write: 600 },
  });
}
