import { describe, expect, it } from 'vitest';
import { OPTIMIZE_SCRATCH, Optimize, OptimizerKind } from '../../assembly/tape/training.ts';
import { Program as Field, Op } from '../../assembly/tape.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { generator, make, sum, uniform } from '../reference/numbers.ts';
import { type OptimizerSettings, type OptimizerState, optimize } from '../reference/optimizer.ts';
import { shareOfBound } from '../reference/rounding.ts';
import { builds, engineOf, firstDifference, Launch, Machine } from './machine.ts';
import { stepBound } from './optimizer-bounds.ts';

const f = Math.fround;

interface Kind {
  readonly name: string;
  readonly kind: OptimizerKind;
  readonly states: readonly [boolean, boolean, boolean];
  readonly beta1: number;
  readonly beta2: number;
}

const [none, first, second] = [
  [false, false, false],
  [true, false, false],
  [false, true, false],
] as const;

const KINDS: readonly Kind[] = [
  { name: 'sgd', kind: OptimizerKind.Sgd, states: none, beta1: 0, beta2: 0 },
  { name: 'momentum', kind: OptimizerKind.Momentum, states: first, beta1: 0.9, beta2: 0 },
  { name: 'nesterov', kind: OptimizerKind.Nesterov, states: first, beta1: 0.9, beta2: 0 },
  { name: 'rmsprop', kind: OptimizerKind.RmsProp, states: second, beta1: 0, beta2: 0.9 },
  {
    name: 'rmsprop, momentum',
    kind: OptimizerKind.RmsProp,
    states: [true, true, false],
    beta1: 0.8,
    beta2: 0.9,
  },
  {
    name: 'rmsprop, centered',
    kind: OptimizerKind.RmsProp,
    states: [false, true, true],
    beta1: 0,
    beta2: 0.9,
  },
  { name: 'rmsprop, both', kind: OptimizerKind.RmsProp, states: [true, true, true], beta1: 0.8, beta2: 0.95 },
  { name: 'adam', kind: OptimizerKind.Adam, states: [true, true, false], beta1: 0.9, beta2: 0.999 },
];

const PENALTIES = [
  { l1: 0, l2: 0 },
  { l1: 0.03, l2: 0 },
  { l1: 0, l2: 0.02 },
  { l1: 0.03, l2: 0.02 },
];

/** The gradients below are up to 2, the norm is about 1.15 times the root of their number. */
const CLIPS = [
  { clipValue: 0, clipNorm: 0 },
  { clipValue: 0.7, clipNorm: 0 },
  { clipValue: 0, clipNorm: 0.5 },
  { clipValue: 0, clipNorm: 1e6 },
  { clipValue: 0.7, clipNorm: 0.5 },
];

function settingsOf({ kind, states, beta1, beta2 }: Kind): OptimizerSettings {
  const numbers = {
    rate: f(0.01),
    l1: 0,
    l2: 0,
    weightDecay: 0,
    clipValue: 0,
    clipNorm: 0,
    epsilon: f(1e-7),
  };
  return { kind, ...numbers, beta1: f(beta1), beta2: f(beta2), centered: states[2], step: 3 };
}

/** States as they come about: a mean square well above the squared mean. */
function stateOf(count: number): Record<keyof OptimizerState, Float32Array> {
  const random = generator(count);
  const w = uniform(random, count);
  // the penalty of a weight of 0 has no gradient
  for (let i = 3; i < count; i += 7) w[i] = 0;
  return {
    w,
    g: uniform(random, count),
    s1: uniform(random, count),
    s2: uniform(random, count, 0.5, 2),
    s3: uniform(random, count, -0.5, 0.5),
  };
}

/** One step on guarded operands; the norm is that of the gradients. With `rows`: of these rows of a table alone. */
function step(
  machine: Machine,
  { states }: Kind,
  settings: OptimizerSettings,
  state: ReturnType<typeof stateOf>,
  norm: number,
  offset: number,
  rows?: readonly number[],
): ReturnType<typeof stateOf> {
  const launch = new Launch(machine, offset);
  const count = state.w.length;
  const { beta1, beta2 } = settings;
  machine.setFloat(Field.LearningRate, settings.rate * 2);
  machine.setDouble(Field.Beta1, beta1);
  machine.setDouble(Field.Beta2, beta2);
  machine.setDouble(Field.Beta1Power, beta1 ** (settings.step - 1));
  machine.setDouble(Field.Beta2Power, beta2 ** (settings.step - 1));
  const w = launch.state(state.w);
  const g = launch.input(state.g);
  const kept = [state.s1, state.s2, state.s3].map((s, n) => (states[n] ? launch.state(s) : 0));
  // two partial sums
  const partials = launch.input(Float64Array.of(norm ** 2 / 4, (norm ** 2 * 3) / 4));
  launch.emit(
    Op.Optimize,
    {
      [Optimize.Kind]: settings.kind,
      [Optimize.Parameter]: w,
      [Optimize.Gradient]: g,
      [Optimize.State1]: kept[0]!,
      [Optimize.State2]: kept[1]!,
      [Optimize.State3]: kept[2]!,
      [Optimize.Count]: rows ? state.g.length / rows.length : count,
      [Optimize.Rate]: { f32: 0.5 },
      [Optimize.L1]: { f32: settings.l1 },
      [Optimize.L2]: { f32: settings.l2 },
      [Optimize.WeightDecay]: { f32: settings.weightDecay },
      [Optimize.ClipValue]: { f32: settings.clipValue },
      [Optimize.ClipNorm]: { f32: settings.clipNorm },
      [Optimize.Partials]: partials,
      [Optimize.PartialCount]: 2,
      [Optimize.Beta1]: { f32: beta1 },
      [Optimize.Beta2]: { f32: beta2 },
      [Optimize.Rest1]: { f32: 1 - beta1 },
      [Optimize.Rest2]: { f32: 1 - beta2 },
      [Optimize.Epsilon]: { f32: settings.epsilon },
      [Optimize.Rows]: rows ? launch.input(Int32Array.of(rows.length, ...rows)) : 0,
      [Optimize.Scratch]: launch.output((machine.engine.threads * OPTIMIZE_SCRATCH) / 4),
    },
    Optimize.Length,
  );
  launch.execute();
  const read = (address: number, before: Float32Array): Float32Array =>
    address ? launch.floats(address, count) : before;
  return {
    w: read(w, state.w),
    g: read(g, state.g),
    s1: read(kept[0]!, state.s1),
    s2: read(kept[1]!, state.s2),
    s3: read(kept[2]!, state.s3),
  };
}

