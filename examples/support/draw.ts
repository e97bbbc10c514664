const SHADES = ' ░▒▓█';
const SIDE = 28;

/** An image of bytes in half its rows, a character for two pixels above each other. */
export function drawDigit(pixels: Uint8Array): string[] {
  const lines: string[] = [];
  for (let row = 0; row < SIDE; row += 2) {
    let line = '';
    for (let column = 0; column < SIDE; column++) {
      const above = pixels[row * SIDE + column] ?? 0;
      const below = pixels[(row + 1) * SIDE + column] ?? 0;
      line += SHADES[Math.round(((above + below) / 510) * (SHADES.length - 1))];
    }
    lines.push(line);
  }
  return lines;
}

/** Blocks of lines next to each other. */
export function sideBySide(blocks: readonly (readonly string[])[], gap = '   '): string {
  const height = Math.max(0, ...blocks.map((block) => block.length));
  const widths = blocks.map((block) => Math.max(...block.map((line) => line.length)));
  const lines = Array.from({ length: height }, (_, i) =>
    blocks.map((block, b) => (block[i] ?? '').padEnd(widths[b]!)).join(gap),
  );
  return lines.join('\n');
}

/** counts[actual][predicted] as a table; zeros are dots. */
export function confusionTable(counts: readonly (readonly number[])[]): string {
  const width = Math.max(3, ...counts.flat().map((n) => String(n).length)) + 1;
  const cell = (n: number) => (n === 0 ? '·' : String(n)).padStart(width);
  const head = `         ${counts.map((_, digit) => String(digit).padStart(width)).join('')}   read as`;
  const rows = counts.map((row, digit) => {
    const total = row.reduce((a, b) => a + b, 0);
    const share = total === 0 ? '' : `   ${((100 * row[digit]!) / total).toFixed(1)} %`;
    return `   is ${digit}  ${row.map(cell).join('')}${share}`;
  });
  return [head, ...rows].join('\n');
}

/** Two series over each other, the mean of `each` values in a column: · the first, o the second, * both. */
export function plot(first: readonly number[], second: readonly number[], each: number): string {
  const means = (values: readonly number[]): number[] =>
    Array.from({ length: Math.ceil(values.length / each) }, (_, i) => {
      const part = values.slice(i * each, (i + 1) * each);
      return part.reduce((a, b) => a + b, 0) / part.length;
    });
  const [a, b] = [means(first), means(second)];
  const [low, high] = [Math.ceil(Math.min(...a, ...b)) - 1, Math.ceil(Math.max(...a, ...b))];
  const step = Math.max(1, Math.ceil((high - low) / 12));
  const lines: string[] = [];
  for (let level = high; level > low; level -= step) {
    const here = (value: number): boolean => value <= level && value > level - step;
    const cells = a.map((value, i) => (here(value) ? (here(b[i]!) ? '*' : '·') : here(b[i]!) ? 'o' : ' '));
    lines.push(`${String(level).padStart(5)} |${cells.join('')}`.trimEnd());
  }
  return lines.join('\n');
}
