// TensorFlow.js, on its core API: variables, fused matrix products, its optimizers. Its layers add work to each step.
import tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers'; // in Node, gradients are registered by it alone

/**
 * @typedef {import('../protocol.ts').SubjectModule} SubjectModule
 * @typedef {import('../protocol.ts').StepCase} StepCase
 * @typedef {import('../protocol.ts').StepData} StepData
 */

/** @param {StepCase} spec @param {StepData} data */
function openStep(spec, data) {
  const { inputs } = spec.layers[0];
  const classes = spec.layers.at(-1).outputs;
  const variables = data.weights.map(({ data, shape }) => tf.variable(tf.tensor(data, shape)));
  const { optimizer: o } = spec;
  const optimizer =
    o.name === 'sgd'
      ? tf.train.sgd(o.learningRate)
      : tf.train.adam(o.learningRate, o.beta1, o.beta2, o.epsilon);
  const batches = Array.from({ length: spec.rows / spec.batch }, (_, i) => {
    const [from, to] = [i * spec.batch, (i + 1) * spec.batch];
    const labels = data.labels.slice(from, to);
    return {
      x: tf.tensor2d(data.x.slice(from * inputs, to * inputs), [spec.batch, inputs]),
      y:
        classes === 1
          ? tf.tensor2d(Float32Array.from(labels), [spec.batch, 1])
          : tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), classes), 'float32'),
    };
  });
  const lossOf = spec.loss === 'binary' ? tf.losses.sigmoidCrossEntropy : tf.losses.softmaxCrossEntropy;

  function forward(x) {
    return spec.layers.reduce(
      (a, { activation }, i) =>
        activation === 'tanh'
          ? tf.tanh(tf.fused.matMul({ a, b: variables[2 * i], bias: variables[2 * i + 1] }))
          : tf.fused.matMul({ a, b: variables[2 * i], bias: variables[2 * i + 1], activation }),
      x,
    );
  }

  let done = 0;
  let last;
  return {
    run(steps) {
      for (let i = 0; i < steps; i++) {
        const { x, y } = batches[done++ % batches.length];
        last?.dispose();
        last = optimizer.minimize(() => lossOf(y, forward(x)), true, variables);
      }
      last.dataSync();
    },
    loss: () => last.dataSync()[0],
  };
}

/** @type {NonNullable<SubjectModule['openGemm']>} */
function openGemm({ variant, m, n, k }, a, b) {
  const [tn, nt] = [variant === 'tn', variant === 'nt'];
  const x = tf.tensor2d(a, tn ? [k, m] : [m, k]);
  const y = tf.tensor2d(b, nt ? [n, k] : [k, n]);
  let last;
  return {
    run(times) {
      for (let i = 0; i < times; i++) {
        last?.dispose();
        last = tf.matMul(x, y, tn, nt);
      }
    },
    result: () => last.dataSync(),
  };
}

/** @param {string} backend @returns {Promise<SubjectModule>} */
export async function open(backend) {
  if (!(await tf.setBackend(backend))) throw new Error(`tfjs has no backend ${backend} here`);
  return { openStep, openGemm };
}
