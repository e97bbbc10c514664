const PAGE = 65536;
/** What the modules ask for at least (asconfig.json). */
const INITIAL_PAGES = 16;
const MAX_PAGES = 65536;
/** Every allocation starts on a cache line. */
const LINE = 64;

interface Hole {
  start: number;
  end: number;
}

/** The one memory of a program: JavaScript gives out ranges of it; the core never allocates. */
export class Arena {
  /** @internal */
  readonly memory: WebAssembly.Memory;
  /** Free ranges, by address, never adjacent. The first page has the static data of the modules (scripts/build.mjs). */
  readonly #holes: Hole[] = [{ start: PAGE, end: INITIAL_PAGES * PAGE }];
  readonly #sizes = new Map<number, number>();
  #end: number;

  constructor(readonly shared: boolean) {
    try {
      this.memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: MAX_PAGES, shared });
    } catch {
      throw new RangeError(
        'no room for another WebAssembly memory: each trainer, and each model that predicts, has one, and a page has room for ' +
          'about 120 (Chromium 156); let go of those that are not needed any more',
      );
    }
    this.#end = INITIAL_PAGES * PAGE;
  }

  /** The address of `bytes` new bytes, zeroed. */
  allocate(bytes: number): number {
    const size = up(Math.max(bytes, 1));
    let index = this.#holes.findIndex((hole) => hole.end - hole.start >= size);
    if (index < 0) {
      this.#grow(size);
      index = this.#holes.length - 1;
    }
    const hole = this.#holes[index]!;
    const address = hole.start;
    hole.start += size;
    if (hole.start === hole.end) this.#holes.splice(index, 1);
    this.#sizes.set(address, size);
    new Uint8Array(this.memory.buffer, address, size).fill(0);
    return address;
  }

  free(address: number): void {
    const size = this.#sizes.get(address);
    if (size === undefined) throw new Error(`nothing was allocated at ${address}`);
    this.#sizes.delete(address);
    let index = this.#holes.findIndex((hole) => hole.start > address);
    if (index < 0) index = this.#holes.length;
    this.#holes.splice(index, 0, { start: address, end: address + size });
    for (const i of [index, index - 1]) {
      const [a, b] = [this.#holes[i], this.#holes[i + 1]];
      if (a && b && a.end === b.start) {
        a.end = b.end;
        this.#holes.splice(i + 1, 1);
      }
    }
  }

  /** Bytes given out now. */
  get used(): number {
    let total = 0;
    for (const size of this.#sizes.values()) total += size;
    return total;
  }

  f32(address: number, count: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, count);
  }

  f64(address: number, count: number): Float64Array {
    return new Float64Array(this.memory.buffer, address, count);
  }

  i32(address: number, count: number): Int32Array {
    return new Int32Array(this.memory.buffer, address, count);
  }

  u8(address: number, count: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, count);
  }

  #grow(size: number): void {
    const tail = this.#holes.at(-1);
    const free = tail && tail.end === this.#end ? tail.end - tail.start : 0;
    const pages = Math.ceil((size - free) / PAGE);
    const total = this.#end / PAGE + pages;
    try {
      if (total > MAX_PAGES) throw new RangeError();
      this.memory.grow(pages);
    } catch {
      throw new RangeError(
        `out of memory: ${(size / 2 ** 20).toFixed(0)} MiB more than the ${(this.#end / 2 ** 20).toFixed(0)} MiB in use ` +
          'were not to be had (WebAssembly memory ends at 4 GiB); use fewer rows, bytes instead of floats, or a smaller batch',
      );
    }
    const start = this.#end;
    this.#end += pages * PAGE;
    if (free > 0) tail!.end = this.#end;
    else this.#holes.push({ start, end: this.#end });
  }
}

function up(bytes: number): number {
  return Math.ceil(bytes / LINE) * LINE;
}
