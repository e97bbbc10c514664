import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { ModelFormatError } from '../../src/io/errors.ts';
import { encodeSafetensors, type NamedTensor } from '../../src/io/safetensors.ts';
import { decodeSafetensors } from './decode.ts';

const MARK = '§';

/** A file from raw header bytes or text; the length field is right unless given. */
function fileOf(header: string | Uint8Array, dataBytes = 0, length?: bigint): Uint8Array {
  const json = typeof header === 'string' ? new TextEncoder().encode(header.replace(MARK, '')) : header;
  const file = new Uint8Array(8 + json.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  file.set(json, 8);
  return file;
}

/** A header whose tensor "a" has these fields, F32 of shape [2] at 0..8 unless said otherwise. */
function tensorA({ dtype = '"F32"', shape = '[2]', offsets = '[0,8]' }): string {
  return `{"a":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}}`;
}

function scalar(name: string, begin: number, mark = ''): string {
  return `"${name}":{"dtype":"F32","shape":[],"data_offsets":${mark}[${begin},${begin + 4}]}`;
}

function errorOf(bytes: Uint8Array): ModelFormatError {
  try {
    decodeSafetensors(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(ModelFormatError);
    return error as ModelFormatError;
  }
  throw new Error('the file was accepted');
}

function bitsOf(data: Float32Array): number[] {
  return [...new Uint32Array(data.slice().buffer)];
}

function floatsOf(...bits: number[]): Float32Array {
  return new Float32Array(new Uint32Array(bits).buffer);
}

/** A file of one tensor of another dtype: 16-bit patterns for itemBytes 2, values for 8. */
function rawFile(dtype: string, itemBytes: 2 | 8, values: ArrayLike<number>): Uint8Array {
  const bytes = values.length * itemBytes;
  const file = fileOf(
    tensorA({ dtype: `"${dtype}"`, shape: `[${values.length}]`, offsets: `[0,${bytes}]` }),
    bytes,
  );
  const view = new DataView(file.buffer, file.length - bytes);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    if (itemBytes === 2) view.setUint16(2 * i, value, true);
    else view.setFloat64(8 * i, value, true);
  }
  return file;
}

const ODD_BITS = [
  0x7fc00001, 0x7f800001, 0xffbfffff, 0x80000000, 0x00000001, 0x807fffff, 0x7f7fffff, 0xff800000,
];

describe('round trip', () => {
  const tensors: NamedTensor[] = [
    { name: 'odd bits', shape: [2, 4], data: floatsOf(...ODD_BITS) },
    { name: 'empty', shape: [0], data: new Float32Array(0) },
    { name: 'empty 3x0x2', shape: [3, 0, 2], data: new Float32Array(0) },
    { name: 'scalar', shape: [], data: new Float32Array([Math.PI]) },
    { name: '', shape: [1], data: new Float32Array([1]) },
    { name: 'quote " backslash \\ tab \t ü 界 🙂 \ufeff\u0000', shape: [1, 1], data: new Float32Array([2]) },
    { name: 'toString', shape: [1], data: new Float32Array([3]) },
  ];
  const metadata = { format: 'downhill', '': '', 'ключ "\n': 'значение 🙂 \u2028', 12: 'twelve' };

  function expectSame(decoded: ReturnType<typeof decodeSafetensors>): void {
    expect(decoded.tensors.map(({ name, shape }) => ({ name, shape }))).toEqual(
      tensors.map(({ name, shape }) => ({ name, shape })),
    );
    for (const [i, { data }] of tensors.entries()) {
      expect(bitsOf(decoded.tensors[i]!.data)).toEqual(bitsOf(data));
    }
    expect(decoded.metadata).toEqual(new Map(Object.entries(metadata)));
  }

  it('keeps names, shapes, order, metadata and every bit', () => {
    expectSame(decodeSafetensors(encodeSafetensors(tensors, metadata)));
  });

  it.each([1, 2, 3, 4, 5, 6, 7])('reads a view at byteOffset %i', (shift) => {
    const file = encodeSafetensors(tensors, metadata);
    const shifted = new Uint8Array(shift + file.length + 3).fill(0xff);
    shifted.set(file, shift);
    expectSame(decodeSafetensors(shifted.subarray(shift, shift + file.length)));
  });

  it('reads and writes shared memory, and Node buffers', () => {
    const shared = tensors.map(({ name, shape, data }) => {
      const copy = new Float32Array(new SharedArrayBuffer(data.byteLength + 4), 4);
      new Uint8Array(copy.buffer, 4).set(new Uint8Array(data.buffer));
      return { name, shape, data: copy };
    });
    const file = encodeSafetensors(shared, metadata);
    expect(file).toEqual(encodeSafetensors(tensors, metadata));
    const bytes = new Uint8Array(new SharedArrayBuffer(file.length));
    bytes.set(file);
    expectSame(decodeSafetensors(bytes));
    expectSame(decodeSafetensors(Buffer.from(file)));
  });

  it('does not alias the file', () => {
    const file = encodeSafetensors(tensors, metadata);
    const decoded = decodeSafetensors(file);
    file.fill(0xff);
    expectSame(decoded);
  });

  it('writes the layout of the specification, data 8-byte aligned', () => {
    const file = encodeSafetensors([{ name: 'w', shape: [2], data: new Float32Array([1, -2]) }], { k: 'v' });
    const json = '{"__metadata__":{"k":"v"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
    const length = Math.ceil(json.length / 8) * 8;
    expect(length).toBeGreaterThan(json.length);
    expect(new DataView(file.buffer).getBigUint64(0, true)).toBe(BigInt(length));
    expect(new TextDecoder().decode(file.subarray(8, 8 + length))).toBe(json.padEnd(length, ' '));
    expect([...file.subarray(8 + length)]).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
  });

  it('takes no tensors and no metadata', () => {
    const file = encodeSafetensors([], {});
    expect(new TextDecoder().decode(file.subarray(8))).toBe('{}      ');
    expect(decodeSafetensors(file)).toEqual({ tensors: [], metadata: new Map(), metadataAt: 8 });
  });

  it('finishes with 1e5 tensors, whatever their order in the header', () => {
    const count = 1e5;
    const many = Array.from({ length: count }, (_, i) => ({ name: `${i}`, shape: [1], data: floatsOf(i) }));
    expect(decodeSafetensors(encodeSafetensors(many, {})).tensors).toHaveLength(count);
    const step = 61_803; // coprime with 1e5: visits every place once, far from sorted
    const fields = many.map((_, i) => scalar(`t${(i * step) % count}`, 4 * ((i * step) % count)));
    const { tensors: sorted } = decodeSafetensors(fileOf(`{${fields.join(',')}}`, 4 * count));
    expect(sorted.every(({ name }, i) => name === `t${i}`)).toBe(true);
  }, 60_000);
});

describe('encodeSafetensors refuses', () => {
  const one = new Float32Array(1);
  const rows: [string, NamedTensor[], Record<string, string>, RegExp][] = [
    ['too few values', [{ name: 'w', shape: [2], data: one }], {}, /tensor "w" has 1 values and shape \[2\]/],
    ['a negative dimension', [{ name: 'w', shape: [-1, -1], data: one }], {}, /shape \[-1,-1\]/],
    ['a fractional dimension', [{ name: 'w', shape: [0.5, 2], data: one }], {}, /shape \[0.5,2\]/],
    ['65 dimensions', [{ name: 'w', shape: Array(65).fill(1), data: one }], {}, /at most 64/],
    ['two equal names', Array(2).fill({ name: 'w', shape: [1], data: one }), {}, /two tensors .* "w"/],
    ['the metadata name', [{ name: '__metadata__', shape: [1], data: one }], {}, /cannot name a tensor/],
    ['__proto__', [{ name: '__proto__', shape: [1], data: one }], {}, /"__proto__" is no valid tensor name/],
    ['constructor as metadata', [], { constructor: 'x' }, /"constructor" is no valid metadata key/],
    ['half a surrogate pair', [{ name: 'a\ud800', shape: [1], data: one }], {}, /half a surrogate pair/],
    ['the same in metadata', [], { k: '\udc00' }, /metadata "k" must be a string/],
    ['a number as metadata', [], { k: 3 as unknown as string }, /metadata "k" must be a string/],
    ['a header over 100 MB', [], { k: 'x'.repeat(1e8) }, /header of 100000032 bytes/],
  ];
  it.each(rows)('%s', (_, tensors, metadata, message) => {
    expect(() => encodeSafetensors(tensors, metadata)).toThrow(message);
  });
});

describe('other dtypes', () => {
  it('converts all 65536 F16 values exactly', () => {
    const halves = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const { data } = decodeSafetensors(rawFile('F16', 2, halves)).tensors[0]!;
    const bits = bitsOf(data);
    for (const half of halves) {
      const sign = half >> 15 ? -1 : 1;
      const exponent = (half >> 10) & 31;
      const fraction = (half & 1023) / 1024;
      const value =
        exponent === 31
          ? fraction === 0
            ? sign * Number.POSITIVE_INFINITY
            : Number.NaN
          : sign * (exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15));
      if (!Object.is(data[half], value)) expect.fail(`half ${half}: ${data[half]}, expected ${value}`);
      if (Number.isNaN(value)) expect(bits[half]! & 0x7fffff).toBe((half & 1023) << 13);
    }
  });

  it('converts all 65536 BF16 values to the upper half of a float32', () => {
    const halves = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const { data } = decodeSafetensors(rawFile('BF16', 2, halves)).tensors[0]!;
    expect(bitsOf(data)).toEqual([...halves].map((half) => (half << 16) >>> 0));
  });

  it('rounds F64 to the nearest float32', () => {
    const values = [0.1, -0, 1e-46, 3.4028235e38, Number.POSITIVE_INFINITY, Number.NaN];
    const { data } = decodeSafetensors(rawFile('F64', 8, values)).tensors[0]!;
    expect([...data]).toEqual(values.map(Math.fround));
  });

  it('refuses an F64 value that float32 cannot hold', () => {
    const file = rawFile('F64', 8, [1, -1e300]);
    expect(errorOf(file)).toMatchObject({
      message: `F64 value -1e+300 is too large for float32 (at byte ${file.length - 8})`,
      offset: file.length - 8,
    });
  });
});

