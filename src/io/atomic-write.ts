// Replacing a file so that a crash at any moment leaves the old bytes or the new ones, never a mix.
// Node only: load it by dynamic import.

import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import * as nodeFs from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** What is used of node:fs/promises; the tests put a failing one in its place. */
export interface AtomicFs {
  access(path: string, mode: number): Promise<void>;
  open(path: string, flags: string, mode?: number): Promise<AtomicFile>;
  readlink(path: string): Promise<string>;
  realpath(path: string): Promise<string>;
  rename(from: string, to: string): Promise<void>;
  stat(path: string): Promise<{ mode: number; isFile(): boolean }>;
  unlink(path: string): Promise<void>;
}

export interface AtomicFile {
  chmod(mode: number): Promise<void>;
  close(): Promise<void>;
  sync(): Promise<void>;
  writeFile(bytes: Uint8Array): Promise<void>;
}

/** Answers of systems that cannot fsync a directory, or not this one (Windows, some network mounts). */
const NO_DIRECTORY_SYNC = new Set(['EACCES', 'EBADF', 'EINVAL', 'EISDIR', 'ENOSYS', 'ENOTSUP', 'EPERM']);

/**
 * Writes `bytes` to `path`: to a temporary file in the same directory, fsync, rename over `path`,
 * fsync of the directory. A symlink is followed. The mode of an existing file is kept, its owner
 * and its other hard links are not, for the file is a new one.
 *
 * @throws Error naming `path`, with the system's error as `cause`. The file is then the old one and
 *   the temporary file is gone; only if the very last step, the fsync of the directory, fails is the
 *   new file in place, and may be lost in a power failure.
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array, fs: AtomicFs = nodeFs): Promise<void> {
  try {
    const target = await followLinks(fs, path);
    await replace(fs, target, bytes, await modeOf(fs, target));
    await syncDirectory(fs, dirname(target));
  } catch (error) {
    const hint = codeOf(error) === 'ENOENT' ? 'its directory does not exist, create it first; ' : '';
    throw new Error(`cannot write ${path}: ${hint}${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

/** The file that `path` means, even behind a symlink to a file that does not exist yet. */
async function followLinks(fs: AtomicFs, path: string): Promise<string> {
  try {
    return await fs.realpath(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  const directory = await fs.realpath(dirname(path));
  const file = join(directory, basename(path));
  const link = await fs.readlink(file).catch(() => undefined);
  return link === undefined ? file : followLinks(fs, resolve(directory, link));
}

/** Permission bits of an existing file that may be written; undefined if there is none. */
async function modeOf(fs: AtomicFs, target: string): Promise<number | undefined> {
  const stats = await fs.stat(target).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error;
  });
  if (stats === undefined) return undefined;
  // A rename would put a file in the place of /dev/null, and of a file that is write-protected.
  if (!stats.isFile()) throw new Error('it exists and is not a regular file');
  await fs.access(target, constants.W_OK);
  return stats.mode & 0o7777;
}

async function replace(fs: AtomicFs, target: string, bytes: Uint8Array, mode?: number): Promise<void> {
  // Only part of the name, for a name may have 255 bytes at most.
  const temporary = join(dirname(target), `.${basename(target).slice(0, 50)}.${randomUUID()}.tmp`);
  const file = await fs.open(temporary, 'wx', mode ?? 0o666);
  try {
    if (mode !== undefined) await file.chmod(mode); // open() has taken the umask off
    await file.writeFile(bytes);
    await file.sync();
    await file.close();
    await fs.rename(temporary, target);
  } catch (error) {
    await file.close().catch(() => undefined);
    await fs.unlink(temporary).catch(() => undefined);
    throw error;
  }
}

async function syncDirectory(fs: AtomicFs, directory: string): Promise<void> {
  let handle: AtomicFile | undefined;
  try {
    handle = await fs.open(directory, 'r');
    await handle.sync();
  } catch (error) {
    if (!NO_DIRECTORY_SYNC.has(codeOf(error))) throw error;
  } finally {
    await handle?.close();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
