import { seed, step } from '../clock';
import { address, float, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { bits32x4, keyOf } from '../random';
import { Dropout } from '../tape';
import { first, last } from '../threads';

/** y = x / (1 - rate) where the random bits of (seed, step, stream, i) reach the rate, else 0. Its own gradient. */
export function dropout(p: usize): void {
  const count = word(p, Dropout.Count);
  const rate = float(p, Dropout.Rate);
  const key = keyOf(seed(), step, word(p, Dropout.Stream));
  const low = i32x4.splat(<i32>key);
  const high = i32x4.splat(<i32>(key >> 32));
  // kept when bits >= rate · 2^32, compared as signed numbers
  const threshold = i32x4.splat(<i32>(<i64>(<f64>rate * 4294967296.0) - 2147483648));
  const scale = f32x4.splat(1 / (1 - rate));
  const from = first(count, 16);
  const to = last(count, 16);
  let x = address(p, Dropout.Source) + ((<usize>from) << 2);
  let y = address(p, Dropout.Target) + ((<usize>from) << 2);
  let index = i32x4.add(i32x4.splat(from), i32x4(0, 1, 2, 3));
  for (let n = to - from; n > 0; n -= 4, x += 16, y += 16) {
    const bits = v128.xor(bits32x4(index, low, high), i32x4.splat(0x80000000));
    const kept = i32x4.ge_s(bits, threshold);
    if (n >= 4) v128.store(y, v128.and(f32x4.mul(v128.load(x), scale), kept));
    else storePart(y, v128.and(f32x4.mul(loadPart(x, n, scale), scale), kept), n);
    index = i32x4.add(index, i32x4.splat(4));
  }
}
