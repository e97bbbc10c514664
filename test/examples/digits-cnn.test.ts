import { afterEach, expect, it, vi } from 'vitest';
import { run } from '../../examples/digits-cnn.ts';
import { type Digits, firstDigits, loadDigits, PIXELS, SIDE } from '../../examples/support/digits-data.ts';
import { distorted } from '../../examples/support/distort.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('reads most held-out digits after some epochs on few', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const accuracy = await run({ seed: 42, epochs: 5, rows: 800, threads: 1 });
  expect(accuracy).toBeGreaterThan(0.8);
  const printed = log.mock.calls.flat().join('\n');
  expect(printed).toContain('800 digits to train on, 200 held out');
  expect(printed).toMatch(/epoch 5\/5 {2}loss \d\.\d{4} {2}accuracy \d\d\.\d\d %/);
  expect(printed).toMatch(/trained [\d.]+ s, threads: 1/);
  expect(printed).toMatch(/on the held-out digits {2}loss \d\.\d{4} {2}accuracy \d\d\.\d\d %/);
  expect(printed).toMatch(/read as \d, is \d/);
});

/** Ink of an image, and the middle of it. */
function inkOf({ x }: Digits, image: number): { sum: number; row: number; column: number } {
  let [sum, row, column] = [0, 0, 0];
  x.data.subarray(image * PIXELS, (image + 1) * PIXELS).forEach((ink, i) => {
    sum += ink;
    row += ink * Math.floor(i / SIDE);
    column += ink * (i % SIDE);
  });
  return { sum, row: row / sum, column: column / sum };
}

it('turns, grows and moves digits a little, in another way for each seed', () => {
  const heldOut = firstDigits(loadDigits(0.8, 1).heldOut, 60);
  const [once, again, other] = [distorted(heldOut, 7), distorted(heldOut, 7), distorted(heldOut, 8)];
  expect(once.y).toBe(heldOut.y);
  expect(Buffer.compare(once.x.data, again.x.data)).toBe(0);
  expect(Buffer.compare(once.x.data, other.x.data)).not.toBe(0);
  for (let image = 0; image < heldOut.y.shape[0]; image++) {
    const [before, after] = [inkOf(heldOut, image), inkOf(once, image)];
    // 2 pixels, and what the turn and growth make of the distance from the middle
    expect(Math.abs(after.row - before.row)).toBeLessThan(3.5);
    expect(Math.abs(after.column - before.column)).toBeLessThan(3.5);
    // area grows with the square of 0.9 … 1.1; thin strokes are read between pixels
    expect(after.sum / before.sum).toBeGreaterThan(0.75);
    expect(after.sum / before.sum).toBeLessThan(1.27);
  }
});
