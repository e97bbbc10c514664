import { type Digits, PIXELS } from './digits-data.ts';
import { confusionTable, drawDigit, sideBySide } from './draw.ts';

export function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

/** Prints the confusion matrix of held-out digits, and the first that were misread. */
export function reportReading({ x, y }: Digits, logits: Float32Array): void {
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
