// What every subject is compared with before its time counts: the same computations in float64, as plainly as can be.
import { targets } from './data.ts';
import { denseLayers } from './network.ts';
import type { GemmCase, PassCase, StepCase, StepData } from './protocol.ts';

/**
 * Relative. Allowed: float32 sums in any order (1e-5 here), and tfjs, which computes 1 - beta2^t in float32 (1.5e-4 in
 * wide-mlp). Found out, as the change of the loss of wide-mlp when the reference makes the mistake: epsilon within the
 * bias correction 7e-4, no bias gradients 2e-3, a weight decay of 1e-4 2e-3, batches in another order 1e-2; of char-gpt
 * without its weight decay: 1.2e-3 after 32 steps (2.3e-4 after 20).
 */
const LOSS_TOLERANCE = 3e-4;

export function compareLoss({ checkLoss }: StepCase, loss: number): string | null {
  if (Math.abs(loss - checkLoss) <= LOSS_TOLERANCE * checkLoss) return null;
  return `loss ${loss.toPrecision(6)}, the float64 reference has ${checkLoss.toPrecision(6)}`;
}

interface Layer {
  inputs: number;
  outputs: number;
  activation: 'linear' | 'relu' | 'tanh';
  kernel: Float64Array;
  bias: Float64Array;
}

/** The loss of step `steps`, as its forward pass saw it, of a trainer of dense networks in float64. */
export function referenceLoss(spec: StepCase, data: StepData, steps: number): number {
  const layers: Layer[] = denseLayers(spec.layers).map((layer, i) => ({
    ...layer,
    kernel: Float64Array.from(data.weights[2 * i]!.data),
    bias: Float64Array.from(data.weights[2 * i + 1]!.data),
  }));
  const parameters = layers.flatMap(({ kernel, bias }) => [kernel, bias]);
  const moments = parameters.map((p) => ({ m: new Float64Array(p.length), v: new Float64Array(p.length) }));
  const { inputs } = layers[0]!;
  const { outputs } = layers.at(-1)!;
  const y = targets(data.labels, outputs);
  let loss = 0;
  for (let step = 1; step <= steps; step++) {
    const first = ((step - 1) * spec.batch) % spec.rows;
    const rows = spec.batch;
    const activations = [Float64Array.from(data.x.subarray(first * inputs, (first + rows) * inputs))];
    for (const layer of layers) activations.push(forward(layer, activations.at(-1)!, rows));
    const t = y.subarray(first * outputs, (first + rows) * outputs);
    let dy: Float64Array;
    ({ loss, dy } = lossOf(spec.loss, activations.at(-1)!, t, rows, outputs));
    const gradients: Float64Array[] = [];
    for (let i = layers.length - 1; i >= 0; i--) {
      const { dKernel, dBias, dx } = backward(layers[i]!, activations[i]!, activations[i + 1]!, dy, rows);
      gradients.unshift(dKernel, dBias);
      dy = dx;
    }
    parameters.forEach((p, i) => {
      update(spec.optimizer, p, gradients[i]!, moments[i]!, step);
    });
  }
  return loss;
}

/** y = f(x · W + b) */
function forward({ inputs, outputs, activation, kernel, bias }: Layer, x: Float64Array, rows: number) {
  const y = new Float64Array(rows * outputs);
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < outputs; j++) y[r * outputs + j] = bias[j]!;
    for (let i = 0; i < inputs; i++) {
      const xi = x[r * inputs + i]!;
      if (xi === 0) continue;
      for (let j = 0; j < outputs; j++) y[r * outputs + j]! += xi * kernel[i * outputs + j]!;
    }
  }
  if (activation === 'relu') return y.map((v) => Math.max(v, 0));
  return activation === 'tanh' ? y.map(Math.tanh) : y;
}

/** dz = dy · f'(z); dW = xᵀ · dz, db = Σ dz, dx = dz · Wᵀ */
function backward(layer: Layer, x: Float64Array, y: Float64Array, dy: Float64Array, rows: number) {
  const { inputs, outputs, activation, kernel } = layer;
  const dz = dy.map((d, i) => {
    if (activation === 'relu') return y[i]! > 0 ? d : 0;
    return activation === 'tanh' ? d * (1 - y[i]! * y[i]!) : d;
  });
  const dKernel = new Float64Array(inputs * outputs);
  const dBias = new Float64Array(outputs);
  const dx = new Float64Array(rows * inputs);
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < outputs; j++) dBias[j]! += dz[r * outputs + j]!;
    for (let i = 0; i < inputs; i++) {
      const xi = x[r * inputs + i]!;
      let sum = 0;
      for (let j = 0; j < outputs; j++) {
        const d = dz[r * outputs + j]!;
        dKernel[i * outputs + j]! += xi * d;
        sum += d * kernel[i * outputs + j]!;
      }
      dx[r * inputs + i] = sum;
    }
  }
  return { dKernel, dBias, dx };
}

