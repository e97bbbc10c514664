import { Cell } from '../../assembly/tape.ts';
import type { ActivationAttributes, RecurrenceAttributes } from '../../src/ops/attributes.ts';
import { activationBound, curvature, derivativeBound } from '../ops/activation-bounds.ts';
import { activation, activationGradient, activationGradientFrom } from './activations.ts';
import { make } from './numbers.ts';
import { exact, plus, type Tracked, times } from './tracked.ts';

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

interface CellTwin {
  readonly gates: number;
  readonly states: number;
  /** z and p = h · recurrentKernel of each gate; the states before. */
  step(
    z: readonly Tracked[],
    p: readonly Tracked[],
    states: readonly Tracked[],
    a: RecurrenceAttributes,
  ): Step;
  /** dz of each gate and the carried gradient of the state besides h. */
  back(
    dh: Tracked,
    carry: Tracked,
    saved: readonly Tracked[],
    a: RecurrenceAttributes,
  ): { dz: readonly Tracked[]; carry: Tracked };
}

export const twins: Readonly<Record<Cell, CellTwin>> = {
  [Cell.Lstm]: {
    gates: 4,
    states: 2,
    step: (z, p, [h, c], { activation: act, gateActivation: gate }) => {
      const sums = z.map((x, n) => plus(x, p[n]!));
      const [i, f, o] = [0, 1, 3].map((n) => apply(gate, sums[n]!)) as [Tracked, Tracked, Tracked];
      const g = apply(act, sums[2]!);
      const after = plus(times(f, c!), times(i, g));
      const a = apply(act, after);
      return { states: [times(o, a), after], saved: [i, f, g, o, a, c!, h!] };
    },
    back: (dh, carry, saved, { activation: act, gateActivation: gate }) => {
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
};

const stride = (units: number): number => Math.ceil(units / 4) * 4;

/** The time that is walked in step `step`, and where its output lies in a row (-1: nowhere). */
function place(step: number, time: number, a: RecurrenceAttributes): { t: number; at: number } {
  const t = a.backwards ? time - 1 - step : step;
  if (a.sequences) return { t, at: a.reversed ? step : t };
  return { t, at: step === time - 1 ? 0 : -1 };
}

/** y, and the saved steps [batch, time, arrays · units padded to 4]. */
export function recurrence(
  z: readonly Tracked[],
  kernel: readonly Tracked[],
  { batch, time, units }: RecurrentSize,
  a: RecurrenceAttributes,
): { y: Tracked[]; saved: Tracked[] } {
  const { gates, states: count, step: next } = twins[a.cell];
  const width = stride(units);
  const columns = gates * units;
  const outputs = a.sequences ? time : 1;
  const y: Tracked[] = new Array(batch * outputs * units);
  const saved: Tracked[] = [];
  for (let row = 0; row < batch; row++) {
    let states = make(width, () => make<Tracked>(count, () => ZERO));
    for (let step = 0; step < time; step++) {
      const { t, at } = place(step, time, a);
      const results = make(width, (n) => {
        const inside = n < units;
        const zs = make(gates, (g) => (inside ? z[(row * time + t) * columns + g * units + n]! : ZERO));
        const ps = make(gates, (g) =>
          inside && step > 0
            ? dot(
                units,
                (k) => states[k]![0]!,
                (k) => kernel[k * columns + g * units + n]!,
              )
            : ZERO,
        );
        return next(zs, ps, states[n]!, a);
      });
      states = results.map((r) => [...r.states]);
      const arrays = results[0]!.saved.length;
      results.forEach((r, n) => {
        if (n < units && at >= 0) y[(row * outputs + at) * units + n] = r.states[0]!;
        r.saved.forEach((v, s) => {
          saved[((row * time + t) * arrays + s) * width + n] = v;
        });
      });
    }
  }
  return { y, saved };
}

/** dz [batch, time, gates · units] by backpropagation through time. */
export function recurrenceGrad(
  dy: readonly Tracked[],
  saved: readonly Tracked[],
  kernel: readonly Tracked[],
  { batch, time, units }: RecurrentSize,
  a: RecurrenceAttributes,
): Tracked[] {
  const { gates, back } = twins[a.cell];
  const width = stride(units);
  const columns = gates * units;
  const arrays = saved.length / (batch * time * width);
  const outputs = a.sequences ? time : 1;
  const dz: Tracked[] = new Array(batch * time * columns);
  for (let row = 0; row < batch; row++) {
    let fromNext = make<Tracked>(units, () => ZERO);
    let carries = make<Tracked>(units, () => ZERO);
    for (let step = time - 1; step >= 0; step--) {
      const { t, at } = place(step, time, a);
      const base = row * time + t;
      carries = carries.map((carry, n) => {
        const upstream = at < 0 ? undefined : dy[(row * outputs + at) * units + n]!;
        const dh = upstream ? plus(fromNext[n]!, upstream) : fromNext[n]!;
        const step = back(
          dh,
          carry,
          make(arrays, (s) => saved[(base * arrays + s) * width + n]!),
          a,
        );
        step.dz.forEach((d, g) => {
          dz[base * columns + g * units + n] = d;
        });
        return step.carry;
      });
      fromNext = make(units, (k) =>
        dot(
          columns,
          (n) => dz[base * columns + n]!,
          (n) => kernel[k * columns + n]!,
        ),
      );
    }
  }
  return dz;
}

/** The states before, transposed, · dz: [units, gates · units]. */
export function recurrentKernelGrad(
  saved: readonly Tracked[],
  dz: readonly Tracked[],
  { batch, time, units }: RecurrentSize,
  cell: Cell,
): Tracked[] {
  const width = stride(units);
  const columns = twins[cell].gates * units;
  const step = saved.length / (batch * time);
  return make(units * columns, (i) => {
    const [k, n] = [Math.floor(i / columns), i % columns];
    return dot(
      batch * time,
      (r) => saved[(r + 1) * step - width + k]!,
      (r) => dz[r * columns + n]!,
    );
  });
}
