// What a careful programmer writes without a library: flat Float32Arrays, loops in memory order, nothing allocated in a
// step, four rows of W at a time so that each element of y is loaded and stored a quarter as often.
import { targets } from '../data.ts';
import { denseLayers } from '../network.ts';
import type {
  GemmCase,
  KernelRun,
  PassCase,
  StepCase,
  StepData,
  StepRun,
  SubjectModule,
} from '../protocol.ts';
import { PASS } from '../reference.ts';

/** C [m, n] += A · B; A is read at i * aRow + p * aColumn, so it may be stored transposed. */
function multiplyAdd(
  a: Float32Array,
  aRow: number,
  aColumn: number,
  b: Float32Array,
  c: Float32Array,
  m: number,
  n: number,
  k: number,
): void {
  const whole = k - (k % 4);
  for (let i = 0; i < m; i++) {
    const row = i * n;
    for (let p = 0; p < whole; p += 4) {
      const at = i * aRow + p * aColumn;
      const a0 = a[at]!;
      const a1 = a[at + aColumn]!;
      const a2 = a[at + 2 * aColumn]!;
      const a3 = a[at + 3 * aColumn]!;
      const b0 = p * n;
      const b1 = b0 + n;
      const b2 = b1 + n;
      const b3 = b2 + n;
      for (let j = 0; j < n; j++) {
        c[row + j]! += a0 * b[b0 + j]! + a1 * b[b1 + j]! + a2 * b[b2 + j]! + a3 * b[b3 + j]!;
      }
    }
    for (let p = whole; p < k; p++) {
      const ap = a[i * aRow + p * aColumn]!;
      for (let j = 0; j < n; j++) c[row + j]! += ap * b[p * n + j]!;
    }
  }
}

/** C [m, n] = A · Bᵀ, B stored [n, k]: dot products of rows, four at a time. */
function multiplyTransposed(
  a: Float32Array,
  b: Float32Array,
  c: Float32Array,
  m: number,
  n: number,
  k: number,
): void {
  const whole = n - (n % 4);
  for (let i = 0; i < m; i++) {
    const row = i * k;
    for (let j = 0; j < whole; j += 4) {
      const b0 = j * k;
      const b1 = b0 + k;
      const b2 = b1 + k;
      const b3 = b2 + k;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let p = 0; p < k; p++) {
        const x = a[row + p]!;
        s0 += x * b[b0 + p]!;
        s1 += x * b[b1 + p]!;
        s2 += x * b[b2 + p]!;
        s3 += x * b[b3 + p]!;
      }
      const at = i * n + j;
      c[at] = s0;
      c[at + 1] = s1;
      c[at + 2] = s2;
      c[at + 3] = s3;
    }
    for (let j = whole; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += a[row + p]! * b[j * k + p]!;
      c[i * n + j] = sum;
    }
  }
}

function openGemm({ variant, m, n, k }: GemmCase, a: Float32Array, b: Float32Array): KernelRun {
  const c = new Float32Array(m * n);
  const [aRow, aColumn] = variant === 'tn' ? [1, m] : [k, 1];
  return {
    run(times) {
      for (let i = 0; i < times; i++) {
        if (variant === 'nt') {
          multiplyTransposed(a, b, c, m, n, k);
        } else {
          c.fill(0);
          multiplyAdd(a, aRow, aColumn, b, c, m, n, k);
        }
      }
    },
    result: () => c,
  };
}

interface Layer {
  inputs: number;
  outputs: number;
  activation: 'linear' | 'relu' | 'tanh';
  kernel: Parameter;
  bias: Parameter;
  y: Float32Array;
  dx: Float32Array;
}

interface Parameter {
  w: Float32Array;
  g: Float32Array;
  m: Float32Array;
  v: Float32Array;
}

function parameter(values: Float32Array): Parameter {
  const zeros = () => new Float32Array(values.length);
  return { w: values.slice(), g: zeros(), m: zeros(), v: zeros() };
}

function forward(
  { inputs, outputs, activation, kernel, bias, y }: Layer,
  x: Float32Array,
  rows: number,
): void {
  for (let r = 0; r < rows; r++) y.set(bias.w, r * outputs);
  multiplyAdd(x, inputs, 1, kernel.w, y, rows, outputs, inputs);
  if (activation === 'relu') for (let i = 0; i < y.length; i++) y[i] = Math.max(y[i]!, 0);
  if (activation === 'tanh') for (let i = 0; i < y.length; i++) y[i] = Math.tanh(y[i]!);
}

/** Turns dy into dz in place. */
function backward(layer: Layer, x: Float32Array, dy: Float32Array, rows: number, first: boolean): void {
  const { inputs, outputs, activation, kernel, bias, y, dx } = layer;
  if (activation === 'relu') for (let i = 0; i < dy.length; i++) if (!(y[i]! > 0)) dy[i] = 0;
  if (activation === 'tanh') for (let i = 0; i < dy.length; i++) dy[i]! *= 1 - y[i]! * y[i]!;
  kernel.g.fill(0);
  multiplyAdd(x, 1, inputs, dy, kernel.g, inputs, outputs, rows);
  bias.g.fill(0);
  for (let r = 0; r < rows; r++) for (let j = 0; j < outputs; j++) bias.g[j]! += dy[r * outputs + j]!;
  if (!first) multiplyTransposed(dy, kernel.w, dx, rows, inputs, outputs);
}

