import { pathToFileURL } from 'node:url';
import {
  adam,
  binaryAccuracy,
  binaryCrossEntropy,
  conv1d,
  dense,
  dropout,
  embedding,
  globalMaxPooling1d,
  sequential,
  Trainer,
} from 'downhill';
import { encode, loadMail, type Message, vocabularyOf } from './support/mail.ts';

const VOCABULARY = 8000;
/** Words of a message that the network reads. */
const LENGTH = 200;
/** Messages held out of five. */
const HELD_OUT = 1 / 5;
const LEARNING_RATE = 2e-3;

export interface SpamOptions {
  /** Of the split, the initial weights, the order of the rows and dropout. */
  seed: number;
  epochs: number;
  /** Messages, those held out included; all 5,875 by default. */
  messages?: number;
  threads: number;
}

/** Shares from 0 to 1, of held-out messages. */
export interface SpamScores {
  accuracy: number;
  /** Of those called spam, how many are. */
  precision: number;
  /** Of the spam, how much is found. */
  recall: number;
  f1: number;
  /** Accuracy of calling every message what most are. */
  majority: number;
}

/**
 * Trains a network to tell spam from real mail by its words: embeddings, a convolution over five words at a time, and
 * of each of its filters the strongest answer anywhere in the message (Kim 2014).
 */
export async function run({ seed, epochs, messages, threads }: SpamOptions): Promise<SpamScores> {
  const all = loadMail(seed).slice(0, messages);
  const count = Math.round(all.length * HELD_OUT);
  const [heldOut, train] = [all.slice(0, count), all.slice(count)];
  const spam = train.filter((message) => message.spam).length;
  console.log(`${train.length} messages to train on, ${spam} of them spam; ${heldOut.length} held out\n`);
  const vocabulary = vocabularyOf(train, VOCABULARY);

  const model = sequential({ inputShape: [LENGTH], seed }, [
    embedding(VOCABULARY, 32),
    dropout(0.2),
    conv1d(64, 5, { activation: 'relu' }),
    globalMaxPooling1d(),
    dropout(0.5),
    dense(1), // logit
  ]);
  console.log(`${model.summary()}\n`);
  const trainer = await Trainer.create(model, {
    loss: binaryCrossEntropy(),
    optimizer: adam({ learningRate: LEARNING_RATE }),
    metrics: [binaryAccuracy()],
    threads,
  });
  try {
    const history = await trainer.fit(encode(train, vocabulary, LENGTH), {
      epochs,
      batchSize: 64,
      onEpoch: ({ epoch, logs }) => {
        console.log(`epoch ${epoch}/${epochs}  loss ${logs.loss.toFixed(4)}`);
        trainer.learningRate = LEARNING_RATE * (1 - epoch / epochs);
      },
    });
    console.log(`\ntrained ${history.steps} steps in ${history.seconds.toFixed(1)} s, threads: ${threads}\n`);
  } finally {
    trainer.dispose();
  }
  const logits = (await model.predict(encode(heldOut, vocabulary, LENGTH).x)).data;
  return report(heldOut, logits);
}

/** Prints what was told apart and what was not. */
function report(messages: readonly Message[], logits: Float32Array): SpamScores {
  const called = (spam: boolean, as: boolean): number =>
    messages.filter((message, i) => message.spam === spam && logits[i]! > 0 === as).length;
  const [hit, missed, alarm, passed] = [called(true, true), called(true, false), called(false, true), called(false, false)]; // biome-ignore format: a row
  const precision = hit / (hit + alarm);
  const recall = hit / (hit + missed);
  const scores = {
    accuracy: (hit + passed) / messages.length,
    precision,
    recall,
    f1: (2 * precision * recall) / (precision + recall),
    majority: Math.max(hit + missed, alarm + passed) / messages.length,
  };
  const cell = (n: number): string => String(n).padStart(12);
  console.log('held-out messages');
  console.log(`                called mail called spam`);
  console.log(`  is mail      ${cell(passed)}${cell(alarm)}`);
  console.log(`  is spam      ${cell(missed)}${cell(hit)}\n`);
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`.padStart(8);
  console.log(`  precision ${percent(scores.precision)}     of those called spam, how many are`);
  console.log(`  recall    ${percent(scores.recall)}     of the spam, how much is found`);
  console.log(`  F1        ${percent(scores.f1)}`);
  console.log(`  accuracy  ${percent(scores.accuracy)}     calling everything mail: ${percent(scores.majority).trim()}, F1 0`); // biome-ignore format: a line
  const wrong = messages.flatMap(({ subject, spam }, i) => (spam === logits[i]! > 0 ? [] : [{ subject, spam, sure: Math.abs(logits[i]!) }])); // biome-ignore format: a line
  wrong.sort((a, b) => b.sure - a.sure);
  if (wrong.length > 0) console.log('\nthe surest mistakes');
  for (const { subject, spam } of wrong.slice(0, 4)) {
    console.log(`  ${spam ? 'spam' : 'mail'}  ${subject.replace(/\s+/g, ' ').slice(0, 70)}`);
  }
  return scores;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await run({ seed: 42, epochs: 6, threads: 2 });
}
