import type { Call } from '../ops/rule.ts';
import { sizeOf, type Tensor } from '../ops/tensor.ts';
import { readsOf, type Schedule } from './schedule.ts';

/** Where everything lies: fixed addresses, or offsets into the program's own block of activations. */
export interface MemoryPlan {
  /** Bytes of the block of activations. */
  readonly bytes: number;
  /** The tensor that `tensor` is another view of, or itself. */
  origin(tensor: Tensor): Tensor;
  /** Offset of a planned tensor (aliases resolved), or its fixed address. */
  place(tensor: Tensor): { readonly fixed: boolean; readonly at: number };
  /** Offset and bytes of a call's scratch. */
  workspace(call: Call): { readonly at: number; readonly bytes: number };
}

interface Storage {
  readonly bytes: number;
  from: number;
  to: number;
  at: number;
}

const LINE = 64;
const FOREVER = Number.MAX_SAFE_INTEGER;

/**
 * Activations share memory by lifetime: greedy by size, each at the lowest offset free for as long as it lives
 * (Pisarchyk & Lee 2020, arXiv:2001.03288, section 5.2). `fixed` gives tensors that have their place already;
 * `kept` live to the end of the step.
 */
export function planMemory(
  { calls, sources }: Schedule,
  batch: number,
  threads: number,
  fixed: ReadonlyMap<Tensor, number>,
  kept: readonly Tensor[],
): MemoryPlan {
  const storages = new Map<Tensor, Storage>();
  const all: Storage[] = [];
  const scratch = new Map<Call, Storage>();

  const origin = (tensor: Tensor): Tensor =>
    tensor.rule.emit === 'alias' && !fixed.has(tensor) ? origin(tensor.inputs[0]!) : tensor;

  const lastUse = new Map<Tensor, number>();
  calls.forEach((call, i) => {
    for (const tensor of readsOf(call)) lastUse.set(origin(tensor), i);
  });
  for (const tensor of kept) lastUse.set(origin(tensor), FOREVER);

  const define = (tensor: Tensor, i: number): void => {
    if (fixed.has(tensor)) return;
    const bytes = sizeOf(tensor.shape, batch) * 4;
    const storage = { bytes, from: i, to: lastUse.get(tensor) ?? i, at: 0 };
    storages.set(tensor, storage);
    all.push(storage);
  };

  for (const tensor of sources) define(tensor, 0);
  calls.forEach((call, i) => {
    const replaced = inPlace(call, i);
    if (replaced) {
      replaced.to = lastUse.get(call.output) ?? i;
      storages.set(call.output, replaced);
    } else {
      define(call.output, i);
    }
    if (call.second) define(call.second, i);
    if (call.third) define(call.third, i);
    if (call.sums) define(call.sums, i);
    const bytes = threads * (call.tensor.rule.workspace?.(call.tensor, batch) ?? 0);
    if (bytes > 0) {
      const storage = { bytes, from: i, to: i, at: 0 };
      scratch.set(call, storage);
      all.push(storage);
    }
  });

  /** The storage of the first input, when it dies here and the result fits exactly. */
  function inPlace(call: Call, i: number): Storage | undefined {
    const input = call.tensor.inputs[0];
    if (!input || !call.tensor.rule.inPlace || fixed.has(call.output)) return undefined;
    const storage = storages.get(origin(input));
    const fits = storage?.bytes === sizeOf(call.output.shape, batch) * 4;
    return fits && storage.to === i ? storage : undefined;
  }

  const bytes = place(all);
  return {
    bytes,
    origin,
    place(tensor) {
      const address = fixed.get(origin(tensor));
      if (address !== undefined) return { fixed: true, at: address };
      const storage = storages.get(origin(tensor));
      if (!storage) throw new Error(`no memory was planned for ${tensor.op} of layer '${tensor.layer}'`);
      return { fixed: false, at: storage.at };
    },
    workspace: (call) => scratch.get(call) ?? { at: 0, bytes: 0 },
  };
}

/** Gives each storage its offset; returns the end of the highest. */
function place(storages: readonly Storage[]): number {
  const placed: Storage[] = [];
  let end = 0;
  for (const storage of [...storages].sort((a, b) => b.bytes - a.bytes)) {
    const size = up(storage.bytes);
    const others = placed
      .filter((other) => other.from <= storage.to && storage.from <= other.to)
      .sort((a, b) => a.at - b.at);
    let at = 0;
    for (const other of others) {
      if (at + size <= other.at) break;
      at = Math.max(at, other.at + up(other.bytes));
    }
    storage.at = at;
    placed.push(storage);
    end = Math.max(end, at + size);
  }
  return end;
}

function up(bytes: number): number {
  return Math.ceil(bytes / LINE) * LINE;
}
