import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { dense, type FitOptions, sequential, Trainer } from '../../src/index.ts';
import { ProgressBar, type Terminal } from '../../src/train/progress.ts';

/** A stream that keeps what is written. */
class Screen implements Terminal {
  text = '';

  constructor(
    readonly isTTY: boolean,
    readonly columns = 120,
  ) {}

  write(text: string): void {
    this.text += text;
  }

  /** What can be read: a carriage return starts the line again. */
  get lines(): string[] {
    return this.text.split('\n').map((line) => line.split('\r\x1b[K').at(-1)!);
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

describe('on a terminal', () => {
  it('draws epoch, step, loss, metrics, steps/s and the time left', () => {
    const screen = new Screen(true);
    const bar = new ProgressBar(undefined, 20, 100, screen);
    vi.advanceTimersByTime(2000);
    bar.step(3, 50, () => ({ loss: 0.51234, accuracy: 0.75 }));
    expect(screen.lines).toEqual([
      'epoch  3/20  ━━━━━━━━━━──────────   50/100  loss 0.5123  accuracy 0.7500  125 steps/s  14 s left',
    ]);
  });

  it('draws over its line ten times a second, and leaves one for each epoch', () => {
    const screen = new Screen(true);
    const bar = new ProgressBar(undefined, 2, 10, screen);
    for (let epoch = 1; epoch <= 2; epoch++) {
      for (let step = 1; step < 10; step++) {
        vi.advanceTimersByTime(20);
        bar.step(epoch, step, () => ({ loss: 1 / step }));
      }
      vi.advanceTimersByTime(20);
      bar.epoch(epoch, { loss: 0.00012, val_loss: 0 });
    }
    expect(screen.text.split('\r').length - 1).toBe(5); // after 20, 120, 200, 300 and 400 ms
    expect(screen.lines).toEqual([
      'epoch 1/2  ━━━━━━━━━━━━━━━━━━━━  10/10  loss 1.20e-4  val_loss 0.0000  50 steps/s  0.2 s left',
      'epoch 2/2  ━━━━━━━━━━━━━━━━━━━━  10/10  loss 1.20e-4  val_loss 0.0000  50 steps/s  0.4 s',
      '',
    ]);
  });

  it('keeps one line for thousands of epochs, the last', () => {
    const screen = new Screen(true);
    const bar = new ProgressBar(undefined, 5000, 1, screen);
    for (let epoch = 1; epoch <= 5000; epoch++) {
      vi.advanceTimersByTime(1);
      bar.epoch(epoch, { loss: 1 });
    }
    expect(screen.lines).toEqual([
      'epoch 5000/5000  ━━━━━━━━━━━━━━━━━━━━  1/1  loss 1.0000  1,000 steps/s  5.0 s',
      '',
    ]);
  });

  it('fits a narrow one', () => {
    const screen = new Screen(true, 60);
    const bar = new ProgressBar(undefined, 2, 10, screen);
    vi.advanceTimersByTime(1000);
    bar.step(1, 5, () => ({ loss: 0.5 }));
    expect(screen.lines).toEqual(['epoch 1/2  ━━━──   5/10  loss 0.5000  5 steps/s  3.0 s left']);
    expect(screen.lines[0]!.length).toBe(59);
  });

  it('of 80 columns has everything but the bar, then what matters most, in whole words', () => {
    const logs = { loss: 2.3742, accuracy: 0.0895, val_loss: 2.3474, val_accuracy: 0.113 };
    const at = (columns: number, step: number, shown: object): string => {
      const screen = new Screen(true, columns);
      const bar = new ProgressBar(undefined, 2, 250, screen);
      vi.advanceTimersByTime(1000);
      if (step < 250) bar.step(1, step, () => ({ ...logs, ...shown }));
      else bar.epoch(1, { ...logs, ...shown });
      return screen.lines[0]!;
    };
    const two = { val_loss: 2.3474, val_accuracy: 0.113 };
    const line = (text: string) => text.replaceAll(' | ', '  ');
    expect(at(125, 250, two)).toContain('  ━━━');
    expect(at(116, 250, two)).toBe(
      line(
        'epoch 1/2 | 250/250 | loss 2.3742 | accuracy 0.0895 | val_loss 2.3474 | val_accuracy 0.1130 | 250 steps/s | 1.0 s left',
      ),
    );
    expect(at(110, 250, two)).toBe(
      line(
        'epoch 1/2 | loss 2.3742 | accuracy 0.0895 | val_loss 2.3474 | val_accuracy 0.1130 | 250 steps/s | 1.0 s left',
      ),
    );
    expect(at(100, 250, two)).toBe(
      line('epoch 1/2 | loss 2.3742 | accuracy 0.0895 | val_loss 2.3474 | val_accuracy 0.1130 | 1.0 s left'),
    );
    expect(at(80, 250, two)).toBe(
      line('epoch 1/2 | loss 2.3742 | accuracy 0.0895 | val_loss 2.3474 | 1.0 s left'),
    );
    expect(at(20, 250, two)).toBe('epoch 1/2');
    expect(at(5, 250, two)).toBe('epoc');
  });

  it('makes room for what a callback prints, and comes back', () => {
    const screen = new Screen(true);
    const bar = new ProgressBar(undefined, 100, 10, screen);
    bar.hide();
    bar.show();
    expect(screen.text).toBe('');
    vi.advanceTimersByTime(1000);
    bar.epoch(1, { loss: 0.5 });
    const [drawn] = screen.lines;
    bar.hide();
    screen.write('printed\n');
    bar.show();
    expect(screen.lines).toEqual(['printed', drawn]);
    bar.hide();
    bar.stop();
    expect(screen.lines).toEqual(['printed', '']);
  });

  it('ends its line when training stops early', () => {
    const screen = new Screen(true);
    const bar = new ProgressBar(undefined, 2, 10, screen);
    bar.stop();
    expect(screen.text).toBe('');
    vi.advanceTimersByTime(1000);
    bar.step(1, 5, () => ({ loss: 0.5 }));
    bar.stop();
    bar.stop();
    expect(screen.text.endsWith(' left\n')).toBe(true);
  });

  it('is silent when not wanted', () => {
    const screen = new Screen(true);
    const bar = new ProgressBar(false, 1, 10, screen);
    vi.advanceTimersByTime(1000);
    bar.step(1, 5, () => ({ loss: 1 }));
    bar.epoch(1, { loss: 1 });
    bar.stop();
    expect(screen.text).toBe('');
    expect(bar.keepsLines).toBe(false);
  });
});

describe('elsewhere', () => {
  it('is silent by default', () => {
    const screen = new Screen(false);
    const bar = new ProgressBar(undefined, 1, 10, screen);
    vi.advanceTimersByTime(1000);
    bar.step(1, 5, () => ({ loss: 1 }));
    bar.epoch(1, { loss: 1 });
    bar.stop();
    expect(screen.text).toBe('');
  });

  it('prints plain lines where asked to', () => {
    const screen = new Screen(false);
    const bar = new ProgressBar(true, 2, 10, screen);
    for (let epoch = 1; epoch <= 2; epoch++) {
      vi.advanceTimersByTime(1000);
      bar.step(epoch, 5, () => ({ loss: 1 }));
      vi.advanceTimersByTime(1000);
      bar.epoch(epoch, { loss: 1 });
    }
    bar.stop();
    expect(screen.text).toBe(
      'epoch 1/2  ━━━━━━━━━━━━━━━━━━━━  10/10  loss 1.0000  5 steps/s  2.0 s left\n' +
        'epoch 2/2  ━━━━━━━━━━━━━━━━━━━━  10/10  loss 1.0000  5 steps/s  4.0 s\n',
    );
  });
});

describe('fit', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  async function output(isTTY: boolean, options: FitOptions, epochs = 2): Promise<string> {
    vi.useRealTimers();
    let text = '';
    const { isTTY: before } = process.stderr;
    process.stderr.isTTY = isTTY;
    vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
      text += String(chunk);
      return true;
    });
    try {
      const model = sequential({ inputShape: [1] }, [dense(1)]);
      const trainer = await Trainer.create(model, { loss: 'meanSquaredError' });
      await trainer.fit({ x: [[1], [2], [3]], y: [1, 2, 3] }, { epochs, batchSize: 1, ...options });
    } finally {
      process.stderr.isTTY = before;
    }
    return text;
  }

  it('shows its progress on the standard error of a terminal', async () => {
    const text = await output(true, {});
    expect(text).toMatch(/epoch 2\/2 {2}━{20} {2}3\/3 {2}loss [\d.]+ {2}[\d,]+ steps\/s {2}0\.0 s\n$/);
    expect(text.match(/\n/g)).toHaveLength(2);
    expect((await output(true, {}, 1000)).match(/\n/g)).toHaveLength(1);
  });

  it.each(['onEpoch', 'onStep'])('does not share a line with what %s prints', async (name) => {
    const print = () => process.stderr.write('printed\n');
    const text = await output(true, { [name]: print }, 100);
    const before = text.split('printed').slice(0, -1);
    expect(before.length).toBe(name === 'onStep' ? 300 : 100);
    for (const part of before)
      expect(part === '' || part.endsWith('\n') || part.endsWith('\r\x1b[K')).toBe(true);
    expect(text).toContain('\r\x1b[Kprinted\n\r\x1b[Kepoch');
  });

  it('is quiet elsewhere and where not wanted', async () => {
    expect(await output(false, {})).toBe('');
    expect(await output(true, { progress: false })).toBe('');
  });
});
