import type { Logs } from './logs.ts';

/** The little of a terminal that the bar needs. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const REDRAW_MS = 100;
/** Where lines cannot be drawn over, thousands of short epochs print no more than one in this time. */
const REPRINT_MS = 1000;
/** With more epochs than this their lines do not stay, except the last. */
const MANY_EPOCHS = 50;
const BAR = 20;

/** One line on the standard error: epoch, step, loss, metrics, steps/s, time left. */
export class ProgressBar {
  readonly #terminal: Terminal | undefined;
  readonly #epochs: number;
  readonly #stepsPerEpoch: number;
  readonly #begun = performance.now();
  #drawn = -Infinity;
  /** A line was drawn and not ended. */
  #open = false;

  /** @param wanted Default: when `terminal`, by default the standard error, is one. */
  constructor(wanted: boolean | undefined, epochs: number, stepsPerEpoch: number, terminal?: Terminal) {
    // to open the standard error takes Node 3 ms
    const line = wanted === false ? undefined : (terminal ?? standardError());
    this.#terminal = (wanted ?? line?.isTTY === true) ? line : undefined;
    this.#epochs = epochs;
    this.#stepsPerEpoch = stepsPerEpoch;
  }

  /** Every epoch gets a line of its own. */
  get keepsLines(): boolean {
    return this.#terminal !== undefined && this.#epochs <= MANY_EPOCHS;
  }

  /** Within an epoch (from 1), after `step` of its steps. */
  step(epoch: number, step: number, logs: () => Logs): void {
    if (!this.#terminal?.isTTY || performance.now() - this.#drawn < REDRAW_MS) return;
    this.#draw(this.#terminal, epoch, step, logs());
  }

  /** After an epoch (from 1). */
  epoch(epoch: number, logs: Logs): void {
    if (!this.#terminal) return;
    const stays = epoch === this.#epochs || this.keepsLines;
    const pause = this.#terminal.isTTY ? REDRAW_MS : REPRINT_MS;
    if (!stays && performance.now() - this.#drawn < pause) return;
    this.#draw(this.#terminal, epoch, this.#stepsPerEpoch, logs);
    if (stays || !this.#terminal.isTTY) this.stop();
  }

  /** Ends the line, so that what is printed next, an error maybe, begins another. */
  stop(): void {
    if (this.#open) this.#terminal?.write('\n');
    this.#open = false;
  }

  #draw(terminal: Terminal, epoch: number, step: number, logs: Logs): void {
    this.#drawn = performance.now();
    this.#open = true;
    const seconds = (this.#drawn - this.#begun) / 1000;
    const done = (epoch - 1) * this.#stepsPerEpoch + step;
    const rate = done / seconds;
    const left = (this.#epochs * this.#stepsPerEpoch - done) / rate;
    const head = `epoch ${String(epoch).padStart(String(this.#epochs).length)}/${this.#epochs}`;
    const tail = [
      `${String(step).padStart(String(this.#stepsPerEpoch).length)}/${this.#stepsPerEpoch}`,
      ...Object.entries(logs).map(([name, value]) => `${name} ${show(value)}`),
      `${Math.round(rate).toLocaleString('en-US')} steps/s`,
      left > 0 ? `${duration(left)} left` : `${duration(seconds)}`,
    ].join('  ');
    const room = (terminal.columns ?? 200) - 1;
    const width = Math.min(BAR, Math.max(0, room - head.length - tail.length - 4));
    const filled = Math.round((step / this.#stepsPerEpoch) * width);
    const text = `${head}  ${'━'.repeat(filled)}${'─'.repeat(width - filled)}  ${tail}`;
    terminal.write(terminal.isTTY ? `\r\x1b[K${text.slice(0, room)}` : text);
  }
}

/** Absent in browsers. */
function standardError(): Terminal | undefined {
  return typeof process === 'object' ? process.stderr : undefined;
}

function show(value: number): string {
  return value === 0 || Math.abs(value) >= 1e-3 ? value.toFixed(4) : value.toExponential(2);
}

function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const s = Math.ceil(seconds);
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${s % 60} s`;
}
