import { afterEach, expect, it, vi } from 'vitest';
import { run } from '../../examples/spam.ts';
import { encode, type Message, PADDING, UNKNOWN, vocabularyOf } from '../../examples/support/mail.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('tells spam from mail better than calling all of it mail, after some epochs on few messages', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const { accuracy, precision, recall, f1, majority } = await run({
    seed: 42,
    epochs: 5,
    messages: 1000,
    threads: 1,
  });
  expect(majority).toBe(0.67);
  expect(accuracy).toBeGreaterThan(majority + 0.08);
  expect(f1).toBeCloseTo((2 * precision * recall) / (precision + recall), 9);
  const printed = log.mock.calls.flat().join('\n');
  expect(printed).toMatch(/^800 messages to train on, 2\d\d of them spam; 200 held out$/m);
  const [mail, alarm] = /is mail +(\d+) +(\d+)/.exec(printed)!.slice(1).map(Number) as [number, number];
  const [missed, hit] = /is spam +(\d+) +(\d+)/.exec(printed)!.slice(1).map(Number) as [number, number];
  expect([mail + alarm, missed + hit]).toEqual([134, 66]);
  expect([hit / (hit + alarm), hit / (hit + missed)]).toEqual([precision, recall]);
  expect(printed).toMatch(/calling everything mail: 67\.0 %, F1 0/);
});

it('numbers the most frequent words, and fills up short messages', () => {
  const message = (text: string, spam: boolean): Message => ({ subject: '', words: text.split(' '), spam });
  const messages = [message('buy now buy', true), message('see you now', false)];
  const vocabulary = vocabularyOf(messages, 4);
  expect([...vocabulary]).toEqual([
    ['buy', 2],
    ['now', 3],
  ]);
  const { x, y } = encode(messages, vocabulary, 4);
  expect(x.shape).toEqual([2, 4]);
  expect([...x.data]).toEqual([2, 3, 2, PADDING, UNKNOWN, UNKNOWN, 3, PADDING]);
  expect([...y.data]).toEqual([1, 0]);
});
