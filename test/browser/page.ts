import * as packed from 'downhill';
import type * as Source from '../../src/index.ts';
import { families } from './families.ts';
import { work } from './work.ts';

/** The types of dist/ are copies of those in src/. */
const downhill = packed as unknown as typeof Source;

/** Turns of timers and frames that a page gets while it trains for a second. */
async function liveliness(): Promise<{ timers: number; frames: number; epochs: number }> {
  const { sequential, dense, Trainer } = downhill;
  const model = sequential({ inputShape: [64] }, [dense(128, { activation: 'relu' }), dense(10)]);
  const trainer = await Trainer.create(model, { loss: 'crossEntropy' });
  const x = { data: new Float32Array(64 * 1000).fill(0.5), shape: [1000, 64] };
  const y = Array.from({ length: 1000 }, (_, i) => i % 10);
  let [timers, frames, epochs] = [0, 0, 0];
  const timer = setInterval(() => timers++, 1);
  const count = () => {
    frames++;
    requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 1000);
  const onEpoch = () => {
    epochs++;
  };
  await trainer.fit({ x, y }, { epochs: 1e6, signal: controller.signal, onEpoch }).catch((error: unknown) => {
    if (!controller.signal.aborted) throw error;
  });
  clearInterval(timer);
  return { timers, frames, epochs };
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => String(error),
  );
}

/** What a page gets that asks for files. */
async function files(): Promise<{ save: string; load: string; threads: string }> {
  const { sequential, dense, Trainer, loadModel } = downhill;
  const model = sequential({ inputShape: [2] }, [dense(1)]);
  return {
    save: await messageOf(model.save('model.safetensors')),
    load: await messageOf(loadModel('model.safetensors')),
    threads: await messageOf(Trainer.create(model, { loss: 'meanSquaredError', threads: 2 })),
  };
}

const tasks = { work: () => work(downhill), families: () => families(downhill), liveliness, files };
export type Tasks = typeof tasks;
Object.assign(globalThis, tasks);
