import { OptimizerKind } from '../../assembly/tape/training.ts';
import type { OptimizerSettings, OptimizerState } from '../reference/optimizer.ts';
import { constant, exact, minus, over, plus, root, type Tracked, times } from '../reference/tracked.ts';

/** Rounding errors of an element after a step, in units of 2^-24: the operations of assembly/kernels/optimizer.ts. */
export interface StepBound {
  readonly w: number;
  readonly s1: number;
  readonly s2: number;
  readonly s3: number;
}

/** The gradient with its penalties: w · 2 l2 + g, then l1 · sign w. */
export function penalizedGradient(w: number, g: number, l1: number, l2: number): Tracked {
  const ridge = plus(times(exact(2 * l2), exact(w)), exact(g));
  return plus(ridge, exact(l1 * Math.sign(w)));
}

/** Whether the gradient is used as it is. */
function isPlain({ l1, l2, clipValue, clipNorm }: OptimizerSettings, norm: number): boolean {
  return l1 === 0 && l2 === 0 && clipValue === 0 && !(clipNorm > 0 && norm > clipNorm);
}

function gradient(settings: OptimizerSettings, w: number, g: number, norm: number): Tracked {
  if (isPlain(settings, norm)) return exact(g);
  const { l1, l2, clipValue, clipNorm } = settings;
  const v = penalizedGradient(w, g, l1, l2);
  // clipping moves two values no further apart
  const value = clipValue > 0 ? Math.min(Math.max(v.value, -clipValue), clipValue) : v.value;
  const scale = clipNorm > 0 && norm > clipNorm ? clipNorm / norm : 1;
  return times({ ...v, value }, constant(scale));
}

/** rest · before + (1 - rest) · now, 1 - rest rounded. */
function mean(keep: number, before: number, now: Tracked): Tracked {
  return plus(times(exact(keep), exact(before)), times(constant(1 - keep), now));
}

export function stepBound(
  settings: OptimizerSettings,
  { w, g, s1, s2, s3 }: OptimizerState,
  norm: number,
  i: number,
): StepBound {
  const { rate, weightDecay, beta1, beta2, epsilon, centered, step } = settings;
  const d = gradient(settings, w[i]!, g[i]!, norm);
  const kept = times(exact(w[i]!), minus(exact(1), times(exact(rate), exact(weightDecay))));
  const moved = (by: Tracked, r = exact(rate)): number => minus(kept, times(r, by)).error;
  const momentum = (by: Tracked): Tracked => plus(times(exact(beta1), exact(s1[i]!)), by);
  const none = { s1: 0, s2: 0, s3: 0 };
  switch (settings.kind) {
    case OptimizerKind.Sgd:
      return { ...none, w: moved(d) };
    case OptimizerKind.Momentum: {
      const m = momentum(d);
      return { ...none, s1: m.error, w: moved(m) };
    }
    case OptimizerKind.Nesterov: {
      const m = momentum(d);
      return { ...none, s1: m.error, w: moved(plus(times(exact(beta1), m), d)) };
    }
    case OptimizerKind.RmsProp: {
      const square = mean(beta2, s2[i]!, times(d, d));
      const average = mean(beta2, s3[i]!, d);
      const spread = centered ? minus(square, times(average, average)) : square;
      const u = over(d, plus(root(spread), exact(epsilon)));
      const m = beta1 > 0 ? momentum(u) : u;
      return {
        s1: beta1 > 0 ? m.error : 0,
        s2: square.error,
        s3: centered ? average.error : 0,
        w: moved(m),
      };
    }
    case OptimizerKind.Adam: {
      const m = mean(beta1, s1[i]!, d);
      const v = mean(beta2, s2[i]!, times(d, d));
      const unbiased = constant(1 / Math.sqrt(1 - beta2 ** step));
      const u = over(m, plus(times(root(v), unbiased), exact(epsilon)));
      return { ...none, s1: m.error, s2: v.error, w: moved(u, constant(rate / (1 - beta1 ** step))) };
    }
  }
}
