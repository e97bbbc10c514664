#!/usr/bin/env python3
"""Golden training traces of recurrent layers: ten full-batch steps by PyTorch's nn.LSTM, nn.GRU and nn.RNN in float64,
weights in Keras' layout, written to recurrent.json. Data, checks and the form of a case as in make_traces.py.

    /usr/bin/python3 test/golden/make_recurrent.py            write recurrent.json
    /usr/bin/python3 test/golden/make_recurrent.py --check    compare with the file, write nothing
"""
import json
import os
import sys

import numpy as np
import torch

from make_traces import STEPS, data_loss, float32, make_optimizer

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = {"lstm": (torch.nn.LSTM, 4), "gru": (torch.nn.GRU, 3), "simpleRnn": (torch.nn.RNN, 1)}


def columns(type, w):
    """Keras' columns [.., gates * units] as PyTorch's rows: its GRU has the order reset, update, candidate."""
    if type == "gru":
        update, reset, candidate = torch.chunk(w, 3, dim=-1)
        w = torch.cat([reset, update, candidate], dim=-1)
    return w.T if w.dim() == 2 else w


def recurrent(layer, x, weights, lengths, states):
    """Both directions where the layer is a bidirectional one; sequences of `lengths`, packed, where they are given. A
    stateful layer begins with the last of `states` and appends its own, without their gradient."""
    both = layer["type"] == "bidirectional"
    mode = layer.get("mergeMode")
    layer = layer["layer"] if both else layer
    type, units = layer["type"], layer["units"]
    options = {"nonlinearity": layer["activation"]} if type == "simpleRnn" and "activation" in layer else {}
    module = MODULES[type][0](x.shape[-1], units, batch_first=True, dtype=x.dtype, bidirectional=both, **options)
    # what the module computes with, in the order of its names: ih, hh, bias ih, bias hh, then those of the way back
    flat = []
    for _ in range(2 if both else 1):
        kernel, recurrent_kernel, bias = [next(weights) for _ in range(3)]
        twice = bias.dim() == 2  # GRU with resetAfter: input bias, recurrent bias
        flat += [
            columns(type, kernel).contiguous(),
            columns(type, recurrent_kernel).contiguous(),
            columns(type, bias[0] if twice else bias),
            columns(type, bias[1]) if twice else torch.zeros_like(bias),
        ]
    module._flat_weights = flat
    if layer.get("goBackwards"):
        x = x.flip(1)
    if lengths is not None:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, last = module(packed)
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
    else:
        y, last = module(x, states[-1] if states else None)
    if layer.get("stateful"):
        states.append(tuple(s.detach() for s in last) if type == "lstm" else last.detach())
    last = last[0] if type == "lstm" else last  # [directions, batch, units]
    halves = torch.split(y, units, dim=-1) if layer.get("returnSequences") else list(last)
    if not both:
        return halves[0]
    merges = {"concat": lambda a, b: torch.cat([a, b], -1), "sum": torch.add, "mul": torch.mul,
              "ave": lambda a, b: (a + b) / 2}
    return merges[mode](*halves)


def forward(case, weights, x, states):
    weights = iter(weights)
    lengths = case.get("lengths")
    for layer, own in zip(case["layers"], states):
        if layer["type"] == "dense":
            x = x @ next(weights) + next(weights)
        elif layer["type"] == "globalAveragePooling1d":
            # what is beyond the end of a sequence is 0 in x already
            x = x.sum(1) / torch.tensor(lengths, dtype=x.dtype)[:, None]
        elif layer["type"] != "masking":
            x = recurrent(layer, x, weights, lengths, own)
    return x


def draw(case, seed):
    random = np.random.RandomState(seed)

    def signed(shape, limit):
        return float32(random.choice([-1.0, 1.0], shape) * random.uniform(0.3, 1.0, shape) * limit)

    x = float32(random.normal(size=[case["batch"], *case["inputShape"]]))
    for row, length in enumerate(case.get("lengths", [])):
        x[row, length:] = 0
    weights, width, counts = [], case["inputShape"][-1], {}
    shape = [case["batch"], *case["inputShape"][:-1]]
    for layer in case["layers"]:
        type = layer["type"]
        count = counts.get(type, 0)
        counts[type] = count + 1
        name = type + (f"_{count}" if count else "")
        if type == "masking":
            continue
        if type == "globalAveragePooling1d":
            shape = shape[:1]
            continue
        directions, mode = [""], layer.get("mergeMode")
        if type == "bidirectional":
            layer, directions = layer["layer"], ["forward/", "backward/"]
            type = layer["type"]
        units = layer["units"]
        gates = MODULES[type][1] * units if type in MODULES else units
        for direction in directions:
            weights.append((f"{name}/{direction}kernel", signed([width, gates], (2.0 / width) ** 0.5)))
            if type in MODULES:
                recurrent_kernel = signed([units, gates], (1.0 / units) ** 0.5)
                weights.append((f"{name}/{direction}recurrentKernel", recurrent_kernel))
            weights.append((f"{name}/{direction}bias", signed([2, gates] if type == "gru" else [gates], 0.4)))
        if type in MODULES and not layer.get("returnSequences"):
            shape = shape[:1]
        width = 2 * units if mode == "concat" else units
    return x, float32(random.normal(size=[*shape, width])), weights


