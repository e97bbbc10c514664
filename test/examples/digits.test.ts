import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { run } from '../../examples/digits.ts';
import { type Digits, loadDigits, PIXELS, withMoved } from '../../examples/support/digits-data.ts';

let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'digits-'));
});

afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

it('reads at least 96 % of the held-out digits, and shows what it misreads', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const accuracy = await run({ seed: 42, path: join(folder, 'digits.safetensors') });
  expect(accuracy).toBeGreaterThanOrEqual(0.96);
  const printed = log.mock.calls.flat().join('\n');
  expect(printed).toContain('8,000 digits to train on (40,000 with copies moved by a pixel), 2,000 held out');
  expect(printed).toMatch(/trained 1565 steps in [\d.]+ s \([\d,]+ steps\/s\)/);
  expect(printed).toMatch(/on the held-out digits {2}loss 0\.\d{4} {2}accuracy 9[67]\.\d\d %/);
  expect(printed).toMatch(/ is 9( +(\d+|·)){10}/);
  expect(printed).toMatch(/read as \d, is \d/);
  expect(printed).toContain('it predicts the same bits');
});

/** How often each digit occurs. */
function histogram({ y }: Digits): number[] {
  const counts = new Array<number>(10).fill(0);
  for (const digit of y.data) counts[digit]! += 1;
  return counts;
}

it('holds out a fifth of each digit, the same for the same seed', () => {
  const { train, heldOut } = loadDigits(0.8, 1);
  expect([train.y.shape, heldOut.y.shape]).toEqual([[8000], [2000]]);
  const [kept, out] = [histogram(train), histogram(heldOut)];
  kept.forEach((count, digit) => {
    expect(Math.abs(count / (count + out[digit]!) - 0.8)).toBeLessThan(0.001);
  });
  const first = ({ y }: Digits) => y.data.slice(0, 20).join('');
  expect(first(heldOut)).toBe('49920417912175982866');
  expect(first(loadDigits(0.8, 2).heldOut)).toBe('20025376169786911784');
});

it('moves digits by a pixel, and nothing around the edge', () => {
  const data = Uint8Array.from({ length: 2 * PIXELS }, (_, i) => 1 + (i % 251));
  const digits: Digits = {
    x: { data, shape: [2, PIXELS] },
    y: { data: Uint8Array.of(3, 8), shape: [2] },
  };
  const { x, y } = withMoved(digits);
  expect(y.data).toEqual(Uint8Array.of(3, 8, 3, 8, 3, 8, 3, 8, 3, 8));
  const pixel = (image: number, row: number, column: number): number =>
    row < 0 || row > 27 || column < 0 || column > 27 ? 0 : data[image * PIXELS + row * 28 + column]!;
  [
    [0, 0],
    [-1, 0],
    [1, 0],
    [0, -1],
    [0, 1],
  ].forEach(([down, right], copy) => {
    const expected = Uint8Array.from({ length: 2 * PIXELS }, (_, i) => {
      const [image, row, column] = [Math.floor(i / PIXELS), Math.floor((i % PIXELS) / 28), i % 28];
      return pixel(image, row - down!, column - right!);
    });
    expect(x.data.subarray(copy * 2 * PIXELS, (copy + 1) * 2 * PIXELS)).toEqual(expected);
  });
});
