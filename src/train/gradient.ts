import { flag, knownKeys, show } from '../checks.ts';
import { Program } from '../compiler/program.ts';
import { type ArrayData, type ArrayInput, toArray } from '../data/arrays.ts';
import { UsageError } from '../errors.ts';
import { gradients } from '../graph/gradient.ts';
import { Graph } from '../graph/graph.ts';
import { showResult } from '../layers/operations/operand.ts';
import { lossOps } from '../ops/losses.ts';
import { sourceOps } from '../ops/sources.ts';
import { isTensor, sizeOf, type Tensor } from '../ops/tensor.ts';
import { Engine } from '../runtime/engine.ts';
import type { Prediction } from './predictor.ts';

/** A value of a function, and its gradients with respect to each input, in their shapes. */
export interface ValueAndGradients {
  readonly value: number;
  readonly gradients: readonly Prediction[];
}

/** What `gradient` makes: takes a number, nested arrays or `{ data, shape }` for each input of the function. */
export type GradientFunction = (...inputs: readonly (number | ArrayInput)[]) => ValueAndGradients;

/** Programs kept, for as many combinations of shapes. */
const PROGRAMS = 16;

/** A function compiled for inputs of certain shapes. */
interface Compiled {
  readonly program: Program;
  readonly value: Tensor;
  readonly inputs: readonly {
    readonly address: number;
    readonly shape: readonly number[];
    /** Undefined where the value does not depend on it. */
    readonly gradient: Tensor | undefined;
  }[];
}

/**
 * Value and gradients of a function in operations (`ops`) that gives a single number, without a model.
 *
 *     const g = await gradient((w, x) => ops.sum(ops.square(ops.matmul(x, w))));
 *     const { value, gradients: [dw, dx] } = g([[1], [2]], [[3, 4]]);    // value 121, dw.data [66, 88], dx.data [22, 44]
 *
 * The function is called, and compiled, once for each combination of shapes (the last 16 are kept); what it computes
 * must follow from its inputs and operations alone. There is no batch: axis 0 is an axis like the others.
 * @param options reproducible: the same bits on every machine and browser. Default false.
 * @throws UsageError from the result, when the function does not return a tensor of one number.
 */
export async function gradient(
  fn: (...inputs: Tensor[]) => Tensor,
  options: { reproducible?: boolean | undefined } = {},
): Promise<GradientFunction> {
  if (typeof fn !== 'function') throw new UsageError(`gradient takes a function of tensors, got ${show(fn)}`);
  knownKeys(options, ['reproducible'], 'gradient');
  const reproducible = flag(options.reproducible ?? false, 'gradient: reproducible');
  const engine = await Engine.create({ reproducible });
  const known = new Map<string, Compiled>();
  return (...inputs) => {
    const arrays = inputs.map(toInput);
    if (arrays.length === 0)
      throw new UsageError('gradient: the function that it made takes at least one input');
    const key = JSON.stringify(arrays.map(({ shape }) => shape));
    const compiled = known.get(key) ?? compile(engine, fn, arrays);
    // the one used last comes last
    known.delete(key);
    known.set(key, compiled);
    if (known.size > PROGRAMS) {
      const [oldest, unused] = known.entries().next().value!;
      known.delete(oldest);
      dispose(engine, unused);
    }
    return run(engine, compiled, arrays);
  };
}

function toInput(value: unknown, i: number): ArrayData {
  if (typeof value === 'number') return { data: Float32Array.of(value), shape: [] };
  const array = toArray(value, `gradient: input ${i + 1}`);
  if (array.data.length === 0) throw new UsageError(`gradient: input ${i + 1} is empty`);
  return array;
}

function compile(
  engine: Engine,
  fn: (...inputs: Tensor[]) => Tensor,
  arrays: readonly ArrayData[],
): Compiled {
  const graph = new Graph();
  graph.layer = 'gradient';
  const tensors = arrays.map(
    ({ shape }, index) => graph.add(sourceOps.parameter, [], { index, shape }) as unknown as Tensor,
  );
  const result = checkedValue(fn(...tensors), graph);
  const value = graph.add(lossOps.rowLoss, [result], { reduction: 'sum' }) as unknown as Tensor;
  const found = gradients(graph, new Map([[value, 1]]), tensors);
  const addresses = tensors.map(({ shape }) => engine.arena.allocate(sizeOf(shape, 1) * 4));
  const program = new Program(engine, {
    graph,
    roots: [value, ...found.filter((tensor) => tensor !== undefined)],
    fixed: new Map(tensors.map((tensor, i) => [tensor, addresses[i]!])),
    batch: 1,
    slots: 1,
    seed: 0,
    finish: () => {},
  });
  const inputs = tensors.map(({ shape }, i) => ({ address: addresses[i]!, shape, gradient: found[i] }));
  return { program, value, inputs };
}

function checkedValue(y: unknown, graph: Graph): Tensor {
  if (isTensor(y) && y.tracer === graph && y.shape.length === 0) return y;
  throw new UsageError(
    `gradient: the function must return a tensor of one number, such as ops.sum(…) or ops.mean(…), got ${showResult(y, graph)}`,
  );
}

function run(
  { arena }: Engine,
  { program, value, inputs }: Compiled,
  arrays: readonly ArrayData[],
): ValueAndGradients {
  inputs.forEach(({ address }, i) => {
    arena.f32(address, arrays[i]!.data.length).set(arrays[i]!.data);
  });
  program.start({ data: new Map(), rows: 1, batchSize: 1, shuffle: false });
  program.run(1);
  const read = (tensor: Tensor | undefined, shape: readonly number[]): Prediction => {
    const data = new Float32Array(sizeOf(shape, 1));
    if (tensor) program.read(tensor, 1, data);
    return { data, shape: [...shape] };
  };
  return {
    value: read(value, []).data[0]!,
    gradients: inputs.map(({ gradient: of, shape }) => read(of, shape)),
  };
}

function dispose({ arena }: Engine, { program, inputs }: Compiled): void {
  program.dispose();
  for (const { address } of inputs) arena.free(address);
}
