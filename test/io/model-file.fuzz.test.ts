import { expect, it } from 'vitest';
import { fuzzModelFile } from './fuzz-model-file.ts';

it('damaged models are read as models that predict and save, or raise ModelFormatError', () => {
  const runs = 1500;
  const { accepted, messages } = fuzzModelFile(runs, 1);
  expect(accepted).toBeGreaterThan(runs / 20);
  expect(messages.size).toBeGreaterThan(100);
});
