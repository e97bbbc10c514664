import { address, rowCount, word } from '../fields';
import { loadPart, storePart } from '../lanes';
import { DistinctRows, Embedding, EmbeddingGrad } from '../tape/tensors';
import { first, last, thread } from '../threads';

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
  const list = address(p, EmbeddingGrad.RowCount);
  const rows = list ? rowCount(list) : word(p, EmbeddingGrad.Rows);
  const count = word(p, EmbeddingGrad.Count);
  const all = word(p, EmbeddingGrad.Outer) * rows;
  const from = first(all, 1);
  const to = last(all, 1);
  if (from >= to) return;
  const bytes = (<usize>columns) << 2;
  if (!word(p, EmbeddingGrad.Onto)) {
    memory.fill(address(p, EmbeddingGrad.Target) + <usize>from * bytes, 0, <usize>(to - from) * bytes);
  }
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

/** Where the bit of a row lies; behind its word is the number of rows before. */
// @ts-ignore: decorator
@inline
function bitsOf(scratch: usize, row: u32): usize {
  return scratch + (<usize>(row >>> 5) << 3);
}

/** Thread 0: see DistinctRows. The order is that of the table, whatever that of the batch. */
export function distinctRows(p: usize): void {
  if (thread != 0) return;
  const scratch = address(p, DistinctRows.Scratch);
  const places = address(p, DistinctRows.Target);
  const before = word(p, DistinctRows.First);
  const end = scratch + (<usize>((word(p, DistinctRows.Rows) + 31) >>> 5) << 3);
  if (before == 0) memory.fill(scratch, 0, end - scratch);
  let index = address(p, DistinctRows.Indices);
  let place = places + (<usize>before << 2);
  for (let n = word(p, DistinctRows.Count); n > 0; n--, index += 4, place += 4) {
    const row = load<u32>(index);
    store<u32>(place, row);
    const q = bitsOf(scratch, row);
    store<u32>(q, load<u32>(q) | (1 << (row & 31)));
  }
  const all = word(p, DistinctRows.All);
  if (all == 0) return;

  const number = places + (<usize>all << 2);
  let list = number + 4;
  let row = 0;
  for (let q = scratch; q < end; q += 8, row += 32) {
    store<i32>(q, <i32>((list - number) >>> 2) - 1, 4);
    for (let bits = load<u32>(q); bits; bits &= bits - 1, list += 4) store<i32>(list, row + ctz(bits));
  }
  const count = <i32>((list - number) >>> 2) - 1;
  store<i32>(number, count);
  memory.fill(list, 0, places + (address(p, DistinctRows.Words) << 2) - list);

  for (let n = all, q = places; n > 0; n--, q += 4) {
    const at = load<u32>(q);
    const bits = bitsOf(scratch, at);
    store<i32>(q, load<i32>(bits, 4) + popcnt(load<u32>(bits) & ((1 << (at & 31)) - 1)));
  }
}
