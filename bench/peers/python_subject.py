"""Trains or multiplies with PyTorch or NumPy, one thread; python.mjs asks, a line of JSON each."""

import base64
import json
import sys
import time

import numpy as np


def decode(text, shape, kind=np.float32):
    return np.frombuffer(base64.b64decode(text), dtype=kind).reshape(shape).copy()


def batches(message):
    spec = message["spec"]
    rows, batch, layers = spec["rows"], spec["batch"], spec["layers"]
    x = decode(message["x"], (rows, *layers[0]["inputShape"]))
    labels = decode(message["labels"], (-1,), np.int32)
    if spec["loss"] == "softmax":
        labels = labels.reshape((rows, *layers[-1]["outputShape"][:-1]))
    return [(x[i : i + batch], labels[i : i + batch]) for i in range(0, rows, batch)]


class TorchStep:
    """Images are [batch, channels, height, width] here, as PyTorch has them; weights are brought over once."""

    def __init__(self, message):
        import torch

        self.torch = torch
        spec = message["spec"]
        # faster for images of several channels (resnet-tiny 78 ms instead of 104), slower for one (mnist-cnn 8 instead of 6)
        channels = spec["layers"][0]["inputShape"][-1]
        self.format = torch.contiguous_format if channels == 1 else torch.channels_last
        self.dtype = torch.float64 if message["double"] else torch.float32
        self.parameters = []
        weights = iter([self.tensor(decode(weight["data"], weight["shape"])) for weight in message["weights"]])
        self.network = self.chain(spec["layers"], weights)
        o = spec["optimizer"]
        if o["name"] == "sgd":
            self.optimizer = torch.optim.SGD(self.parameters, lr=o["learningRate"])
        else:
            make = torch.optim.AdamW if o["name"] == "adamw" else torch.optim.Adam
            constants = {"betas": (o["beta1"], o["beta2"]), "eps": o["epsilon"]}
            constants["weight_decay"] = o.get("weightDecay", 0)
            self.optimizer = make(self.parameters, lr=o["learningRate"], **constants)
        self.loss_of = {
            "binary": torch.nn.functional.binary_cross_entropy_with_logits,
            "softmax": torch.nn.functional.cross_entropy,
            "mse": torch.nn.functional.mse_loss,
        }[spec["loss"]]
        self.batches = []
        for x, labels in batches(message):
            x = self.tensor(x)
            if spec["layers"][0]["type"] == "embedding":
                x = x.long()
            if x.dim() == 4:
                x = x.permute(0, 3, 1, 2).contiguous(memory_format=self.format)
            labels = torch.from_numpy(labels)
            y = {
                "binary": lambda: labels.reshape(-1, 1).to(self.dtype),
                "softmax": lambda: labels.long().flatten(),
                "mse": lambda: x,
            }
            self.batches.append((x, y[spec["loss"]]()))
        self.done = 0

    def tensor(self, values):
        return self.torch.from_numpy(values).to(self.dtype)

    def parameter(self, values):
        form = self.format if values.dim() == 4 else self.torch.contiguous_format
        self.parameters.append(values.contiguous(memory_format=form).requires_grad_())
        return self.parameters[-1]

    def chain(self, layers, weights):
        """Functions that apply the layers. Rows of a dense kernel behind `flatten` follow its order of the image."""
        functions, order = [], None
        for layer in layers:
            if layer["type"] == "flatten" and len(layer["inputShape"]) == 3:
                height, width, channels = layer["inputShape"]
                order = np.arange(height * width * channels).reshape(height, width, channels)
                order = order.transpose(2, 0, 1).ravel()
            functions.append(getattr(self, layer["type"])(layer, weights, order))
            if layer["type"] == "dense":
                order = None

        def apply(x):
            for function in functions:
                x = function(x)
            return x

        return apply

    def activated(self, name):
        return {"linear": lambda x: x, "relu": self.torch.relu, "tanh": self.torch.tanh}[name]

    def activation(self, layer, weights, order):
        return self.activated(layer["activation"])

    def dense(self, layer, weights, order):
        kernel, bias = next(weights), next(weights)
        # as nn.Linear keeps it: [out, in]
        kernel = self.parameter((kernel if order is None else kernel[order]).t())
        bias, f = self.parameter(bias), self.activated(layer["activation"])
        linear = self.torch.nn.functional.linear
        return lambda x: f(linear(x, kernel, bias))

    def conv2d(self, layer, weights, order):
        functional = self.torch.nn.functional
        kernel = self.parameter(next(weights).permute(3, 2, 0, 1))
        bias, f = self.parameter(next(weights)), self.activated(layer["activation"])
        size, stride, around = layer["size"], layer["strides"], 0
        if layer["padding"] == "same":
            side, result = layer["inputShape"][0], layer["outputShape"][0]
            around = max((result - 1) * stride + size - side, 0)
        before, after = around // 2, around - around // 2
        if before == after:
            return lambda x: f(functional.conv2d(x, kernel, bias, stride, before))
        pads = (before, after, before, after)
        return lambda x: f(functional.conv2d(functional.pad(x, pads), kernel, bias, stride))

    def conv2dTranspose(self, layer, weights, order):
        transpose = self.torch.nn.functional.conv_transpose2d
        kernel = self.parameter(next(weights).permute(3, 2, 0, 1))
        bias, f = self.parameter(next(weights)), self.activated(layer["activation"])
        stride = layer["strides"]
        cut = layer["size"] - stride if layer["padding"] == "same" else 0
        assert cut % 2 == 0, "PyTorch cuts as much before as after"
        return lambda x: f(transpose(x, kernel, bias, stride, cut // 2))

    def batchNormalization(self, layer, weights, order):
        batch_norm = self.torch.nn.functional.batch_norm
        gamma, beta = self.parameter(next(weights)), self.parameter(next(weights))
        mean, variance = next(weights), next(weights)
        return lambda x: batch_norm(x, mean, variance, gamma, beta, True, 1 - 0.99, 1e-3)

    def maxPooling2d(self, layer, weights, order):
        pool = self.torch.nn.functional.max_pool2d
        return lambda x: pool(x, layer["size"])

    def globalAveragePooling2d(self, layer, weights, order):
        return lambda x: x.mean((2, 3))

    def flatten(self, layer, weights, order):
        return lambda x: x.flatten(1)

    def lstm(self, layer, weights, order):
        kernel, recurrent, bias = (next(weights) for _ in range(3))
        module = self.torch.nn.LSTM(kernel.shape[0], layer["units"], batch_first=True, dtype=self.dtype)
        with self.torch.no_grad():
            module.weight_ih_l0.copy_(kernel.t())
            module.weight_hh_l0.copy_(recurrent.t())
            module.bias_ih_l0.copy_(bias)
            # a second bias, which Keras has not
            module.bias_hh_l0.zero_().requires_grad_(False)
        self.parameters += [module.weight_ih_l0, module.weight_hh_l0, module.bias_ih_l0]
        return lambda x: module(x)[0][:, -1]

    def embedding(self, layer, weights, order):
        table = self.parameter(next(weights))
        return lambda x: self.torch.nn.functional.embedding(x, table)

    def positionEmbedding(self, layer, weights, order):
        table = self.parameter(next(weights))
        return lambda x: x + table

    def layerNormalization(self, layer, weights, order):
        gamma, beta = self.parameter(next(weights)), self.parameter(next(weights))
        return lambda x: self.torch.nn.functional.layer_norm(x, gamma.shape, gamma, beta, 1e-5)

    def transformerDecoder(self, layer, weights, order):
        torch, linear = self.torch, {"activation": "linear"}
        positions, channels = layer["inputShape"]
        heads = layer["numHeads"]
        size = channels // heads
        normalize = self.layerNormalization(layer, weights, order)
        project, output = self.dense(linear, weights, order), self.dense(linear, weights, order)
        normalize_hidden = self.layerNormalization(layer, weights, order)
        hidden, end = self.dense(linear, weights, order), self.dense(linear, weights, order)
        future = torch.full((positions, positions), float("-inf"), dtype=self.dtype).triu(1)

        def attention(x):
            # [3, batch, heads, positions, size]
            parts = project(x).view(-1, positions, 3, heads, size).permute(2, 0, 3, 1, 4)
            q, k, v = (part.reshape(-1, positions, size) for part in parts.unbind())
            scores = torch.baddbmm(future, q, k.transpose(1, 2), alpha=size**-0.5)
            y = torch.bmm(torch.softmax(scores, -1), v)
            return output(y.view(-1, heads, positions, size).transpose(1, 2).reshape(x.shape))

        def apply(x):
            x = x + attention(normalize(x))
            return x + end(torch.nn.functional.gelu(hidden(normalize_hidden(x))))

        return apply

    def residual(self, layer, weights, order):
        main, shortcut = self.chain(layer["layers"], weights), self.chain(layer["shortcut"], weights)
        return lambda x: main(x) + shortcut(x)

    def run(self, steps):
        for _ in range(steps):
            x, y = self.batches[self.done % len(self.batches)]
            self.done += 1
            output = self.network(x)
            loss = self.loss_of(output.flatten(0, 1) if output.dim() == 3 else output, y)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
        self.last = loss

    def loss(self):
        return self.last.item()


class NumpyStep:
    """Parameters, gradients and moments are flat arrays, so that the optimizer takes few calls."""

    def __init__(self, message):
        spec = message["spec"]
        self.activations = [layer["activation"] for layer in spec["layers"]]
        self.binary = spec["loss"] == "binary"
        self.optimizer = spec["optimizer"]
        tensors = [decode(weight["data"], weight["shape"]) for weight in message["weights"]]
        self.flat = np.concatenate([tensor.ravel() for tensor in tensors])
        self.gradient, self.m, self.v = (np.zeros_like(self.flat) for _ in range(3))
        self.parameters, self.gradients, at = [], [], 0
        for tensor in tensors:
            self.parameters.append(self.flat[at : at + tensor.size].reshape(tensor.shape))
            self.gradients.append(self.gradient[at : at + tensor.size].reshape(tensor.shape))
            at += tensor.size
        classes = spec["layers"][-1]["outputs"]
        self.batches = []
        for x, labels in batches(message):
            y = labels.reshape(-1, 1) if self.binary else np.eye(classes)[labels]
            self.batches.append((x, y.astype(np.float32)))
        self.done = 0

    def run(self, steps):
        for _ in range(steps):
            x, y = self.batches[self.done % len(self.batches)]
            self.done += 1
            outputs = [x]
            for i, activation in enumerate(self.activations):
                z = outputs[-1] @ self.parameters[2 * i]
                z += self.parameters[2 * i + 1]
                if activation == "relu":
                    np.maximum(z, 0, out=z)
                elif activation == "tanh":
                    np.tanh(z, out=z)
                outputs.append(z)
            self.z, self.y = outputs[-1], y
            if self.binary:
                d = 1 / (1 + np.exp(-self.z))
            else:
                d = np.exp(self.z - self.z.max(axis=1, keepdims=True))
                d /= d.sum(axis=1, keepdims=True)
            d -= y
            d /= len(y)
            for i in reversed(range(len(self.activations))):
                if self.activations[i] == "relu":
                    d *= outputs[i + 1] > 0
                elif self.activations[i] == "tanh":
                    d *= 1 - outputs[i + 1] ** 2
                np.matmul(outputs[i].T, d, out=self.gradients[2 * i])
                np.sum(d, axis=0, out=self.gradients[2 * i + 1])
                if i > 0:
                    d = d @ self.parameters[2 * i].T
            self.update()

    def update(self):
        o, g = self.optimizer, self.gradient
        rate = o["learningRate"]
        if o["name"] == "sgd":
            self.flat -= rate * g
            return
        self.m *= o["beta1"]
        self.m += (1 - o["beta1"]) * g
        self.v *= o["beta2"]
        self.v += (1 - o["beta2"]) * g * g
        root = np.sqrt(self.v / (1 - o["beta2"] ** self.done))
        root += o["epsilon"]
        self.flat -= (rate / (1 - o["beta1"] ** self.done)) * self.m / root

    def loss(self):
        z, y = self.z.astype(np.float64), self.y
        if self.binary:
            return float(np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))))
        top = z.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(z - top).sum(axis=1, keepdims=True)) + top
        return float(np.mean(((log_sum - z) * y).sum(axis=1)))


