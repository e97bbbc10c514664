import { seed, step } from '../clock';
import { address, float, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { bits32x4, keyOf } from '../random';
import { madd } from '../simd';
import { Dropout } from '../tape/dense';
import { first, last } from '../threads';

/** y = x scale + offset where the random bits of (seed, step, stream, i) reach the rate, else another number. */
export function dropout(p: usize): void {
  const positions = word(p, Dropout.Positions);
  const count = word(p, Dropout.Count);
  if (positions == 1 || count == 0) {
    const from = first(count, 16);
    range(p, from, last(count, 16) - from, from);
    return;
  }
  const channels = word(p, Dropout.Channels);
  const to = last(count / channels, 1);
  for (let r = first(count / channels, 1); r < to; r++) {
    range(p, r * channels, channels, (r / positions) * channels);
  }
}

/** Elements [at, at + n), drawn as those from `index` on. */
function range(p: usize, at: i32, n: i32, index: i32): void {
  const rate = float(p, Dropout.Rate);
  const key = keyOf(seed(), step, word(p, Dropout.Stream));
  const low = i32x4.splat(<i32>key);
  const high = i32x4.splat(<i32>(key >> 32));
  // kept when bits >= rate · 2^32, compared as signed numbers
  const threshold = i32x4.splat(<i32>(<i64>(<f64>rate * 4294967296.0) - 2147483648));
  const scale = f32x4.splat(float(p, Dropout.Scale));
  const offset = f32x4.splat(float(p, Dropout.Offset));
  const other = f32x4.splat(float(p, Dropout.Other));
  let x = address(p, Dropout.Source) + ((<usize>at) << 2);
  let y = address(p, Dropout.Target) + ((<usize>at) << 2);
  let i = i32x4.add(i32x4.splat(index), i32x4(0, 1, 2, 3));
  for (; n > 0; n -= 4, x += 16, y += 16) {
    const bits = v128.xor(bits32x4(i, low, high), i32x4.splat(0x80000000));
    const kept = i32x4.ge_s(bits, threshold);
    const v = n >= 4 ? v128.load(x) : loadPart(x, n, scale);
    const result = v128.bitselect(madd(v, scale, offset), other, kept);
    if (n >= 4) v128.store(y, result);
    else storePart(y, result, n);
    i = i32x4.add(i, i32x4.splat(4));
  }
}
