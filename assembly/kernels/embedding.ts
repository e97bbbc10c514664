import { address, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { Embedding, EmbeddingGrad } from '../tape';
import { first, last } from '../threads';

/** y [outer, count, columns] = the rows of each table [rows, columns] that the indices name. */
export function embedding(p: usize): void {
  const count = word(p, Embedding.Count);
  const bytes = address(p, Embedding.Columns) << 2;
  const all = word(p, Embedding.Outer) * count;
  const to = last(all, 1);
  for (let r = first(all, 1); r < to; r++) {
    const outer = r / count;
    const index = load<u32>(address(p, Embedding.Indices) + (<usize>(r - outer * count) << 2));
    const row = <usize>outer * address(p, Embedding.Rows) + <usize>index;
    memory.copy(address(p, Embedding.Target) + <usize>r * bytes, address(p, Embedding.Table) + row * bytes, bytes);
  }
}

/**
 * dtable [outer, rows, columns] = for each row the sum of dy where the index names it, in the order of dy. A thread owns
 * rows of the tables: for each table it walks all indices and adds those that are its own.
 */
export function embeddingGrad(p: usize): void {
  const columns = word(p, EmbeddingGrad.Columns);
  const rows = word(p, EmbeddingGrad.Rows);
  const count = word(p, EmbeddingGrad.Count);
  const all = word(p, EmbeddingGrad.Outer) * rows;
  const from = first(all, 1);
  const to = last(all, 1);
  if (from >= to) return;
  const bytes = (<usize>columns) << 2;
  memory.fill(address(p, EmbeddingGrad.Target) + <usize>from * bytes, 0, <usize>(to - from) * bytes);
  for (let table = from / rows; table * rows < to; table++) {
    // its own rows of this table
    const low = max<i32>(from - table * rows, 0);
    const own = min<i32>(to - table * rows, rows) - low;
    const target = address(p, EmbeddingGrad.Target) + <usize>(table * rows + low) * bytes;
    let index = address(p, EmbeddingGrad.Indices);
    let dy = address(p, EmbeddingGrad.Gradient) + <usize>(table * count) * bytes;
    for (let n = count; n > 0; n--, index += 4, dy += bytes) {
      const row = <u32>(load<i32>(index) - low);
      if (row < <u32>own) addRow(dy, target + <usize>row * bytes, columns);
    }
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
