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
