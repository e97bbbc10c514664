import { spawnSync } from 'node:child_process';
import { constants } from 'node:fs';
import * as nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AtomicFile, type AtomicFs, writeFileAtomic } from '../../src/io/atomic-write.ts';

const OLD = new TextEncoder().encode('the old model');
const NEW = Uint8Array.from({ length: 10_003 }, (_, i) => i * 7);

let directory: string;
let model: string;
beforeEach(async () => {
  directory = await nodeFs.mkdtemp(join(tmpdir(), 'downhill-atomic-'));
  model = join(directory, 'model.safetensors');
});
afterEach(() => nodeFs.rm(directory, { recursive: true }));

const read = async (path: string) => new Uint8Array(await nodeFs.readFile(path));
const failureOf = (write: Promise<void>): Promise<Error> =>
  write.then(
    () => expect.fail('the write succeeded'),
    (error) => error,
  );
const modeOf = async (path: string) => (await nodeFs.stat(path)).mode & 0o7777;

/**
 * The real file system with a log of its calls, whose call number `failing` (from 0) fails with
 * `code`, after having written half of the bytes if it is a write.
 */
function faultyFs(failing: number, code = 'EIO') {
  const calls: string[] = [];
  const opened: nodeFs.FileHandle[] = [];
  const step = (name: string): void => {
    calls.push(name);
    if (calls.length - 1 === failing) throw Object.assign(new Error(`${code}: injected`), { code });
  };
  const wrap = (file: nodeFs.FileHandle): AtomicFile => ({
    async chmod(mode) {
      step('chmod');
      await file.chmod(mode);
    },
    async close() {
      await file.close(); // like close(2), which frees the descriptor even when it fails
      step('close');
    },
    async sync() {
      step('sync');
      await file.sync();
    },
    async writeFile(bytes) {
      if (calls.length === failing) await file.write(bytes.subarray(0, bytes.length / 2));
      step('writeFile');
      await file.writeFile(bytes);
    },
  });
  const fs: AtomicFs = {
    async access(path, mode) {
      step('access');
      await nodeFs.access(path, mode);
    },
    async open(path, flags, mode) {
      step(flags === 'r' ? 'open directory' : `open ${flags}`);
      const file = await nodeFs.open(path, flags, mode);
      opened.push(file);
      return wrap(file);
    },
    async readlink(path) {
      step('readlink');
      return nodeFs.readlink(path);
    },
    async realpath(path) {
      step('realpath');
      return nodeFs.realpath(path);
    },
    async rename(from, to) {
      step('rename');
      await nodeFs.rename(from, to);
    },
    async stat(path) {
      step('stat');
      return nodeFs.stat(path);
    },
    async unlink(path) {
      step('unlink');
      await nodeFs.unlink(path);
    },
  };
  return { fs, calls, leaks: () => opened.filter((file) => file.fd !== -1).length };
}

describe('writeFileAtomic', () => {
  it('writes a new file with the mode of any new file', async () => {
    await writeFileAtomic(model, NEW);
    expect(await read(model)).toEqual(NEW);
    expect(await nodeFs.readdir(directory)).toEqual(['model.safetensors']);
    await nodeFs.writeFile(join(directory, 'other'), '');
    expect(await modeOf(model)).toBe(await modeOf(join(directory, 'other')));
  });

  it('replaces a file, in the order that survives a crash', async () => {
    await nodeFs.writeFile(model, OLD);
    const { fs, calls } = faultyFs(-1);
    await writeFileAtomic(model, NEW, fs);
    expect(await read(model)).toEqual(NEW);
    expect(await nodeFs.readdir(directory)).toEqual(['model.safetensors']);
    const order = 'realpath stat access open wx chmod writeFile sync close rename open directory sync close';
    expect(calls.join(' ')).toBe(order);
  });

  it.each([0o600, 0o640, 0o666, 0o777, 0o444])('keeps mode %o', async (mode) => {
    await nodeFs.writeFile(model, OLD);
    await nodeFs.chmod(model, mode);
    await writeFileAtomic(model, NEW, { ...nodeFs, access: async () => undefined });
    expect(await modeOf(model)).toBe(mode);
    expect(await read(model)).toEqual(NEW);
  });

  it('writes no bytes, shared memory, a name of 255 bytes', async () => {
    const path = join(directory, 'ü'.repeat(127));
    await writeFileAtomic(path, new Uint8Array(0));
    expect(await read(path)).toEqual(new Uint8Array(0));
    await writeFileAtomic(path, new Uint8Array(new SharedArrayBuffer(5)).fill(9));
    expect(await read(path)).toEqual(new Uint8Array(5).fill(9));
  });

  it('lets concurrent writers win one after the other, never mixed', async () => {
    const contents = Array.from({ length: 20 }, (_, i) => new Uint8Array(50_000 + i).fill(i));
    await Promise.all(contents.map((bytes) => writeFileAtomic(model, bytes)));
    const last = await read(model);
    expect(last).toEqual(contents[last[0]!]);
    expect(await nodeFs.readdir(directory)).toEqual(['model.safetensors']);
  });
});

