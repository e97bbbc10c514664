// The safetensors file format, https://github.com/huggingface/safetensors#format
//
//   0         8                          8+N                            end
//   +---------+--------------------------+-------------------------------+
//   | N (u64) | JSON header, space-padded| tensors, contiguous, row-major|   all little-endian
//   +---------+--------------------------+-------------------------------+
//   header = { "__metadata__": { string: string },
//              "<name>": { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] }, ... }
//
// A model file may come from anywhere, so the reader takes every byte as hostile: the header is
// parsed by a strict parser without recursion (JSON.parse hides duplicate keys and byte offsets),
// and no tensor is allocated before all of them are known to tile the data section exactly.
// Everything accepted here the reference implementation (Rust, 0.8.0) accepts too; it also lets pass
// duplicate names (the last one wins), white space before "{", unknown fields of a tensor, more than
// 64 dimensions and the names of prototypes.

import { ModelFormatError } from './errors.ts';
import { DTYPES, type Dtype, viewOf } from './safetensors-values.ts';

/** A tensor in a model file; `data` holds product(shape) values, row-major; shape [] is one scalar. */
export interface NamedTensor {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}

/** A tensor that was read, and the byte of the file where the header describes it. */
export interface ReadTensor extends NamedTensor {
  at: number;
}

/** The cap of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;
/** The limit of PyTorch and of NumPy 2; keeps a header of "1,1,1,..." from growing 8-fold in memory. */
const MAX_RANK = 64;
const METADATA = '__metadata__';
/** Keys that reach a prototype when somebody, later, writes `object[name]`. */
const FORBIDDEN_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

// ---------------------------------------------------------------------------------------- writing

/**
 * The bytes of a safetensors file: tensors as F32 in the given order, data 8-byte aligned.
 * Equal input gives equal bytes; every bit of `data` is kept, NaN payloads included.
 *
 * @param tensors names must be unique, well-formed Unicode, and none of `__metadata__`,
 *   `__proto__`, `constructor`, `prototype`
 * @param metadata free strings for the header; {} leaves the `__metadata__` entry out
 * @throws Error when a name, a shape or a metadata value cannot be written
 */
export function encodeSafetensors(
  tensors: readonly NamedTensor[],
  metadata: Record<string, string>,
): Uint8Array {
  const fields: string[] = [];
  const pairs = Object.entries(metadata);
  for (const [key, value] of pairs) {
    checkWritableName(key, 'metadata key');
    if (typeof value !== 'string' || !isWellFormed(value)) {
      throw new Error(`safetensors: metadata ${quote(key)} must be a string of well-formed Unicode`);
    }
  }
  if (pairs.length > 0) {
    const body = pairs.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
    fields.push(`"${METADATA}":{${body.join(',')}}`);
  }

  const names = new Set<string>();
  let end = 0;
  for (const { name, shape, data } of tensors) {
    checkWritableName(name, 'tensor name');
    if (name === METADATA) throw new Error(`safetensors: ${METADATA} cannot name a tensor; rename it`);
    if (names.has(name)) throw new Error(`safetensors: two tensors are named ${quote(name)}; rename one`);
    names.add(name);
    checkWritableShape(name, shape, data.length);
    const begin = end;
    end += data.byteLength;
    const offsets = `"data_offsets":[${begin},${end}]`;
    fields.push(`${JSON.stringify(name)}:{"dtype":"F32","shape":[${shape.join(',')}],${offsets}}`);
  }

  const json = new TextEncoder().encode(`{${fields.join(',')}}`);
  const headerBytes = Math.ceil(json.length / 8) * 8;
  if (headerBytes > MAX_HEADER_BYTES) {
    throw new Error(
      `safetensors: header of ${headerBytes} bytes, at most ${MAX_HEADER_BYTES} can be read back`,
    );
  }
  const file = new Uint8Array(8 + headerBytes + end);
  new DataView(file.buffer).setUint32(0, headerBytes, true);
  file.set(json, 8);
  file.fill(0x20, 8 + json.length, 8 + headerBytes);
  let at = 8 + headerBytes;
  for (const { data } of tensors) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

function checkWritableName(name: string, what: string): void {
  if (FORBIDDEN_NAMES.has(name))
    throw new Error(`safetensors: ${quote(name)} is no valid ${what}; rename it`);
  if (!isWellFormed(name)) {
    throw new Error(`safetensors: ${what} ${quote(name)} holds half a surrogate pair; rename it`);
  }
}

function checkWritableShape(name: string, shape: readonly number[], length: number): void {
  const fits = shape.length <= MAX_RANK && shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0);
  if (!fits || elementCount(shape) !== length) {
    throw new Error(
      `safetensors: tensor ${quote(name)} has ${length} values and shape [${shape}]; ` +
        `expected at most ${MAX_RANK} non-negative integers whose product is ${length}`,
    );
  }
}

