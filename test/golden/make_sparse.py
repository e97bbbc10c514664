#!/usr/bin/env python3
"""Golden training traces of embeddings with sparse gradients, by PyTorch in float64, written to sparse.json: four epochs
of batches of 5, 5 and 2 rows, in order, so that each step leaves other rows of the table out.

Gradient descent is torch.optim.SGD on nn.Embedding(sparse=True), Adam torch.optim.SparseAdam. That one adds epsilon before
the correction of its bias: it is given epsilon · sqrt(1 - beta2^t). PyTorch has no others on sparse gradients, so these
are its dense optimizers, after whose step the rows that the batch did not read, and their states, are what they were; the
same, done for Adam, must agree with SparseAdam.

    /usr/bin/python3 test/golden/make_sparse.py
"""
import json
import os

import numpy as np
import torch
from torch.nn import functional as F

from make_traces import make_optimizer

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS, TIME, WORDS, SIZE, UNITS, BATCH, EPOCHS = 12, 4, 30, 3, 2, 5, 4


def restore(optimizer, table, rows, before, states):
    """Rows that were not read, and their states, as before the step."""
    rest = torch.ones(WORDS, dtype=torch.bool)
    rest[rows] = False
    with torch.no_grad():
        table[rest] = before[rest]
        for key, value in optimizer.state[table].items():
            if torch.is_tensor(value) and value.shape == table.shape:
                value[rest] = states[key][rest] if key in states else 0


def train(spec, ids, y, initial, l2, native):
    table, kernel, bias = (torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in initial)
    others = make_optimizer(spec, [kernel, bias])
    known = spec["name"] == "adam" or spec["name"] == "sgd" and "momentum" not in spec
    sparse = native and known and not l2 and "globalClipNorm" not in spec
    if sparse and spec["name"] == "adam":
        betas = (spec["beta1"], spec["beta2"])
        own = torch.optim.SparseAdam([table], lr=spec["learningRate"], betas=betas, eps=spec["epsilon"])
    else:
        own = make_optimizer(spec, [table])
    losses, step = [], 0
    for _ in range(EPOCHS):
        for at in range(0, ROWS, BATCH):
            step += 1
            batch = torch.tensor(ids[at:at + BATCH])
            rows = batch.unique()
            hidden = F.embedding(batch, table, sparse=sparse).flatten(1)
            loss = F.mse_loss(hidden @ kernel + bias, torch.tensor(y[at:at + BATCH], dtype=torch.float64))
            if l2:
                loss = loss + l2 * table[rows].square().sum()
            losses.append(loss.item())
            for p in (table, kernel, bias):
                p.grad = None
            loss.backward()
            if "clipValue" in spec:
                torch.nn.utils.clip_grad_value_([table, kernel, bias], spec["clipValue"])
            if "globalClipNorm" in spec:
                norm = sum(p.grad.square().sum() for p in (table, kernel, bias)).sqrt()
                for p in (table, kernel, bias):
                    p.grad.mul_(min(1.0, spec["globalClipNorm"] / norm.item()))
            others.step()
            if sparse:
                for group in own.param_groups:
                    if "eps" in group:
                        group["eps"] = spec["epsilon"] * (1 - spec["beta2"] ** step) ** 0.5
                own.step()
            else:
                before = table.detach().clone()
                states = {k: v.clone() for k, v in own.state[table].items() if torch.is_tensor(v)}
                own.step()
                restore(own, table, rows, before, states)
    return losses, [w.detach().numpy() for w in (table, kernel, bias)]


def tensor(name, value, digits):
    return {"name": name, "shape": list(value.shape), "data": [float(f"%.{digits}g" % v) for v in value.flatten()]}


def case(name, spec, seed, l2=0.0):
    random = np.random.RandomState(seed)
    ids = random.randint(0, WORDS, (ROWS, TIME))
    ids[:, 1] = ids[:, 0]  # some twice
    y = random.uniform(-1, 1, (ROWS, UNITS)).astype(np.float32)
    shapes = [(WORDS, SIZE), (TIME * SIZE, UNITS), (UNITS,)]
    initial = [(random.choice([-1, 1], s) * random.uniform(0.3, 1, s)).astype(np.float32) for s in shapes]
    losses, weights = train(spec, ids, y, initial, l2, True)
    again, _ = train(spec, ids, y, initial, l2, False)
    assert np.allclose(losses, again, rtol=1e-12, atol=0), name
    assert sum(losses[-3:]) < sum(losses[:3]) and len(np.unique(ids)) < WORDS, name
    names = ["embedding/embeddings", "dense/kernel", "dense/bias"]
    return {
        "name": name, "optimizer": spec, "l2": l2, "ids": ids.tolist(), "y": tensor("y", y, 9),
        "initialWeights": [tensor(n, w, 9) for n, w in zip(names, initial)],
        "losses": [float("%.12g" % v) for v in losses],
        "finalWeights": [tensor(n, w, 9) for n, w in zip(names, weights)],
    }


def cases():
    sgd = {"name": "sgd", "learningRate": 0.1}
    # an epsilon that counts
    adam = {"name": "adam", "learningRate": 0.02, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-3}
    rms = {"name": "rmsprop", "learningRate": 0.01, "rho": 0.9, "epsilon": 1e-3}
    yield "sgd", sgd
    yield "sgd-momentum", {**sgd, "momentum": 0.9}
    yield "sgd-nesterov", {**sgd, "momentum": 0.9, "nesterov": True}
    yield "rmsprop", rms
    yield "rmsprop-momentum-centered", {**rms, "momentum": 0.5, "centered": True}
    yield "adam", adam
    yield "adamw", {**adam, "name": "adamw", "weightDecay": 0.1}
    yield "sgd-momentum-clipValue", {**sgd, "momentum": 0.9, "clipValue": 0.05}
    yield "adam-globalClipNorm-l2", {**adam, "globalClipNorm": 0.2}, 0.01


golden = [case(name, spec, seed, *l2) for seed, (name, spec, *l2) in enumerate(cases())]
with open(os.path.join(HERE, "sparse.json"), "w") as file:
    file.write('{"cases": [\n' + ",\n".join(json.dumps(one) for one in golden) + "\n]}\n")
