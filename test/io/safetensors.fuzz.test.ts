import { expect, it } from 'vitest';
import { fuzzReader, fuzzRoundTrip } from './fuzz-safetensors.ts';

it('damaged files decode to something that round-trips, or raise ModelFormatError', () => {
  const { runs, accepted, rejected } = fuzzReader(30_000, 1);
  // The fuzzer reaches every check of the reader, and past them all often enough.
  expect([...rejected].filter(([, count]) => count === 0)).toEqual([]);
  expect(accepted).toBeGreaterThan(runs / 20);
}, 60_000);

it('arbitrary models round-trip', () => {
  fuzzRoundTrip(1000, 1);
}, 60_000);