/** No half of a surrogate pair alone: UTF-8 cannot hold one. (String.isWellFormed is newer than our targets.) */
function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

// ---------------------------------------------------------------------------------------- reading

/** A tensor as the header describes it. */
export interface Entry {
  name: string;
  dtype: Dtype;
  shape: readonly number[];
  elements: number;
  /** Of its data, counted from the first byte of the data. */
  begin: number;
  end: number;
  /** Bytes of the file where the name and the data_offsets of this tensor stand. */
  nameAt: number;
  at: number;
}

/** A header whose tensors tile the data exactly; they come in the order of their data. */
export interface SafetensorsHeader {
  readonly entries: readonly Entry[];
  readonly metadata: ReadonlyMap<string, string>;
  /** Byte of the file where the header has its metadata; the header's start if there are none. */
  readonly metadataAt: number;
  /** Byte of the file where the data begin. */
  readonly dataAt: number;
}

/**
 * The header of a safetensors file held in memory. Time is n log n in the number of tensors. The worst a file can ask for,
 * a 100 MB header of 1.75 million empty tensors, took 14 s and 1.5 GB (Node 20, 2 vCPU, niced).
 *
 * @throws ModelFormatError for any violation of the format, naming the byte where it stands
 */
export function headerOf(bytes: Uint8Array): SafetensorsHeader {
  // copied, so that an index into the copy is an offset in the file
  const header = new Uint8Array(dataStart(bytes, bytes.length));
  header.set(bytes.subarray(0, header.length));
  return decodeHeader(header, bytes.length);
}

/**
 * The tensors of a file held in memory, in the order of their data; F64 is rounded to the nearest float32, F16 and BF16 are
 * exact. They share no memory with `bytes`, which may be unaligned or lie in shared memory. A 200 MB F32 tensor takes 0.12 s
 * and its own 200 MB.
 *
 * @throws ModelFormatError for a number that is too large for float32
 */
export function tensorsOf(bytes: Uint8Array, { entries, dataAt }: SafetensorsHeader): ReadTensor[] {
  return entries.map((entry) => {
    const tensor = emptyTensor(entry);
    const begin = dataAt + entry.begin;
    entry.dtype.read(bytes.subarray(begin, dataAt + entry.end), tensor.data, begin);
    return tensor;
  });
}

/** Where the data begin, behind the length field and the header, from the first 8 bytes of a file. */
export function dataStart(first: Uint8Array, fileBytes: number): number {
  if (fileBytes < 8) {
    const message = `a safetensors file starts with an 8-byte header length, this one has ${fileBytes} bytes`;
    throw new ModelFormatError(message, fileBytes);
  }
  const length = viewOf(first).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    throw new ModelFormatError(`header length ${length}, at most ${MAX_HEADER_BYTES} is allowed`, 0);
  }
  if (length > fileBytes - 8) {
    throw new ModelFormatError(`header length ${length}, but only ${fileBytes - 8} bytes follow`, 0);
  }
  return 8 + Number(length);
}

