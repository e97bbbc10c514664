// jax-js: one jitted function a step (loss, gradients, optimizer), on its WebAssembly backend.
import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, valueAndGrad } from '@jax-js/jax';

await init('wasm');
defaultDevice('wasm');

/** @typedef {import('../protocol.ts').SubjectModule} SubjectModule */

/** Mean loss of a batch. In jax-js a use of an array ends its life, unless it is a use of `.ref`. */
function lossOf({ layers, loss }) {
  return (parameters, x, y) => {
    const z = layers.reduce((a, { activation }, i) => {
      const sum = np.dot(a, parameters[2 * i]).add(parameters[2 * i + 1]);
      if (activation === 'relu') return nn.relu(sum);
      return activation === 'tanh' ? np.tanh(sum) : sum;
    }, x);
    if (loss === 'binary') {
      // max(z, 0) - z t + log(1 + exp(-|z|))
      const rest = np.log1p(np.exp(np.absolute(z.ref).neg()));
      return np.mean(np.maximum(z.ref, 0).sub(z.mul(y)).add(rest));
    }
    return np.mean(nn.logSoftmax(z, -1).mul(y).sum(-1)).neg();
  };
}

/** @type {NonNullable<SubjectModule['openStep']>} */
function openStep(spec, data) {
  const { batch, rows, layers, optimizer: o } = spec;
  const { inputs } = layers[0];
  const classes = layers.at(-1).outputs;
  const gradient = valueAndGrad(lossOf(spec));

  const sgd = jit((parameters, x, y) => {
    const [loss, gradients] = gradient(
      parameters.map((p) => p.ref),
      x,
      y,
    );
    return { loss, parameters: parameters.map((p, i) => p.sub(gradients[i].mul(o.learningRate))) };
  });

  // rate / (1 - beta1^t) and 1 / (1 - beta2^t) come from outside
  const adam = jit((parameters, ms, vs, rate, correction, x, y) => {
    const [loss, gradients] = gradient(
      parameters.map((p) => p.ref),
      x,
      y,
    );
    const newMs = ms.map((m, i) => m.mul(o.beta1).add(gradients[i].ref.mul(1 - o.beta1)));
    const newVs = vs.map((v, i) => v.mul(o.beta2).add(np.square(gradients[i]).mul(1 - o.beta2)));
    const updated = parameters.map((p, i) =>
      p.sub(newMs[i].ref.mul(rate.ref).div(np.sqrt(newVs[i].ref.mul(correction.ref)).add(o.epsilon))),
    );
    return { loss, parameters: updated, ms: newMs, vs: newVs };
  });

  const batches = Array.from({ length: rows / batch }, (_, i) => {
    const y = new Float32Array(batch * classes);
    for (let r = 0; r < batch; r++) {
      const label = data.labels[i * batch + r];
      if (classes === 1) y[r] = label;
      else y[r * classes + label] = 1;
    }
    const x = data.x.slice(i * batch * inputs, (i + 1) * batch * inputs);
    return { x: np.array(x, { shape: [batch, inputs] }), y: np.array(y, { shape: [batch, classes] }) };
  });
  let parameters = data.weights.map(({ data, shape }) => np.array(data.slice(), { shape }));
  let ms = data.weights.map(({ shape }) => np.zeros(shape));
  let vs = data.weights.map(({ shape }) => np.zeros(shape));
  let done = 0;
  let loss;

  return {
    async run(steps) {
      for (let i = 0; i < steps; i++) {
        const { x, y } = batches[done++ % batches.length];
        loss?.dispose();
        if (o.name === 'sgd') {
          ({ loss, parameters } = sgd(parameters, x.ref, y.ref));
        } else {
          const rate = o.learningRate / (1 - o.beta1 ** done);
          const correction = 1 / (1 - o.beta2 ** done);
          ({ loss, parameters, ms, vs } = adam(parameters, ms, vs, rate, correction, x.ref, y.ref));
        }
        await blockUntilReady([loss, parameters, ms, vs]);
      }
    },
    loss: async () => (await loss.ref.data())[0],
  };
}

/** @type {NonNullable<SubjectModule['openGemm']>} */
function openGemm({ variant, m, n, k }, a, b) {
  const x = np.array(a.slice(), { shape: variant === 'tn' ? [k, m] : [m, k] });
  const y = np.array(b.slice(), { shape: variant === 'nt' ? [n, k] : [k, n] });
  const product = jit((p, q) =>
    np.dot(variant === 'tn' ? np.transpose(p) : p, variant === 'nt' ? np.transpose(q) : q),
  );
  let last;
  return {
    async run(times) {
      for (let i = 0; i < times; i++) {
        last?.dispose();
        last = product(x.ref, y.ref);
        await last.blockUntilReady();
      }
    },
    result: () => last.ref.data(),
  };
}

export default { openStep, openGemm };
