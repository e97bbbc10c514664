import { address, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { Embedding, EmbeddingGrad } from '../tape';
import { first, last } from '../threads';

/** y [count, columns] = the rows of the table that the indices name. */
export function embedding(p: usize): void {
  const count = word(p, Embedding.Count);
  const columns = word(p, Embedding.Columns);
  const bytes = (<usize>columns) << 2;
  const to = last(count, 1);
  for (let r = first(count, 1); r < to; r++) {
    const index = load<u32>(address(p, Embedding.Indices) + ((<usize>r) << 2));
    memory.copy(address(p, Embedding.Target) + <usize>r * bytes, address(p, Embedding.Table) + <usize>index * bytes, bytes);
  }
}

/**
 * dtable [rows, columns] = for each row the sum of dy where the index names it, in the order of dy. A thread owns rows
 * of the table: it walks all indices and adds those that are its own.
 */
export function embeddingGrad(p: usize): void {
  const columns = word(p, EmbeddingGrad.Columns);
  const rows = word(p, EmbeddingGrad.Rows);
  const from = first(rows, 1);
  const own = last(rows, 1) - from;
  const bytes = (<usize>columns) << 2;
  const target = address(p, EmbeddingGrad.Target) + <usize>from * bytes;
  memory.fill(target, 0, <usize>own * bytes);
  let index = address(p, EmbeddingGrad.Indices);
  let dy = address(p, EmbeddingGrad.Gradient);
  for (let n = word(p, EmbeddingGrad.Count); n > 0; n--, index += 4, dy += bytes) {
    const row = <u32>(load<i32>(index) - from);
    if (row < <u32>own) addRow(dy, target + <usize>row * bytes, columns);
  }
}

/** y [count] += x */
function addRow(x: usize, y: usize, count: i32): void {
  for (; count >= 4; count -= 4, x += 16, y += 16) {
    v128.store(y, f32x4.add(v128.load(y), v128.load(x)));
  }
  if (count) {
    const zero = f32x4.splat(0);
    storePart(y, f32x4.add(loadPart(y, count, zero), loadPart(x, count, zero)), count);
  }
}
