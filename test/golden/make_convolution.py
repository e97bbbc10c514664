#!/usr/bin/env python3
"""Golden training traces of convolutions and pools: ten full-batch steps by PyTorch in float64.

    /usr/bin/python3 test/golden/make_convolution.py       write convolution.json

Channels come last in the file, as in downhill; PyTorch wants them second. Data and initial weights are float32 numbers.
A seed is taken only if PyTorch itself, in float32, stays within a quarter of the test's bound of 1e-5: some seeds end
with weights so near to 0 that rounding errors count there.
"""
import json
import os

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = 10
ACTIVATIONS = {"linear": lambda x: x, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "softplus": F.softplus}
CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d}
MAXIMUM = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}

CASES = [
    {
        "name": "conv2d, max pool, strided conv2d with groups, dense",
        "inputShape": [9, 8, 2],
        "layers": [
            {"type": "conv2d", "filters": 6, "kernelSize": [3, 3], "padding": "same", "activation": "tanh"},
            {"type": "maxPooling2d", "poolSize": [2, 2]},
            {"type": "conv2d", "filters": 8, "kernelSize": [3, 2], "strides": [2, 1], "groups": 2, "padding": "same",
             "activation": "softplus"},
            {"type": "flatten"},
            {"type": "dense", "units": 3},
        ],
    },
    {
        "name": "dilated conv2d, average pool with edges, global mean",
        "inputShape": [10, 11, 3],
        "layers": [
            {"type": "conv2d", "filters": 5, "kernelSize": [2, 3], "dilationRate": [2, 3], "activation": "sigmoid"},
            {"type": "averagePooling2d", "poolSize": [3, 2], "strides": [2, 2], "padding": "same"},
            {"type": "conv2d", "filters": 4, "kernelSize": [1, 1], "activation": "tanh"},
            {"type": "globalAveragePooling2d"},
            {"type": "dense", "units": 3},
        ],
    },
    {
        "name": "causal conv1d, global maximum",
        "inputShape": [13, 3],
        "layers": [
            {"type": "conv1d", "filters": 7, "kernelSize": [3], "dilationRate": [2], "padding": "causal",
             "activation": "tanh"},
            {"type": "conv1d", "filters": 5, "kernelSize": [4], "strides": [3], "activation": "tanh"},
            {"type": "globalMaxPooling1d"},
            {"type": "dense", "units": 3},
        ],
    },
    {
        "name": "conv3d",
        "inputShape": [4, 5, 6, 2],
        "layers": [
            {"type": "conv3d", "filters": 4, "kernelSize": [2, 3, 2], "strides": [1, 2, 1], "padding": "same",
             "activation": "tanh"},
            {"type": "maxPooling3d", "poolSize": [2, 2, 3]},
            {"type": "flatten"},
            {"type": "dense", "units": 3},
        ],
    },
    {
        "name": "transposed convolutions",
        "inputShape": [3, 4, 3],
        "layers": [
            {"type": "conv2dTranspose", "filters": 4, "kernelSize": [3, 3], "strides": [2, 2], "padding": "same",
             "activation": "tanh"},
            {"type": "conv2dTranspose", "filters": 2, "kernelSize": [2, 3], "strides": [1, 2], "activation": "tanh"},
            {"type": "averagePooling2d", "poolSize": [2, 2]},
            {"type": "flatten"},
            {"type": "dense", "units": 3},
        ],
    },
]
BATCH = 5
SGD = {"learningRate": 0.05, "momentum": 0.9}


def first(x):
    """Channels second."""
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def edges(size, taps, stride, dilation, padding):
    """Zeros before and after (TensorFlow's rule for 'same')."""
    reach = (taps - 1) * dilation + 1
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return reach - 1, 0
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def padded(x, taps, strides, dilations, padding, value=0.0):
    pads = [edges(x.shape[2 + i], t, s, d, padding) for i, (t, s, d) in enumerate(zip(taps, strides, dilations))]
    return F.pad(x, [p for pair in reversed(pads) for p in pair], value=value)


