import { weightSpecs } from './network.ts';
import type { GemmCase, StepCase, StepData } from './protocol.ts';
import { generator } from './random.ts';

/**
 * The case's data and initial weights: the same for every subject and every run.
 * Glorot-uniform kernels and zero biases; XOR for the perceptron; discs for 'mse'; texts for an embedding; else rows in 0..1 of which about 80 %
 * are zero, as in MNIST, whose class is the largest of random linear scores (so there is something to learn).
 */
export function stepData({ layers, loss, rows }: StepCase): StepData {
  const { uniform, normal } = generator(42);
  const weights = weightSpecs(layers).map(({ name, shape, start }) => {
    const length = shape.reduce((a, b) => a * b, 1);
    if (typeof start === 'number') return { name, shape, data: new Float32Array(length).fill(start) };
    const limit = Math.sqrt(6 / (start.fanIn + start.fanOut));
    return { name, shape, data: Float32Array.from({ length }, () => limit * (2 * uniform() - 1)) };
  });
  if (loss === 'binary') {
    return { x: Float32Array.of(0, 0, 1, 1, 1, 0, 0, 1), labels: Int32Array.of(0, 0, 1, 1), weights };
  }
  const { inputs, inputShape } = layers[0]!;
  if (loss === 'mse') {
    const [height, width] = inputShape as [number, number];
    return { x: discs(rows, height, width, uniform), labels: new Int32Array(0), weights };
  }
  const [first] = layers;
  if (first?.type === 'embedding') return { ...texts(rows, inputs, first.inputDim, uniform), weights };
  const classes = layers.at(-1)!.outputs;
  const x = Float32Array.from({ length: rows * inputs }, () => (uniform() < 0.8 ? 0 : uniform()));
  const teacher = Float64Array.from({ length: inputs * classes }, normal);
  const labels = Int32Array.from({ length: rows }, (_, row) => {
    const scores = Array.from({ length: classes }, (_, c) => {
      let score = 0;
      for (let i = 0; i < inputs; i++) score += x[row * inputs + i]! * teacher[i * classes + c]!;
      return score;
    });
    return scores.indexOf(Math.max(...scores));
  });
  return { x, labels, weights };
}

/** Texts in which each letter has four followers, the first the most frequent; a label is the next letter. */
function texts(rows: number, length: number, letters: number, uniform: () => number) {
  const random = (n: number): number => Math.floor(n * uniform());
  const followers = Int32Array.from({ length: 4 * letters }, () => random(letters));
  const [x, labels] = [new Float32Array(rows * length), new Int32Array(rows * length)];
  for (let row = 0; row < rows; row++) {
    let letter = random(letters);
    for (let i = row * length; i < (row + 1) * length; i++) {
      x[i] = letter;
      letter = followers[4 * letter + Math.floor(4 * uniform() ** 2)]!;
      labels[i] = letter;
    }
  }
  return { x, labels };
}

/** Images of a white disc somewhere on black, its edge a pixel wide. */
function discs(rows: number, height: number, width: number, uniform: () => number): Float32Array {
  const x = new Float32Array(rows * height * width);
  for (let row = 0; row < rows; row++) {
    const radius = 3 + 5 * uniform();
    const middle = {
      y: radius + (height - 2 * radius) * uniform(),
      x: radius + (width - 2 * radius) * uniform(),
    };
    for (let i = 0; i < height * width; i++) {
      const [dy, dx] = [Math.floor(i / width) - middle.y, (i % width) - middle.x];
      const inside = radius - Math.sqrt(dy * dy + dx * dx);
      x[row * height * width + i] = Math.min(Math.max(inside, 0), 1);
    }
  }
  return x;
}

/** A and B of a GEMM in -1..1, and n values for a pass. */
export function gemmData({ m, n, k }: GemmCase): { a: Float32Array; b: Float32Array } {
  return { a: uniforms(1, m * k), b: uniforms(2, k * n) };
}

export function uniforms(seed: number, length: number): Float32Array {
  const { uniform } = generator(seed);
  return Float32Array.from({ length }, () => 2 * uniform() - 1);
}

/** One-hot rows, or a column of 0 and 1 when there is one output. */
export function targets(labels: Int32Array, outputs: number): Float32Array {
  if (outputs === 1) return Float32Array.from(labels);
  const y = new Float32Array(labels.length * outputs);
  labels.forEach((label, row) => {
    y[row * outputs + label] = 1;
  });
  return y;
}
