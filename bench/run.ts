// Asks a child process to measure one subject in one case.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Measured, Request } from './protocol.ts';

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));
const PATIENCE_MS = 180_000;

/** Every library that has threads of its own gets one. */
const ONE_THREAD = {
  OMP_NUM_THREADS: '1',
  OPENBLAS_NUM_THREADS: '1',
  MKL_NUM_THREADS: '1',
  VECLIB_MAXIMUM_THREADS: '1',
};

export function runChild(request: Request, env: Record<string, string>): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const child = fork(CHILD, [], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, ...ONE_THREAD, ...env },
    });
    let complaint = '';
    let answer: Measured | undefined;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, PATIENCE_MS);
    child.stderr!.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-4000);
    });
    child.on('message', (message: Measured) => {
      answer = message;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (answer) resolve(answer);
      else if (late) reject(new Error(`took longer than ${PATIENCE_MS / 1000} s`));
      else reject(new Error(firstError(complaint) ?? `ended with ${signal ?? `code ${code}`}`));
    });
    child.send(request);
  });
}

/** The line of a stack trace that says what happened. */
function firstError(text: string): string | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.find((line) => /^\w*Error\b.*:/.test(line)) ?? lines.findLast((line) => line !== '');
}
