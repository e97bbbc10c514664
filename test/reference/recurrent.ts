import { Cell } from '../../assembly/tape/sequence.ts';
import type { ActivationAttributes, RecurrenceAttributes, RecurrentExtra } from '../../src/ops/attributes.ts';
import { activationBound, curvature, derivativeBound } from '../ops/activation-bounds.ts';
import { activation, activationGradient, activationGradientFrom } from './activations.ts';
import { make } from './numbers.ts';
import { exact, minus, plus, type Tracked, times } from './tracked.ts';

/*
 * The naive twins of recurrent layers. They carry the bound of the rounding error along, in units of 2^-24: states
 * pass through so many steps that no closed formula stays near it.
 */

export interface RecurrentSize {
  readonly batch: number;
  readonly time: number;
  readonly units: number;
}

const ZERO = exact(0);
const ONE = exact(1);

/** f(x): what x's error becomes, and the function's own. */
function apply({ kind, alpha }: ActivationAttributes, x: Tracked): Tracked {
  const value = activation(kind, alpha, [x.value])[0]!;
  const slope = activationGradient(kind, alpha, [x.value], [1])[0]!;
  return { value, error: Math.abs(slope) * x.error + activationBound(kind, x.value, value) };
}

/** dy · f', f' from y = f(x). */
function derive({ kind, alpha }: ActivationAttributes, dy: Tracked, y: Tracked): Tracked {
  const value = activationGradientFrom(kind, alpha, [y.value], [dy.value])[0]!;
  const slope = activationGradientFrom(kind, alpha, [y.value], [1])[0]!;
  const inherited = Math.abs(slope) * dy.error + Math.abs(dy.value) * curvature(kind, y.value) * y.error;
  return { value, error: inherited + derivativeBound(kind, y.value, slope, dy.value) };
}

/** Sum of `count` products: gamma(count) of their magnitudes (Higham 2002, eq. 3.5). */
function dot(count: number, a: (k: number) => Tracked, b: (k: number) => Tracked): Tracked {
  let value = 0;
  let error = 0;
  for (let k = 0; k < count; k++) {
    const [x, y] = [a(k), b(k)];
    value += x.value * y.value;
    error += Math.abs(x.value) * y.error + Math.abs(y.value) * x.error + count * Math.abs(x.value * y.value);
  }
  return { value, error };
}

interface Step {
  /** Next h and further states. */
  readonly states: readonly Tracked[];
  /** What the gradient needs, the h before last. */
  readonly saved: readonly Tracked[];
}

interface Back {
  /** Of each gate. */
  readonly dz: readonly Tracked[];
  /** Of the products, where they are not added to z. */
  readonly inner?: readonly Tracked[];
  /** What goes to the step before besides the products: of c where there is one, else of h. */
  readonly carry: Tracked;
}

interface CellTwin {
  readonly gates: number;
  readonly states: number;
  /** Arrays of a saved step. */
  readonly saved: number;
  /** z and the product of each gate; the states before. */
  step(
    z: readonly Tracked[],
    p: readonly Tracked[],
    states: readonly Tracked[],
    a: RecurrenceAttributes,
  ): Step;
  /** From the gradient of h by the step after, that from above, and the gradient of c. */
  back(
    fromNext: Tracked,
    dy: Tracked | undefined,
    carry: Tracked,
    saved: readonly Tracked[],
    a: RecurrenceAttributes,
  ): Back;
  /** Where the last gate's product is of another vector: that vector. */
  before?(
    z: readonly Tracked[],
    p: readonly Tracked[],
    states: readonly Tracked[],
    a: RecurrenceAttributes,
  ): Tracked;
  /** From the gradient of that vector: dz of the gate before last and what is added to the carry. */
  backBefore?(
    dq: Tracked,
    saved: readonly Tracked[],
    a: RecurrenceAttributes,
  ): { dr: Tracked; carry: Tracked };
}

const join = (fromNext: Tracked, dy: Tracked | undefined): Tracked => (dy ? plus(fromNext, dy) : fromNext);

/** h = z h' + (1 - z) g as g + z (h' - g). */
const mix = (z: Tracked, h: Tracked, g: Tracked): Tracked => plus(times(z, minus(h, g)), g);

