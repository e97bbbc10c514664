import { execFileSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { dense, loadModel, ModelFormatError, sequential } from '../../src/index.ts';
import { headerOf, tensorsOf } from '../../src/io/safetensors.ts';
import { readSafetensorsFile } from '../../src/io/safetensors-file.ts';
import { decodeModel } from '../../src/train/model-file.ts';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'downhill-model-'));
  path = join(directory, 'model.safetensors');
});
afterEach(() => rm(directory, { recursive: true }));

const small = () => sequential({ inputShape: [3], seed: 5 }, [dense(4), dense(2)]);

/** A file of `bytes` and then a hole of zeros, which take no place on the disk. */
async function sparse(size: number, bytes = new Uint8Array()): Promise<void> {
  const file = await open(path, 'w');
  await file.write(bytes);
  await file.truncate(size);
  await file.close();
}

async function rejection(work: Promise<unknown>): Promise<ModelFormatError> {
  const error: unknown = await work.then(
    () => expect.fail('it was read'),
    (reason) => reason,
  );
  if (error instanceof ModelFormatError) return error;
  throw error;
}

function thrown(work: () => unknown): ModelFormatError {
  try {
    work();
  } catch (error) {
    if (error instanceof ModelFormatError) return error;
    throw error;
  }
  throw new Error('it was read');
}

/** A header with its length before it. */
function withLength(json: string): Uint8Array<ArrayBuffer> {
  const header = new TextEncoder().encode(json);
  const bytes = new Uint8Array(8 + header.length);
  new DataView(bytes.buffer).setUint32(0, header.length, true);
  bytes.set(header, 8);
  return bytes;
}

describe('a model file by its path', () => {
  it('is the model that its bytes are', async () => {
    const model = small();
    await model.save(path);
    expect((await loadModel(path)).toBytes()).toEqual(model.toBytes());
  });

  it('is refused for what its bytes are refused for, wherever it is cut off or goes on', async () => {
    const bytes = small().toBytes();
    for (const length of [0, 1, 7, 8, 9, 100, bytes.length - 200, bytes.length - 1]) {
      await writeFile(path, bytes.subarray(0, length));
      const error = await rejection(loadModel(path));
      expect(error).toEqual(thrown(() => decodeModel(bytes.subarray(0, length))));
    }
    const longer = new Uint8Array(bytes.length + 3);
    longer.set(bytes);
    await writeFile(path, longer);
    const error = await rejection(loadModel(path));
    expect(error).toEqual(thrown(() => decodeModel(longer)));
    expect(error.message).toContain('3 bytes that belong to no tensor');
    expect(error.offset).toBe(bytes.length);
  });

  it.each([1.2e9, 3e9, 2 ** 33])('of %d zeros is refused for its first bytes', async (size) => {
    await sparse(size);
    const before = process.memoryUsage();
    const error = await rejection(loadModel(path));
    const after = process.memoryUsage();
    expect(error.offset).toBe(8);
    expect(error.message).toContain('expected a header that starts with "{"');
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 22);
  });

  it.each([
    ['is no model', {}, "no 'downhill' in its metadata"],
    ['is a model of other weights', { downhill: '' }, "the model has no weight 'x'"],
  ])('that %s is refused for its header', async (_, metadata, message) => {
    const model = { version: 1, model: small().toConfig() };
    const known = 'downhill' in metadata ? { downhill: JSON.stringify(model) } : {};
    const x = { dtype: 'F32', shape: [750_000_000], data_offsets: [0, 3e9] };
    const header = withLength(JSON.stringify({ __metadata__: known, x }));
    await sparse(header.length + 3e9, header);
    const before = process.memoryUsage();
    expect((await rejection(loadModel(path))).message).toContain(message);
    expect(process.memoryUsage().arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 22);
  });

  it('can be a pipe', async () => {
    execFileSync('mkfifo', [path]);
    const bytes = small().toBytes();
    const [model] = await Promise.all([loadModel(path), writeFile(path, bytes)]);
    expect(model.toBytes()).toEqual(bytes);
  });

  it('that is a folder gives the error of the file system', async () => {
    await expect(loadModel(directory)).rejects.toThrow('EISDIR');
  });

  it('whose weights there is no memory for is refused', async () => {
    await small().save(path);
    const full = new Proxy(Float32Array, {
      construct(made, values) {
        if (values[0] === 12) throw new RangeError('Array buffer allocation failed');
        return Reflect.construct(made, values);
      },
    });
    vi.stubGlobal('Float32Array', full);
    try {
      const message = (await rejection(loadModel(path))).message;
      expect(message).toMatch(
        /^there is no memory for the values of tensor "dense\/kernel": Array buffer allocation failed \(at byte \d+\)$/,
      );
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

describe('tensors of a file', () => {
  /** F16, F32, F64 and BF16 one after the other, at odd places, longer than the pieces that are read. */
  function mixed(): Uint8Array {
    const sizes = { F16: 2, F32: 4, F64: 8, BF16: 2 } as const;
    const counts = [9_000_001, 4_200_001, 2_100_001, 3] as const;
    let end = 0;
    const entries = Object.entries(sizes).map(([dtype, bytes], i) => {
      const begin = end;
      end += counts[i]! * bytes;
      return [dtype, { dtype, shape: [counts[i]!], data_offsets: [begin, end] }] as const;
    });
    const header = withLength(JSON.stringify(Object.fromEntries(entries)));
    const bytes = new Uint8Array(header.length + end);
    bytes.set(header);
    // no exponent of all ones
    for (let i = header.length; i < bytes.length; i++) bytes[i] = (i * 37 + (i >> 8)) & 0x3f;
    return bytes;
  }

  it('are those of its bytes, wherever its pieces end', async () => {
    const bytes = mixed();
    await writeFile(path, bytes);
    const [count, tensors] = await readSafetensorsFile(path, ({ entries }) => entries.length);
    expect(count).toBe(4);
    const expected = tensorsOf(bytes, headerOf(bytes));
    for (const [i, { data, ...rest }] of tensors.entries()) {
      const { data: wanted, ...others } = expected[i]!;
      expect(rest).toEqual(others);
      expect(Buffer.compare(Buffer.from(data.buffer), Buffer.from(wanted.buffer))).toBe(0);
    }
  });

  it('that end while they are read are named', async () => {
    const bytes = small().toBytes();
    await writeFile(path, bytes);
    const cut = bytes.length - 5;
    const error = await rejection(readSafetensorsFile(path, () => truncateSync(path, cut)));
    expect(error.message).toBe(`the file became shorter while it was read (at byte ${cut})`);
  });

  it('of F64 that float32 cannot hold are named by their byte', async () => {
    const x = { dtype: 'F64', shape: [2], data_offsets: [0, 16] };
    const header = withLength(JSON.stringify({ x }));
    const bytes = new Uint8Array(header.length + 16);
    bytes.set(header);
    new DataView(bytes.buffer).setFloat64(header.length + 8, 1e300, true);
    await writeFile(path, bytes);
    const error = await rejection(readSafetensorsFile(path, () => undefined));
    expect(error.message).toContain('F64 value 1e+300 is too large for float32');
    expect(error.offset).toBe(header.length + 8);
  });
});
