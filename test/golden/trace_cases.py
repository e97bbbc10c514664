"""The table of golden training traces: one row per case, read by make_traces.py.

A row says what is trained; the numbers (data, initial weights) are drawn from its seed. `make_traces.py --search`
finds a seed that meets every check of that script and prints it; nothing else about a seed matters.
Optional: `scale` multiplies the standard deviation of x, `gain` that of the kernels, `y` names the kind of targets
("shape": in the shape of an output with positions),
`inside` bounds the probabilities given to a binary cross-entropy that does not start from logits.
"""


def dense(units, activation=None, useBias=True, kernel=None, bias=None):
    layer = {"type": "dense", "units": units, "activation": activation or "linear", "useBias": useBias}
    if kernel:
        layer["kernelRegularizer"] = kernel
    if bias:
        layer["biasRegularizer"] = bias
    return layer


def activation(name, **options):
    return {"type": "activation", "activation": {"name": name, **options} if options else name}


def normalization(kind, epsilon=1e-3, **options):
    return {"type": f"{kind}Normalization", "epsilon": epsilon, **options}


def embedding(inputDim, outputDim, **options):
    return {"type": "embedding", "inputDim": inputDim, "outputDim": outputDim, **options}


def sgd(rate, **options):
    return {"name": "sgd", "learningRate": rate, **options}


def rmsprop(rate, rho=0.9, epsilon=1e-8, **options):
    return {"name": "rmsprop", "learningRate": rate, "rho": rho, "epsilon": epsilon, **options}


def adam(rate, beta1=0.9, beta2=0.999, epsilon=1e-8, **options):
    return {"name": "adam", "learningRate": rate, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, **options}


def adamw(rate, weightDecay, **options):
    return {**adam(rate, **options), "name": "adamw", "weightDecay": weightDecay}


MSE = {"name": "meanSquaredError"}
MSE_SUM = {"name": "meanSquaredError", "reduction": "sum"}
LOGITS = {"name": "binaryCrossEntropy", "fromLogits": True}
LOGITS_SUM = {"name": "binaryCrossEntropy", "fromLogits": True, "reduction": "sum"}
PROBABILITIES = {"name": "binaryCrossEntropy", "fromLogits": False}
CE = {"name": "crossEntropy"}

FLATTEN = {"type": "flatten"}
CASES = []


def case(name, seed, batch, shape, layers, loss, optimizer, **more):
    CASES.append(dict(name=name, seed=seed, batch=batch, inputShape=shape, layers=layers, loss=loss,
                      optimizer=optimizer, **more))


# Losses and depth, with every activation somewhere inside a net
case("mse-sgd-depth1", 1, 5, [5], [dense(3)], MSE, sgd(0.1))
case("mse-sgd-depth2-relu", 4, 8, [4], [dense(9, "relu"), dense(3)], MSE, sgd(0.1))
case("mse-sgd-depth3-tanh-sigmoid", 2, 7, [6], [dense(11, "tanh"), dense(5, "sigmoid"), dense(3)], MSE, sgd(0.2))
case("mse-sgd-depth4-leakyRelu-elu-selu", 4, 9, [5],
     [dense(8, "leakyRelu"), dense(7, "elu"), dense(5, "selu"), dense(3)], MSE, sgd(0.03))
case("mse-sgd-activation-layers-gelu", 3, 6, [4], [dense(9), activation("gelu"), dense(5)], MSE, sgd(0.1))
case("mse-sgd-options-leakyRelu-elu", 9, 8, [3],
     [dense(7), activation("leakyRelu", negativeSlope=0.1), dense(6, {"name": "elu", "alpha": 0.5}), dense(3)],
     MSE, sgd(0.05))
case("mse-sum-sgd-softplus", 1, 6, [5], [dense(7, "softplus"), dense(4)], MSE_SUM, sgd(0.003))
case("mse-sgd-flatten-logSoftmax", 3, 6, [3, 4], [FLATTEN, dense(5, "logSoftmax"), dense(3)], MSE, sgd(0.02))
case("mse-sgd-noBias-exponential-softmax", 3, 10, [4],
     [dense(5, "exponential", useBias=False), dense(6, "softmax", useBias=False), dense(3, useBias=False)],
     MSE, sgd(0.3), gain=0.6)
