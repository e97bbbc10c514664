// Reading a safetensors file from the file system: its header, then, if that is what was wanted, its data by pieces. So a
// file that is no model costs its header, however large it is, and a model its tensors, whatever dtype they have in the
// file. Node only: load it by dynamic import.

import { type FileHandle, open } from 'node:fs/promises';
import { ModelFormatError } from './errors.ts';
import {
  dataStart,
  decodeHeader,
  type Entry,
  emptyTensor,
  headerOf,
  type ReadTensor,
  type SafetensorsHeader,
  tensorsOf,
} from './safetensors.ts';

/** Of data that are read at a time. */
const PIECE_BYTES = 2 ** 24;

/**
 * Reads a file. `check` gets the header before any data are read, and throws if they are not wanted.
 * @returns What `check` returned, and the tensors in the order of their data.
 * @throws ModelFormatError as `headerOf` and `tensorsOf` do; what `check` throws; the error of the file system.
 */
export async function readSafetensorsFile<T>(
  path: string,
  check: (header: SafetensorsHeader) => T,
): Promise<readonly [checked: T, tensors: readonly ReadTensor[]]> {
  const file = await open(path);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) {
      // of a pipe the length is known at its end
      const bytes = await file.readFile();
      const header = headerOf(bytes);
      return [check(header), tensorsOf(bytes, header)];
    }
    const header = await readHeader(file, stat.size);
    return [check(header), await readTensors(file, header)];
  } finally {
    await file.close();
  }
}

async function readHeader(file: FileHandle, fileBytes: number): Promise<SafetensorsHeader> {
  const first = new Uint8Array(8);
  await fill(file, first.subarray(0, fileBytes), 0);
  const header = new Uint8Array(dataStart(first, fileBytes));
  header.set(first);
  await fill(file, header.subarray(8), 8);
  return decodeHeader(header, fileBytes);
}

/** One after the other: they tile the data. */
async function readTensors(file: FileHandle, { entries, dataAt }: SafetensorsHeader): Promise<ReadTensor[]> {
  const tensors: ReadTensor[] = [];
  const pieces = new Pieces(file, dataAt, dataAt + (entries.at(-1)?.end ?? 0));
  for (const entry of entries) tensors.push(await readTensor(pieces, entry));
  return tensors;
}

async function readTensor(pieces: Pieces, entry: Entry): Promise<ReadTensor> {
  const { dtype, elements } = entry;
  const tensor = emptyTensor(entry);
  for (let done = 0; done < elements; ) {
    const at = pieces.at;
    const bytes = await pieces.next(dtype.itemBytes, elements - done);
    const count = bytes.length / dtype.itemBytes;
    dtype.read(bytes, tensor.data.subarray(done, done + count), at);
    done += count;
  }
  return tensor;
}

/** The data of a file from `at` to `end`, piece by piece. */
class Pieces {
  /** Room for the longest item, 8 bytes, which may come in two pieces. */
  readonly #buffer: Uint8Array;
  /** What was read and not yet taken. */
  #from = 0;
  #to = 0;

  constructor(
    readonly file: FileHandle,
    /** Byte of the file that comes next. */
    public at: number,
    readonly end: number,
  ) {
    this.#buffer = new Uint8Array(Math.min(PIECE_BYTES, end - at));
  }

  /** One to `most` of the items that come next. They are good until the next call. */
  async next(itemBytes: number, most: number): Promise<Uint8Array> {
    if (this.#to - this.#from < itemBytes) await this.#refill();
    const items = Math.min(most, Math.floor((this.#to - this.#from) / itemBytes));
    const bytes = this.#buffer.subarray(this.#from, this.#from + items * itemBytes);
    this.#from += bytes.length;
    this.at += bytes.length;
    return bytes;
  }

  async #refill(): Promise<void> {
    this.#buffer.copyWithin(0, this.#from, this.#to);
    const kept = this.#to - this.#from;
    this.#from = 0;
    this.#to = Math.min(this.#buffer.length, this.end - this.at);
    await fill(this.file, this.#buffer.subarray(kept, this.#to), this.at + kept);
  }
}

/** Reads on until `target` is full; `at` is where the file stands. */
async function fill(file: FileHandle, target: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await file.read(target, done, target.length - done);
    if (bytesRead === 0) throw new ModelFormatError('the file became shorter while it was read', at + done);
    done += bytesRead;
  }
}