describe('symlinks', () => {
  it('are followed to an existing file, which keeps its mode', async () => {
    await nodeFs.mkdir(join(directory, 'real'));
    const target = join(directory, 'real', 'model');
    await nodeFs.writeFile(target, OLD, { mode: 0o600 });
    await nodeFs.symlink('real/model', model);
    await writeFileAtomic(model, NEW);
    expect(await nodeFs.readlink(model)).toBe('real/model');
    expect(await read(target)).toEqual(NEW);
    expect(await modeOf(target)).toBe(0o600);
    expect(await nodeFs.readdir(join(directory, 'real'))).toEqual(['model']);
  });

  it('are followed, one after the other, to a file that does not exist yet', async () => {
    await nodeFs.mkdir(join(directory, 'real'));
    await nodeFs.symlink('second', model);
    await nodeFs.symlink('real/../real/model', join(directory, 'second'));
    await writeFileAtomic(model, NEW);
    expect((await nodeFs.lstat(model)).isSymbolicLink()).toBe(true);
    expect(await read(join(directory, 'real', 'model'))).toEqual(NEW);
  });

  it('into a missing directory and in a circle are errors, and stay', async () => {
    await nodeFs.symlink('missing/model', model);
    await expect(writeFileAtomic(model, NEW)).rejects.toThrow(
      `cannot write ${model}: its directory does not`,
    );
    const circle = join(directory, 'circle');
    await nodeFs.symlink('circle', circle);
    await expect(writeFileAtomic(circle, NEW)).rejects.toThrow(/cannot write .*circle: ELOOP/);
    expect((await nodeFs.readdir(directory)).sort()).toEqual(['circle', 'model.safetensors']);
  });
});

describe('errors', () => {
  it('name the path when the directory is missing', async () => {
    const path = join(directory, 'no', 'model');
    const error = await failureOf(writeFileAtomic(path, NEW));
    expect(error.message).toContain(
      `cannot write ${path}: its directory does not exist, create it first; ENOENT`,
    );
    expect(error.cause).toMatchObject({ code: 'ENOENT' });
  });

  it('refuse a directory, a file as directory, and a device', async () => {
    await expect(writeFileAtomic(directory, NEW)).rejects.toThrow(
      `${directory}: it exists and is not a regular`,
    );
    await nodeFs.writeFile(model, OLD);
    await expect(writeFileAtomic(join(model, 'x'), NEW)).rejects.toThrow(/cannot write .*x: ENOTDIR/);
    expect(await nodeFs.readdir(directory)).toEqual(['model.safetensors']);
  });

  it.skipIf(process.platform === 'win32')('refuse a named pipe, and leave it', async () => {
    expect(spawnSync('mkfifo', [model]).status).toBe(0);
    await expect(writeFileAtomic(model, NEW)).rejects.toThrow(/not a regular file/);
    expect((await nodeFs.lstat(model)).isFIFO()).toBe(true);
  });

  it.skipIf(process.getuid?.() === 0)(
    'refuse a write-protected file and a write-protected directory',
    async () => {
      await nodeFs.writeFile(model, OLD, { mode: 0o444 });
      await expect(writeFileAtomic(model, NEW)).rejects.toThrow(/cannot write .*model.safetensors: EACCES/);
      await nodeFs.chmod(directory, 0o555);
      await expect(writeFileAtomic(join(directory, 'x'), NEW)).rejects.toThrow(/cannot write .*x: EACCES/);
      await nodeFs.chmod(directory, 0o755);
      expect(await read(model)).toEqual(OLD);
    },
  );

  it('ask for write permission on an existing file (root has it always)', async () => {
    await nodeFs.writeFile(model, OLD);
    const asked: number[] = [];
    const access = async (_: string, mode: number) => void asked.push(mode);
    await writeFileAtomic(model, NEW, { ...nodeFs, access });
    expect(asked).toEqual([constants.W_OK]);
  });

  const rename = 8; // the index of the call, see the order above
  const codes = ['EIO', 'ENOSPC', 'EROFS', 'EMFILE'];
  it.each(codes)('%s in any one call leaves the old file or the new one, and no other', async (code) => {
    for (let failing = 0; failing < 12; failing++) {
      await nodeFs.writeFile(model, OLD);
      const { fs, leaks } = faultyFs(failing, code);
      const error = await failureOf(writeFileAtomic(model, NEW, fs));
      expect(error.message).toBe(`cannot write ${model}: ${code}: injected`);
      expect(await read(model)).toEqual(failing <= rename ? OLD : NEW);
      expect(leaks()).toBe(0);
      expect(await nodeFs.readdir(directory)).toEqual(['model.safetensors']);
    }
  });

  it('in any one call of writing a new file leave none', async () => {
    const { fs: whole, calls } = faultyFs(-1);
    await writeFileAtomic(model, NEW, whole);
    expect(calls.slice(0, 4)).toEqual(['realpath', 'realpath', 'readlink', 'stat']);
    for (let failing = 0; failing <= calls.indexOf('rename'); failing++) {
      if (calls[failing] === 'readlink') continue; // no link, as far as one can tell
      await nodeFs.rm(model, { force: true });
      await expect(writeFileAtomic(model, NEW, faultyFs(failing).fs)).rejects.toThrow(
        `cannot write ${model}`,
      );
      expect(await nodeFs.readdir(directory)).toEqual([]);
    }
  });

  it('that only say a directory has no fsync are none', async () => {
    await nodeFs.writeFile(model, OLD);
    for (const code of ['EPERM', 'EISDIR', 'EINVAL', 'EACCES', 'ENOTSUP']) {
      await writeFileAtomic(model, NEW, faultyFs(9, code).fs);
      await writeFileAtomic(model, NEW, faultyFs(10, code).fs);
    }
    expect(await read(model)).toEqual(NEW);
  });

  it('keep their own reason when the temporary file cannot be removed either', async () => {
    await nodeFs.writeFile(model, OLD);
    const { fs } = faultyFs(6);
    fs.unlink = () => Promise.reject(new Error('EIO again'));
    await expect(writeFileAtomic(model, NEW, fs)).rejects.toThrow(`cannot write ${model}: EIO: injected`);
    expect(await read(model)).toEqual(OLD);
  });
});
