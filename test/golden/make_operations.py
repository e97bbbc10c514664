#!/usr/bin/env python3
"""Golden values of operations: functions with their gradients, and ten steps of a net with PReLU, by PyTorch in float64.

    /usr/bin/python3 test/golden/make_operations.py       write operations.json

Inputs and initial weights are float32 numbers. test/operations/golden.test.ts has the same functions by name.
"""
import json
import os

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
random = np.random.default_rng(7)


def numbers(*shape, low=-1.5, high=1.5):
    return np.float32(random.uniform(low, high, shape)).astype(np.float64)


FUNCTIONS = {
    "softmax over a middle axis": (lambda x, w: (torch.softmax(x, 1) * w).sum(), [numbers(2, 4, 3), numbers(4, 3)]),
    "log-softmax": (lambda x, w: (torch.log_softmax(x, -1) * w).mean(), [numbers(3, 5), numbers(5)]),
    "attention": (
        lambda q, k, v: (torch.softmax(q @ k.transpose(-1, -2) / 2, -1) @ v).square().sum(),
        [numbers(2, 3, 5, 4), numbers(2, 3, 6, 4), numbers(2, 3, 6, 2)],
    ),
    "a product with broadcast matrices": (
        lambda a, b: torch.matmul(a, b).abs().sum(),
        [numbers(2, 1, 3, 4), numbers(5, 4, 2)],
    ),
    "the largest, with ties": (
        lambda x: (x.amax((0, 2)) * torch.tensor([1.0, -2.0])).sum(),
        [np.array([[[1.0, 2, 2], [0, -1, -1]], [[2, 0, 1], [0, 0, -3]]])],
    ),
    "the larger of two, with ties": (
        lambda a, b: (torch.maximum(a, b) * 3 + torch.minimum(a, b)).sum(),
        [np.array([1.0, 2, 3]), np.array([2.0, 2, 2])],
    ),
    "clipped, at the bounds too": (
        lambda x: (x.clamp(-1, 2) * x).sum(),
        [np.array([-2.0, -1, 0.5, 2, 3])],
    ),
    "powers": (lambda a, b: a.pow(b).sum(), [numbers(3, 4, low=0.3, high=2), numbers(4)]),
    "powers of 0, and by 0": (lambda a, b: a.pow(b).sum(), [np.array([0.0, 0, 1.5]), np.array([2.0, 0, 0])]),
    "what was not chosen is no number": (
        lambda x: torch.where(x > 0, torch.where(x > 0, x, torch.ones_like(x)).log(), x * 2).sum(),
        [np.array([1.5, -1, 0.25])],
    ),
    "standardized": (
        lambda x, g, b: (((x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 0.01).sqrt()) * g + b)
        .exp()
        .sum(),
        [numbers(4, 6), numbers(6), numbers(6)],
    ),
    "chosen twice": (
        lambda x: x.index_select(1, torch.tensor([2, 0, 2])).square().sum(),
        [numbers(2, 3, 2)],
    ),
    "put together of parts": (
        lambda x, y: (torch.cat([x[:, 1:], y.permute(0, 2, 1)], 2) * torch.arange(24.0).reshape(2, 2, 6)).sum(),
        [numbers(2, 3, 4), numbers(2, 2, 2)],
    ),
    "gelu and softplus": (lambda x: (F.gelu(x) * F.softplus(x)).sum(), [numbers(7)]),
}


def functions():
    rows = []
    for name, (function, arrays) in FUNCTIONS.items():
        inputs = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]
        value = function(*inputs)
        value.backward()
        rows.append(
            {
                "name": name,
                "inputs": [{"shape": list(a.shape), "data": [float("%.9g" % v) for v in a.flatten()]} for a in arrays],
                "value": float("%.9g" % value.item()),
                "gradients": [[float("%.9g" % v) for v in t.grad.flatten().tolist()] for t in inputs],
            }
        )
    return rows


def flat(tensor):
    return [float("%.9g" % v) for v in tensor.detach().flatten().tolist()]


def prelu():
    """dense(6), reshape([3, 2]), prelu sharing axis 1, flatten, prelu, dense(2); mean squared error, SGD."""
    x, y = numbers(10, 4), numbers(10, 2)
    shapes = [[4, 6], [6], [1, 2], [6], [6, 2], [2]]
    parameters = [torch.tensor(numbers(*s, low=-0.6, high=0.6), requires_grad=True) for s in shapes]
    initial = [flat(p) for p in parameters]
    losses = []
    for _ in range(10):
        k1, b1, a1, a2, k2, b2 = parameters
        h = (torch.tensor(x) @ k1 + b1).reshape(-1, 3, 2)
        h = torch.where(h > 0, h, a1 * h).reshape(-1, 6)
        h = torch.where(h > 0, h, a2 * h)
        loss = ((h @ k2 + b2 - torch.tensor(y)) ** 2).mean()
        losses.append(float("%.9g" % loss.item()))
        gradients = torch.autograd.grad(loss, parameters)
        parameters = [(p - 0.1 * g).detach().requires_grad_() for p, g in zip(parameters, gradients)]
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "initial": initial,
        "losses": losses,
        "final": [flat(p) for p in parameters],
    }


if __name__ == "__main__":
    with open(os.path.join(HERE, "operations.json"), "w") as file:
        json.dump({"functions": functions(), "prelu": prelu()}, file, indent=1)
        file.write("\n")
