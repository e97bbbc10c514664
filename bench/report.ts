// Tables for the terminal.
import { describe } from './network.ts';
import type { Case, Result } from './protocol.ts';

type Row = readonly string[];

/** Aligned columns under a title: the first `left` columns to the left, numbers to the right. */
export function table(title: string, head: Row, rows: readonly Row[], left: number, gap = 3): string {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (row: Row): string =>
    row
      .map((cell, i) => (i < left ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join(' '.repeat(gap))
      .trimEnd();
  const rule = '-'.repeat(widths.reduce((sum, width) => sum + width + gap, -gap));
  return [title, `  ${line(head)}`, `  ${rule}`, ...rows.map((row) => `  ${line(row)}`)].join('\n');
}

export interface Group {
  title: string;
  cases: readonly Case[];
}

/** A group becomes one table. */
export function groups(cases: readonly Case[]): Group[] {
  const found = new Map<string, Case[]>();
  for (const spec of cases) {
    const title = titleOf(spec);
    const list = found.get(title);
    if (list) list.push(spec);
    else found.set(title, [spec]);
  }
  return [...found].map(([title, members]) => ({ title, cases: members }));
}

function titleOf(spec: Case): string {
  switch (spec.kind) {
    case 'step':
    case 'first-step': {
      const what = `${describe(spec.layers)}, ${spec.batch} rows, ${spec.optimizer.name}`;
      return spec.kind === 'step'
        ? `One training step of ${spec.name}: ${what}`
        : `From creating the trainer to the end of the first step: ${what}`;
    }
    case 'gemm': {
      const form = { nn: 'A · B', nt: 'A · Bᵀ', tn: 'Aᵀ · B' }[spec.variant];
      return spec.m === spec.n && spec.n === spec.k
        ? `Square matrix products, ${form}`
        : 'Matrix products of the networks, M x N x K';
    }
    case 'pass':
      return `Passes over ${spec.n.toLocaleString('en-US')} float32 values`;
    case 'size':
      return 'What a page loads to train a perceptron: JavaScript and WebAssembly, gzip -9';
  }
}

/** The table of a group, from what was measured of it. */
export function groupTable({ title, cases }: Group, results: readonly Result[]): string {
  const kind = cases[0]!.kind;
  const rows: string[][] = [];
  const remarks = new Map<string, Set<string>>();
  for (const spec of cases) {
    const own = results.filter((result) => result.case === spec.name);
    const base = own.find(({ subject, counts }) => subject === 'downhill' && counts);
    own.forEach((result, i) => {
      const name = cases.length === 1 ? [] : [i === 0 ? spec.name : ''];
      const remark = remarkOf(result);
      const mark = remark === '' ? '' : result.counts ? ' *' : ' !';
      if (mark) {
        const text = ` ${mark} ${remark}`;
        remarks.set(text, (remarks.get(text) ?? new Set()).add(result.subject));
      }
      rows.push([...name, result.subject + mark, ...numbers(spec, result, base, results)]);
    });
  }
  const first = cases.length === 1 ? ['subject'] : ['case', 'subject'];
  const text = table(title, [...first, ...heads[kind]], rows, first.length);
  const notes = [...remarks].map(([remark, names]) => `${remark}: ${[...names].join(', ')}`);
  return [text, ...notes].join('\n');
}

/** What to know about a row. */
function remarkOf({ comparable, remark }: Result): string {
  const other = comparable ? [] : ['another algorithm: its loss is not comparable'];
  return [...other, ...(remark === null ? [] : [remark])].join('; ');
}

const time = ['median', 'min', 'samples'];
const heads: Record<Case['kind'], readonly string[]> = {
  step: [...time, 'GFLOP/s', '% of limit', 'at best', 'x downhill', 'loss'],
  'first-step': [...time, 'x downhill', 'loss'],
  gemm: [...time, 'GFLOP/s', '% of limit', 'at best', 'x downhill'],
  pass: [...time, 'GB/s', '% of a copy', 'x downhill'],
  size: ['KB', 'x downhill'],
};

function numbers(spec: Case, result: Result, base: Result | undefined, all: readonly Result[]): string[] {
  if (!result.counts) return heads[spec.kind].map((head) => (head === 'loss' ? lossText(result) : '-'));
  if (spec.kind === 'size') {
    const ratio = base ? times(result.bytes! / base.bytes!) : '-';
    return [(result.bytes! / 1000).toFixed(1), ratio];
  }
  const took = [duration(result.medianMs!), duration(result.minMs!), String(result.samples)];
  const ratio = base ? times(result.medianMs! / base.medianMs!) : '-';
  switch (spec.kind) {
    case 'first-step':
      return [...took, ratio, lossText(result)];
    case 'pass': {
      const speed = gigabytes(spec.bytes, result);
      const copies = all.filter((other) => other.case === 'copy' && other.counts);
      // 2 arrays in a copy, as spec.bytes has it
      const best = Math.max(...copies.map((other) => (8 * spec.n) / 1e6 / other.medianMs!));
      const share = copies.length > 0 ? `${((100 * speed) / best).toFixed(0)} %` : '-';
      return [...took, speed.toFixed(2), share, ratio];
    }
    default: {
      const share = percent(result.shareOfLimit);
      const best = percent(result.shareAtBest);
      const speed = result.gflops === null ? '-' : result.gflops.toFixed(result.gflops < 1 ? 3 : 1);
      const loss = spec.kind === 'step' ? [lossText(result)] : [];
      return [...took, speed, share, best, ratio, ...loss];
    }
  }
}

function percent(share: number | null): string {
  return share === null ? '-' : `${(100 * share).toFixed(1)} %`;
}

function gigabytes(bytes: number, { medianMs }: Result): number {
  return bytes / 1e6 / medianMs!;
}

function lossText({ finalLoss }: Result): string {
  return finalLoss === null ? '-' : finalLoss.toPrecision(6);
}

export function times(ratio: number): string {
  return ratio.toPrecision(ratio < 1000 ? 3 : 4).replace(/e\+?\d+$/, '');
}

/** Three to four digits in the unit that suits. */
export function duration(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toPrecision(4)} s`;
  if (ms >= 1) return `${ms.toPrecision(4)} ms`;
  if (ms >= 1e-3) return `${(ms * 1e3).toPrecision(4)} us`;
  return `${(ms * 1e6).toPrecision(3)} ns`;
}
