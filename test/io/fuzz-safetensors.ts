// The body of the two safetensors fuzz tests, the bounded one here and the long one in test/slow.
//
// A case is a good file, taken apart into length, header and data, changed one to six times and put
// together again. Header changes keep the length field right, so that most cases get past it.

import fc from 'fast-check';
import { ModelFormatError } from '../../src/io/errors.ts';
import { encodeSafetensors, type NamedTensor } from '../../src/io/safetensors.ts';
import { decodeSafetensors } from './decode.ts';

/** One per throw of the reader. A rejection that matches none fails the test; the counts show the reach. */
const KINDS = [
  '8-byte header length',
  'header length \\d+, at most',
  'header length \\d+, but only',
  'expected a header that starts',
  'expected nothing but spaces',
  'expected a key in double quotes',
  'expected ":"',
  'expected "," or "\\}"',
  'expected "," or "\\]"',
  'expected an integer',
  'expected .* as an object',
  'expected .* as a list',
  'expected .* as a string',
  'string not closed',
  'invalid escape',
  'invalid UTF-8',
  'duplicate name',
  'duplicate metadata key',
  'forbidden name',
  'has two fields',
  'has an unknown field',
  'has no "',
  'has dtype',
  'has more than \\d+ numbers',
  'overflows',
  'must be two numbers',
  'run backwards',
  'end behind the data',
  'hold \\d+ bytes',
  'a hole of',
  'overlaps',
  'belong to no tensor',
  'too large for float32',
];
const KIND_PATTERNS = KINDS.map((kind) => new RegExp(kind));

export interface FuzzCounts {
  runs: number;
  accepted: number;
  /** Rejections by kind of message; every kind is a key. */
  rejected: Map<string, number>;
}

/** A file in parts; the header as a string of one character per byte, so that regular expressions edit bytes. */
interface Parts {
  length?: bigint;
  header: string;
  data: Uint8Array;
}

const utf8 = (text: string) => Buffer.from(text).toString('latin1');
const CORPUS: readonly Parts[] = [
  split(
    encodeSafetensors(
      [
        { name: 'dense.weight', shape: [2, 3], data: new Float32Array([1, -0, Number.NaN, 4, 5, 6]) },
        { name: 'dense.bias', shape: [3], data: new Float32Array(3) },
        { name: 'ü🙂', shape: [0, 2], data: new Float32Array(0) },
        { name: 'step', shape: [], data: new Float32Array([7]) },
      ],
      { format: 'downhill', 'a\n"b"': 'ü🙂' },
    ),
  ),
  split(encodeSafetensors([], {})),
  split(encodeSafetensors([{ name: 'a', shape: [1, 1, 2], data: new Float32Array(2) }], {})),
  {
    header: utf8(`{"b":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},
      "a":{"shape":[3,1],"data_offsets":[16,22],"dtype":"F16"} , "__metadata__":{ "k" : "\\u00fc" },
      "c":{ "data_offsets" : [ 22, 26 ], "dtype":"BF16","shape":[1,2]}, "\\ud83d\\ude42":{"dtype":"F32",
      "shape":[1],"data_offsets":[26,30]}}  `),
    data: Uint8Array.from({ length: 30 }, (_, i) => i * 37),
  },
];

function split(file: Uint8Array): Parts {
  const end = 8 + Number(Buffer.from(file).readBigUInt64LE(0));
  return { header: Buffer.from(file.subarray(8, end)).toString('latin1'), data: file.subarray(end) };
}

function join({ header, data, length = BigInt(header.length) }: Parts): Uint8Array {
  const file = new Uint8Array(8 + header.length + data.length);
  new DataView(file.buffer).setBigUint64(0, length, true);
  for (let i = 0; i < header.length; i++) file[8 + i] = header.charCodeAt(i);
  file.set(data, 8 + header.length);
  return file;
}

// ---------------------------------------------------------------------------------------- changes

type Change = (parts: Parts) => Parts;

const NUMBERS = [
  ...'0 1 2 3 4 8 12 24 -1 -0 1.5 2.0 1e1 1e308 NaN 01 "1" [0] null 0,0 1,1,1'.split(' '),
  ...`9007199254740991 9007199254740992 4294967296 18446744073709551615 ${'1,'.repeat(64)}1`.split(' '),
  '',
];
const LISTS = '[] [0] [4] [0,0] [0,8] [4,12] [1,2] [2,3] [36,36] [0,4,8]'.split(' ');
const STRINGS = [
  ...'dtype shape data_offsets __metadata__ __proto__ constructor prototype a b dense.bias'.split(' '),
  ...'F32 F64 F16 BF16 I64 BOOL \\u0061 \\u00 \\ud800 \\ud83d\\ude42 \\x \\N \\ \x00 \xff \xc3'.split(' '),
  ...'\xc3\xbc \xed\xa0\x80 \xef\xbb\xbf'.split(' '),
  ...['', '"', '\n'],
].map((text) => `"${text}"`);
const PIECES = [
  ...'{ } [ ] , : " \\ {} [[[[ {"a": null \n \xef\xbb\xbf \x00 \xf0\x9f'.split(' '),
  ...[' ', '"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},'],
];
const LENGTHS = [
  ...[0n, 1n, 2n, 7n, 8n, 99_999_999n, 100_000_001n, 2n ** 31n, 2n ** 32n + 2n, 2n ** 53n],
  ...[2n ** 63n - 1n, 2n ** 64n - 1n],
];

