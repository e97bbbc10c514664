import { expect, it } from 'vitest';
import { cases } from '../../bench/cases.ts';
import { stepData } from '../../bench/data.ts';
import type { StepCase } from '../../bench/protocol.ts';
import { referenceLoss } from '../../bench/reference.ts';

it('wide-mlp of the harness has the loss of the float64 reference', () => {
  const spec = cases.find(({ name }) => name === 'wide-mlp') as StepCase;
  expect(referenceLoss(spec, stepData(spec), spec.checkSteps) / spec.checkLoss).toBeCloseTo(1, 9);
});
