// The command line.
import { parseArgs } from 'node:util';
import { cases } from './cases.ts';
import type { Case } from './protocol.ts';
import { type Subject, subjects } from './subjects.ts';

export interface Options {
  cases: readonly Case[];
  subjects: readonly Subject[];
  /** Whether nothing was left out. */
  full: boolean;
  json: string | undefined;
  /** Major version of Node to run in. */
  node: string | undefined;
  /** With vectors of 256 bits. */
  revectorize: boolean;
  timeMs: number;
}

const usage = `npm run bench -- [options]
  --case a,b       only these cases; * stands for anything, a beginning for all that begin so (gemm-nt, wide)
  --subject x,y    only these subjects
  --json FILE      where the results go (default bench/results/node-<version>.json)
  --node 24        runs in that version of Node, which is installed when it is not there
  --revectorize    starts Node (24 or later) with the flag by which V8 joins vectors to 256 bits
  --time MS        how long samples are taken for each case and subject (default 600)
  --list           shows the cases and subjects there are`;

/** A message for the one who typed the command. */
export class OptionsError extends Error {}

/** Runs a command, which gives its exit code. */
export async function run(main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}

export function readOptions(args: string[]): Options | 'shown' {
  let values: {
    case?: string;
    subject?: string;
    json?: string;
    node?: string;
    revectorize?: boolean;
    time?: string;
    list?: boolean;
    help?: boolean;
  };
  try {
    ({ values } = parseArgs({
      args,
      options: {
        case: { type: 'string' },
        subject: { type: 'string' },
        json: { type: 'string' },
        node: { type: 'string' },
        revectorize: { type: 'boolean' },
        time: { type: 'string' },
        list: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }));
  } catch (error) {
    throw new OptionsError(`${(error as Error).message}\n\n${usage}`);
  }
  if (values.help || values.list) {
    console.log(values.help ? usage : known());
    return 'shown';
  }
  const timeMs = Number(values.time ?? 600);
  if (!(timeMs > 0)) throw new OptionsError(`--time takes milliseconds, got '${values.time}'`);
  if (values.node !== undefined && !/^\d+(\.\d+)*$/.test(values.node)) {
    throw new OptionsError(`--node takes a version such as 24, got '${values.node}'`);
  }
  return {
    cases: select(cases, values.case, 'case'),
    subjects: select(subjects, values.subject, 'subject'),
    full: values.case === undefined && values.subject === undefined,
    json: values.json,
    node: values.node,
    revectorize: values.revectorize ?? false,
    timeMs,
  };
}

/** Those whose names match one of the comma-separated patterns, in their own order. */
export function select<T extends { name: string }>(
  all: readonly T[],
  patterns: string | undefined,
  what: string,
): T[] {
  if (patterns === undefined) return [...all];
  const chosen = new Set<T>();
  for (const pattern of patterns.split(',').map((text) => text.trim())) {
    const exact = all.filter(({ name }) => name === pattern);
    const found = exact.length > 0 ? exact : all.filter(({ name }) => matcher(pattern).test(name));
    if (pattern === '' || found.length === 0) {
      throw new OptionsError(
        `no ${what} is called '${pattern}'. There are:\n${wrap(all.map(({ name }) => name))}`,
      );
    }
    for (const item of found) chosen.add(item);
  }
  return all.filter((item) => chosen.has(item));
}

/** `*` stands for anything; without one the pattern is a beginning. */
function matcher(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^$()[\]{}|\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}${parts.length > 1 ? '$' : ''}`);
}

function known(): string {
  const names = (list: readonly { name: string }[]) => wrap(list.map(({ name }) => name));
  return `cases\n${names(cases)}\n\nsubjects\n${names(subjects)}`;
}

function wrap(names: readonly string[]): string {
  const lines = [''];
  for (const name of names) {
    const line = lines.at(-1)!;
    if (line.length + name.length > 90) lines.push(name);
    else lines[lines.length - 1] = line ? `${line}, ${name}` : name;
  }
  return lines.map((line) => `  ${line}`).join('\n');
}