/** A position in a text of any length, as a fraction. */
const place = fc.nat(0xffff).map((n) => n / 0x10000);
const at = (fraction: number, length: number) => Math.floor(fraction * length);

/** Changes one of the tokens of the header that match, any of them. */
function tokens(weight: number, pattern: RegExp, edits: fc.Arbitrary<(old: string) => string>) {
  const arbitrary = fc.tuple(place, edits).map(([fraction, edit]): Change => {
    return (parts) => {
      const matches = [...parts.header.matchAll(pattern)];
      const match = matches[at(fraction, matches.length)];
      if (match === undefined) return parts;
      const [old] = match;
      const behind = parts.header.slice(match.index + old.length);
      return { ...parts, header: parts.header.slice(0, match.index) + edit(old) + behind };
    };
  });
  return { weight, arbitrary };
}

/** Replaces up to `remove` bytes anywhere in the header. */
function range(weight: number, remove: number, pieces: fc.Arbitrary<string>) {
  const arbitrary = fc.tuple(place, fc.nat(remove), pieces).map(([fraction, n, piece]): Change => {
    return (parts) => {
      const from = at(fraction, parts.header.length + 1);
      return { ...parts, header: parts.header.slice(0, from) + piece + parts.header.slice(from + n) };
    };
  });
  return { weight, arbitrary };
}

const oneOf = (texts: readonly string[]) => fc.constantFrom(...texts).map((text) => () => text);
const times = fc.nat(2).map((n) => (old: string) => old.repeat(n));
const shift = (old: string, by: number) => old.replace(/\d+/g, (digits) => `${Number(digits) + by}`);
const shifted = fc.integer({ min: -20, max: 20 }).map((by) => (old: string) => shift(old, by));
const flipped = fc.nat(7).map((bit) => (old: string) => String.fromCharCode(old.charCodeAt(0) ^ (1 << bit)));
const otherRange = fc
  .tuple(fc.constantFrom(...CORPUS), place, fc.nat(80))
  .map(([{ header }, fraction, length]) => header.slice(at(fraction, header.length)).slice(0, length));

const change: fc.Arbitrary<Change> = fc.oneof(
  tokens(4, /\d+/g, oneOf(NUMBERS)),
  tokens(4, /\d+/g, shifted),
  tokens(2, /\[ ?\d+ ?, ?\d+ ?\]\}/g, shifted), // both offsets of a tensor: holes and overlaps
  tokens(1, /\[[^\]]*\]/g, oneOf(LISTS)),
  tokens(4, /"[^"]*"/g, oneOf(STRINGS)),
  tokens(2, /"[^"]*" ?:\{[^}]*\},?/g, times), // a tensor left out or written twice
  tokens(1, /"[^"]*":("[^"]*"|\[[^\]]*\]),?/g, times), // a field or a metadata pair, the same
  tokens(3, /./gs, flipped),
  range(2, 3, fc.constantFrom(...PIECES)),
  range(1, 60, fc.constant('')),
  range(1, 20, otherRange),
  {
    weight: 1,
    arbitrary: fc.nat(60).map((length): Change => {
      return (parts) => ({ ...parts, data: Uint8Array.from({ length }, (_, i) => parts.data[i] ?? 0xff) });
    }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(place, fc.nat(255)).map(([fraction, byte]): Change => {
      return (parts) => {
        const data = parts.data.slice();
        data[at(fraction, data.length)] = byte;
        return { ...parts, data };
      };
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...LENGTHS).map(
      (length): Change =>
        (parts) => ({ ...parts, length }),
    ),
  },
);

const mutatedFile = fc
  .tuple(
    fc.constantFrom(...CORPUS),
    fc.array(change, { minLength: 1, maxLength: 6 }),
    fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: place }),
  )
  .map(([parts, changes, keep]) => {
    const file = join(changes.reduce((sum, apply) => apply(sum), parts));
    return file.subarray(0, at(keep, file.length));
  });

// ------------------------------------------------------------------------------------- properties

