// npm run bench: measures every chosen subject in every chosen case and prints tables. See README.md.
import { cpus } from 'node:os';
import { join, relative } from 'node:path';
import { floorTable } from './floors.ts';
import { availability, elsewhere, isRevectorized } from './install.ts';
import { writable, writeJson } from './json.ts';
import { probeLimit } from './limit.ts';
import { failed, median } from './measure.ts';
import { type Options, readOptions, run } from './options.ts';
import { root } from './paths.ts';
import type { Case, Measured, Report, Result, Turns } from './protocol.ts';
import { groups, groupTable } from './report.ts';
import { childTurns } from './run.ts';
import { type Subject, takes } from './subjects.ts';

/** Fresh processes of the first-step case. */
const FIRST_STEPS = 15;
const PROBE_MS = 60;

interface Contender {
  spec: Case;
  subject: Subject;
  turns: Turns;
  result?: Result;
}

/** Every subject of a case takes a turn after the other until all have their result: whatever slows one slows all. */
async function measure(contenders: readonly Contender[]): Promise<Result[]> {
  for (;;) {
    const waiting = contenders.filter(({ result }) => result === undefined);
    if (waiting.length === 0) return contenders.map(({ result }) => result!);
    for (const contender of waiting) await takeTurn(contender);
  }
}

async function takeTurn(contender: Contender): Promise<void> {
  const { spec, subject, turns } = contender;
  status(`${spec.name}  ${subject.name}`);
  try {
    const { done, value } = await turns.next();
    if (done) contender.result = resultOf(spec, subject, value);
  } catch (error) {
    contender.result = resultOf(spec, subject, {
      ...failed,
      finalLoss: null,
      remark: (error as Error).message,
    });
  }
}

/** Each turn is a fresh process that takes one step. */
async function* firstSteps(start: () => Turns): Turns {
  const all: Measured[] = [];
  for (;;) {
    const one = yield* start();
    if (!one.counts) return one;
    all.push(one);
    if (all.length === FIRST_STEPS) break;
    yield;
  }
  const ms = all.map(({ medianMs }) => medianMs!).sort((a, b) => a - b);
  return { ...all[0]!, medianMs: median(ms), minMs: ms[0]!, samples: ms.length };
}

function resultOf(spec: Case, { name }: Subject, measured: Measured): Result {
  const { medianMs, minMs, limitGflops, bestLimitGflops, counts } = measured;
  const flops = 'flops' in spec ? spec.flops : null;
  const speed = (ms: number | null) => (counts && flops !== null && ms !== null ? flops / 1e6 / ms : null);
  const share = (gflops: number | null, limit: number | null) =>
    gflops !== null && limit !== null ? gflops / limit : null;
  const gflops = speed(medianMs);
  return {
    case: spec.name,
    subject: name,
    ...measured,
    flops,
    gflops,
    shareOfLimit: share(gflops, limitGflops),
    shareAtBest: share(speed(minMs), bestLimitGflops),
  };
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
  let limitGflops = Math.max(...probeLimit(PROBE_MS));
  console.log(
    `${machine.cpu}, ${machine.platform}, Node ${machine.node}; one thread; ` +
      `limit of ${machine.revectorized ? 'multiply-adds joined to 256 bits' : 'SIMD128 multiply-adds'} ${limitGflops.toFixed(1)} GFLOP/s\n`,
  );
  const present = availability(options.subjects);
  const results: Result[] = [];
  for (const group of groups(options.cases)) {
    const own: Result[] = [];
    for (const spec of group.cases) {
      const contenders = present.ready
        .filter(({ subject }) => takes(subject, spec))
        .map(({ subject, env }) => {
          const start = () =>
            childTurns({ case: spec.name, subject: subject.name, timeMs: options.timeMs }, env);
          return { spec, subject, turns: spec.kind === 'first-step' ? firstSteps(start) : start() };
        });
      own.push(...(await measure(contenders)));
    }
    results.push(...own);
    limitGflops = Math.max(limitGflops, ...own.map((result) => result.bestLimitGflops ?? 0));
    status('');
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
  const name = `node-${process.versions.node}${isRevectorized() ? '-256' : ''}.json`;
  const file = writable(options.json ?? join(root, 'bench', 'results', name));
  const report = await runAll(options);
  const floors = floorTable(report, options.full);
  if (floors) console.log(floors);
  writeJson(file, report);
  console.log(`\nwritten to ${relative('.', file)}`);
  return 0;
}

await run(main);
