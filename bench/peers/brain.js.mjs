// brain.js trains otherwise: row by row, mean squared error, one activation in all layers, gradient descent with momentum
// (its default, faster than its Adam). A step is one pass over the rows of a batch.
import brain from 'brain.js';

/** @type {NonNullable<import('../protocol.ts').SubjectModule['openStep']>} */
function openStep(spec, data) {
  const { batch, rows, layers, optimizer } = spec;
  const { inputs } = layers[0];
  const { outputs } = layers.at(-1);
  const net = new brain.NeuralNetwork({
    activation: layers[0].activation,
    hiddenLayers: layers.slice(0, -1).map((layer) => layer.outputs),
  });
  net.sizes = [inputs, ...layers.map((layer) => layer.outputs)];
  net.initialize();
  layers.forEach((layer, l) => {
    const [kernel, bias] = [data.weights[2 * l].data, data.weights[2 * l + 1].data];
    for (let j = 0; j < layer.outputs; j++) {
      net.biases[l + 1][j] = bias[j];
      for (let i = 0; i < layer.inputs; i++) net.weights[l + 1][j][i] = kernel[i * layer.outputs + j];
    }
  });
  const batches = Array.from({ length: rows / batch }, (_, b) =>
    Array.from({ length: batch }, (_, r) => {
      const row = b * batch + r;
      const label = data.labels[row];
      return {
        input: Array.from(data.x.subarray(row * inputs, (row + 1) * inputs)),
        output: outputs === 1 ? [label] : Array.from({ length: outputs }, (_, c) => (c === label ? 1 : 0)),
      };
    }),
  );
  const { learningRate } = optimizer;
  const options = { learningRate, errorThresh: Number.MIN_VALUE, log: false };
  let done = 0;
  let error = Number.NaN;
  return {
    run(steps) {
      if (batches.length === 1) {
        ({ error } = net.train(batches[0], { ...options, iterations: steps }));
        return;
      }
      for (let i = 0; i < steps; i++) {
        ({ error } = net.train(batches[done++ % batches.length], { ...options, iterations: 1 }));
      }
    },
    loss: () => error,
  };
}

export default { openStep, differentAlgorithm: true };
