// What a case is, and what a subject has to offer for it. The rivals in bench/peers/ implement `SubjectModule` too.

export type ActivationName = 'linear' | 'relu' | 'tanh';

/**
 * A layer as a case lists it, in Keras' terms, channels last; windows are square. A residual adds what its two chains
 * make of its input; an empty chain is the input itself. The loss takes logits, so the last layer is linear.
 */
export type LayerSpec = SimpleSpec | { type: 'residual'; layers: LayerSpec[]; shortcut: LayerSpec[] };

export type SimpleSpec =
  | { type: 'dense'; units: number; activation: ActivationName }
  | {
      type: 'conv2d' | 'conv2dTranspose';
      filters: number;
      size: number;
      strides: number;
      padding: 'valid' | 'same';
      activation: ActivationName;
    }
  | { type: 'maxPooling2d'; size: number }
  | { type: 'globalAveragePooling2d' }
  | { type: 'flatten' }
  | { type: 'activation'; activation: ActivationName }
  /** Momentum 0.99, epsilon 1e-3; over all but the channels. */
  | { type: 'batchNormalization' }
  /** The last output alone; gates in Keras' order: input, forget, candidate, output. */
  | { type: 'lstm'; units: number }
  /** A vector for each integer: rows of a case that begins with it are integers. */
  | { type: 'embedding'; inputDim: number; outputDim: number }
  /** Adds a trained vector for each position. */
  | { type: 'positionEmbedding' }
  /** Epsilon 1e-5; over the channels. */
  | { type: 'layerNormalization' }
  /**
   * x + attention(normalize(x)), causal, then x + dense(gelu(dense(normalize(x)))) with four times the channels between;
   * queries, keys and values come from one kernel, side by side, heads within them.
   */
  | { type: 'transformerDecoder'; numHeads: number };

/** What follows from the layers before it (network.ts). */
export interface Place {
  /** The type, numbered as downhill does. */
  name: string;
  /** Of a row. */
  inputShape: number[];
  outputShape: number[];
  /** Numbers in a row. */
  inputs: number;
  outputs: number;
}

/** A layer at its place. A case has these; rivals that know dense layers alone read inputs, outputs and activation. */
export type Layer = (SimpleSpec & Place) | ({ type: 'residual'; layers: Layer[]; shortcut: Layer[] } & Place);
export type DenseLayer = Extract<Layer, { type: 'dense' }>;

export type OptimizerSpec =
  | { name: 'sgd'; learningRate: number }
  | { name: 'adam'; learningRate: number; beta1: number; beta2: number; epsilon: number }
  | {
      name: 'adamw';
      learningRate: number;
      beta1: number;
      beta2: number;
      epsilon: number;
      weightDecay: number;
    };

export interface StepCase {
  kind: 'step' | 'first-step';
  name: string;
  layers: Layer[];
  /**
   * Mean over the batch: sigmoid + binary cross-entropy, or softmax + cross-entropy, both on logits; or the mean squared
   * difference of the outputs from the inputs.
   */
  loss: 'binary' | 'softmax' | 'mse';
  optimizer: OptimizerSpec;
  batch: number;
  rows: number;
  /**
   * The loss of this step is compared with `checkLoss`, which was computed in float64: of dense networks by reference.ts
   * (test/bench computes it again), of all others by PyTorch (golden.ts).
   */
  checkSteps: number;
  checkLoss: number;
  /** Steps in one call and one sample: the time is divided by it, alike for every subject. */
  stepsPerCall: number;
  /** Of one step. */
  flops: number;
}

export interface StepData {
  /** [rows, inputs of the first layer] */
  x: Float32Array;
  /** [rows], or of a text [rows, positions]: the class; for 'binary' 0 or 1; none for 'mse' */
  labels: Int32Array;
  /** In the order of the layers, a residual's shortcut last, and of each layer as Keras has it; Keras' layouts. */
  weights: { name: string; shape: number[]; data: Float32Array }[];
}