/** Mean loss of the rows; dz = (p - t) / rows goes into z. */
function lossAndGradient(kind: StepCase['loss'], z: Float32Array, t: Float32Array, rows: number): number {
  const outputs = z.length / rows;
  let loss = 0;
  for (let r = 0; r < rows; r++) {
    const from = r * outputs;
    if (kind === 'binary') {
      const v = z[from]!;
      loss += Math.max(v, 0) - v * t[from]! + Math.log1p(Math.exp(-Math.abs(v)));
      z[from] = (1 / (1 + Math.exp(-v)) - t[from]!) / rows;
      continue;
    }
    let top = z[from]!;
    for (let j = 1; j < outputs; j++) if (z[from + j]! > top) top = z[from + j]!;
    let sum = 0;
    for (let j = 0; j < outputs; j++) sum += Math.exp(z[from + j]! - top);
    const logSum = Math.log(sum) + top;
    for (let j = 0; j < outputs; j++) {
      const v = z[from + j]!;
      const target = t[from + j]!;
      loss += target * (logSum - v);
      z[from + j] = (Math.exp(v - logSum) - target) / rows;
    }
  }
  return loss / rows;
}

function descend({ w, g }: Parameter, rate: number): void {
  for (let i = 0; i < w.length; i++) w[i]! -= rate * g[i]!;
}

interface AdamConstants {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
}

function adam(
  { w, g, m, v }: Parameter,
  { learningRate, beta1, beta2, epsilon }: AdamConstants,
  t: number,
): void {
  const rate = learningRate / (1 - beta1 ** t);
  const scale = 1 / (1 - beta2 ** t);
  for (let i = 0; i < w.length; i++) {
    const gi = g[i]!;
    const mi = beta1 * m[i]! + (1 - beta1) * gi;
    const vi = beta2 * v[i]! + (1 - beta2) * gi * gi;
    m[i] = mi;
    v[i] = vi;
    w[i]! -= (rate * mi) / (Math.sqrt(vi * scale) + epsilon);
  }
}

function openStep(spec: StepCase, data: StepData): StepRun {
  const { batch, rows, optimizer } = spec;
  const layers: Layer[] = denseLayers(spec.layers).map((layer, i) => ({
    ...layer,
    kernel: parameter(data.weights[2 * i]!.data),
    bias: parameter(data.weights[2 * i + 1]!.data),
    y: new Float32Array(batch * layer.outputs),
    dx: new Float32Array(batch * layer.inputs),
  }));
  const parameters = layers.flatMap(({ kernel, bias }) => [kernel, bias]);
  const { inputs } = layers[0]!;
  const last = layers.at(-1)!;
  const y = targets(data.labels, last.outputs);
  let done = 0;
  let loss = Number.NaN;

  function trainStep(): void {
    const first = (done % (rows / batch)) * batch;
    const x = data.x.subarray(first * inputs, (first + batch) * inputs);
    const t = y.subarray(first * last.outputs, (first + batch) * last.outputs);
    layers.forEach((layer, i) => {
      forward(layer, i === 0 ? x : layers[i - 1]!.y, batch);
    });
    loss = lossAndGradient(spec.loss, last.y, t, batch);
    for (let i = layers.length - 1; i >= 0; i--) {
      const dy = i === layers.length - 1 ? last.y : layers[i + 1]!.dx;
      backward(layers[i]!, i === 0 ? x : layers[i - 1]!.y, dy, batch, i === 0);
    }
    done++;
    for (const p of parameters) {
      if (optimizer.name === 'sgd') descend(p, optimizer.learningRate);
      else adam(p, optimizer, done);
    }
  }

  return {
    run(steps) {
      for (let i = 0; i < steps; i++) trainStep();
    },
    loss: () => loss,
  };
}

function openPass({ name, n }: PassCase, x: Float32Array): KernelRun {
  const p: Parameter = { ...parameter(x), g: x };
  const y = new Float32Array(n);
  const constants = { learningRate: PASS.rate, ...PASS };
  let t = 0;
  const passes: Record<PassCase['name'], () => void> = {
    copy: () => y.set(x),
    relu() {
      for (let i = 0; i < n; i++) y[i] = Math.max(x[i]!, 0);
    },
    sigmoid() {
      for (let i = 0; i < n; i++) y[i] = 1 / (1 + Math.exp(-x[i]!));
    },
    tanh() {
      for (let i = 0; i < n; i++) y[i] = Math.tanh(x[i]!);
    },
    exp() {
      for (let i = 0; i < n; i++) y[i] = Math.exp(x[i]!);
    },
    sgd: () => descend(p, PASS.rate),
    momentum() {
      for (let i = 0; i < n; i++) {
        const m = PASS.momentum * p.m[i]! + p.g[i]!;
        p.m[i] = m;
        p.w[i]! -= PASS.rate * m;
      }
    },
    adam: () => adam(p, constants, ++t),
  };
  const pass = passes[name];
  const optimizes = name === 'sgd' || name === 'momentum' || name === 'adam';
  return {
    run(times) {
      for (let i = 0; i < times; i++) pass();
    },
    result: () => (optimizes ? p.w : y),
  };
}

export const plainJs: SubjectModule = { openStep, openGemm, openPass };