export const twins: Readonly<Record<Cell, CellTwin>> = {
  [Cell.Lstm]: {
    gates: 4,
    states: 2,
    saved: 7,
    step: (z, p, [h, c], { activation: act, gateActivation: gate }) => {
      const sums = z.map((x, n) => plus(x, p[n]!));
      const [i, f, o] = [0, 1, 3].map((n) => apply(gate, sums[n]!)) as [Tracked, Tracked, Tracked];
      const g = apply(act, sums[2]!);
      const after = plus(times(f, c!), times(i, g));
      const a = apply(act, after);
      return { states: [times(o, a), after], saved: [i, f, g, o, a, c!, h!] };
    },
    back: (fromNext, dy, carry, saved, { activation: act, gateActivation: gate }) => {
      const dh = join(fromNext, dy);
      const [i, f, g, o, a, c] = saved as [Tracked, Tracked, Tracked, Tracked, Tracked, Tracked];
      const d = plus(carry, derive(act, times(dh, o), a));
      return {
        dz: [
          derive(gate, times(d, g), i),
          derive(gate, times(d, c), f),
          derive(act, times(d, i), g),
          derive(gate, times(dh, a), o),
        ],
        carry: times(d, f),
      };
    },
  },

  [Cell.Gru]: {
    gates: 3,
    states: 1,
    saved: 5,
    step: (z, p, [h], { activation: act, gateActivation: gate }) => {
      const u = apply(gate, plus(z[0]!, p[0]!));
      const r = apply(gate, plus(z[1]!, p[1]!));
      const g = apply(act, plus(times(r, p[2]!), z[2]!));
      return { states: [mix(u, h!, g)], saved: [u, r, g, p[2]!, h!] };
    },
    back: (fromNext, dy, _, saved, { activation: act, gateActivation: gate }) => {
      const [u, r, g, q, h] = saved as [Tracked, Tracked, Tracked, Tracked, Tracked];
      const dh = join(fromNext, dy);
      const dg = derive(act, times(dh, minus(ONE, u)), g);
      const du = derive(gate, times(dh, minus(h, g)), u);
      const dr = derive(gate, times(dg, q), r);
      return { dz: [du, dr, dg], inner: [du, dr, times(dg, r)], carry: times(dh, u) };
    },
  },

  [Cell.GruBefore]: {
    gates: 3,
    states: 1,
    saved: 5,
    before: (z, p, [h], { gateActivation: gate }) => times(apply(gate, plus(z[1]!, p[1]!)), h!),
    step: (z, p, [h], { activation: act, gateActivation: gate }) => {
      const u = apply(gate, plus(z[0]!, p[0]!));
      const r = apply(gate, plus(z[1]!, p[1]!));
      const g = apply(act, plus(z[2]!, p[2]!));
      return { states: [mix(u, h!, g)], saved: [u, r, g, times(r, h!), h!] };
    },
    back: (fromNext, dy, _, saved, { activation: act, gateActivation: gate }) => {
      const [u, , g, , h] = saved as [Tracked, Tracked, Tracked, Tracked, Tracked];
      const dh = join(fromNext, dy);
      const dg = derive(act, times(dh, minus(ONE, u)), g);
      return { dz: [derive(gate, times(dh, minus(h, g)), u), ZERO, dg], carry: times(dh, u) };
    },
    backBefore: (dq, saved, { gateActivation: gate }) => {
      const [, r, , , h] = saved as [Tracked, Tracked, Tracked, Tracked, Tracked];
      return { dr: derive(gate, times(dq, h), r), carry: times(dq, r) };
    },
  },

  [Cell.Simple]: {
    gates: 1,
    states: 1,
    saved: 2,
    step: ([z], [p], [h], { activation: act }) => {
      const out = apply(act, plus(z!, p!));
      return { states: [out], saved: [out, h!] };
    },
    back: (fromNext, dy, _, [out], { activation: act }) => ({
      dz: [derive(act, join(fromNext, dy), out!)],
      carry: ZERO,
    }),
  },
};

const stride = (units: number): number => Math.ceil(units / 4) * 4;

