import { NORM_CHUNK, OptimizerKind } from '../../assembly/tape/training.ts';
import { make, type Numbers, sum } from './numbers.ts';

export interface OptimizerSettings {
  readonly kind: OptimizerKind;
  readonly rate: number;
  readonly l1: number;
  readonly l2: number;
  readonly weightDecay: number;
  /** 0: none */
  readonly clipValue: number;
  /** 0: none */
  readonly clipNorm: number;
  /** Momentum, or Adam's beta1. */
  readonly beta1: number;
  /** rho of RMSProp, or Adam's beta2. */
  readonly beta2: number;
  readonly epsilon: number;
  readonly centered: boolean;
  /** From 1: Adam's t. */
  readonly step: number;
}

export interface OptimizerState {
  readonly w: Numbers;
  readonly g: Numbers;
  /** Momentum, first moment. */
  readonly s1: Numbers;
  /** Mean square, second moment. */
  readonly s2: Numbers;
  /** Mean gradient. */
  readonly s3: Numbers;
}

/** d (l1 sum|w| + l2 sum w²) = l1 sign(w) + 2 l2 w */
export function penaltyGradient(w: Numbers, l1: number, l2: number): number[] {
  return make(w.length, (i) => l1 * Math.sign(w[i]!) + 2 * l2 * w[i]!);
}

/** l1 sum|w| + l2 sum w² */
export function penalty(w: Numbers, l1: number, l2: number): number {
  return l1 * sum(w.length, (i) => Math.abs(w[i]!)) + l2 * sum(w.length, (i) => w[i]! ** 2);
}

/** Sum of the squared gradients, penalties included and clipped by value, of each chunk of NORM_CHUNK. */
export function squaredNorm(w: Numbers, g: Numbers, l1: number, l2: number, clipValue = 0): number[] {
  const p = penaltyGradient(w, l1, l2);
  return make(Math.ceil(w.length / NORM_CHUNK), (chunk) => {
    const from = chunk * NORM_CHUNK;
    return sum(
      Math.min(NORM_CHUNK, w.length - from),
      (i) => clipped(g[from + i]! + p[from + i]!, clipValue) ** 2,
    );
  });
}

/** A limit of 0 is none. */
function clipped(v: number, limit: number): number {
  return limit > 0 ? Math.min(Math.max(v, -limit), limit) : v;
}

/** One step; `norm` is the global norm that clipNorm limits, of gradients that are clipped by value. */
export function optimize(settings: OptimizerSettings, state: OptimizerState, norm: number): OptimizerState {
  const { rate, l1, l2, weightDecay, clipValue, clipNorm, beta1, beta2, epsilon, centered, step } = settings;
  const { w } = state;
  const scale = clipNorm > 0 && norm > clipNorm ? clipNorm / norm : 1;
  const p = penaltyGradient(w, l1, l2);
  const g = make(w.length, (i) => {
    const v = state.g[i]! + p[i]!;
    return scale * clipped(v, clipValue);
  });
  const kept = (i: number): number => w[i]! * (1 - rate * weightDecay);
  const mean = (rest: number, before: Numbers, now: (i: number) => number): number[] =>
    make(w.length, (i) => (1 - rest) * before[i]! + rest * now(i));
  switch (settings.kind) {
    case OptimizerKind.Sgd:
      return { ...state, w: make(w.length, (i) => kept(i) - rate * g[i]!) };
    // m = beta m + g; w -= rate m
    case OptimizerKind.Momentum: {
      const s1 = make(w.length, (i) => beta1 * state.s1[i]! + g[i]!);
      return { ...state, s1, w: make(w.length, (i) => kept(i) - rate * s1[i]!) };
    }
    // w -= rate (g + beta m)
    case OptimizerKind.Nesterov: {
      const s1 = make(w.length, (i) => beta1 * state.s1[i]! + g[i]!);
      return { ...state, s1, w: make(w.length, (i) => kept(i) - rate * (g[i]! + beta1 * s1[i]!)) };
    }
    // s = rho s + (1 - rho) g²; u = g / (sqrt(s - a²) + epsilon); m = beta m + u
    case OptimizerKind.RmsProp: {
      const s2 = mean(1 - beta2, state.s2, (i) => g[i]! ** 2);
      const s3 = centered ? mean(1 - beta2, state.s3, (i) => g[i]!) : state.s3;
      const u = make(w.length, (i) => {
        const spread = centered ? Math.max(s2[i]! - s3[i]! ** 2, 0) : s2[i]!;
        return g[i]! / (Math.sqrt(spread) + epsilon);
      });
      const s1 = make(w.length, (i) => beta1 * state.s1[i]! + u[i]!);
      const move = beta1 > 0 ? s1 : u;
      return { ...state, s1, s2, s3, w: make(w.length, (i) => kept(i) - rate * move[i]!) };
    }
    // Kingma & Ba 2015, algorithm 1
    case OptimizerKind.Adam: {
      const s1 = mean(1 - beta1, state.s1, (i) => g[i]!);
      const s2 = mean(1 - beta2, state.s2, (i) => g[i]! ** 2);
      const next = make(w.length, (i) => {
        const m = s1[i]! / (1 - beta1 ** step);
        const v = s2[i]! / (1 - beta2 ** step);
        return kept(i) - (rate * m) / (Math.sqrt(v) + epsilon);
      });
      return { ...state, s1, s2, w: next };
    }
  }
}