/** What the length field and the header say of a file of so many bytes. */
export function decodeHeader(header: Uint8Array<ArrayBuffer>, fileBytes: number): SafetensorsHeader {
  const dataAt = header.length;
  const parsed = parseHeader(header, fileBytes - dataAt);
  checkTiling(parsed.entries, dataAt, fileBytes - dataAt);
  return { ...parsed, dataAt };
}

/** A tensor whose values are to be read. */
export function emptyTensor({ name, shape, elements, nameAt: at }: Entry): ReadTensor {
  const data = orTooLarge(() => new Float32Array(elements), `the values of tensor ${quote(name)}`, at);
  return { name, shape, data, at };
}

/** What `allocate` gives; the engine's RangeError on a length that it cannot give becomes one of the file. */
export function orTooLarge<T>(allocate: () => T, what: string, at: number): T {
  try {
    return allocate();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ModelFormatError(`there is no memory for ${what}: ${error.message}`, at);
  }
}

/** Sorts by place, then demands that each tensor begins where the one before ends, up to the last byte. */
function checkTiling(entries: Entry[], headerEnd: number, dataBytes: number): void {
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let cursor = 0;
  for (const { name, begin, end, at } of entries) {
    if (begin < cursor) {
      throw new ModelFormatError(`the data of tensor ${quote(name)} overlaps the tensor before it`, at);
    }
    if (begin > cursor) {
      throw new ModelFormatError(`a hole of ${begin - cursor} bytes before tensor ${quote(name)}`, at);
    }
    cursor = end;
  }
  if (cursor !== dataBytes) {
    throw new ModelFormatError(`${dataBytes - cursor} bytes that belong to no tensor`, headerEnd + cursor);
  }
}

function parseHeader(header: Uint8Array<ArrayBuffer>, dataBytes: number) {
  const entries: Entry[] = [];
  const metadata = new Map<string, string>();
  let metadataAt = 8;
  const names = new Set<string>();
  const reader = new HeaderReader(header);
  reader.object('a header that starts with "{"', (name, at) => {
    if (names.has(name)) throw new ModelFormatError(`duplicate name ${quote(name)}`, at);
    names.add(name);
    if (name === METADATA) {
      metadataAt = at;
      readMetadata(reader, metadata);
    } else entries.push(readEntry(reader, name, at, dataBytes));
  });
  reader.skipSpace();
  reader.expect(-1, 'nothing but spaces behind the header');
  return { entries, metadata, metadataAt };
}

function readMetadata(reader: HeaderReader, metadata: Map<string, string>): void {
  reader.object(`${METADATA} as an object`, (key, at) => {
    checkReadableName(key, at);
    if (metadata.has(key)) throw new ModelFormatError(`duplicate metadata key ${quote(key)}`, at);
    metadata.set(key, reader.string(`metadata ${quote(key)} as a string`));
  });
}