def run(case, start, dtype):
    x, y, initial = start
    x, y = torch.tensor(x, dtype=dtype), torch.tensor(y, dtype=dtype)
    weights = [torch.tensor(value, dtype=dtype, requires_grad=True) for _, value in initial]
    optimizer = make_optimizer(case["optimizer"], weights)
    losses = []
    states = [[] for _ in case["layers"]]
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = data_loss(case, forward(case, weights, x, states), y)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    output = forward(case, weights, x, states).detach()
    return {"losses": np.array(losses), "weights": [w.detach().numpy() for w in weights], "output": output.numpy()}


def deviation(got, exact):
    """As in test/train/traces.test.ts: relative, numbers below a thousandth of their tensor's largest count as that."""
    worst = 0.0
    pairs = [(got["losses"], exact["losses"]), (got["output"], exact["output"]), *zip(got["weights"], exact["weights"])]
    for a, b in pairs:
        worst = max(worst, (np.abs(a - b) / np.maximum(np.abs(b), np.abs(b).max() * 1e-3)).max())
    return worst


def tensor(name, value, digits):
    return {"name": name, "shape": list(value.shape), "data": [float(f"%.{digits}g" % v) for v in value.flatten()]}


def make(case):
    """The first seed whose float32 run by PyTorch stays within 3e-6 of every number (the test asks 1e-5), and none of
    whose outputs is a small difference of large numbers: all are at least 2 % of the largest (`smallest` says otherwise)."""
    for seed in range(200):
        start = draw(case, seed)
        exact = run(case, start, torch.float64)
        small = np.abs(exact["output"]).min() < case.get("smallest", 0.02) * np.abs(exact["output"]).max()
        if not small and deviation(run(case, start, torch.float32), exact) < 3e-6 and exact["losses"][-1] < exact["losses"][0]:
            break
    else:
        sys.exit(f"no seed for {case['name']}")
    x, y, weights = start
    golden = {key: case[key] for key in ("name", "inputShape", "layers", "loss", "optimizer")}
    return {
        **golden, "x": tensor("x", x, 9), "y": tensor("y", y, 9),
        "initialWeights": [tensor(name, value, 9) for name, value in weights],
        "losses": [float("%.12g" % v) for v in exact["losses"]],
        "finalWeights": [tensor(name, w, 9) for (name, _), w in zip(weights, exact["weights"])],
        "finalOutput": tensor("output", exact["output"], 9),
    }


def case(name, batch, shape, layers, **more):
    adam = {"name": "adam", "learningRate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-3}
    return {"name": name, "batch": batch, "inputShape": shape, "layers": layers, "loss": {"name": "meanSquaredError"},
            "optimizer": adam, **more}


def cases():
    for type in MODULES:
        def layer(units, **options):
            return {"type": type, "units": units, **options}

        yield case(f"{type}-1-unit-1-step", 1, [1, 2], [layer(1)])
        yield case(f"{type}-5-units-2-steps", 3, [2, 3], [layer(5)])
        yield case(f"{type}-17-units-9-steps", 3, [9, 4], [layer(17), {"type": "dense", "units": 3}])
        yield case(f"{type}-sequences", 3, [4, 3], [layer(6, returnSequences=True)])
        yield case(f"{type}-backwards", 2, [5, 3], [layer(4, goBackwards=True, returnSequences=True)])
        yield case(f"{type}-stateful", 3, [4, 3],
                   [layer(5, returnSequences=True, stateful=True), layer(4, stateful=True)])
        yield case(f"{type}-stacked", 4, [6, 3], [layer(5, returnSequences=True), layer(4, goBackwards=True)])
        masking = {"type": "masking", "maskValue": 0}
        yield case(f"{type}-lengths", 4, [6, 3], [masking, layer(5, returnSequences=True), layer(4)],
                   lengths=[6, 2, 1, 4])
        yield case(f"{type}-bidirectional-lengths", 3, [5, 3],
                   [masking, {"type": "bidirectional", "layer": layer(4, returnSequences=True), "mergeMode": "concat"},
                    {"type": "bidirectional", "layer": layer(3), "mergeMode": "ave"}], lengths=[3, 5, 2])
    yield case("bidirectional-sum", 3, [5, 3],
               [{"type": "bidirectional", "layer": {"type": "lstm", "units": 4}, "mergeMode": "sum"}])
    yield case("bidirectional-stateful", 2, [3, 2], [
        {"type": "bidirectional", "layer": {"type": "lstm", "units": 3, "stateful": True}, "mergeMode": "concat"},
        {"type": "dense", "units": 2}])
    yield case("bidirectional-mul", 3, [5, 3], [
        {"type": "bidirectional", "layer": {"type": "gru", "units": 4}, "mergeMode": "mul"},
        {"type": "dense", "units": 2}])
    # with 2 % an output of -0.004 beside 0.196 came out of sums of terms near 0.2: one rounding of those is 3e-6 of it
    yield case("average-of-lengths", 3, [5, 3], [
        {"type": "masking", "maskValue": 0}, {"type": "lstm", "units": 4, "returnSequences": True},
        {"type": "globalAveragePooling1d"}, {"type": "dense", "units": 2}], lengths=[3, 5, 2], smallest=0.1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    text = json.dumps({"cases": [make(c) for c in cases()]}, separators=(",", ":")).replace("},{\"name\":\"", "},\n{\"name\":\"") + "\n"
    path = os.path.join(HERE, "recurrent.json")
    if "--check" in sys.argv:
        sys.exit(0 if open(path).read() == text else "recurrent.json differs")
    open(path, "w").write(text)
