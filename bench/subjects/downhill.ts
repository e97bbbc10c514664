// downhill itself. Steps run as `fit` runs them (Program.run, then the records are taken), without the copies that `fit`
// makes when it starts and ends; products and passes are graphs of one operation, compiled as any other.

import { Activation } from '../../assembly/tape/dense.ts';
import { OPTIMIZE_SCRATCH, Optimize } from '../../assembly/tape/training.ts';
import { Op, Status } from '../../assembly/tape.ts';
import type { Encoder } from '../../src/compiler/encode.ts';
import { Program } from '../../src/compiler/program.ts';
import { Graph } from '../../src/graph/graph.ts';
import { adam, sgd, type Trainer } from '../../src/index.ts';
import { activationOps } from '../../src/ops/activations.ts';
import { elementwiseOps } from '../../src/ops/elementwise.ts';
import { matmulOps } from '../../src/ops/matmul.ts';
import { sourceOps } from '../../src/ops/sources.ts';
import type { Tensor } from '../../src/ops/tensor.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { bestBuild } from '../../src/runtime/module.ts';
import { kernelOf, type Optimizer } from '../../src/train/optimizers.ts';
import type {
  GemmCase,
  KernelRun,
  PassCase,
  PassName,
  StepCase,
  StepData,
  StepRun,
  SubjectModule,
} from '../protocol.ts';
import { PASS } from '../reference.ts';
import { createTrainer, startProgram } from './network.ts';

async function openStep(spec: StepCase, data: StepData): Promise<StepRun> {
  const trainer = await createTrainer(spec, data);
  return spec.kind === 'first-step' ? firstStep(trainer, spec, data) : manySteps(trainer, spec, data);
}

/** Through `fit`, its checks and copies included, on the rows of one batch. */
function firstStep(trainer: Trainer, { batch, layers }: StepCase, { x, labels }: StepData): StepRun {
  const { inputs, inputShape } = layers[0]!;
  const data = {
    x: { data: x.subarray(0, batch * inputs), shape: [batch, ...inputShape] },
    y: { data: labels.subarray(0, batch), shape: [batch] },
  };
  let loss = Number.NaN;
  return {
    async run() {
      const { epochs } = await trainer.fit(data, { batchSize: batch, shuffle: false, progress: false });
      loss = epochs[0]!.loss!;
    },
    loss: () => loss,
  };
}

function manySteps(trainer: Trainer, spec: StepCase, data: StepData): StepRun {
  const program = startProgram(trainer, spec, data);
  return {
    run(steps) {
      for (let left = steps; left > 0; ) {
        const now = Math.min(left, program.capacity * program.stepsPerEpoch);
        runOrThrow(program, now);
        program.takeRecords(() => {});
        left -= now;
      }
    },
    loss: () => program.stepLoss,
  };
}

function openGemm({ variant, m, n, k }: GemmCase, a: Float32Array, b: Float32Array): KernelRun {
  const [transposeA, transposeB] = [variant === 'tn', variant === 'nt'];
  const operands = [
    { shape: transposeA ? [k, m] : [m, k], values: a },
    { shape: transposeB ? [n, k] : [k, n], values: b },
  ];
  return compile(operands, (graph, [x, y]) =>
    graph.add(matmulOps.matmul, [x!, y!], { transposeA, transposeB }),
  );
}

const activations: Partial<Record<PassName, Activation>> = {
  relu: Activation.Relu,
  sigmoid: Activation.Sigmoid,
  tanh: Activation.Tanh,
  exp: Activation.Exponential,
};

const optimizers: Partial<Record<PassName, Optimizer>> = {
  sgd: sgd({ learningRate: PASS.rate }),
  momentum: sgd({ learningRate: PASS.rate, momentum: PASS.momentum }),
  adam: adam({ learningRate: PASS.rate, beta1: PASS.beta1, beta2: PASS.beta2, epsilon: PASS.epsilon }),
};

function openPass({ name, n }: PassCase, x: Float32Array): KernelRun {
  const optimizer = optimizers[name];
  if (optimizer) return openOptimizer(optimizer, x);
  const kind = activations[name];
  return compile([{ shape: [n], values: x }], (graph, [t]) =>
    kind === undefined
      ? graph.add(elementwiseOps.affine, [t!], { scale: 1, offset: 0 })
      : graph.add(activationOps.activation, [t!], { kind, alpha: 0 }),
  );
}