describe('golden file of the official implementation', () => {
  const path = new URL('../golden/safetensors-reference.json', import.meta.url);
  const golden: {
    file: string;
    metadata: Record<string, string>;
    tensors: { name: string; shape: number[]; float32: string }[];
  } = JSON.parse(readFileSync(path, 'utf8'));

  it('decodes bit-equal', () => {
    const { tensors, metadata } = decodeSafetensors(Buffer.from(golden.file, 'base64'));
    expect(metadata).toEqual(new Map(Object.entries(golden.metadata)));
    expect(tensors).toHaveLength(golden.tensors.length);
    for (const { name, shape, float32 } of golden.tensors) {
      const tensor = tensors.find((candidate) => candidate.name === name);
      expect(tensor?.shape).toEqual(shape);
      expect(Buffer.from(tensor!.data.buffer).toString('hex')).toBe(float32);
    }
  });
});

/** The text's mark stands where the error must point. */
type Violation = [what: string, header: string, dataBytes: number, message: RegExp];

const BRACKETS = '['.repeat(1e5);

const violations: Violation[] = [
  // JSON
  ['an empty header', MARK, 0, /expected a header that starts with "\{", found the end of the header/],
  ['a leading space', `${MARK} {}`, 0, /starts with "\{", found byte 0x20/],
  ['a list', `${MARK}[]`, 0, /starts with "\{", found \[/],
  ['a BOM', `${MARK}\ufeff{}`, 0, /starts with "\{", found a byte order mark/],
  ['an open header', `{${MARK}`, 0, /a key in double quotes, found the end/],
  ['garbage behind the header', `{} ${MARK}x`, 0, /nothing but spaces behind the header, found x/],
  ['a second header', `{}${MARK}{}`, 0, /nothing but spaces behind the header, found \{/],
  ['a NUL behind the header', `{}${MARK}\0`, 0, /nothing but spaces .* found byte 0x00/],
  ['a trailing comma', `{${scalar('a', 0)},${MARK}}`, 4, /a key in double quotes, found \}/],
  ['a missing comma', `{${scalar('a', 0)} ${MARK}"b":{}}`, 4, /"," or "\}", found "/],
  ['a missing colon', `{"a" ${MARK}{}}`, 0, /":" after the key, found \{/],
  ['a bare key', `{${MARK}a:{}}`, 0, /a key in double quotes, found a/],
  ['an open string', `{"a${MARK}`, 0, /string not closed, found the end of the header/],
  ['a line break in a string', `{"a${MARK}\n":{}}`, 0, /string not closed, found byte 0x0a/],
  ['a control character in a string', `{"a${MARK}\x1f":{}}`, 0, /string not closed, found byte 0x1f/],
  ['an unknown escape', `{"a${MARK}\\x":{}}`, 0, /invalid escape/],
  ['an escape in upper case', `{"a${MARK}\\N":{}}`, 0, /invalid escape/], // found by the fuzzer
  ['a \\U escape', `{"a${MARK}\\U0041":{}}`, 0, /invalid escape/],
  ['a short \\u escape', `{"a${MARK}\\u12g4":{}}`, 0, /invalid escape/],
  ['an escape at the end', `{"a${MARK}\\`, 0, /invalid escape/],
  ['half a surrogate pair, high', `{"a${MARK}\\ud800":{}}`, 0, /invalid escape/],
  ['half a surrogate pair, low', `{"a${MARK}\\uDC00":{}}`, 0, /invalid escape/],
  ['a high half before no low half', `{"a${MARK}\\ud800\\u0041":{}}`, 0, /invalid escape/],
  ['1e5 open lists', `{"a":{"dtype":"F32","shape":[${MARK}${BRACKETS}`, 0, /integer .* found \[{24} /],
  ['1e5 open objects', `{"a":{${MARK}${'"a":{'.repeat(1e5)}`, 0, /unknown field "a"/],
  ['1e5 open lists as the header', `${MARK}${BRACKETS}`, 0, /starts with "\{", found \[/],
  [
    '1e5 open lists as metadata',
    `{"__metadata__":{"a":${MARK}${BRACKETS}`,
    0,
    /metadata "a" as a string, found \[/,
  ],

  // names
  ['duplicate names', `{${scalar('a', 0)},${MARK}${scalar('a', 4)}}`, 8, /duplicate name "a"/],
  [
    'duplicate names, one escaped',
    `{${scalar('a', 0)},${MARK}${scalar('\\u0061', 4)}}`,
    8,
    /duplicate name "a"/,
  ],
  ['two __metadata__', `{"__metadata__":{},${MARK}"__metadata__":{}}`, 0, /duplicate name "__metadata__"/],
  ['duplicate metadata', `{"__metadata__":{"a":"1",${MARK}"a":"2"}}`, 0, /duplicate metadata key "a"/],
  ['a duplicate field', `{"a":{"dtype":"F32",${MARK}"dtype":"F32"}}`, 0, /two fields "dtype"/],
  ...['__proto__', 'constructor', 'prototype', '\\u005f_proto__'].flatMap((name): Violation[] => [
    [
      `a tensor ${name}`,
      `{${MARK}${scalar(name, 0)}}`,
      4,
      /forbidden name "(__proto__|constructor|prototype)"/,
    ],
    [`metadata ${name}`, `{"__metadata__":{${MARK}"${name}":"x"}}`, 0, /forbidden name/],
    [`a field ${name}`, `{"a":{${MARK}"${name}":{}}}`, 0, /unknown field/],
  ]),
  ['a long name', `{"${'x'.repeat(1e6)}":${MARK}1}`, 0, /tensor "x{60}\.\.\." as an object, found 1/],

  // types
  ...['null', '1', '"x"', '[]', 'true'].flatMap((value): Violation[] => [
    [`a tensor that is ${value}`, `{"a":${MARK}${value}}`, 0, /tensor "a" as an object, found ./],
    [
      `metadata that is ${value}`,
      `{"__metadata__":${MARK}${value}}`,
      0,
      /__metadata__ as an object, found ./,
    ],
  ]),
  ...['null', '1', '[]', '{}', 'true'].map((value): Violation => {
    return [
      `a metadata value ${value}`,
      `{"__metadata__":{"k":${MARK}${value}}}`,
      0,
      /metadata "k" as a string/,
    ];
  }),
  ['a numeric dtype', tensorA({ dtype: `${MARK}32` }), 8, /the dtype of tensor "a" as a string, found 3/],
  ['a dtype list', tensorA({ dtype: `${MARK}["F32"]` }), 8, /the dtype of tensor "a" as a string, found \[/],
  ...['I64', 'U8', 'BOOL', 'F8_E4M3', 'f32', '', 'F32 ', 'toString'].map((id): Violation => {
    return [
      `dtype "${id}"`,
      tensorA({ dtype: `${MARK}"${id}"` }),
      8,
      /has dtype "\w* ?", expected one of F32, F64, F16, BF16/,
    ];
  }),
  [
    'a shape that is a number',
    tensorA({ shape: `${MARK}2` }),
    8,
    /the shape of tensor "a" as a list, found 2/,
  ],
  [
    'a shape that is a string',
    tensorA({ shape: `${MARK}"2"` }),
    8,
    /the shape of tensor "a" as a list, found "/,
  ],
  [
    'offsets that are an object',
    tensorA({ offsets: `${MARK}{}` }),
    8,
    /data_offsets of tensor "a" as a list, found \{/,
  ],
  ['one offset', tensorA({ offsets: `${MARK}[0]` }), 8, /data_offsets \[0\] .* must be two numbers/],
  ['no offset', tensorA({ offsets: `${MARK}[]` }), 8, /data_offsets \[\] .* must be two numbers/],
  [
    'three offsets',
    tensorA({ offsets: `${MARK}[0,4,8]` }),
    8,
    /data_offsets of tensor "a" has more than 2 numbers/,
  ],
  [
    '65 dimensions',
    tensorA({ shape: `${MARK}[${Array(65).fill(1)}]` }),
    4,
    /shape of tensor "a" has more than 64/,
  ],
  ['a million dimensions', tensorA({ shape: `${MARK}[${'1,'.repeat(1e6)}1]` }), 4, /more than 64 numbers/],
  ['no dtype', `{"a":${MARK}{"shape":[2],"data_offsets":[0,8]}}`, 8, /tensor "a" has no "dtype"/],
  ['no shape', `{"a":${MARK}{"dtype":"F32","data_offsets":[0,8]}}`, 8, /tensor "a" has no "shape"/],
  ['no offsets', `{"a":${MARK}{"dtype":"F32","shape":[2]}}`, 8, /tensor "a" has no "data_offsets"/],
  ['nothing in a tensor', `{"a":${MARK}{}}`, 0, /tensor "a" has no "dtype"/],
  [
    'an unknown field',
    `{"a":{"dtype":"F32",${MARK}"strides":[1]}}`,
    0,
    /tensor "a" has an unknown field "strides"/,
  ],

  // numbers
  ...[
    '-1',
    '-0',
    '1.5',
    '2.0',
    '2e0',
    '1e308',
    '-1e308',
    '1e999',
    'NaN',
    'Infinity',
    '-Infinity',
    '+2',
    '02',
    '00',
    '0x2',
  ]
    .concat(['2n', '.5', '9007199254740992', '18446744073709551616', '1_0', 'true', 'null', '9'.repeat(400)])
    .flatMap((number): Violation[] => {
      const found = number.slice(0, 24).replace(/[.+]/g, '\\$&');
      const message = new RegExp(`expected an integer from 0 to 2\\^53 - 1, found ${found} \\(`);
      return [
        [`dimension ${number.slice(0, 20)}`, tensorA({ shape: `[1,${MARK}${number}]` }), 8, message],
        [`offset ${number.slice(0, 20)}`, tensorA({ offsets: `[0, ${MARK}${number} ]` }), 8, message],
      ];
    }),
  ['a string as a number', tensorA({ shape: `[${MARK}"2"]` }), 8, /expected an integer .* found \\"2\\"/],
  ['a missing number', tensorA({ shape: `[2,${MARK}]` }), 8, /expected an integer .* found \]/],
  ['a number at the end', `{"a":{"shape":[2${MARK}`, 0, /"," or "\]", found the end of the header/],

  // layout
  [
    'a product over 2^53',
    tensorA({ shape: `${MARK}[94906267,94906267]` }),
    8,
    /shape of tensor "a" overflows/,
  ],
  [
    'a product of 2^64',
    tensorA({ shape: `${MARK}[4294967296,4294967296]` }),
    8,
    /shape of tensor "a" overflows/,
  ],
  [
    '64 huge dimensions',
    tensorA({ shape: `${MARK}[${Array(64).fill(2 ** 53 - 1)}]` }),
    8,
    /overflows: \[9007199254740991,.*\.\.\.\]/,
  ],
  ['bytes over 2^53', tensorA({ shape: `${MARK}[9007199254740991]` }), 8, /shape of tensor "a" overflows/],
  [
    'an overflow before a zero',
    tensorA({ shape: `${MARK}[9007199254740991,2,0]`, offsets: '[0,0]' }),
    0,
    /overflows/,
  ],
  [
    'an overflow after a zero',
    tensorA({ shape: `${MARK}[0,9007199254740991,2]`, offsets: '[0,0]' }),
    0,
    /overflows/,
  ],
  [
    '2^50 values in no bytes',
    tensorA({ shape: '[562949953421312]', offsets: `${MARK}[0,0]` }),
    0,
    /hold 0 bytes, F32 .* needs 2251799813685248/,
  ],
  [
    'more bytes than the shape',
    tensorA({ shape: '[1]', offsets: `${MARK}[0,8]` }),
    8,
    /hold 8 bytes, F32 of shape \[1\] needs 4/,
  ],
  [
    'fewer bytes than the shape',
    tensorA({ shape: '[3]', offsets: `${MARK}[0,8]` }),
    8,
    /hold 8 bytes, F32 of shape \[3\] needs 12/,
  ],
  [
    'bytes of another dtype',
    tensorA({ dtype: '"F64"', offsets: `${MARK}[0,8]` }),
    8,
    /hold 8 bytes, F64 of shape \[2\] needs 16/,
  ],
  [
    'a zero with bytes',
    tensorA({ shape: '[0]', offsets: `${MARK}[0,8]` }),
    8,
    /hold 8 bytes, F32 of shape \[0\] needs 0/,
  ],
  [
    'backward offsets',
    tensorA({ offsets: `${MARK}[8,0]` }),
    8,
    /data_offsets \[8,0\] of tensor "a" run backwards/,
  ],
  ['data cut short', tensorA({ offsets: `${MARK}[0,8]` }), 7, /end behind the data, which has 7 bytes/],
  ['offsets up to 2^53 - 1', tensorA({ offsets: `${MARK}[0,9007199254740991]` }), 8, /end behind the data/],
  ['a hole at the start', tensorA({ offsets: `${MARK}[4,12]` }), 12, /a hole of 4 bytes before tensor "a"/],
  [
    'a hole in the middle',
    `{${scalar('a', 0)},${scalar('b', 8, MARK)}}`,
    12,
    /a hole of 4 bytes before tensor "b"/,
  ],
  [
    'an overlap',
    `{${scalar('a', 0)},${scalar('b', 2, MARK)}}`,
    6,
    /tensor "b" overlaps the tensor before it/,
  ],
  ['two tensors in one place', `{${scalar('a', 0)},${scalar('b', 0, MARK)}}`, 4, /tensor "b" overlaps/],
  ['an overlap out of order', `{${scalar('b', 3, MARK)},${scalar('a', 0)}}`, 7, /tensor "b" overlaps/],
  [
    'an empty tensor inside another',
    `{${scalar('a', 0)},"b":{"dtype":"F32","shape":[0],"data_offsets":${MARK}[2,2]}}`,
    4,
    /"b" overlaps/,
  ],
  [
    'an empty tensor behind the data',
    `{${scalar('a', 0)},"b":{"dtype":"F32","shape":[0],"data_offsets":${MARK}[8,8]}}`,
    4,
    /end behind the data/,
  ],
];

describe('decodeSafetensors refuses', () => {
  const prototypeBefore = Object.getOwnPropertyNames(Object.prototype);
  afterEach(() => {
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(prototypeBefore);
    expect(Object.keys({})).toEqual([]);
  });

  it.each(violations)('%s', (_, header, dataBytes, message) => {
    const offset = 8 + new TextEncoder().encode(header.slice(0, header.indexOf(MARK))).length;
    const error = errorOf(fileOf(header, dataBytes));
    expect(error.message).toMatch(message);
    expect(error.message.endsWith(` (at byte ${offset})`)).toBe(true);
    expect(error.message.length).toBeLessThan(300);
    expect(error).toMatchObject({ name: 'ModelFormatError', offset });
  });

  const header = tensorA({});
  const data = new TextEncoder();
  const rows: [string, Uint8Array, number, RegExp][] = [
    ['no bytes', new Uint8Array(0), 0, /8-byte header length, this one has 0 bytes/],
    ['7 bytes', new Uint8Array(7), 7, /8-byte header length, this one has 7 bytes/],
    ['a header longer than the file', fileOf('{}', 0, 3n), 0, /header length 3, but only 2 bytes follow/],
    ['a header over the cap', fileOf('{}', 0, 100_000_001n), 0, /header length 100000001, at most 100000000/],
    ['a header of 100 MB in a short file', fileOf('{}', 0, 100_000_000n), 0, /but only 2 bytes follow/],
    ['a header of 2^32 + 2', fileOf('{}', 0, 2n ** 32n + 2n), 0, /header length 4294967298, at most/],
    ['a header of 2^53 + 2', fileOf('{}', 0, 2n ** 53n + 2n), 0, /header length 9007199254740994, at most/],
    [
      'a header of 2^63 - 1',
      fileOf('{}', 0, 2n ** 63n - 1n),
      0,
      /header length 9223372036854775807, at most/,
    ],
    [
      'a header of 2^64 - 1',
      fileOf('{}', 0, 2n ** 64n - 1n),
      0,
      /header length 18446744073709551615, at most/,
    ],
    ['a length that cuts the header', fileOf(header, 8, 30n), 38, /found the end of the header/],
    ['data behind the tensors', fileOf(header, 9), 8 + header.length + 8, /1 bytes that belong to no tensor/],
    ['data without tensors', fileOf('{}', 5), 10, /5 bytes that belong to no tensor/],
    ...[
      [0x80],
      [0xc0, 0x80],
      [0xc1, 0xbf],
      [0xc3],
      [0xc3, 0x28],
      [0xe0, 0x9f, 0xbf],
      [0xe2, 0x82],
      [0xed, 0xa0, 0x80],
      [0xf0, 0x8f, 0xbf, 0xbf],
      [0xf0, 0x9f, 0x99],
      [0xf4, 0x90, 0x80, 0x80],
      [0xf5, 0x80, 0x80, 0x80],
      [0xff],
      [0xfe],
    ].map((bytes): [string, Uint8Array, number, RegExp] => {
      const file = fileOf(Uint8Array.of(...data.encode('{"é'), ...bytes, ...data.encode('":{}}')));
      return [`UTF-8 ${Buffer.from(bytes).toString('hex')}`, file, 12, /invalid UTF-8/];
    }),
    ['a byte over 0x7f outside a string', fileOf(Uint8Array.of(0x7b, 0xff, 0x7d)), 9, /found byte 0xff/],
  ];
  it.each(rows)('%s', (_, bytes, offset, message) => {
    const error = errorOf(bytes);
    expect(error.message).toMatch(message);
    expect(error.offset).toBe(offset);
  });

  it('every truncation of a good file', () => {
    const good = encodeSafetensors([{ name: 'ü\\', shape: [2, 1], data: new Float32Array(2) }], { k: '🙂' });
    for (let length = 0; length < good.length; length++) {
      expect(errorOf(good.subarray(0, length)).offset).toBeLessThanOrEqual(length);
    }
  });
});

describe('decodeSafetensors accepts', () => {
  it('any order of fields, white space and escapes', () => {
    const header =
      '{ "\\u00fc\\/\\ud83d\\ude42" :\t{\r\n"data_offsets":[ 0 , 4 ],"shape":[ ] , "dtype":"\\u00463\\u0032"}\n} \t';
    const { tensors } = decodeSafetensors(fileOf(header, 4));
    expect(tensors).toEqual([{ name: 'ü/🙂', shape: [], data: new Float32Array(1), at: 10 }]);
  });

  it('tensors in any order, sorted by place', () => {
    const { tensors } = decodeSafetensors(fileOf(`{${scalar('b', 4)},${scalar('a', 0)}}`, 8));
    expect(tensors.map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('an empty tensor where another begins, behind it in the header', () => {
    const empty = '"b":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}';
    const { tensors } = decodeSafetensors(fileOf(`{${scalar('a', 0)},${empty}}`, 4));
    expect(tensors.map(({ name }) => name)).toEqual(['b', 'a']);
  });

  it('names that differ by a byte order mark only', () => {
    const { tensors } = decodeSafetensors(fileOf(`{${scalar('a', 0)},${scalar('\ufeffa', 4)}}`, 8));
    expect(tensors.map(({ name }) => name)).toEqual(['a', '\ufeffa']);
  });

  it('path-like and object-like names, as they are', () => {
    const names = [
      '../../etc/passwd',
      'toString',
      'hasOwnProperty',
      '__defineGetter__',
      'a.__proto__.b',
      '0',
    ];
    const { tensors } = decodeSafetensors(
      fileOf(`{${names.map((name, i) => scalar(name, 4 * i))}}`, 4 * names.length),
    );
    expect(tensors.map(({ name }) => name)).toEqual(names);
  });
});
