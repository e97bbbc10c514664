// Asks a child process to measure one subject in one case.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Measured, Request, Turns } from './protocol.ts';

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));
const PATIENCE_MS = 180_000;

/** Every library that has threads of its own gets one. */
const ONE_THREAD = {
  OMP_NUM_THREADS: '1',
  OPENBLAS_NUM_THREADS: '1',
  MKL_NUM_THREADS: '1',
  VECLIB_MAXIMUM_THREADS: '1',
};

/** The turns of one subject in one case, in a process of its own. */
export async function* childTurns(request: Request, env: Record<string, string>): Turns {
  const child = fork(CHILD, [], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, ...ONE_THREAD, ...env },
  });
  try {
    let complaint = '';
    child.stderr!.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-4000);
    });
    const ended = new Promise<string>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) =>
        resolve(firstError(complaint) ?? `ended with ${signal ?? `code ${code}`}`),
      );
    });
    for (;;) {
      const measured = await turn(child, request, ended);
      if (measured) return measured;
      yield;
    }
  } finally {
    child.kill('SIGKILL');
  }
}

/** One message, one answer. */
async function turn(child: ChildProcess, request: Request, ended: Promise<string>): Promise<Measured | null> {
  const timer = new AbortController();
  const late = sleep(PATIENCE_MS, `took longer than ${PATIENCE_MS / 1000} s`, { signal: timer.signal });
  try {
    const answer = once(child, 'message', { signal: timer.signal });
    child.send(request);
    const first = await Promise.race([answer, ended, late]);
    if (typeof first === 'string') throw new Error(first);
    return first[0];
  } finally {
    timer.abort();
  }
}

/** The line of a stack trace that says what happened. */
function firstError(text: string): string | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.find((line) => /^\w*Error\b.*:/.test(line)) ?? lines.findLast((line) => line !== '');
}
