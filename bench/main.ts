// npm run bench: measures every chosen subject in every chosen case and prints tables. See README.md.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { floorTable } from './floors.ts';
import { availability, elsewhere, isRevectorized } from './install.ts';
import { probeLimit } from './limit.ts';
import { median } from './measure.ts';
import { type Options, readOptions, run } from './options.ts';
import { root } from './paths.ts';
import type { Case, Measured, Report, Result } from './protocol.ts';
import { groups, groupTable } from './report.ts';
import { runChild } from './run.ts';
import { type Subject, takes } from './subjects.ts';

/** Fresh processes of the first-step case. */
const FIRST_STEPS = 7;

async function measure(
  spec: Case,
  subject: Subject,
  env: Record<string, string>,
  timeMs: number,
): Promise<Result> {
  const request = { case: spec.name, subject: subject.name, timeMs };
  let measured: Measured;
  try {
    measured = await runChild(request, env);
    if (spec.kind === 'first-step' && measured.counts) {
      const all = [measured];
      while (all.length < FIRST_STEPS) all.push(await runChild(request, env));
      const ms = all.map(({ medianMs }) => medianMs!).sort((a, b) => a - b);
      measured = { ...measured, medianMs: median(ms), minMs: ms[0]!, samples: ms.length };
    }
  } catch (error) {
    const none = { medianMs: null, minMs: null, samples: 0, finalLoss: null, limitGflops: null, bytes: null };
    measured = { ...none, remark: (error as Error).message, counts: false };
  }
  const { medianMs, limitGflops, counts } = measured;
  const flops = 'flops' in spec ? spec.flops : null;
  const gflops = counts && flops !== null && medianMs !== null ? flops / 1e6 / medianMs : null;
  const shareOfLimit = gflops !== null && limitGflops !== null ? gflops / limitGflops : null;
  return { case: spec.name, subject: subject.name, ...measured, flops, gflops, shareOfLimit };
}

async function runAll(options: Options): Promise<Report> {
  const machine = {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    v8: process.versions.v8,
    revectorized: isRevectorized(),
  };
  let limitGflops = probeLimit();
  console.log(
    `${machine.cpu}, ${machine.platform}, Node ${machine.node}; one thread; ` +
      `limit of ${machine.revectorized ? 'multiply-adds joined to 256 bits' : 'SIMD128 multiply-adds'} ${limitGflops.toFixed(1)} GFLOP/s\n`,
  );
  const present = availability(options.subjects);
  const results: Result[] = [];
  const pairs = options.cases.flatMap((spec) =>
    present.ready.filter(({ subject }) => takes(subject, spec)).map((entry) => ({ spec, ...entry })),
  );
  let done = 0;
  for (const group of groups(options.cases)) {
    for (const { spec, subject, env } of pairs.filter((pair) => group.cases.includes(pair.spec))) {
      status(`${++done}/${pairs.length}  ${spec.name}  ${subject.name}`);
      const result = await measure(spec, subject, env, options.timeMs);
      limitGflops = Math.max(limitGflops, result.limitGflops ?? 0);
      results.push(result);
    }
    status('');
    const own = results.filter((result) => group.cases.some(({ name }) => name === result.case));
    if (own.length > 0) console.log(`${groupTable(group, own)}\n`);
  }
  for (const { name, why } of present.missing) console.log(`${name} was not measured: ${why}`);
  return { machine, limitGflops, results };
}

/** One line on the terminal that the next one replaces. */
function status(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === 'shown') return 0;
  const code = elsewhere(options, process.argv.slice(1));
  if (code !== undefined) return code;
  const report = await runAll(options);
  const floors = floorTable(report, options.full);
  if (floors) console.log(floors);
  const name = `node-${process.versions.node}${report.machine.revectorized ? '-256' : ''}.json`;
  const file = resolve(options.json ?? join(root, 'bench', 'results', name));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`\nwritten to ${relative('.', file)}`);
  return 0;
}

await run(main);
