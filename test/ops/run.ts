import { Type } from '../../assembly/tape.ts';
import { Program } from '../../src/compiler/program.ts';
import { Graph } from '../../src/graph/graph.ts';
import type { OpName } from '../../src/ops/attributes.ts';
import { lossOps } from '../../src/ops/losses.ts';
import type { Call, Emitter, OpRule } from '../../src/ops/rule.ts';
import { sourceOps } from '../../src/ops/sources.ts';
import { lastOf, sizeOf, type Tensor } from '../../src/ops/tensor.ts';
import type { Engine } from '../../src/runtime/engine.ts';
import { Launch, type Machine, SEED } from '../kernels/machine.ts';
import { lossNames } from './losses.ts';
import type { Operand, Size } from './row.ts';
import { rules } from './rules.ts';
import type { Case } from './table.ts';

function ruleOf(op: OpName): OpRule {
  return rules[op] as OpRule;
}

function parameters(graph: Graph, operands: readonly Operand[]): readonly Tensor[] {
  return operands.map(
    ({ shape }, index) => graph.add(sourceOps.parameter, [], { index, shape }) as unknown as Tensor,
  );
}

/** Compiles a graph over operands that lie in the arena, runs one step and reads the roots. Input 'x' is the first. */
export function runGraph(
  engine: Engine,
  operands: readonly Operand[],
  batch: number,
  build: (graph: Graph, tensors: readonly Tensor[]) => readonly Tensor[],
): Float32Array[] {
  const { arena } = engine;
  const graph = new Graph();
  const tensors = parameters(graph, operands);
  const fixed = new Map<Tensor, number>();
  tensors.forEach((tensor, i) => {
    const { values } = operands[i]!;
    const address = arena.allocate(values.byteLength);
    arena.u8(address, values.byteLength).set(new Uint8Array(values.buffer, 0, values.byteLength));
    fixed.set(tensor, address);
  });
  const roots = build(graph, tensors);
  const options = { graph, roots, fixed, batch, slots: 1, seed: SEED, finish: () => {} };
  const program = new Program(engine, options);
  const data = new Map([['x', { address: fixed.get(tensors[0]!)!, type: Type.F32 }]]);
  program.start({ data, rows: batch, batchSize: batch, shuffle: false });
  program.run(1);
  const values = roots.map((root) => {
    const into = new Float32Array(sizeOf(root.shape, batch));
    program.read(root, batch, into);
    return into;
  });
  program.dispose();
  for (const address of fixed.values()) arena.free(address);
  return values;
}

export function addCase({ op, row, variant }: Case, graph: Graph, inputs: readonly Tensor[]): Tensor {
  return row.build?.(graph, inputs, variant.attributes) ?? graph.add(ruleOf(op), inputs, variant.attributes);
}

/**
 * Gradients of the wanted operands, by the operation's rule and the compiler. The upstream gradient dy is an operand
 * like the others: exact, and no function of y.
 */
export function runGradient(
  engine: Engine,
  one: Case,
  operands: readonly Operand[],
  dy: Float32Array,
  batch: number,
): Float32Array[] {
  const { op, row, variant } = one;
  const shape = resultOf(one, operands).shape;
  const placed = [...operands, { shape, values: dy, wanted: false }];
  return runGraph(engine, placed, batch, (graph, tensors) => {
    const upstream = tensors.at(-1)!;
    const inputs = tensors.slice(0, -1);
    const through = row.through?.(variant.attributes);
    const first = through ? through.wrap(graph, inputs[0]!) : inputs[0]!;
    const result = addCase(one, graph, [first, ...inputs.slice(1)]);
    const { gradient } = ruleOf(op);
    if (gradient === 'none') throw new Error(`${op} has no gradient`);
    const found = new Map(gradient(graph, result, upstream));
    return inputs.filter((_, i) => operands[i]!.wanted).map((input) => found.get(input)!);
  });
}

/** The result as a tensor, for its shape. */
export function resultOf(one: Case, operands: readonly Operand[]): Tensor {
  const graph = new Graph();
  return addCase(one, graph, parameters(graph, operands));
}

export interface CallResult {
  readonly y: Float32Array;
  /** The gradient that a loss makes along with its rows. */
  readonly second: Float32Array | undefined;
}

/** Encodes one operation and runs its instructions on guarded operands, `offset` floats from alignment. */
export function runCall(
  machine: Machine,
  { op, variant }: Case,
  operands: readonly Operand[],
  { rows }: Size,
  offset: number,
  inPlace = false,
): CallResult {
  const launch = new Launch(machine, offset);
  const rule = ruleOf(op);
  if (typeof rule.emit !== 'function') throw new Error(`${op} has no instruction`);
  const graph = new Graph();
  const inputs = parameters(graph, operands);
  const tensor = graph.add(rule, inputs, variant.attributes);
  const call: Call = { tensor, output: tensor, epilogue: {} };
  const addresses = new Map<Tensor, number>();
  inputs.forEach((input, i) => {
    const { values } = operands[i]!;
    const writable = inPlace && i === 0 && values instanceof Float32Array;
    addresses.set(input, writable ? launch.state(values) : launch.input(values));
  });
  const size = (t: Tensor): number => sizeOf(t.shape, rows);
  const place = (t: Tensor): Tensor => {
    addresses.set(t, launch.output(size(t)));
    return t;
  };
  if (inPlace) addresses.set(tensor, addresses.get(inputs[0]!)!);
  else place(tensor);
  if (lossNames.has(op)) {
    call.second = place(graph.add(lossOps.lossGradient, [tensor], {}) as unknown as Tensor);
  }
  const bytes = machine.engine.threads * (rule.workspace?.(tensor, rows) ?? 0);
  const start = launch.output(bytes / 4);
  const address = (t: Tensor): number => addresses.get(t)!;
  const emitter: Emitter = {
    batch: rows,
    size,
    rows: (t) => size(t) / lastOf(t.shape),
    address,
    span: (t) => ({ start: address(t), end: address(t) + size(t) * 4 }),
    workspace: { start, end: start + bytes },
    emit: (code, fields, length) => launch.emit(code, fields, length),
  };
  rule.emit(emitter, call);
  launch.execute();
  const read = (t: Tensor): Float32Array => launch.floats(address(t), size(t));
  return { y: read(tensor), second: call.second && read(call.second) };
}
