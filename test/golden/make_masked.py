#!/usr/bin/env python3
"""Golden training traces of losses of time steps, some of which are left out: ten steps of SGD in float64 by PyTorch on
what is left, the whole batch packed into one list of steps (cross-entropy: its ignore_index), written to masked.json.

    /usr/bin/python3 test/golden/make_masked.py
"""
import json
import os

import numpy as np
import torch
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS, TIME, FEATURES, UNITS, STEPS, RATE = 5, 4, 3, 3, 10, 0.5
LENGTHS = [4, 2, 0, 3, 1]


def loss_of(name, y, t, mask):
    if name == "crossEntropy":
        return F.cross_entropy(y.reshape(-1, UNITS), torch.where(mask, t, -100).reshape(-1), ignore_index=-100)
    if name == "binaryCrossEntropy":
        return F.binary_cross_entropy_with_logits(y[mask], t[mask])
    return F.mse_loss(y[mask], t[mask])


def metric_of(name, y, t, mask):
    if name == "crossEntropy":
        return (y.argmax(-1) == t)[mask].double().mean()
    if name == "binaryCrossEntropy":
        return ((y > 0) == (t > 0.5))[mask].double().mean()
    return None


def case(name, random):
    x = random.uniform(-1, 1, (ROWS, TIME, FEATURES)).astype(np.float32)
    for row, length in enumerate(LENGTHS):
        x[row, length:] = 0
    mask = torch.tensor(np.arange(TIME)[None, :] < np.array(LENGTHS)[:, None])
    if name == "crossEntropy":
        target = random.integers(0, UNITS, (ROWS, TIME))
        t = torch.tensor(target)
    else:
        target = random.uniform(0, 1, (ROWS, TIME, UNITS)).astype(np.float32)
        t = torch.tensor(target, dtype=torch.float64)
    kernel = random.uniform(-1, 1, (FEATURES, UNITS)).astype(np.float32)
    w = torch.tensor(kernel, dtype=torch.float64, requires_grad=True)
    b = torch.zeros(UNITS, dtype=torch.float64, requires_grad=True)
    losses, metrics = [], []
    for _ in range(STEPS):
        y = torch.tensor(x, dtype=torch.float64) @ w + b
        loss = loss_of(name, y, t, mask)
        losses.append(loss.item())
        metric = metric_of(name, y, t, mask)
        metrics.append(None if metric is None else metric.item())
        w.grad = b.grad = None
        loss.backward()
        with torch.no_grad():
            w -= RATE * w.grad
            b -= RATE * b.grad
    flat = lambda a: [float(f"{v:.9g}") for v in np.asarray(a, dtype=np.float64).ravel()]
    return {
        "loss": name,
        "x": flat(x),
        "t": target.ravel().tolist() if name == "crossEntropy" else flat(target),
        "kernel": flat(kernel),
        "losses": flat(losses),
        "metrics": None if metrics[0] is None else flat(metrics),
        "weights": flat(w.detach()),
        "bias": flat(b.detach()),
    }


def main():
    names = ["meanSquaredError", "crossEntropy", "binaryCrossEntropy"]
    cases = [case(name, np.random.default_rng(7)) for name in names]
    data = {"rows": ROWS, "time": TIME, "features": FEATURES, "units": UNITS, "rate": RATE, "cases": cases}
    with open(os.path.join(HERE, "masked.json"), "w") as file:
        json.dump(data, file)
        file.write("\n")


main()
