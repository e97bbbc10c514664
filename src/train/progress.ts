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
const LEAST_BAR = 3;

/** One line on the standard error: epoch, step, loss, metrics, steps/s, time left. */
export class ProgressBar {
  readonly #terminal: Terminal | undefined;
  readonly #epochs: number;
  readonly #stepsPerEpoch: number;
  readonly #begun = performance.now();
  #drawn = -Infinity;
  /** A line was drawn and not ended. */
  #open = false;
  /** What was drawn last, and whether it is cleared for now. */
  #line = '';
  #hidden = false;

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
    this.#hidden = false;
  }

  /** Clears the line for what a callback may print, until `show`. */
  hide(): void {
    if (!this.#open || !this.#terminal?.isTTY) return;
    this.#terminal.write(CLEAR);
    this.#open = false;
    this.#hidden = true;
  }

  show(): void {
    if (!this.#hidden) return;
    this.#terminal?.write(this.#line);
    this.#open = true;
    this.#hidden = false;
  }

  #draw(terminal: Terminal, epoch: number, step: number, logs: Logs): void {
    this.#drawn = performance.now();
    this.#open = true;
    this.#hidden = false;
    const seconds = (this.#drawn - this.#begun) / 1000;
    const done = (epoch - 1) * this.#stepsPerEpoch + step;
    const rate = done / seconds;
    const left = (this.#epochs * this.#stepsPerEpoch - done) / rate;
    const line: Line = {
      head: `epoch ${String(epoch).padStart(String(this.#epochs).length)}/${this.#epochs}`,
      share: step / this.#stepsPerEpoch,
      count: `${String(step).padStart(String(this.#stepsPerEpoch).length)}/${this.#stepsPerEpoch}`,
      logs: Object.entries(logs).map(([name, value]) => `${name} ${show(value)}`),
      rate: `${Math.round(rate).toLocaleString('en-US')} steps/s`,
      time: left > 0 ? `${duration(left)} left` : duration(seconds),
    };
    const text = fitted(line, (terminal.columns ?? 200) - 1);
    this.#line = terminal.isTTY ? CLEAR + text : text;
    terminal.write(this.#line);
  }
}

/** To the start of the line, and nothing after it. */
const CLEAR = '\r\x1b[K';

interface Line {
  readonly head: string;
  /** Of the epoch, 0 to 1. */
  readonly share: number;
  readonly count: string;
  readonly logs: readonly string[];
  readonly rate: string;
  readonly time: string;
}

/** In so many columns, as much of a line as there is room for; what goes first: the bar, the count of a whole epoch, … */
function fitted({ head, share, count, logs, rate, time }: Line, room: number): string {
  const tail = [count, ...logs, rate, time].join('  ');
  const width = Math.min(BAR, room - head.length - tail.length - 4);
  if (width >= LEAST_BAR) {
    const filled = Math.round(share * width);
    return `${head}  ${'━'.repeat(filled)}${'─'.repeat(width - filled)}  ${tail}`;
  }
  const place = share < 1 ? [count] : [];
  const shorter = [
    [head, count, ...logs, rate, time],
    [head, ...place, ...logs, rate, time],
    [head, ...place, ...logs, time],
    ...logs.map((_, i) => [head, ...place, ...logs.slice(0, logs.length - i), time]),
    [head, ...place],
  ].map((parts) => parts.join('  '));
  return shorter.find((text) => text.length <= room) ?? head.slice(0, room);
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