/** The time that is walked in step `step`, and where its output lies in a row (-1: nowhere). */
function place(step: number, time: number, a: RecurrenceAttributes): { t: number; at: number } {
  const t = a.backwards ? time - 1 - step : step;
  if (a.sequences) return { t, at: a.reversed ? step : t };
  return { t, at: step === time - 1 ? 0 : -1 };
}

/** The inputs behind the kernel, by name; one that is not there is undefined. */
export type Extras = Partial<Record<RecurrentExtra, readonly Tracked[]>>;

/** y (with the last states where they are asked for), and the saved steps [batch, time, arrays · units padded to 4]. */
export function recurrence(
  z: readonly Tracked[],
  kernel: readonly Tracked[],
  { batch, time, units }: RecurrentSize,
  a: RecurrenceAttributes,
  { bias, mask, state, dropout }: Extras = {},
): { y: Tracked[]; saved: Tracked[] } {
  const { gates, states: count, saved: arrays, step: next, before } = twins[a.cell];
  const width = stride(units);
  const columns = gates * units;
  const outputs = a.sequences ? time : 1;
  const outputRow = (outputs + (a.final ? count : 0)) * units;
  const y: Tracked[] = new Array(batch * outputRow);
  const saved: Tracked[] = [];
  for (let row = 0; row < batch; row++) {
    let states = make(width, (n) =>
      make<Tracked>(count, (s) => (state && n < units ? state[(row * count + s) * units + n]! : ZERO)),
    );
    for (let step = 0; step < time; step++) {
      const { t, at } = place(step, time, a);
      const base = (row * time + t) * arrays;
      const counts = mask?.[row * time + t]?.value !== 0;
      if (counts) {
        if (dropout) {
          states = states.map(([h, ...more], n) => [
            n < units ? times(h!, dropout[row * units + n]!) : ZERO,
            ...more,
          ]);
        }
        const shifted = (x: Tracked, i: number): Tracked => (bias ? plus(x, bias[i]!) : x);
        const zOf = (n: number): Tracked[] =>
          make(gates, (g) => {
            const i = g * units + n;
            return n < units ? shifted(z[(row * time + t) * columns + i]!, i) : ZERO;
          });
        const products = (n: number, g: number, of: (k: number) => Tracked): Tracked => {
          if (n >= units) return ZERO;
          const i = g * units + n;
          const sum = step > 0 || state ? dot(units, of, (k) => kernel[k * columns + i]!) : ZERO;
          return shifted(sum, columns + i);
        };
        const all = make(width, (n) => make(gates, (g) => products(n, g, (k) => states[k]![0]!)));
        if (before) {
          const q = make(width, (n) => before(zOf(n), all[n]!, states[n]!, a));
          all.forEach((p, n) => {
            p[gates - 1] = products(n, gates - 1, (k) => q[k]!);
          });
        }
        const results = make(width, (n) => next(zOf(n), all[n]!, states[n]!, a));
        states = results.map((r) => [...r.states]);
        results.forEach((r, n) => {
          r.saved.forEach((v, s) => {
            saved[(base + s) * width + n] = v;
          });
        });
      } else {
        for (let i = 0; i < arrays * width; i++) saved[base * width + i] = ZERO;
      }
      if (at < 0) continue;
      for (let n = 0; n < units; n++) y[row * outputRow + at * units + n] = states[n]![0]!;
    }
    for (let i = outputs * units; i < outputRow; i++) {
      y[row * outputRow + i] = states[i % units]![Math.floor(i / units) - outputs]!;
    }
  }
  return { y, saved };
}

/**
 * dz [batch, time, gates · units] by backpropagation through time, the gradient of the products, and that of the states
 * before the first step, [batch, states · units].
 */
