// The losses of the step cases by PyTorch in float64: `checkLoss` of those that reference.ts does not know.
//   node dist/bench/golden.js     prints each case's loss, and its change where the committed one is another

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cases } from './cases.ts';
import { stepData } from './data.ts';
import { availability } from './install.ts';
import { peersFolder } from './paths.ts';
import type { SubjectModule } from './protocol.ts';
import { subjects } from './subjects.ts';

const [found] = availability(subjects.filter(({ name }) => name === 'pytorch')).ready;
if (!found) throw new Error('no python3 that can import torch was found');
Object.assign(process.env, found.env);
const { python }: { python(library: 'torch', options: { double: boolean }): SubjectModule } = await import(
  pathToFileURL(join(peersFolder, 'python.mjs')).href
);
const torch = python('torch', { double: true });
for (const spec of cases) {
  if (spec.kind !== 'step') continue;
  const run = await torch.openStep!(spec, stepData(spec));
  await run.run(spec.checkSteps);
  const loss = await run.loss();
  const change = Math.abs(loss / spec.checkLoss - 1);
  const note =
    change < 1e-9 ? 'as committed' : `committed ${spec.checkLoss}, ${change.toExponential(1)} from it`;
  console.log(`${spec.name.padEnd(12)} after ${spec.checkSteps} steps ${loss} (${note})`);
}
process.exit(0);
