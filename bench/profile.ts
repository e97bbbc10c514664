// npm run profile -- CASE: where the time of a training step goes, by layer and by operation. See README.md.
import { parseArgs } from 'node:util';
import { profileStep, profileTable } from './breakdown.ts';
import { cases } from './cases.ts';
import { elsewhere } from './install.ts';
import { writable, writeJson } from './json.ts';
import { OptionsError, run, select } from './options.ts';
import type { StepCase } from './protocol.ts';

const usage = `npm run profile -- CASE [options]
  --json FILE   all rows and totals go there too
  --node 24     runs in that version of Node, which is installed when it is not there
  --revectorize starts Node (24 or later) with the flag by which V8 joins vectors to 256 bits
  --time MS     how long steps are taken apart (default 2000)`;

async function main(): Promise<number> {
  const { values, positionals } = readArguments();
  const known = cases.filter((spec): spec is StepCase => spec.kind === 'step');
  if (positionals.length !== 1) {
    throw new OptionsError(`${usage}\n\nCASE is one of ${known.map(({ name }) => name).join(', ')}`);
  }
  const [spec] = select(known, positionals[0], 'step case') as [StepCase];
  const timeMs = Number(values.time ?? 2000);
  if (!(timeMs > 0)) throw new OptionsError(`--time takes milliseconds, got '${values.time}'`);
  const code = elsewhere(values, process.argv.slice(1));
  if (code !== undefined) return code;
  const file = values.json === undefined ? undefined : writable(values.json);
  const profile = await profileStep(spec, timeMs);
  console.log(profileTable(spec, profile));
  if (file !== undefined) writeJson(file, profile);
  return 0;
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'string' },
        node: { type: 'string' },
        revectorize: { type: 'boolean' },
        time: { type: 'string' },
      },
    });
  } catch (error) {
    throw new OptionsError(`${(error as Error).message}\n\n${usage}`);
  }
}

await run(main);
