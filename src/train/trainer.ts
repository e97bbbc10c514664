import { Status } from '../../assembly/tape.ts';
import { callback, flag, integer, knownKeys, number, show } from '../checks.ts';
import type { Program } from '../compiler/program.ts';
import { UsageError } from '../errors.ts';
import { Engine } from '../runtime/engine.ts';
import { checkedDataset, type Dataset, type TargetForm } from './dataset.ts';
import { diagnose } from './diagnose.ts';
import { BUDGET_MS, turn } from './event-loop.ts';
import { type Logs, logsOf } from './logs.ts';
import { Model } from './model.ts';
import { type Objective, type ObjectiveOptions, objectivesOf } from './objectives.ts';
import { type Optimizer, type OptimizerLike, optimizerConfig } from './optimizers.ts';
import { ProgressBar } from './progress.ts';
import { type Loaded, Session } from './session.ts';
import { checkWhole } from './states.ts';

export interface TrainerOptions extends ObjectiveOptions {
  /** Default: none, it must be given. Of several outputs a list or a record. */
  loss: ObjectiveOptions['loss'];
  /** What each loss of several outputs is multiplied by, at least 0, in `loss`. Default 1. */
  lossWeights?: ObjectiveOptions['lossWeights'];
  /** Default 'adam'. */
  optimizer?: OptimizerLike | undefined;
  /** Reported beside the loss; of several outputs a list or a record of lists. Default: none. */
  metrics?: ObjectiveOptions['metrics'];
  /** Threads that train together, 1 to 64; above 1 only in Node. The same bits whatever the number. Default 1. */
  threads?: number | undefined;
}

/** What `onStep` gets. */
export interface StepEvent {
  /** From 1. */
  readonly epoch: number;
  /** Within the epoch, from 1. */
  readonly step: number;
  readonly stepsPerEpoch: number;
  /** Of this batch, penalties included. */
  readonly loss: number;
  /** Ends the training: `fit` resolves with the epochs that are complete. */
  stop(): void;
}

/** What `onEpoch` gets. */
export interface EpochEvent {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Means over the epoch's rows, and `val_…` of the validation data. */
  readonly logs: Logs;
  /** Ends the training after this epoch: `fit` resolves with the history so far. */
  stop(): void;
}

export interface FitOptions {
  /** Times that all rows are seen. Default 1. */
  epochs?: number | undefined;
  /** Rows of a step, at most all; the last step of an epoch takes what is left, which stateful layers refuse. Default 32. */
  batchSize?: number | undefined;
  /** Another order of the rows in each epoch, from the model's seed. Default true; of a model with stateful layers false. */
  shuffle?: boolean | undefined;
  /** Evaluated after each epoch, in its logs as `val_loss`, … Default: none. */
  validationData?: Dataset | undefined;
  /**
   * After each step, the model having the new weights; a promise is waited for. Slows small models down, since every step
   * then comes back to JavaScript.
   */
  onStep?: ((event: StepEvent) => unknown) | undefined;
  /**
   * After each epoch, the model having the new weights; a promise is waited for. Early stopping, for example, with
   * `let best = Infinity, since = 0` before it:
   * `({ logs, stop }) => { if (logs.val_loss < best) [best, since] = [logs.val_loss, 0]; else if (++since === 5) stop(); }`
   */
  onEpoch?: ((event: EpochEvent) => unknown) | undefined;
  /** Stops before the next step: `fit` rejects with the signal's reason, the weights of the last step are kept. */
  signal?: AbortSignal | undefined;
  /** A progress bar on the terminal. Default: when the standard error is a terminal. */
  progress?: boolean | undefined;
}

/** What training left behind: for each epoch its loss and metrics. */
export interface History {
  readonly epochs: readonly Logs[];
  /** Steps in all. */
  readonly steps: number;
  /** Time spent training and validating, callbacks included. */
  readonly seconds: number;
}

const FIT_OPTIONS = [
  'epochs',
  'batchSize',
  'shuffle',
  'validationData',
  'onStep',
  'onEpoch',
  'signal',
  'progress',
];