/** The naive twin: JSON.parse and DataView, no checks. Right for every file that the reader accepts. */
function decodeNaively(file: Uint8Array): Map<string, { shape: number[]; values: number[] | undefined }> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const dataAt = 8 + Number(view.getBigUint64(0, true));
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> =
    JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file.subarray(8, dataAt)));
  const readers: Record<string, [number, (at: number) => number]> = {
    F32: [4, (at) => view.getFloat32(at, true)],
    F64: [8, (at) => Math.fround(view.getFloat64(at, true))],
    BF16: [2, (at) => new Float32Array(Uint16Array.of(0, view.getUint16(at, true)).buffer)[0]!],
  };
  const tensors = new Map<string, { shape: number[]; values: number[] | undefined }>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const [begin, end] = entry.data_offsets;
    const [itemBytes = 0, read] = readers[entry.dtype] ?? [];
    const items = { length: (end - begin) / itemBytes };
    const values = read && Array.from(items, (_, i) => read(dataAt + begin + i * itemBytes));
    tensors.set(name, { shape: entry.shape, values });
  }
  return tensors;
}

/** Reads one file; every broken promise of the reader is an error of another type than its own. */
function checkFile(file: Uint8Array, counts: FuzzCounts): void {
  let decoded: ReturnType<typeof decodeSafetensors>;
  try {
    decoded = decodeSafetensors(file);
  } catch (error) {
    if (!(error instanceof ModelFormatError)) throw error;
    const { offset, message } = error;
    const kind = KINDS[KIND_PATTERNS.findIndex((pattern) => pattern.test(message))];
    const placed = Number.isInteger(offset) && offset >= 0 && offset <= file.length;
    if (!placed || !message.endsWith(` (at byte ${offset})`) || kind === undefined || message.length > 500) {
      throw new Error(`a strange rejection: ${message}`);
    }
    counts.rejected.set(kind, (counts.rejected.get(kind) ?? 0) + 1);
    return;
  }
  counts.accepted++;
  const again = decodeSafetensors(encodeSafetensors(decoded.tensors, Object.fromEntries(decoded.metadata)));
  demandSame(again, decoded);
  const naive = decodeNaively(file);
  if (naive.size !== decoded.tensors.length) throw new Error(`${naive.size} tensors by JSON.parse`);
  for (const { name, shape, data } of decoded.tensors) {
    const twin = naive.get(name);
    const same = twin?.values?.every((value, i) => Object.is(value, data[i])) ?? true;
    const length = twin?.values?.length ?? data.length;
    if (`${twin?.shape}` !== `${shape}` || length !== data.length || !same) {
      throw new Error(`tensor ${JSON.stringify(name)} is not what JSON.parse and DataView read`);
    }
  }
}

type Decoded = ReturnType<typeof decodeSafetensors>;

function demandSame(
  a: Decoded,
  b: { tensors: readonly NamedTensor[]; metadata: ReadonlyMap<string, string> },
): void {
  const textOf = ({ tensors, metadata }: typeof b) =>
    JSON.stringify([
      tensors.map(({ name, shape, data }) => [
        name,
        shape,
        [...new Uint32Array(data.buffer, data.byteOffset, data.length)],
      ]),
      [...metadata].sort(),
    ]);
  if (textOf(a) !== textOf(b)) throw new Error('not the same after a round trip');
}

/** Reads `runs` damaged files. The same seed gives the same files; a failure prints its smallest file. */
export function fuzzReader(runs: number, seed: number): FuzzCounts {
  const counts: FuzzCounts = { runs, accepted: 0, rejected: new Map(KINDS.map((kind) => [kind, 0])) };
  fc.assert(
    fc.property(mutatedFile, (file) => checkFile(file, counts)),
    { numRuns: runs, seed },
  );
  return counts;
}

const name = fc
  .oneof(fc.string({ unit: 'binary', maxLength: 12 }), fc.string({ unit: 'grapheme', maxLength: 6 }))
  .filter((text) => !['__metadata__', '__proto__', 'constructor', 'prototype'].includes(text));
const tensor = fc
  .tuple(name, fc.array(fc.nat(3), { maxLength: 4 }), fc.nat())
  .map(([name, shape, bits]): NamedTensor => {
    const length = shape.reduce((count, dim) => count * dim, 1);
    // Knuth's multiplicative hash: all kinds of bits, NaN payloads among them.
    const words = Uint32Array.from({ length }, (_, i) => Math.imul(bits + i, 2654435761));
    return { name, shape, data: new Float32Array(words.buffer) };
  });

/** Writes and reads `runs` arbitrary models. */
export function fuzzRoundTrip(runs: number, seed: number): void {
  const tensors = fc.uniqueArray(tensor, { maxLength: 6, selector: (one) => one.name });
  fc.assert(
    fc.property(
      tensors,
      fc.dictionary(name, fc.string({ unit: 'binary' }), { maxKeys: 3 }),
      (tensors, metadata) => {
        const decoded = decodeSafetensors(encodeSafetensors(tensors, metadata));
        demandSame(decoded, { tensors, metadata: new Map(Object.entries(metadata)) });
      },
    ),
    { numRuns: runs, seed },
  );
}
