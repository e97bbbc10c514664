// FUZZ_RUNS=10000000 npm run test:slow -- safetensors
import { expect, it } from 'vitest';
import { fuzzReader, fuzzRoundTrip } from '../io/fuzz-safetensors.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 2_000_000);
const CHUNK = 20_000;

it(`${RUNS} damaged files decode to something that round-trips, or raise ModelFormatError`, async () => {
  let accepted = 0;
  const start = performance.now();
  for (let done = 0; done < RUNS; done += CHUNK) {
    const runs = Math.min(CHUNK, RUNS - done);
    accepted += fuzzReader(runs, 1_000_000 + done).accepted;
    await new Promise(setImmediate); // lets vitest hear that this worker lives
  }
  const seconds = (performance.now() - start) / 1000;
  console.log(`${RUNS} files in ${seconds.toFixed(0)} s, ${accepted} accepted`);
  expect(accepted).toBeGreaterThan(RUNS / 20);
}, 86_400_000);

it('arbitrary models round-trip', () => {
  fuzzRoundTrip(Math.ceil(RUNS / 100), 2);
}, 86_400_000);