export function recurrenceGrad(
  dy: readonly Tracked[],
  saved: readonly Tracked[],
  kernel: readonly Tracked[],
  { batch, time, units }: RecurrentSize,
  a: RecurrenceAttributes,
  { mask, dropout }: Extras = {},
): { dz: Tracked[]; inner: Tracked[]; dstate: Tracked[] } {
  const { gates, states, saved: arrays, back, backBefore } = twins[a.cell];
  const width = stride(units);
  const columns = gates * units;
  const outputs = a.sequences ? time : 1;
  const outputRow = (outputs + (a.final ? states : 0)) * units;
  const dz: Tracked[] = new Array(batch * time * columns);
  const inner: Tracked[] = new Array(batch * time * columns);
  const dstate: Tracked[] = [];
  for (let row = 0; row < batch; row++) {
    const last = (s: number): Tracked[] =>
      make(units, (n) => (a.final ? dy[row * outputRow + (outputs + s) * units + n]! : ZERO));
    // of h by way of the products, of h and of c as they are
    let fromNext = make<Tracked>(units, () => ZERO);
    let carryH = last(0);
    let carryC = states > 1 ? last(1) : make<Tracked>(units, () => ZERO);
    for (let step = time - 1; step >= 0; step--) {
      const { t, at } = place(step, time, a);
      const base = row * time + t;
      const savedOf = (n: number): Tracked[] => make(arrays, (s) => saved[(base * arrays + s) * width + n]!);
      const upstream = (n: number): Tracked | undefined =>
        at < 0 ? undefined : dy[row * outputRow + at * units + n]!;
      if (mask?.[base]?.value === 0) {
        for (let i = 0; i < columns; i++) {
          dz[base * columns + i] = ZERO;
          inner[base * columns + i] = ZERO;
        }
        carryH = carryH.map((carry, n) => join(plus(fromNext[n]!, carry), upstream(n)));
        fromNext = make(units, () => ZERO);
        continue;
      }
      const carries = make(units, (n) => {
        const [h, c] = [plus(fromNext[n]!, carryH[n]!), carryC[n]!];
        const result = back(h, upstream(n), c, savedOf(n), a);
        result.dz.forEach((d, g) => {
          dz[base * columns + g * units + n] = d;
          inner[base * columns + g * units + n] = result.inner?.[g] ?? d;
        });
        return result.carry;
      });
      if (states > 1) carryC = carries;
      carryH = states > 1 ? make(units, () => ZERO) : carries;
      const through = (k: number, from: number, count: number): Tracked =>
        dot(
          count,
          (n) => inner[base * columns + from + n]!,
          (n) => kernel[k * columns + from + n]!,
        );
      const joint = backBefore ? columns - units : columns;
      if (backBefore) {
        carryH = carryH.map((carry, n) => {
          const { dr, carry: more } = backBefore(through(n, joint, units), savedOf(n), a);
          dz[base * columns + joint - units + n] = dr;
          inner[base * columns + joint - units + n] = dr;
          return plus(more, carry);
        });
      }
      const dropped = (x: Tracked, n: number): Tracked => (dropout ? times(x, dropout[row * units + n]!) : x);
      fromNext = make(units, (k) => dropped(through(k, 0, joint), k));
      carryH = carryH.map(dropped);
    }
    const first = carryH.map((carry, n) => plus(fromNext[n]!, carry));
    dstate.push(...first, ...(states > 1 ? carryC : []));
  }
  return { dz, inner, dstate };
}

/** The states before (or what else was multiplied), transposed, · the gradient of the products: [units, gates · units]. */
export function recurrentKernelGrad(
  saved: readonly Tracked[],
  inner: readonly Tracked[],
  { batch, time, units }: RecurrentSize,
  cell: Cell,
): Tracked[] {
  const width = stride(units);
  const { gates, before } = twins[cell];
  const columns = gates * units;
  const step = saved.length / (batch * time);
  return make(units * columns, (i) => {
    const [k, n] = [Math.floor(i / columns), i % columns];
    const back = before && n >= columns - units ? 2 : 1;
    return dot(
      batch * time,
      (r) => saved[(r + 1) * step - back * width + k]!,
      (r) => inner[r * columns + n]!,
    );
  });
}

/** Sums of dz and inner over all rows and times: [2, gates · units]. */
export function recurrentBiasGrad(
  dz: readonly Tracked[],
  inner: readonly Tracked[],
  columns: number,
): Tracked[] {
  return [dz, inner].flatMap((of) =>
    make(columns, (n) => {
      const rows = of.length / columns;
      return dot(
        rows,
        (r) => of[r * columns + n]!,
        () => ONE,
      );
    }),
  );
}