/** Trains a model: its loss, optimizer and metrics compiled to a program. Made by `Trainer.create`. */
export class Trainer {
  #busy = false;
  /** The last of the evaluations asked for: they run one after the other, and training waits for them. */
  #evaluations: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly model: Model<unknown>,
    /** For each output its loss, weight and metrics. */
    readonly objectives: readonly Objective[],
    readonly optimizer: Optimizer,
    /** @internal */
    readonly session: Session,
  ) {
    // JavaScript knows no private constructors
    if (session instanceof Session) return;
    throw new UsageError(
      'a trainer is made by await Trainer.create(model, { loss, … }), not by new Trainer(…)',
    );
  }

  /**
   * Prepares training. The model and its trainer share the weights: what `fit` trains, `model.predict` uses.
   * @throws UsageError on an unknown name, an option out of range, a loss or metric that the model's output does not
   *   fit, or threads above 1 outside Node.
   */
  static async create(model: Model<unknown>, options: TrainerOptions): Promise<Trainer> {
    if (!(model instanceof Model)) {
      throw new UsageError(
        `Trainer.create takes a model made by sequential(), model() or loadModel(), got ${show(model)}`,
      );
    }
    knownKeys(options, ['loss', 'lossWeights', 'optimizer', 'metrics', 'threads'], 'Trainer.create', [
      'loss',
    ]);
    if ((options.loss ?? undefined) === undefined) {
      throw new UsageError("Trainer.create: give a loss, for example 'crossEntropy'");
    }
    const objectives = objectivesOf(model, options);
    const optimizer = optimizerConfig(options.optimizer ?? 'adam');
    const threads = integer(options.threads ?? 1, 'Trainer.create: threads', 1, 64);
    if (threads > 1 && typeof process !== 'object') {
      throw new UsageError(
        `Trainer.create: threads above 1 work in Node so far, got ${threads}; leave the option out`,
      );
    }
    const engine = await Engine.create({ threads, reproducible: model.reproducible });
    const session = new Session(engine, model, objectives, optimizer);
    return new Trainer(model, objectives, optimizer, session);
  }

  /** For the steps to come, at least 0; set it in `onEpoch` or `onStep` to follow a schedule. */
  get learningRate(): number {
    return this.session.learningRate;
  }

  set learningRate(rate: number) {
    this.session.learningRate = number(rate, 'learningRate', { min: 0 });
  }

  /**
   * Trains on data; the optimizer's state goes on from an earlier `fit`. Gives control back to the event loop every
   * few milliseconds. States of stateful layers go on from batch to batch, from epoch to epoch and through validation, as
   * in Keras: with `onEpoch: () => model.resetStates()` each epoch begins anew.
   * @throws UsageError on data that do not fit the model, NonFiniteError when the loss or a gradient turns NaN or
   *   infinite (the weights of the last good step are kept), the signal's reason when aborted.
   */
  async fit(data: Dataset, options: FitOptions = {}): Promise<History> {
    if (this.#busy) throw new UsageError('fit: this trainer is training already; await that first');
    const { model, objectives } = this;
    const checked = checkedDataset(model, objectives, data, 'fit');
    knownKeys(options, FIT_OPTIONS, 'fit');
    const epochs = integer(options.epochs ?? 1, 'fit: epochs', 1);
    const shuffle = flag(options.shuffle ?? !model.stateful, 'fit: shuffle');
    const batchSize = Math.min(integer(options.batchSize ?? 32, 'fit: batchSize', 1), checked.rows);
    callback(options.onStep, 'fit: onStep');
    callback(options.onEpoch, 'fit: onEpoch');
    checkSignal(options.signal, 'fit');
    if (options.progress !== undefined) flag(options.progress, 'fit: progress');
    const held = options.validationData;
    const validation =
      held === undefined ? undefined : checkedDataset(model, objectives, held, 'fit: validationData');

    if (model.stateful) {
      if (shuffle) {
        throw new UsageError(
          "fit: shuffle: the model's layers carry states from batch to batch, so the rows must stay in order: leave it out",
        );
      }
      checkWhole(checked.rows, batchSize, 'fit: x');
      if (validation) checkWhole(validation.rows, batchSize, 'fit: validationData');
    }

    const { session } = this;
    const loaded: Loaded[] = [];
    this.#busy = true;
    try {
      const training = session.load(checked);
      loaded.push(training);
      const validating = validation && session.load(validation);
      if (validating) loaded.push(validating);
      await this.#evaluations;
      if (model.stateful) model.states.expect(batchSize, 'fit');
      const program = session.trainingProgram(checked.forms, batchSize);
      await session.engine.start();
      session.resume();
      program.start({ ...training, batchSize, shuffle });
      const bar = new ProgressBar(options.progress, epochs, program.stepsPerEpoch);
      try {
        return await this.#run(program, epochs, options, bar, async () => {
          if (!validating) return {};
          session.pause();
          const logs = await this.#queued(() =>
            this.#evaluateLoaded(validating, validation.forms, options.signal),
          );
          session.resume();
          return Object.fromEntries(Object.entries(logs).map(([name, value]) => [`val_${name}`, value]));
        });
      } finally {
        bar.stop();
        session.pull();
      }
    } finally {
      for (const { free } of loaded) free();
      this.#busy = false;
    }
  }

  /**
   * Loss and metrics on data, without training. While `fit` runs, the training waits meanwhile. Of a model with stateful
   * layers, in batches of as many rows as their states have; after `resetStates` all rows are one batch. A loss of time
   * steps with a mask is the mean over the steps that count in 256 rows, and over these batches by their rows, as in Keras
   * with batches of 256; metrics are means over all steps that count.
   * @returns For example `{ loss, accuracy }`.
   * @throws UsageError on data that do not fit the model, the signal's reason when aborted.
   */
  async evaluate(data: Dataset, options: { signal?: AbortSignal | undefined } = {}): Promise<Logs> {
    const checked = checkedDataset(this.model, this.objectives, data, 'evaluate');
    knownKeys(options, ['signal'], 'evaluate');
    checkSignal(options.signal, 'evaluate');
    const loaded = this.session.load(checked);
    try {
      return await this.#queued(() => {
        this.session.push();
        return this.#evaluateLoaded(loaded, checked.forms, options.signal);
      });
    } finally {
      loaded.free();
    }
  }

  /**
   * Ends the trainer's threads; it still trains, on one. Without threads there is nothing to end. Those of a trainer that
   * nobody holds any more end when it is collected.
   */
  dispose(): void {
    this.session.engine.dispose();
  }

  async #run(
    program: Program,
    epochs: number,
    options: FitOptions,
    bar: ProgressBar,
    validate: () => Promise<Readonly<Record<string, number>>>,
  ): Promise<History> {
    const { onStep, onEpoch, signal } = options;
    const { session } = this;
    const history: Logs[] = [];
    const perEpoch = program.stepsPerEpoch;
    const begun = performance.now();
    const total = epochs * perEpoch;
    // control comes back at each epoch's end when somebody waits for it, else as the time budget says
    const epochwise = onEpoch !== undefined || options.validationData !== undefined || bar.keepsLines;
    let pace = 1;
    let lastTurn = begun;
    let done = 0;
    let stopped = false;
    const stop = (): void => {
      stopped = true;
    };
    while (done < total && !stopped) {
      signal?.throwIfAborted();
      const left = epochwise ? perEpoch - program.epochStep : program.capacity * perEpoch;
      const steps = onStep ? 1 : Math.min(pace, left, total - done);
      const before = performance.now();
      const status = program.run(steps);
      const now = performance.now();
      const ended = history.length;
      program.takeRecords((sums) => history.push(session.logs(sums)));
      if (status !== Status.Ok) {
        const epoch = history.length + 1;
        throw diagnose(program, status, epoch, this.optimizer, this.learningRate, session.gradientNames());
      }
      done += steps;
      if (now - before < BUDGET_MS / 2) pace = Math.min(pace * 2, 1 << 20);
      else if (now - before > BUDGET_MS) pace = Math.max(1, pace >> 1);
      if (onStep) {
        const step = ((done - 1) % perEpoch) + 1;
        session.pause();
        bar.hide();
        const loss = program.stepLoss;
        const waited = onStep({ epoch: ended + 1, step, stepsPerEpoch: perEpoch, loss, stop });
        if (waited !== undefined) {
          await waited;
          await this.#evaluations;
        }
        bar.show();
        session.resume();
      }
      if (history.length > ended && epochwise) {
        const logs = { ...history[ended]!, ...(await validate()) };
        history[ended] = logs;
        bar.epoch(history.length, logs);
        if (onEpoch) {
          session.pause();
          bar.hide();
          await onEpoch({ epoch: history.length, epochs, logs, stop });
          await this.#evaluations;
          bar.show();
          session.resume();
        }
      } else if (program.epochStep > 0) {
        bar.step(history.length + 1, program.epochStep, () => session.partialLogs());
      } else {
        bar.epoch(history.length, history.at(-1)!);
      }
      if (performance.now() - lastTurn > BUDGET_MS && done < total) {
        session.pause();
        await turn();
        await this.#evaluations;
        session.resume();
        lastTurn = performance.now();
      }
    }
    return { epochs: history, steps: done, seconds: (performance.now() - begun) / 1000 };
  }

  /** Runs an evaluation after those that were asked for before. */
  #queued<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#evaluations.then(work);
    this.#evaluations = result.catch(() => {});
    return result;
  }

  async #evaluateLoaded(
    loaded: Loaded,
    forms: readonly TargetForm[],
    signal: AbortSignal | undefined,
  ): Promise<Logs> {
    const { session } = this;
    const rows = this.model.stateful ? this.model.states.batchOf(loaded.rows, 'evaluate') : undefined;
    const { program, batchSize, states, reported } = session.evaluationProgram(forms, rows);
    await session.engine.start();
    const size = Math.min(batchSize, loaded.rows);
    states.push('evaluate');
    program.start({ ...loaded, batchSize: size, shuffle: false });
    let lastTurn = performance.now();
    for (let done = 0; done < program.stepsPerEpoch; done++) {
      signal?.throwIfAborted();
      program.run(1);
      if (performance.now() - lastTurn > BUDGET_MS && done + 1 < program.stepsPerEpoch) {
        states.pull();
        await turn();
        states.push('evaluate');
        lastTurn = performance.now();
      }
    }
    states.pull();
    let logs: Logs | undefined;
    program.takeRecords((sums) => {
      logs = logsOf(sums, loaded.rows, reported);
    });
    return logs!;
  }
}

function checkSignal(value: unknown, what: string): void {
  const fits = typeof value === 'object' && value !== null && 'aborted' in value && 'throwIfAborted' in value;
  if (value !== undefined && !fits) {
    throw new UsageError(
      `${what}: signal must be an AbortSignal, for example new AbortController().signal, got ${show(value)}`,
    );
  }
}
