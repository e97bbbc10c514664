// TensorFlow.js, on its core API: variables, fused matrix products, its optimizers. Its layers add work to each step.
import tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers'; // in Node, gradients are registered by it alone

/**
 * @typedef {import('../protocol.ts').SubjectModule} SubjectModule
 * @typedef {import('../protocol.ts').StepCase} StepCase
 * @typedef {import('../protocol.ts').StepData} StepData
 */

/**
 * @param {StepCase['layers']} layers
 * @param {Iterator<ReturnType<typeof tf.variable>>} weights
 * @returns {(x: import('@tensorflow/tfjs-core').Tensor) => import('@tensorflow/tfjs-core').Tensor}
 */
function chain(layers, weights) {
  const functions = layers.map((layer) => applied(layer, () => weights.next().value));
  return (x) => functions.reduce((y, f) => f(y), x);
}

function applied(layer, weight) {
  const { activation } = layer;
  switch (layer.type) {
    case 'dense': {
      const [b, bias] = [weight(), weight()];
      return activation === 'tanh'
        ? (a) => tf.tanh(tf.fused.matMul({ a, b, bias }))
        : (a) => tf.fused.matMul({ a, b, bias, activation });
    }
    case 'conv2d': {
      const [filter, bias] = [weight(), weight()];
      const { strides, padding: pad } = layer;
      return (x) => tf.fused.conv2d({ x, filter, bias, strides, pad, activation });
    }
    case 'conv2dTranspose': {
      const [filter, bias] = [weight(), weight()];
      const { strides, padding, outputShape } = layer;
      return (x) => {
        const y = tf.add(tf.conv2dTranspose(x, filter, [x.shape[0], ...outputShape], strides, padding), bias);
        return activation === 'relu' ? tf.relu(y) : y;
      };
    }
    case 'maxPooling2d':
      return (x) => tf.maxPool(x, layer.size, layer.size, 'valid');
    case 'globalAveragePooling2d':
      return (x) => tf.mean(x, [1, 2]);
    case 'flatten':
      return (x) => tf.reshape(x, [x.shape[0], -1]);
    case 'activation':
      return (x) => tf[activation](x);
    case 'batchNormalization': {
      const [gamma, beta, movingMean, movingVariance] = [weight(), weight(), weight(), weight()];
      return (x) => {
        const { mean, variance } = tf.moments(x, [0, 1, 2]);
        const follow = (moving, now) => moving.assign(tf.add(tf.mul(moving, 0.99), tf.mul(now, 1 - 0.99)));
        follow(movingMean, mean);
        follow(movingVariance, variance);
        return tf.batchNorm(x, mean, variance, beta, gamma, 1e-3);
      };
    }
    case 'lstm': {
      const [kernel, recurrent, bias] = [weight(), weight(), weight()];
      return (x) => {
        const [rows, time, features] = x.shape;
        const { units } = layer;
        const z = tf.fused.matMul({ a: tf.reshape(x, [rows * time, features]), b: kernel, bias });
        const steps = tf.unstack(tf.reshape(z, [rows, time, 4 * units]), 1);
        let [h, c] = [tf.zeros([rows, units]), tf.zeros([rows, units])];
        for (const step of steps) {
          const [i, f, g, o] = tf.split(tf.add(step, tf.matMul(h, recurrent)), 4, 1);
          c = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(g)));
          h = tf.mul(tf.sigmoid(o), tf.tanh(c));
        }
        return h;
      };
    }
    case 'residual': {
      const [main, shortcut] = [layer.layers, layer.shortcut].map((layers) =>
        chain(layers, { next: () => ({ value: weight(), done: false }) }),
      );
      return (x) => tf.add(main(x), shortcut(x));
    }
    default:
      throw new Error(`tfjs: ${layer.type} is not translated`);
  }
}

/** @param {StepCase} spec @param {StepData} data */
function openStep(spec, data) {
  const { inputs, inputShape } = spec.layers[0];
  const classes = spec.layers.at(-1).outputs;
  const variables = data.weights.map(({ data, shape, name }) =>
    tf.variable(tf.tensor(data, shape), !name.includes('/moving')),
  );
  const trained = variables.filter(({ trainable }) => trainable);
  const forward = chain(spec.layers, variables.values());
  const { optimizer: o } = spec;
  const optimizer =
    o.name === 'sgd'
      ? tf.train.sgd(o.learningRate)
      : tf.train.adam(o.learningRate, o.beta1, o.beta2, o.epsilon);
  const batches = Array.from({ length: spec.rows / spec.batch }, (_, i) => {
    const [from, to] = [i * spec.batch, (i + 1) * spec.batch];
    const x = tf.tensor(data.x.slice(from * inputs, to * inputs), [spec.batch, ...inputShape]);
    if (spec.loss === 'mse') return { x, y: x };
    const labels = data.labels.slice(from, to);
    const y =
      classes === 1
        ? tf.tensor2d(Float32Array.from(labels), [spec.batch, 1])
        : tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), classes), 'float32');
    return { x, y };
  });
  const lossOf = {
    binary: tf.losses.sigmoidCrossEntropy,
    softmax: tf.losses.softmaxCrossEntropy,
    mse: tf.losses.meanSquaredError,
  }[spec.loss];

  let done = 0;
  let last;
  return {
    run(steps) {
      for (let i = 0; i < steps; i++) {
        const { x, y } = batches[done++ % batches.length];
        last?.dispose();
        last = optimizer.minimize(() => lossOf(y, forward(x)), true, trained);
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
