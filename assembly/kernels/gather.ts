import { cursor, program } from '../clock';
import { address, word } from '../fields';
import { Gather, Program, Type } from '../tape';
import { first, last } from '../threads';

/** One batch of rows, in the epoch's order, converted to the type that the program works in. */
export function gather(p: usize): void {
  const rows = word(p, Gather.Rows);
  const columns = word(p, Gather.Columns);
  const sourceType = word(p, Gather.SourceType);
  const targetType = word(p, Gather.TargetType);
  const source = address(p, Gather.Source);
  const target = address(p, Gather.Target);
  const index = address(program, Program.Index);
  const sourceStride = sourceType == Type.U8 ? <usize>columns : (<usize>columns) << 2;
  const to = last(rows, 1);
  for (let r = first(rows, 1); r < to; r++) {
    const at = cursor + r;
    const row = index ? load<u32>(index + ((<usize>at) << 2)) : <u32>at;
    const s = source + <usize>row * sourceStride;
    const t = target + ((<usize>(r * columns)) << 2);
    if (sourceType != Type.U8) copyWords(s, t, columns);
    else if (targetType == Type.F32) bytesToFloats(s, t, columns);
    else bytesToIntegers(s, t, columns);
  }
}

function copyWords(source: usize, target: usize, count: i32): void {
  let i = count;
  for (; i >= 4; i -= 4, source += 16, target += 16) v128.store(target, v128.load(source));
  for (; i > 0; i--, source += 4, target += 4) store<u32>(target, load<u32>(source));
}

function bytesToFloats(source: usize, target: usize, count: i32): void {
  let i = count;
  for (; i >= 4; i -= 4, source += 4, target += 16) {
    const v = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(source)));
    v128.store(target, f32x4.convert_i32x4_u(v));
  }
  for (; i > 0; i--, source++, target += 4) store<f32>(target, <f32>load<u8>(source));
}

function bytesToIntegers(source: usize, target: usize, count: i32): void {
  for (; count > 0; count--, source++, target += 4) store<u32>(target, <u32>load<u8>(source));
}