const RESULTS = ['w', 's1', 's2', 's3'] as const;

describe.each(builds)('%s', (build) => {
  const machine = new Machine(new Engine(build));

  /** Expects a step to be the twin's, within the bound of each element. */
  function check(kind: Kind, settings: OptimizerSettings, count: number): void {
    const state = stateOf(count);
    const norm = Math.sqrt(sum(count, (i) => state.g[i]! ** 2));
    const got = step(machine, kind, settings, state, norm, count);
    const want = optimize(settings, state, norm);
    const bounds = make(count, (i) => stepBound(settings, state, norm, i));
    for (const name of RESULTS) {
      if (name !== 'w' && !kind.states[Number(name[1]) - 1]) continue;
      const bound = bounds.map((b) => b[name]);
      expect(shareOfBound(got[name], want[name], bound), `${name} of ${count}`).toBeLessThanOrEqual(1);
    }
  }

  describe.each(KINDS)('$name', (kind) => {
    const plain = settingsOf(kind);

    it('is the twin, every tail', () => {
      for (let count = 0; count <= 67; count++) check(kind, plain, count);
    });

    it('is the twin with penalties, decay and clipping', () => {
      for (const { l1, l2 } of PENALTIES) {
        for (const { clipValue, clipNorm } of CLIPS) {
          for (const weightDecay of [0, 0.3]) {
            const rounded = { l1: f(l1), l2: f(l2), clipValue: f(clipValue), clipNorm };
            check(kind, { ...plain, ...rounded, weightDecay: f(weightDecay) }, 39);
          }
        }
      }
    });

    it('is the twin in the first and in a late step', () => {
      for (const at of [1, 2, 10_000]) check(kind, { ...plain, step: at }, 21);
    });

    it('gives the same bits wherever an element lies', () => {
      const state = stateOf(67);
      const settings = { ...plain, l1: f(0.03), l2: f(0.02), weightDecay: f(0.1) };
      const whole = step(machine, kind, settings, state, 1, 0);
      for (const [from, to] of [
        [1, 67],
        [5, 22],
        [64, 67],
      ] as const) {
        // biome-ignore format: pairs
        const cut = { ...state };
        for (const name of ['w', 'g', 's1', 's2', 's3'] as const) cut[name] = state[name].slice(from, to);
        const piece = step(machine, kind, settings, cut, 1, from);
        for (const name of RESULTS) {
          expect(firstDifference(piece[name], whole[name].slice(from, to)), name).toBe(-1);
        }
      }
    });
  });

  it('changes rows of a table as if each were all there is, on two threads too, and no other', async () => {
    const two = await engineOf(build, 2);
    const machines = [machine, new Machine(two)];
    const count = 7;
    for (const kind of KINDS) {
      for (const columns of [1, 2, 3, 4, 5, 8, 11, 16]) {
        for (const rows of [[3], [0, 6], [1, 2, 5], make(count, (i) => i)]) {
          const state = stateOf(count * columns);
          const settings = { ...settingsOf(kind), l1: f(0.03), weightDecay: f(0.1), clipNorm: 0.5 };
          const table = { ...state, g: state.g.slice(0, rows.length * columns) };
          const want = { w: [...state.w], s1: [...state.s1], s2: [...state.s2], s3: [...state.s3] };
          rows.forEach((row, i) => {
            const cut = (values: Float32Array, at: number) => values.slice(at * columns, (at + 1) * columns);
            const one = {
              w: cut(state.w, row),
              g: cut(state.g, i),
              s1: cut(state.s1, row),
              s2: cut(state.s2, row),
              s3: cut(state.s3, row),
            };
            const done = step(machine, kind, settings, one, 3, 0);
            for (const name of RESULTS) want[name].splice(row * columns, columns, ...done[name]);
          });
          for (const [n, each] of machines.entries()) {
            const got = step(each, kind, settings, table, 3, columns, rows);
            for (const name of RESULTS) {
              const what = `${name} of ${kind.name}, rows ${rows} of ${columns}, threads: ${n + 1}`;
              expect(firstDifference(got[name], Float32Array.from(want[name])), what).toBe(-1);
            }
          }
        }
      }
    }
    two.dispose();
  });

  it('gives the same bits on two threads', async () => {
    const two = await engineOf(build, 2);
    const shared = new Machine(two);
    for (const kind of KINDS) {
      for (let count = 0; count <= 67; count++) {
        const state = stateOf(count);
        const settings = { ...settingsOf(kind), l2: f(0.02), clipNorm: 0.5 };
        const [a, b] = [machine, shared].map((m) => step(m, kind, settings, state, 3, count));
        for (const name of RESULTS) expect(firstDifference(a![name], b![name]), name).toBe(-1);
      }
    }
    two.dispose();
  });
});