case("mse-sgd-hardSigmoid-geluTanh", 8, 12, [7], [dense(10, "hardSigmoid"), dense(5, "geluTanh"), dense(3)],
     MSE, sgd(0.2), gain=2.0)
case("bce-logits-sgd-tanh-one-unit", 1, 11, [3], [dense(5, "tanh"), dense(1)], LOGITS, sgd(0.5))
case("bce-logits-sum-sgd-silu", 2, 7, [6], [dense(9, "silu"), dense(4)], LOGITS_SUM, sgd(0.02))
case("bce-probabilities-sgd-sigmoid", 2, 9, [5], [dense(13, "relu"), dense(3, "sigmoid")], PROBABILITIES, sgd(0.3))
case("bce-probabilities-sgd-hardSigmoid-soft-targets", 1, 8, [4], [dense(6, "softsign"), dense(3, "hardSigmoid")],
     PROBABILITIES, sgd(0.8), y="soft", gain=0.7, inside=(0.05, 0.95))
case("bce-probabilities-sgd-softmax", 1, 7, [5], [dense(8, "mish"), dense(3, "softmax")], PROBABILITIES, sgd(0.2),
     gain=0.6, inside=(0.05, 0.95))
case("ce-integer-sgd-relu", 27, 9, [3], [dense(17, "relu"), dense(5)], CE, sgd(0.3), y="integer")
case("ce-onehot-sgd-silu", 11, 9, [5], [dense(7, "silu"), dense(4)], CE, sgd(0.3), y="onehot")
case("ce-soft-sgd-softmax-layer", 3, 8, [4], [dense(7), activation("softmax"), dense(5)], CE, sgd(1), y="soft")

# Optimizers
case("mse-sgd-momentum", 1, 7, [5], [dense(9, "tanh"), dense(3)], MSE, sgd(0.03, momentum=0.9))
case("ce-integer-sgd-nesterov", 2, 10, [4], [dense(8, "gelu"), dense(3)], CE,
     sgd(0.05, momentum=0.9, nesterov=True), y="integer")
case("mse-rmsprop", 3, 8, [3], [dense(7, "sigmoid"), dense(4)], MSE, rmsprop(0.003))
case("bce-logits-rmsprop-momentum", 1, 9, [5], [dense(6, "tanh"), dense(3)], LOGITS, rmsprop(0.002, momentum=0.9))
case("mse-rmsprop-centered", 1, 6, [4], [dense(5, "softplus"), dense(3)], MSE, rmsprop(0.003, centered=True))
case("ce-integer-rmsprop-centered-momentum", 4, 8, [5], [dense(7, "selu"), dense(4)], CE,
     rmsprop(0.001, momentum=0.8, centered=True), y="integer")
case("mse-rmsprop-large-epsilon", 1, 7, [3], [dense(5, "tanh"), dense(3)], MSE, rmsprop(0.02, rho=0.8, epsilon=0.1))
case("mse-adam", 8, 7, [4], [dense(9, "tanh"), dense(3)], MSE, adam(0.01))
case("ce-integer-adam-betas", 63, 12, [7], [dense(11, "relu"), dense(5)], CE, adam(0.02, beta1=0.8, beta2=0.95),
     y="integer")
case("mse-adam-large-epsilon", 4, 6, [3], [dense(5, "elu"), dense(3)], MSE, adam(0.05, epsilon=0.1))
case("ce-onehot-adamw", 6, 9, [5], [dense(7, "geluTanh"), dense(3)], CE, adamw(0.01, 0.1), y="onehot")
case("mse-adamw-depth3", 34, 8, [3], [dense(5, "silu"), dense(7, "tanh"), dense(3)], MSE,
     adamw(0.01, 0.3, beta1=0.85, beta2=0.99))

# Clipping
case("mse-sgd-clipValue", 4, 6, [5], [dense(7, "relu"), dense(3)], MSE, sgd(0.1, clipValue=0.05))
case("ce-integer-adam-clipValue", 20, 8, [4], [dense(6, "tanh"), dense(3)], CE, adam(0.02, clipValue=0.03), y="integer")
case("mse-sgd-globalClipNorm", 4, 7, [4], [dense(8, "softsign"), dense(3)], MSE, sgd(0.5, globalClipNorm=0.15))
case("ce-integer-sgd-momentum-globalClipNorm-crossing", 1, 9, [5], [dense(7, "mish"), dense(4)], CE,
     sgd(0.1, momentum=0.5, globalClipNorm=0.5), y="integer", crossing=True)

