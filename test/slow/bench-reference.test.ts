import { expect, it } from 'vitest';
import { cases } from '../../bench/cases.ts';
import { stepData } from '../../bench/data.ts';
import type { StepCase } from '../../bench/protocol.ts';
import { compareLoss, referenceLoss } from '../../bench/reference.ts';
import { downhill } from '../../bench/subjects/downhill.ts';

const find = (wanted: string) => cases.find(({ name }) => name === wanted) as StepCase;

it('wide-mlp of the harness has the loss of the float64 reference', () => {
  const spec = find('wide-mlp');
  expect(referenceLoss(spec, stepData(spec), spec.checkSteps) / spec.checkLoss).toBeCloseTo(1, 9);
});

it('char-gpt of the harness refuses a subject without weight decay', async () => {
  const spec = find('char-gpt');
  const without = { ...spec, optimizer: { ...spec.optimizer, weightDecay: 0 } } as StepCase;
  const run = await downhill.openStep!(without, stepData(spec));
  await run.run(spec.checkSteps);
  expect(compareLoss(spec, await run.loss())).toMatch(/^loss 3\.53\d+, the float64 reference has 3\.54070$/);
});