function readEntry(reader: HeaderReader, name: string, nameAt: number, dataBytes: number): Entry {
  checkReadableName(name, nameAt);
  const tensor = `tensor ${quote(name)}`;
  const places = new Map<string, number>();
  const bodyAt = reader.at;
  let id = '';
  let shape: number[] = [];
  let offsets: number[] = [];
  reader.object(`${tensor} as an object`, (field, fieldAt) => {
    if (places.has(field)) throw new ModelFormatError(`${tensor} has two fields ${quote(field)}`, fieldAt);
    places.set(field, reader.at);
    if (field === 'dtype') id = reader.string(`the dtype of ${tensor} as a string`);
    else if (field === 'shape') shape = reader.integers(`the shape of ${tensor}`, MAX_RANK);
    else if (field === 'data_offsets') offsets = reader.integers(`the data_offsets of ${tensor}`, 2);
    else throw new ModelFormatError(`${tensor} has an unknown field ${quote(field)}`, fieldAt);
  });
  const placeOf = (field: string): number => {
    const at = places.get(field);
    if (at === undefined) throw new ModelFormatError(`${tensor} has no "${field}"`, bodyAt);
    return at;
  };

  const dtypeAt = placeOf('dtype');
  const dtype = DTYPES.get(id);
  if (dtype === undefined) {
    const known = [...DTYPES.keys()].join(', ');
    throw new ModelFormatError(`${tensor} has dtype ${quote(id)}, expected one of ${known}`, dtypeAt);
  }
  // Below 2^53 bytes for every dtype; zeros are left out, so that [huge, huge, 0] does not hide.
  const shapeAt = placeOf('shape');
  if (elementCount(shape.filter((dim) => dim > 0)) > Number.MAX_SAFE_INTEGER / 8) {
    throw new ModelFormatError(`the shape of ${tensor} overflows: [${clip(shape.join())}]`, shapeAt);
  }
  const elements = elementCount(shape);

  const at = placeOf('data_offsets');
  const fail = (problem: string) =>
    new ModelFormatError(`data_offsets [${offsets}] of ${tensor} ${problem}`, at);
  const [begin, end] = offsets;
  if (begin === undefined || end === undefined) throw fail('must be two numbers');
  if (begin > end) throw fail('run backwards');
  if (end > dataBytes) throw fail(`end behind the data, which has ${dataBytes} bytes`);
  const needed = elements * dtype.itemBytes;
  if (end - begin !== needed)
    throw fail(`hold ${end - begin} bytes, ${id} of shape [${clip(shape.join())}] needs ${needed}`);
  return { name, dtype, shape, elements, begin, end, nameAt, at };
}

function checkReadableName(name: string, at: number): void {
  if (FORBIDDEN_NAMES.has(name)) throw new ModelFormatError(`forbidden name ${quote(name)}`, at);
}

const [QUOTE, COMMA, COLON, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x5c];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * The subset of JSON (RFC 8259) that a header needs: objects, strings and lists of integers, never
 * nested by the file's will, so `[[[[...` fails at its first wrong byte and costs no stack.
 */
