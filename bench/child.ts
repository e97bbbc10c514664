// One (case, subject) in a process of its own: takes a turn for each message of run.ts and answers it.
import { cases } from './cases.ts';
import { measureFirstStep, measureGemm, measurePass, measureStep } from './measure.ts';
import type { Request, Turns } from './protocol.ts';
import { subjects } from './subjects.ts';

async function* measure(request: Request): Turns {
  const spec = cases.find(({ name }) => name === request.case)!;
  const subject = subjects.find(({ name }) => name === request.subject)!;
  if (spec.kind === 'size') return (await import('./size.ts')).measureSize(subject.name);
  const module = await subject.load();
  switch (spec.kind) {
    case 'step':
      return yield* measureStep(module, spec, request.timeMs);
    case 'first-step':
      return measureFirstStep(module, spec);
    case 'gemm':
      return yield* measureGemm(module, spec, request.timeMs);
    case 'pass':
      return yield* measurePass(module, spec, request.timeMs);
  }
}

let turns: Turns | undefined;

process.on('message', async (request: Request) => {
  turns ??= measure(request);
  // a rejection ends the process with its stack on the standard error, which run.ts reports
  const { done, value } = await turns.next();
  if (done) process.send!(value, () => process.exit(0));
  else process.send!(null);
});
