// One (case, subject) in a process of its own: asked by a message from run.ts, answered by one.
import { cases } from './cases.ts';
import { measureFirstStep, measureGemm, measurePass, measureStep } from './measure.ts';
import type { Measured, Request } from './protocol.ts';
import { subjects } from './subjects.ts';

async function measure(request: Request): Promise<Measured> {
  const spec = cases.find(({ name }) => name === request.case)!;
  const subject = subjects.find(({ name }) => name === request.subject)!;
  if (spec.kind === 'size') return (await import('./size.ts')).measureSize(subject.name);
  const module = await subject.load();
  switch (spec.kind) {
    case 'step':
      return measureStep(module, spec, request.timeMs);
    case 'first-step':
      return measureFirstStep(module, spec);
    case 'gemm':
      return measureGemm(module, spec, request.timeMs);
    case 'pass':
      return measurePass(module, spec, request.timeMs);
  }
}

process.once('message', async (request: Request) => {
  // a rejection ends the process with its stack on the standard error, which run.ts reports
  const measured = await measure(request);
  process.send!(measured, () => process.exit(0));
});