interface Operand {
  shape: number[];
  values: Float32Array;
}

/** Rows of a walk that never ends: a step more is all that happens at its end. */
const ENDLESS = 2 ** 30;

/** A graph of one operation on operands that lie in the arena, as a program whose step computes it. */
function compile(
  operands: readonly Operand[],
  build: (graph: Graph, tensors: readonly Tensor[]) => unknown,
): KernelRun {
  const engine = new Engine(bestBuild(false));
  const graph = new Graph();
  const fixed = new Map<Tensor, number>();
  const tensors = operands.map(({ shape, values }, index) => {
    const tensor: Tensor = graph.add(sourceOps.parameter, [], { index, shape });
    fixed.set(tensor, place(engine, values));
    return tensor;
  });
  build(graph, tensors);
  const root = graph.tensors.at(-1)!;
  const options = { graph, roots: [root], fixed, batch: 1, slots: 1, seed: 0, finish: () => {} };
  const program = new Program(engine, options);
  program.start({ data: new Map(), rows: ENDLESS, batchSize: 1, shuffle: false });
  return {
    run: (times) => runOrThrow(program, times),
    result() {
      const values = new Float32Array(root.shape.reduce((a, b) => a * b, 1));
      program.read(root, 1, values);
      return values;
    },
  };
}

/** The optimizer's instruction alone, on parameters and gradients that both start as x. */
function openOptimizer(optimizer: Optimizer, x: Float32Array): KernelRun {
  const engine = new Engine(bestBuild(false));
  const { kind, states } = kernelOf(optimizer);
  const [parameter, gradient] = [place(engine, x), place(engine, x)];
  const [state1, state2, state3] = states.map((used) => (used ? engine.arena.allocate(x.byteLength) : 0));
  const scratch = engine.arena.allocate(OPTIMIZE_SCRATCH);
  const isAdam = optimizer.name === 'adam';
  const [first, second] = isAdam ? [optimizer.beta1, optimizer.beta2] : [optimizer.momentum, optimizer.rho];
  const finish = ({ tape }: Encoder): void =>
    tape.emit(
      Op.Optimize,
      {
        [Optimize.Kind]: kind,
        [Optimize.Parameter]: parameter,
        [Optimize.Gradient]: gradient,
        [Optimize.State1]: state1!,
        [Optimize.State2]: state2!,
        [Optimize.State3]: state3!,
        [Optimize.Count]: x.length,
        [Optimize.Rate]: { f32: 1 },
        [Optimize.L1]: { f32: 0 },
        [Optimize.L2]: { f32: 0 },
        [Optimize.WeightDecay]: { f32: 0 },
        [Optimize.ClipValue]: { f32: 0 },
        [Optimize.ClipNorm]: { f32: 0 },
        [Optimize.Partials]: 0,
        [Optimize.PartialCount]: 0,
        [Optimize.Beta1]: { f32: first },
        [Optimize.Beta2]: { f32: second },
        [Optimize.Rest1]: { f32: 1 - first },
        [Optimize.Rest2]: { f32: 1 - second },
        [Optimize.Epsilon]: { f32: optimizer.epsilon },
        [Optimize.Rows]: 0,
        [Optimize.Scratch]: scratch,
      },
      Optimize.Length,
      [],
      [],
    );
  const graph = new Graph();
  const betas = [optimizer.beta1, optimizer.beta2] as const;
  const program = new Program(engine, {
    graph,
    roots: [],
    fixed: new Map(),
    batch: 1,
    slots: 1,
    seed: 0,
    betas,
    finish,
  });
  program.learningRate = optimizer.learningRate;
  program.start({ data: new Map(), rows: ENDLESS, batchSize: 1, shuffle: false });
  return {
    run: (times) => runOrThrow(program, times),
    result: () => engine.arena.f32(parameter, x.length).slice(),
  };
}

function place({ arena }: Engine, values: Float32Array): number {
  const address = arena.allocate(values.byteLength);
  arena.f32(address, values.length).set(values);
  return address;
}

function runOrThrow(program: Program, steps: number): void {
  const status = program.run(steps);
  if (status !== Status.Ok) throw new Error(`the program stopped with status ${status}`);
}

export const downhill: SubjectModule = { openStep, openGemm, openPass };