# Penalties
case("mse-sgd-l1", 1, 8, [4], [dense(7, "tanh", kernel={"l1": 0.01}), dense(3)], MSE, sgd(0.1))
case("mse-adam-l2", 9, 7, [5], [dense(6, "relu", kernel={"l2": 0.02}), dense(3, kernel={"l2": 0.05})], MSE, adam(0.01))
case("bce-logits-sgd-nesterov-l1l2-bias", 3, 9, [3],
     [dense(6, "tanh", kernel={"l1": 0.01, "l2": 0.001}, bias={"l2": 0.01}),
      dense(4, kernel={"l2": 0.02}, bias={"l1": 0.02, "l2": 0.005})],
     LOGITS, sgd(0.05, momentum=0.9, nesterov=True))
case("ce-integer-adamw-l1l2", 1, 8, [6], [dense(9, "gelu", kernel={"l1": 0.001, "l2": 0.01}), dense(4)], CE,
     adamw(0.01, 0.05), y="integer")
case("mse-sum-sgd-l2-globalClipNorm", 1, 6, [4], [dense(7, "tanh", kernel={"l2": 0.3}), dense(3, bias={"l2": 0.5})],
     MSE_SUM, sgd(0.05, globalClipNorm=1.0))
case("bce-logits-sum-rmsprop-l1-clipValue", 1, 7, [3], [dense(5, "tanh", kernel={"l1": 0.05}), dense(3)], LOGITS_SUM,
     rmsprop(0.003, clipValue=0.3))

# Normalization
BATCH_NORM = normalization("batch", momentum=0.9)
case("mse-sgd-layerNormalization", 3, 7, [6], [dense(9), normalization("layer"), activation("tanh"), dense(3)], MSE,
     sgd(0.05))
case("ce-adam-layerNormalization-plain", 8, 8, [5],
     [dense(8, "silu"), normalization("layer", scale=False, center=False), dense(3)], CE, adam(0.01), y="integer")
case("mse-sgd-rmsNormalization", 1, 8, [5], [dense(7), normalization("rms", 1e-6), activation("silu"), dense(3)], MSE,
     sgd(0.05))
case("mse-sgd-batchNormalization", 16, 9, [5], [dense(7), BATCH_NORM, activation("tanh"), dense(3)], MSE, sgd(0.05))
case("mse-adam-batchNormalization-positions", 134, 6, [3, 4],
     [normalization("batch", momentum=0.8), dense(5, "gelu"), BATCH_NORM, dense(3)], MSE, adam(0.01),
     y="shape")
case("mse-sgd-batchNormalization-frozen", 13, 8, [4],
     [dense(6, "tanh"), normalization("batch", momentum=0.9, trainable=False), dense(3)], MSE, sgd(0.05))
case("mse-sgd-momentum-batchNormalization-beta", 2, 8, [5],
     [dense(6, useBias=False), normalization("batch", momentum=0.5, scale=False), activation("softplus"), dense(2)],
     MSE, sgd(0.02, momentum=0.9))
case("mse-sgd-groupNormalization", 15, 5, [4, 3],
     [dense(6), normalization("group", groups=2), activation("tanh"), dense(2)], MSE, sgd(0.1), y="shape")
case("mse-sgd-instanceNormalization", 11, 5, [5, 3],
     [dense(4), normalization("instance"), activation("silu"), dense(2)], MSE, sgd(0.1), y="shape")

# Integers
case("ce-adam-embedding", 1, 8, [4], [embedding(9, 3), FLATTEN, dense(5, "tanh"), dense(3)], CE, adam(0.01), y="integer")
case("mse-sgd-momentum-embedding-l2-layerNormalization", 18, 5, [4],
     [embedding(30, 6, embeddingsRegularizer={"l2": 0.01}), normalization("layer"), dense(2)], MSE,
     sgd(0.05, momentum=0.9), y="shape")