/** C[m, n] = A · B; A is [m, k], or [k, m] for tn; B is [k, n], or [n, k] for nt. */
export interface GemmCase {
  kind: 'gemm';
  name: string;
  variant: 'nn' | 'nt' | 'tn';
  m: number;
  n: number;
  k: number;
  flops: number;
}

export type PassName = 'copy' | 'relu' | 'sigmoid' | 'tanh' | 'exp' | 'sgd' | 'momentum' | 'adam';

/** One pass over n values: y = f(x), or an optimizer step over parameters, gradients and state. */
export interface PassCase {
  kind: 'pass';
  name: PassName;
  n: number;
  /** Bytes that have to be read and written. */
  bytes: number;
}

export interface SizeCase {
  kind: 'size';
  name: 'size';
}

export type Case = StepCase | GemmCase | PassCase | SizeCase;

type Awaitable<T> = T | Promise<T>;

export interface Run {
  /** Trains so many steps (batches in order, cyclically, the same for all subjects), or computes so many times. */
  run(times: number): Awaitable<void>;
  /** Milliseconds of the last `run`, of a subject that runs in a process of its own; else `run` itself is timed. */
  elapsed?(): number;
  /** What to know about its time. */
  note?: string | undefined;
}

export interface StepRun extends Run {
  /** The loss of the last step's batch, as that step's forward pass saw it. */
  loss(): Awaitable<number>;
}

export interface KernelRun extends Run {
  /** C, or y, or the parameters after the pass. */
  result(): Awaitable<Float32Array>;
}

export interface SubjectModule {
  /** Opens the case ready to run; everything before it (import) is not timed by the first-step case, this is. */
  openStep?(spec: StepCase, data: StepData): Awaitable<StepRun>;
  openGemm?(spec: GemmCase, a: Float32Array, b: Float32Array): Awaitable<KernelRun>;
  /** `x` for y = f(x); an optimizer takes it as parameters and as gradients, with zero state, rate 1e-3. */
  openPass?(spec: PassCase, x: Float32Array): Awaitable<KernelRun>;
  /**
   * True when the loss cannot agree (another loss, another update): its time counts without a check, and is `comparable:
   * false`.
   */
  differentAlgorithm?: boolean;
}

/** What a child process is asked for, once; every later message, whatever it says, has it go on to its next turn. */
export interface Request {
  case: string;
  subject: string;
  /** How long to take samples for. */
  timeMs: number;
}

/**
 * A measurement in turns, so that those of several subjects can alternate: a machine that others share changes its pace.
 * The first turn opens and checks the subject, each of the others takes samples; the last has the result.
 */
export type Turns = AsyncGenerator<undefined, Measured, undefined>;

/** What a child process hands back after its last turn; `null` after each of the others. */
export interface Measured {
  /** Of one step, product or pass; null in the size case. */
  medianMs: number | null;
  minMs: number | null;
  samples: number;
  finalLoss: number | null;
  /** Median of short probes of the CPU's limit between the samples: it saw the same machine as the median time. */
  limitGflops: number | null;
  /** The best of these probes, for the least time. */
  bestLimitGflops: number | null;
  /** Of the size case: what a page loads, compressed. */
  bytes: number | null;
  /** Why the time does not count, or what to know about it. */
  remark: string | null;
  /** The time is one of the case: its result was checked, unless it is of another algorithm. */
  counts: boolean;
  /** False: it trains by another algorithm (brain.js), so `finalLoss` was not checked and says nothing beside the others. */
  comparable: boolean;
}

/** One row of the JSON file. */
export interface Result extends Measured {
  case: string;
  subject: string;
  /** Of one step or product. */
  flops: number | null;
  gflops: number | null;
  /** flops / medianMs / limitGflops, as a fraction; limitGflops is this row's own. */
  shareOfLimit: number | null;
  /** flops / minMs / bestLimitGflops: near what a machine without other work would show. */
  shareAtBest: number | null;
}

export interface Report {
  machine: {
    cpu: string;
    cores: number;
    platform: string;
    node: string;
    v8: string;
    /** V8 joined vectors to 256 bits, `limitGflops` is theirs. */
    revectorized: boolean;
  };
  /** The best of all probes. */
  limitGflops: number;
  results: Result[];
}
