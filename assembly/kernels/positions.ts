import { address, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { madd, nmadd } from '../simd';
import { Cache, Rotary } from '../tape/sequence';
import { first, last } from '../threads';

/**
 * Rotary positions (Su et al. 2021, RoFormer): in each head the pair (a, b) = (x[i], x[i + size / 2]) is turned by the
 * angle of i at the position, (a cos - b sin, b cos + a sin). The gradient is the turn by the negative angle.
 */
export function rotary(p: usize): void {
  const time = word(p, Rotary.Time);
  const size = word(p, Rotary.Size);
  const heads = word(p, Rotary.Heads);
  const half = size >> 1;
  const bytes = (<usize>word(p, Rotary.Columns)) << 2;
  const source = address(p, Rotary.Source);
  const target = address(p, Rotary.Target);
  const inverse = word(p, Rotary.Inverse) != 0;
  const to = last(word(p, Rotary.Rows) * time, 1);
  for (let r = first(word(p, Rotary.Rows) * time, 1); r < to; r++) {
    const row = r / time;
    const at = row * word(p, Rotary.RowStride) + (r - row * time) * size;
    const cosines = address(p, Rotary.Table) + ((<usize>at) << 2);
    let x = source + <usize>r * bytes;
    let y = target + <usize>r * bytes;
    const turned = (<usize>(heads * size)) << 2;
    if (x != y) memory.copy(y + turned, x + turned, bytes - turned);
    for (let h = 0; h < heads; h++, x += (<usize>size) << 2, y += (<usize>size) << 2) {
      turnHead(x, y, cosines, half, inverse);
    }
  }
}

function turnHead(x: usize, y: usize, cosines: usize, half: i32, inverse: bool): void {
  const far = (<usize>half) << 2;
  const sign = i32x4.splat(inverse ? 0x80000000 : 0);
  const zero = f32x4.splat(0);
  for (let left = half; left > 0; left -= 4, x += 16, y += 16, cosines += 16) {
    const whole = left >= 4;
    const a = whole ? v128.load(x) : loadPart(x, left, zero);
    const b = whole ? v128.load(x + far) : loadPart(x + far, left, zero);
    const c = whole ? v128.load(cosines) : loadPart(cosines, left, zero);
    const s = v128.xor(sign, whole ? v128.load(cosines + far) : loadPart(cosines + far, left, zero));
    const first = nmadd(b, s, f32x4.mul(a, c));
    const second = madd(a, s, f32x4.mul(b, c));
    if (whole) {
      v128.store(y, first);
      v128.store(y + far, second);
    } else {
      storePart(y, first, left);
      storePart(y + far, second, left);
    }
  }
}

/** Rows of keys and values go to their positions; the others stay as they are. */
export function cache(p: usize): void {
  const time = word(p, Cache.Time);
  const bytes = (<usize>word(p, Cache.Columns)) << 2;
  const to = last(word(p, Cache.Rows) * time, 1);
  for (let r = first(word(p, Cache.Rows) * time, 1); r < to; r++) {
    const position = load<i32>(address(p, Cache.Positions) + ((<usize>r) << 2));
    const at = <usize>(r / time * word(p, Cache.Capacity) + position);
    memory.copy(address(p, Cache.Target) + at * bytes, address(p, Cache.Source) + <usize>r * bytes, bytes);
  }
}