class Gemm:
    def __init__(self, message, library):
        spec = message["spec"]
        m, n, k, variant = spec["m"], spec["n"], spec["k"], spec["variant"]
        a = decode(message["a"], (k, m) if variant == "tn" else (m, k))
        b = decode(message["b"], (n, k) if variant == "nt" else (k, n))
        if library == "torch":
            import torch

            a, b = torch.from_numpy(a), torch.from_numpy(b)
            self.matmul, self.c = torch.matmul, torch.empty(m, n)
        else:
            self.matmul, self.c = np.matmul, np.empty((m, n), np.float32)
        self.a = a.T if variant == "tn" else a
        self.b = b.T if variant == "nt" else b

    def run(self, times):
        for _ in range(times):
            self.matmul(self.a, self.b, out=self.c)

    def result(self):
        return base64.b64encode(np.asarray(self.c).tobytes()).decode()


def answer(subject, message):
    if "run" in message:
        begun = time.perf_counter()
        subject.run(message["run"])
        return {"ms": 1e3 * (time.perf_counter() - begun)}
    if "loss" in message:
        return {"loss": subject.loss()}
    return {"result": subject.result()}


def blas_note():
    """Debian's NumPy and PyTorch take the BLAS that the system has, which may be the slow reference one."""
    try:
        with open("/proc/self/maps") as maps:
            libraries = maps.read()
    except OSError:
        return None
    known = ("openblas", "blis", "mkl_", "atlas")
    if "/libblas.so" not in libraries or any(name in libraries for name in known):
        return None
    return "runs on the reference BLAS, which is slow; install OpenBLAS (Debian: libopenblas0) for its best"


def main():
    library = sys.argv[1]
    if library == "torch":
        import torch

        torch.set_num_threads(1)
    subject = None
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("open") == "step":
            subject = TorchStep(message) if library == "torch" else NumpyStep(message)
        elif message.get("open") == "gemm":
            subject = Gemm(message, library)
        reply = {"note": blas_note()} if "open" in message else answer(subject, message)
        print(json.dumps(reply), flush=True)


main()
