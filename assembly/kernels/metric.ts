import { address, float, word } from '../fields';
import { BinaryHits, ClassHits } from '../tape/training';
import { first, last } from '../threads';

/** Index of the first largest element. */
function argmax(x: usize, count: i32): i32 {
  let best = 0;
  let value = load<f32>(x);
  for (let i = 1; i < count; i++) {
    const v = load<f32>(x + ((<usize>i) << 2));
    if (v > value) {
      value = v;
      best = i;
    }
  }
  return best;
}

export function classHits(p: usize): void {
  const columns = word(p, ClassHits.Columns);
  const targets = address(p, ClassHits.Target);
  const sparse = word(p, ClassHits.Sparse) != 0;
  const to = last(word(p, ClassHits.Rows), 1);
  for (let r = first(word(p, ClassHits.Rows), 1); r < to; r++) {
    const offset = (<usize>(r * columns)) << 2;
    const wanted = sparse ? load<i32>(targets + ((<usize>r) << 2)) : argmax(targets + offset, columns);
    const hit = argmax(address(p, ClassHits.Prediction) + offset, columns) == wanted;
    store<f32>(address(p, ClassHits.Hits) + ((<usize>r) << 2), hit ? 1 : 0);
  }
}

export function binaryHits(p: usize): void {
  const columns = word(p, BinaryHits.Columns);
  const threshold = float(p, BinaryHits.Threshold);
  const to = last(word(p, BinaryHits.Rows), 1);
  for (let r = first(word(p, BinaryHits.Rows), 1); r < to; r++) {
    let hits = 0;
    for (let n = 0; n < columns; n++) {
      const offset = (<usize>(r * columns + n)) << 2;
      const x = load<f32>(address(p, BinaryHits.Prediction) + offset);
      const t = load<f32>(address(p, BinaryHits.Target) + offset);
      hits += i32(x > threshold == t > 0.5);
    }
    store<f32>(address(p, BinaryHits.Hits) + ((<usize>r) << 2), <f32>hits / <f32>columns);
  }
}
