// The floors of the project's plan, each checked against a run's results.
import type { Report, Result } from './protocol.ts';
import { table } from './report.ts';

interface Floor {
  what: string;
  floor: string;
  /** What was measured, and whether it holds; undefined when the run has not what it needs. */
  check(run: Run): { measured: string; atBest?: string; holds: boolean } | undefined;
}

class Run {
  constructor(readonly report: Report) {}

  find(name: string, subject = 'downhill'): Result | undefined {
    return this.report.results.find((r) => r.case === name && r.subject === subject && r.counts);
  }

  /** The same, unless vectors were joined to 256 bits: the floors are shares of the limit of 128. */
  find128(name: string): Result | undefined {
    return this.report.machine.revectorized ? undefined : this.find(name);
  }

  /** How many times as long as downhill a subject takes. */
  ratio(name: string, subject: string): number | undefined {
    const [rival, own] = [this.find(name, subject)?.medianMs, this.find(name)?.medianMs];
    return rival && own ? rival / own : undefined;
  }

  /** Node 24 has relaxed SIMD, a multiply-add in one instruction. */
  get relaxed(): boolean {
    return Number(this.report.machine.node.slice(1).split('.')[0]) >= 24;
  }
}

function faster(name: string, subject: string, least: number): Floor {
  return {
    what: `${name} step, ${subject}'s time`,
    floor: `>= ${least} x`,
    check(run) {
      const ratio = run.ratio(name, subject);
      return ratio === undefined
        ? undefined
        : { measured: `${ratio.toPrecision(3)} x`, holds: ratio >= least };
    },
  };
}

function share(name: string, least: number): Floor {
  return {
    what: `${name} step`,
    floor: `>= ${(100 * least).toFixed(0)} % of the limit`,
    check(run) {
      const found = run.find128(name);
      const value = found?.shareOfLimit;
      if (value == null) return undefined;
      return { measured: percent(value), atBest: percent(found!.shareAtBest!), holds: value >= least };
    },
  };
}

/** The slowest of the square products with these sides. */
function products(what: string, sides: readonly number[], least: (run: Run) => number, floor: string): Floor {
  return {
    what,
    floor,
    check(run) {
      const names = sides.flatMap((n) => ['nn', 'nt', 'tn'].map((variant) => `gemm-${variant}-${n}`));
      const found = names.map((name) => run.find128(name)).filter((r) => r?.shareOfLimit != null);
      if (found.length < names.length) return undefined;
      const worst = found.reduce((a, b) => (b!.shareOfLimit! < a!.shareOfLimit! ? b : a))!;
      const holds = worst.shareOfLimit! >= least(run);
      const atBest = percent(Math.min(...found.map((r) => r!.shareAtBest!)));
      return { measured: `${percent(worst.shareOfLimit!)} (${worst.case})`, atBest, holds };
    },
  };
}

function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

const floors: readonly Floor[] = [
  products(
    'matrix products, sides 96 and more',
    [96, 128, 250, 256, 333, 512, 1024],
    (run) => (run.relaxed ? 0.9 : 0.8),
    '>= 80 % of the limit, Node 24 90 %',
  ),
  products('matrix products, sides 32 and 64', [32, 64], () => 0.6, '>= 60 % of the limit'),
  faster('mnist-mlp', 'tfjs-wasm', 12),
  faster('mnist-mlp', 'jax-js', 3),
  faster('mnist-mlp', 'pytorch', 2),
  share('mnist-mlp', 0.7),
  share('wide-mlp', 0.75),
  faster('wide-mlp', 'pytorch', 1),
  ...['mnist-cnn', 'resnet-tiny', 'lstm', 'char-gpt'].flatMap((name) => [
    share(name, 0.55),
    faster(name, 'pytorch', 1),
  ]),
  faster('mnist-cnn', 'tfjs-cpu', 500),
  faster('lstm', 'tfjs-wasm', 15),
  faster('perceptron', 'numpy', 60),
  faster('perceptron', 'brain.js', 4),
  {
    what: 'creating a trainer and its first step, mnist-mlp',
    floor: '<= 30 ms',
    check(run) {
      const ms = run.find('first-step-mnist-mlp')?.medianMs;
      return ms == null ? undefined : { measured: `${ms.toFixed(1)} ms`, holds: ms <= 30 };
    },
  },
  {
    what: 'what a page loads to train a perceptron',
    floor: '<= 60 KB',
    check(run) {
      const bytes = run.find('size')?.bytes;
      return bytes == null
        ? undefined
        : { measured: `${(bytes / 1000).toFixed(1)} KB`, holds: bytes <= 60_000 };
    },
  },
];

/** The floors as a table; those that the run cannot tell are left out of a run of chosen cases or subjects. */
export function floorTable(report: Report, full: boolean): string | undefined {
  const run = new Run(report);
  const rows = floors.flatMap(({ what, floor, check }) => {
    const found = check(run);
    if (!found) return full ? [['-', what, floor, 'not measured', '']] : [];
    return [[found.holds ? 'holds' : 'FAILS', what, floor, found.measured, found.atBest ?? '']];
  });
  return rows.length > 0 ? table('Floors', ['', 'what', 'floor', 'measured', 'at best'], rows, 4) : undefined;
}
