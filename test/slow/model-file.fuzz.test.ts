// FUZZ_RUNS=1000000 npm run test:slow -- model-file
import { expect, it } from 'vitest';
import { fuzzModelFile } from '../io/fuzz-model-file.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 200_000);
const CHUNK = 5000;

it(`${RUNS} damaged models are read as models that predict and save, or raise ModelFormatError`, async () => {
  let accepted = 0;
  for (let done = 0; done < RUNS; done += CHUNK) {
    accepted += fuzzModelFile(Math.min(CHUNK, RUNS - done), 1_000_000 + done).accepted;
    await new Promise(setImmediate); // lets vitest hear that this worker lives
  }
  expect(accepted).toBeGreaterThan(RUNS / 20);
}, 86_400_000);
