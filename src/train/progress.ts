import type { Logs } from './logs.ts';

/** The little of a terminal that the bar needs; absent in browsers. */
interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const REDRAW_MS = 100;

/** One line on the standard error: epoch, step, loss, metrics, steps/s, time left. Silent unless it is a terminal. */
export class ProgressBar {
  readonly shown: boolean;
  readonly #terminal: Terminal | undefined;
  readonly #begun = performance.now();
  #drawn = 0;
  #done = 0;

  constructor(
    wanted: boolean | undefined,
    readonly epochs: number,
    readonly stepsPerEpoch: number,
  ) {
    const stderr: Terminal | undefined = typeof process === 'object' ? process.stderr : undefined;
    this.shown = stderr !== undefined && (wanted ?? stderr.isTTY === true);
    this.#terminal = this.shown ? stderr : undefined;
  }

  /** After some steps of an epoch (from 1); `done` in all. */
  step(epoch: number, step: number, done: number, logs: () => Logs): void {
    this.#done = done;
    const now = performance.now();
    if (!this.shown || now - this.#drawn < REDRAW_MS) return;
    this.#drawn = now;
    this.#draw(epoch, step, logs());
  }

  /** After an epoch: its line stays. */
  epoch(epoch: number, logs: Logs): void {
    if (!this.shown) return;
    this.#done = epoch * this.stepsPerEpoch;
    const now = performance.now();
    const last = epoch === this.epochs;
    // thousands of short epochs do not each get a line
    if (!last && now - this.#drawn < REDRAW_MS) return;
    this.#drawn = now;
    this.#draw(epoch, this.stepsPerEpoch, logs);
    if (this.#terminal?.isTTY !== true || last || this.epochs <= 50) this.#terminal?.write('\n');
  }

  stop(): void {
    if (this.shown && this.#terminal?.isTTY) this.#terminal.write('\x1b[?25h');
  }

  #draw(epoch: number, step: number, logs: Logs): void {
    const seconds = (performance.now() - this.#begun) / 1000;
    const rate = this.#done / seconds;
    const left = (this.epochs * this.stepsPerEpoch - this.#done) / rate;
    const width = String(this.epochs).length;
    const filled = Math.round((step / this.stepsPerEpoch) * 20);
    const text = [
      `epoch ${String(epoch).padStart(width)}/${this.epochs}`,
      `${'━'.repeat(filled)}${'─'.repeat(20 - filled)}`,
      `${step}/${this.stepsPerEpoch}`,
      ...Object.entries(logs).map(([name, value]) => `${name} ${value.toFixed(4)}`),
      `${Math.round(rate).toLocaleString('en-US')} steps/s`,
      left > 0.5 ? `${duration(left)} left` : '',
    ].join('  ');
    const room = (this.#terminal?.columns ?? 200) - 1;
    this.#terminal?.write(this.#terminal.isTTY ? `\r\x1b[K${text.slice(0, room)}` : text);
  }
}

function duration(seconds: number): string {
  const s = Math.ceil(seconds);
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${s % 60} s`;
}
