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
    x = decode(message["x"], (rows, layers[0]["inputs"]))
    labels = decode(message["labels"], (rows,), np.int32)
    return [(x[i : i + batch], labels[i : i + batch]) for i in range(0, rows, batch)]


class TorchStep:
    def __init__(self, message):
        import torch

        self.torch = torch
        spec = message["spec"]
        self.activations = [layer["activation"] for layer in spec["layers"]]
        self.binary = spec["loss"] == "binary"
        # as nn.Linear keeps them: [out, in]
        self.parameters = []
        for weight in message["weights"]:
            values = torch.from_numpy(decode(weight["data"], weight["shape"]))
            values = values.t().contiguous() if values.dim() == 2 else values
            self.parameters.append(values.requires_grad_())
        o = spec["optimizer"]
        if o["name"] == "sgd":
            self.optimizer = torch.optim.SGD(self.parameters, lr=o["learningRate"])
        else:
            betas = (o["beta1"], o["beta2"])
            self.optimizer = torch.optim.Adam(self.parameters, lr=o["learningRate"], betas=betas, eps=o["epsilon"])
        self.batches = []
        for x, labels in batches(message):
            y = torch.from_numpy(labels.astype(np.float32 if self.binary else np.int64))
            self.batches.append((torch.from_numpy(x), y.reshape(-1, 1) if self.binary else y))
        self.done = 0

    def run(self, steps):
        functional = self.torch.nn.functional
        for _ in range(steps):
            x, y = self.batches[self.done % len(self.batches)]
            self.done += 1
            for i, activation in enumerate(self.activations):
                x = functional.linear(x, self.parameters[2 * i], self.parameters[2 * i + 1])
                if activation == "relu":
                    x = self.torch.relu(x)
                elif activation == "tanh":
                    x = self.torch.tanh(x)
            if self.binary:
                loss = functional.binary_cross_entropy_with_logits(x, y)
            else:
                loss = functional.cross_entropy(x, y)
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