/** Cross-entropy of logits z, mean over the rows; its gradient is (p - t) / rows for both. */
function lossOf(kind: StepCase['loss'], z: Float64Array, t: Float32Array, rows: number, outputs: number) {
  const dy = new Float64Array(rows * outputs);
  let loss = 0;
  for (let r = 0; r < rows; r++) {
    const row = z.subarray(r * outputs, (r + 1) * outputs);
    const top = Math.max(...row);
    const sum = row.reduce((s, v) => s + Math.exp(v - top), 0);
    for (let j = 0; j < outputs; j++) {
      const at = r * outputs + j;
      const target = t[at]!;
      const v = row[j]!;
      if (kind === 'binary') loss += Math.max(v, 0) - v * target + Math.log1p(Math.exp(-Math.abs(v)));
      else loss += target * (Math.log(sum) + top - v);
      const p = kind === 'binary' ? 1 / (1 + Math.exp(-v)) : Math.exp(v - top) / sum;
      dy[at] = (p - target) / rows;
    }
  }
  return { loss: loss / rows, dy };
}

/** w -= rate · g; or Adam (Kingma & Ba 2015, algorithm 1) */
function update(
  optimizer: StepCase['optimizer'],
  w: Float64Array,
  g: Float64Array,
  { m, v }: { m: Float64Array; v: Float64Array },
  t: number,
): void {
  const rate = optimizer.learningRate;
  for (let i = 0; i < w.length; i++) {
    const gi = g[i]!;
    if (optimizer.name === 'sgd') {
      w[i]! -= rate * gi;
      continue;
    }
    const { beta1, beta2, epsilon } = optimizer;
    m[i] = beta1 * m[i]! + (1 - beta1) * gi;
    v[i] = beta2 * v[i]! + (1 - beta2) * gi * gi;
    w[i]! -= (rate * (m[i]! / (1 - beta1 ** t))) / (Math.sqrt(v[i]! / (1 - beta2 ** t)) + epsilon);
  }
}

/** Compares all of C. With operands in -1..1 a sum of K products rounds to about K · 2^-24; four times that is allowed. */
export function compareProduct(
  { variant, m, n, k }: GemmCase,
  a: Float32Array,
  b: Float32Array,
  c: Float32Array,
): string | null {
  if (c.length !== m * n) return `the product has ${c.length} elements, not ${m} x ${n}`;
  const tolerance = k * 2 ** -22;
  const row = new Float64Array(n);
  for (let i = 0; i < m; i++) {
    row.fill(0);
    for (let p = 0; p < k; p++) {
      const aip = variant === 'tn' ? a[p * m + i]! : a[i * k + p]!;
      // strides of B: rows of [k, n], columns of [n, k]
      const [start, stride] = variant === 'nt' ? [p, k] : [p * n, 1];
      for (let j = 0; j < n; j++) row[j]! += aip * b[start + j * stride]!;
    }
    for (let j = 0; j < n; j++) {
      const got = c[i * n + j]!;
      if (!(Math.abs(got - row[j]!) <= tolerance)) return `C[${i}, ${j}] is ${got}, should be ${row[j]}`;
    }
  }
  return null;
}

/** Learning rate, momentum and Adam's constants of the optimizer passes. */
export const PASS = { rate: 1e-3, momentum: 0.9, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

/** y = f(x); of an optimizer the parameters after its first step from x with the gradient x. */
function passValue({ name }: PassCase, x: number): number {
  switch (name) {
    case 'copy':
      return x;
    case 'relu':
      return Math.max(x, 0);
    case 'sigmoid':
      return 1 / (1 + Math.exp(-x));
    case 'tanh':
      return Math.tanh(x);
    case 'exp':
      return Math.exp(x);
    case 'sgd':
    case 'momentum':
      return x - PASS.rate * x;
    case 'adam':
      return x - (PASS.rate * x) / (Math.abs(x) + PASS.epsilon); // both moments' corrections cancel in step 1
  }
}

export function comparePass(spec: PassCase, x: Float32Array, y: Float32Array): string | null {
  if (y.length !== x.length) return `${y.length} values for ${x.length}`;
  for (let i = 0; i < x.length; i++) {
    const value = passValue(spec, x[i]!);
    if (!(Math.abs(y[i]! - value) <= 1e-6)) return `f(${x[i]}) is ${y[i]}, should be ${value}`;
  }
  return null;
}
