import { afterEach, expect, it, vi } from 'vitest';
import { run } from '../../examples/characters.ts';
import { bitsOfCounts, readBook, windowsOf } from '../../examples/support/book-data.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('a small one learns more of the book than counting pairs would say, and writes', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const result = await run({
    ...{ seed: 1, blocks: 1, width: 48, heads: 2, context: 32 },
    ...{ train: 300_000, heldOut: 10_000, write: 80 },
  });
  // equal chances for 256 bytes are 8 bits
  expect(Math.abs(result.before - 8)).toBeLessThan(0.5);
  expect(result.unigram).toBeGreaterThan(4);
  expect(result.bigram).toBeLessThan(result.unigram);
  expect(result.after).toBeLessThan(result.bigram);
  expect(result.text).toMatch(/^The whale [\s\S]{60,}/);
  const printed = log.mock.calls.flat().join('\n');
  expect(printed).toMatch(/trained 586 steps in/);
  expect(printed).toContain(`the model after   ${result.after.toFixed(2)}`);
});

it('counts: the bits of a text whose frequencies are known', () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  // counts begin at 0.01 for each of 256 bytes: b comes twice in four, and twice in the three that follow an a
  const train = bytes('aabab');
  expect(bitsOfCounts(train, bytes('xab'), 0)).toBeCloseTo(-Math.log2(2.01 / 6.56), 12);
  expect(bitsOfCounts(train, bytes('ab'), 1)).toBeCloseTo(-Math.log2(2.01 / 5.56), 12);
});

it('windows: each byte with the one after it', () => {
  const { x, y } = windowsOf(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), 3);
  expect([x, y]).toEqual([
    { data: Uint8Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] },
    { data: Uint8Array.of(2, 3, 4, 5, 6, 7), shape: [2, 3] },
  ]);
  expect(readBook().length).toBe(1_204_997);
});