class HeaderReader {
  /** Index of the next byte; equals its offset in the file. */
  at = 8;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
  }

  /** Calls `field` behind the colon of each pair, with the key and the byte where the key stands. */
  object(what: string, field: (key: string, keyAt: number) => void): void {
    this.expect(OPEN_BRACE, what);
    this.skipSpace();
    if (this.#accept(CLOSE_BRACE)) return;
    do {
      this.skipSpace();
      const keyAt = this.at;
      const key = this.string('a key in double quotes');
      this.skipSpace();
      this.expect(COLON, '":" after the key');
      this.skipSpace();
      field(key, keyAt);
      this.skipSpace();
    } while (this.#accept(COMMA));
    this.expect(CLOSE_BRACE, '"," or "}"');
  }

  /** A list of at most `limit` integers in 0 .. 2^53 - 1. */
  integers(what: string, limit: number): number[] {
    const list: number[] = [];
    const listAt = this.at;
    this.expect(OPEN_BRACKET, `${what} as a list`);
    this.skipSpace();
    if (this.#accept(CLOSE_BRACKET)) return list;
    do {
      this.skipSpace();
      list.push(this.#integer());
      if (list.length > limit) throw new ModelFormatError(`${what} has more than ${limit} numbers`, listAt);
      this.skipSpace();
    } while (this.#accept(COMMA));
    this.expect(CLOSE_BRACKET, '"," or "]"');
    return list;
  }

  #integer(): number {
    const start = this.at;
    let value = 0;
    let byte = this.#bytes[start];
    while (byte !== undefined && byte >= 0x30 && byte <= 0x39 && value <= Number.MAX_SAFE_INTEGER) {
      value = value * 10 + (byte - 0x30);
      byte = this.#bytes[++this.at];
    }
    const ended = byte === undefined || byte <= 0x20 || byte === COMMA || byte === CLOSE_BRACKET;
    const leadingZero = this.#bytes[start] === 0x30 && this.at > start + 1;
    if (ended && this.at > start && !leadingZero && value <= Number.MAX_SAFE_INTEGER) return value;
    const token = /^[^,\]\s]+/.exec(String.fromCharCode(...this.#bytes.subarray(start, start + 24)));
    const found = token === null ? this.#found() : quote(token[0]).slice(1, -1);
    throw new ModelFormatError(`expected an integer from 0 to 2^53 - 1, found ${found}`, start);
  }

  /** A string, checked byte by byte: UTF-8, escapes, no control characters, no half surrogate pairs. */
  string(what: string): string {
    const start = this.at;
    this.expect(QUOTE, what);
    let escaped = false;
    for (;;) {
      const byte = this.#bytes[this.at];
      if (byte === QUOTE) break;
      if (byte === undefined || byte < 0x20) {
        throw new ModelFormatError(`string not closed, found ${this.#found()}`, this.at);
      }
      if (byte === BACKSLASH) {
        escaped = true;
        this.at += escapeLength(this.#bytes, this.at);
      } else {
        this.at += byte < 0x80 ? 1 : sequenceLength(this.#bytes, this.at);
      }
    }
    this.at++;
    if (!escaped) return this.#utf8.decode(this.#bytes.subarray(start + 1, this.at - 1));
    return JSON.parse(this.#utf8.decode(this.#bytes.subarray(start, this.at)));
  }

  skipSpace(): void {
    for (;;) {
      const byte = this.#bytes[this.at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.at++;
    }
  }

  /** Passes over `byte`, or over the end of the header when `byte` is -1. */
  expect(byte: number, what: string): void {
    if ((this.#bytes[this.at] ?? -1) !== byte) {
      throw new ModelFormatError(`expected ${what}, found ${this.#found()}`, this.at);
    }
    this.at++;
  }

  #accept(byte: number): boolean {
    if (this.#bytes[this.at] !== byte) return false;
    this.at++;
    return true;
  }

  #found(): string {
    const byte = this.#bytes[this.at];
    if (byte === undefined) return 'the end of the header';
    if (byte === 0xef && this.at === 8) return 'a byte order mark';
    return byte > 0x20 && byte < 0x7f
      ? String.fromCharCode(byte)
      : `byte 0x${byte.toString(16).padStart(2, '0')}`;
  }
}

/** Bytes of "\/bfnrt, which may follow a backslash. */
const SIMPLE_ESCAPES: ReadonlySet<number | undefined> = new Set(new TextEncoder().encode('"\\/bfnrt'));
const PAIR = '[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}';
const UNICODE_ESCAPE = new RegExp(`^\\\\u(?:${PAIR}|(?![dD][89a-fA-F])[0-9a-fA-F]{4})`);

/** Length of the JSON escape at `at`; a surrogate pair in two \u escapes counts as one. */
function escapeLength(bytes: Uint8Array, at: number): number {
  if (SIMPLE_ESCAPES.has(bytes[at + 1])) return 2;
  const match = UNICODE_ESCAPE.exec(String.fromCharCode(...bytes.subarray(at, at + 12)));
  if (match === null) throw new ModelFormatError('invalid escape in a string', at);
  return match[0].length;
}

/** Length of the UTF-8 sequence of two to four bytes at `at` (RFC 3629, section 4). */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  const second = bytes[at + 1] ?? 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  // No overlong form, no surrogate, nothing above U+10FFFF: only the second byte's range varies.
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  let valid = first >= 0xc2 && first <= 0xf4 && second >= low && second <= high;
  for (let i = 2; i < length; i++) valid &&= ((bytes[at + i] ?? 0) & 0xc0) === 0x80;
  if (!valid) throw new ModelFormatError('invalid UTF-8 in a string', at);
  return length;
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((count, dim) => count * dim, 1);
}

/** Text from a file in an error message: escaped, and short whatever the file says. */
function quote(text: string): string {
  return JSON.stringify(clip(text));
}

function clip(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