def call(layer, x, weights):
    kind = layer["type"]
    n = x.dim() - 2
    if kind == "flatten":
        return x.reshape(x.shape[0], -1)
    if kind == "dense":
        return x @ next(weights) + next(weights)
    if kind.startswith("conv"):
        w, b = next(weights), next(weights)
        strides = layer.get("strides", [1] * n)
        dilations = layer.get("dilationRate", [1] * n)
        padding = layer.get("padding", "valid")
        taps = layer["kernelSize"]
        if kind.endswith("Transpose"):
            # kernel [taps, out, in] -> [in, out, taps]
            kernel = w.movedim((-1, -2), (0, 1))
            y = TRANSPOSE[n](first(x), kernel, b, stride=strides)
            if padding == "same":
                for i, (t, s) in enumerate(zip(taps, strides)):
                    size = x.shape[1 + i] * s
                    before, _ = edges(size, t, s, 1, "same")
                    y = y.narrow(2 + i, before, size)
        else:
            kernel = w.movedim((-1, -2), (0, 1))
            source = padded(first(x), taps, strides, dilations, padding)
            y = CONVOLVE[n](source, kernel, b, stride=strides, dilation=dilations, groups=layer.get("groups", 1))
        return ACTIVATIONS[layer.get("activation", "linear")](last(y))
    if kind.startswith("global"):
        flat = x.reshape(x.shape[0], -1, x.shape[-1])
        return flat.max(1).values if "Max" in kind else flat.mean(1)
    size = layer["poolSize"]
    strides = layer.get("strides", size)
    padding = layer.get("padding", "valid")
    if kind.startswith("max"):
        source = padded(first(x), size, strides, [1] * n, padding, float("-inf"))
        return last(MAXIMUM[n](source, size, strides))
    # a mean over what lies inside: the sum over the padded image by the number of its own pixels
    window = torch.ones([1, 1] + size, dtype=x.dtype)
    images = first(x)
    ones = padded(torch.ones_like(images[:1, :1]), size, strides, [1] * n, padding)
    source = padded(images, size, strides, [1] * n, padding)
    channels = source.shape[1]
    total = CONVOLVE[n](source, window.repeat([channels, 1] + [1] * n), stride=strides, groups=channels)
    return last(total / CONVOLVE[n](ones, window, stride=strides))


def shapes_of(case):
    """Parameter shapes in layer order: names as downhill gives them."""
    result, used = [], {}
    shape = torch.zeros([1] + case["inputShape"], dtype=torch.float64)
    for layer in case["layers"]:
        kind = layer["type"]
        count = used.get(kind, 0)
        used[kind] = count + 1
        name = kind if count == 0 else f"{kind}_{count}"
        own = []
        if kind == "dense":
            own = [("kernel", [shape.shape[-1], layer["units"]]), ("bias", [layer["units"]])]
        elif kind.endswith("Transpose"):
            own = [("kernel", layer["kernelSize"] + [layer["filters"], shape.shape[-1]]), ("bias", [layer["filters"]])]
        elif kind.startswith("conv"):
            channels = shape.shape[-1] // layer.get("groups", 1)
            own = [("kernel", layer["kernelSize"] + [channels, layer["filters"]]), ("bias", [layer["filters"]])]
        result += [(f"{name}/{part}", s) for part, s in own]
        shape = call(layer, shape, iter([torch.zeros(s, dtype=torch.float64) for _, s in own]))
    return result


def rounded(tensor):
    return [float(v) for v in tensor.reshape(-1).tolist()]


def run(case, seed, dtype=torch.float64):
    generator = np.random.default_rng(seed)
    draw = lambda shape, scale: torch.tensor(
        (generator.standard_normal(shape) * scale).astype(np.float32).astype(np.float64)
    )
    names = shapes_of(case)
    weights = [draw(s, 0.4 if len(s) > 1 else 0.1) for _, s in names]
    x = draw([BATCH] + case["inputShape"], 1.0)
    y = torch.tensor(generator.integers(0, 3, BATCH))
    values = lambda tensors: [
        {"name": n, "shape": s, "data": rounded(t)} for (n, s), t in zip(names, tensors)
    ]
    initial = values(weights)
    parameters = [w.to(dtype).requires_grad_() for w in weights]

    def output():
        it, z = iter(parameters), x.to(dtype)
        for layer in case["layers"]:
            z = call(layer, z, it)
        return z

    optimizer = torch.optim.SGD(parameters, lr=SGD["learningRate"], momentum=SGD["momentum"])
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(output(), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    final = output().detach()
    return {
        **case,
        "loss": {"name": "crossEntropy"},
        "optimizer": {"name": "sgd", **SGD},
        "x": {"name": "x", "shape": list(x.shape), "data": rounded(x)},
        "y": {"name": "y", "shape": [BATCH], "data": [int(v) for v in y]},
        "initialWeights": initial,
        "losses": losses,
        "finalWeights": values([p.detach() for p in parameters]),
        "finalOutput": {"name": "output", "shape": list(final.shape), "data": rounded(final)},
    }


def deviation(a, b):
    """As in test/train/traces.test.ts: relative, elements below a thousandth of the largest count as that."""
    a, b = np.array(a), np.array(b)
    return float(np.max(np.abs(a - b) / np.maximum(np.abs(b), 1e-3 * np.max(np.abs(b)))))


def settled(case):
    """The case with the first seed whose float32 run stays near."""
    for seed in range(1, 1000):
        exact, single = run(case, seed), run(case, seed, torch.float32)
        worst = max(
            deviation(single["losses"], exact["losses"]),
            deviation(single["finalOutput"]["data"], exact["finalOutput"]["data"]),
            *(deviation(a["data"], b["data"]) for a, b in zip(single["finalWeights"], exact["finalWeights"])),
        )
        if worst < 1e-5 / 4:
            return exact
    raise SystemExit(f"no seed for {case['name']}")


if __name__ == "__main__":
    cases = [settled(case) for case in CASES]
    with open(os.path.join(HERE, "convolution.json"), "w") as file:
        json.dump({"cases": cases}, file)
        file.write("\n")
    for case in cases:
        print(f"{case['name']}: loss {case['losses'][0]:.4f} -> {case['losses'][-1]:.4f}")
