#!/usr/bin/env python3
"""Golden training traces of depthwise and separable convolutions, padding, cropping, upsampling, adaptive pools and
transposed convolutions with output padding: ten full-batch steps by PyTorch in float64.

    /usr/bin/python3 test/golden/make_spatial.py       write spatial.json

Data, seeds and steps as in make_convolution.py, whose layers may stand between these.
"""
import json
import os
import sys

import torch
import torch.nn.functional as F

sys.dont_write_bytecode = True
import make_convolution as base  # noqa: E402
from make_convolution import ACTIVATIONS, CONVOLVE, first, last, padded  # noqa: E402

ADAPTIVE = {
    "Average": [None, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d],
    "Max": [None, F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d],
}
convolution = base.call

CASES = [
    {
        "name": "depthwise conv2d, zero padding, separable conv2d, bilinear upsampling, adaptive means",
        "inputShape": [7, 6, 3],
        "layers": [
            {"type": "depthwiseConv2d", "kernelSize": [3, 3], "padding": "same", "depthMultiplier": 2,
             "activation": "tanh"},
            {"type": "zeroPadding2d", "padding": [[1, 0], [2, 1]]},
            {"type": "separableConv2d", "filters": 5, "kernelSize": [3, 2], "strides": [2, 2], "depthMultiplier": 1,
             "activation": "softplus"},
            {"type": "upSampling2d", "size": [2, 3], "interpolation": "bilinear"},
            {"type": "adaptiveAveragePooling2d", "outputSize": [3, 5]},
            {"type": "flatten"},
            {"type": "dense", "units": 3},
        ],
    },
    {
        "name": "strided depthwise conv2d of 9 channels, nearest upsampling, cropping, adaptive maxima",
        "inputShape": [9, 8, 9],
        "layers": [
            {"type": "depthwiseConv2d", "kernelSize": [3, 2], "strides": [2, 2], "padding": "same",
             "activation": "sigmoid"},
            {"type": "depthwiseConv2d", "kernelSize": [2, 2], "dilationRate": [2, 1], "activation": "tanh"},
            {"type": "upSampling2d", "size": [2, 2], "interpolation": "nearest"},
            {"type": "cropping2d", "cropping": [[1, 0], [0, 1]]},
            {"type": "depthwiseConv2d", "kernelSize": [2, 3], "activation": "tanh"},
            {"type": "adaptiveMaxPooling2d", "outputSize": [2, 2]},
            {"type": "flatten"},
            {"type": "dense", "units": 3},
        ],
    },
    {
        "name": "causal depthwise conv1d, upsampling, separable conv1d, adaptive maxima",
        "inputShape": [11, 3],
        "layers": [
            {"type": "depthwiseConv1d", "kernelSize": [3], "dilationRate": [2], "padding": "causal", "depthMultiplier": 3,
             "activation": "tanh"},
            {"type": "upSampling1d", "size": [2]},
            {"type": "separableConv1d", "filters": 6, "kernelSize": [4], "strides": [3], "padding": "same",
             "depthMultiplier": 2, "activation": "tanh"},
            {"type": "cropping1d", "cropping": [[0, 1]]},
            {"type": "zeroPadding1d", "padding": [[1, 2]]},
            {"type": "conv1d", "filters": 4, "kernelSize": [2], "activation": "tanh"},
            {"type": "adaptiveMaxPooling1d", "outputSize": [3]},
            {"type": "adaptiveAveragePooling1d", "outputSize": [2]},
            {"type": "flatten"},
            {"type": "dense", "units": 3},
        ],
    },
    {
        "name": "volumes padded, upsampled and cropped, adaptive means and maxima",
        "inputShape": [3, 4, 3, 2],
        "layers": [
            {"type": "zeroPadding3d", "padding": [[1, 0], [0, 2], [1, 1]]},
            {"type": "conv3d", "filters": 4, "kernelSize": [2, 2, 2], "activation": "tanh"},
            {"type": "upSampling3d", "size": [2, 1, 2]},
            {"type": "cropping3d", "cropping": [[1, 0], [0, 1], [2, 0]]},
            {"type": "conv3d", "filters": 3, "kernelSize": [2, 1, 2], "activation": "tanh"},
            {"type": "adaptiveMaxPooling3d", "outputSize": [3, 2, 3]},
            {"type": "adaptiveAveragePooling3d", "outputSize": [2, 2, 1]},
            {"type": "flatten"},
            {"type": "dense", "units": 3},
        ],
    },
    {
        "name": "transposed convolutions with output padding and dilation",
        "inputShape": [3, 4, 3],
        "layers": [
            {"type": "conv2dTranspose", "filters": 4, "kernelSize": [3, 2], "strides": [2, 3], "outputPadding": [1, 2],
             "activation": "tanh"},
            {"type": "conv2dTranspose", "filters": 3, "kernelSize": [2, 3], "strides": [2, 2], "dilationRate": [2, 1],
             "outputPadding": [0, 1], "activation": "tanh"},
            {"type": "conv2dTranspose", "filters": 2, "kernelSize": [3, 3], "dilationRate": [1, 2], "padding": "same",
             "outputPadding": [0, 0], "activation": "tanh"},
            {"type": "averagePooling2d", "poolSize": [3, 3]},
            {"type": "flatten"},
            {"type": "dense", "units": 3},
        ],
    },
]


def depthwise(layer, x, kernel):
    """kernel [taps, channels, multiplier] -> [channels · multiplier, 1, taps]"""
    n = x.dim() - 2
    strides, dilations = layer.get("strides", [1] * n), layer.get("dilationRate", [1] * n)
    source = padded(first(x), layer["kernelSize"], strides, dilations, layer.get("padding", "valid"))
    filters = kernel.movedim((-2, -1), (0, 1)).flatten(0, 1).unsqueeze(1)
    return last(CONVOLVE[n](source, filters, stride=strides, dilation=dilations, groups=x.shape[-1]))


def sides(layer, option):
    return [side for pair in reversed(layer[option]) for side in pair]


def call(layer, x, weights):
    kind = layer["type"]
    n = x.dim() - 2
    act = ACTIVATIONS[layer.get("activation", "linear")]
    if kind.startswith("depthwise"):
        y = depthwise(layer, x, next(weights))
        return act(y + next(weights))
    if kind.startswith("separable"):
        y = depthwise(layer, x, next(weights)) @ next(weights)
        return act(y + next(weights))
    if kind.startswith("zeroPadding"):
        return last(F.pad(first(x), sides(layer, "padding")))
    if kind.startswith("cropping"):
        return last(F.pad(first(x), [-side for side in sides(layer, "cropping")]))
    if kind.startswith("upSampling"):
        if layer.get("interpolation") == "bilinear":
            return last(F.interpolate(first(x), scale_factor=layer["size"], mode="bilinear", align_corners=False))
        return last(F.interpolate(first(x), scale_factor=layer["size"], mode="nearest"))
    if kind.startswith("adaptive"):
        return last(ADAPTIVE["Max" if "Max" in kind else "Average"][n](first(x), layer["outputSize"]))
    if kind.endswith("Transpose"):
        kernel = next(weights).movedim((-1, -2), (0, 1))
        dilations = layer.get("dilationRate", [1] * n)
        reach = [(t - 1) * d + 1 for t, d in zip(layer["kernelSize"], dilations)]
        padding = [r // 2 for r in reach] if layer.get("padding") == "same" else 0
        y = F.conv_transpose2d(first(x), kernel, next(weights), stride=layer.get("strides", 1), padding=padding,
                               output_padding=layer["outputPadding"], dilation=dilations)
        return act(last(y))
    return convolution(layer, x, weights)


def parameters(layer, channels):
    kind = layer["type"]
    size = layer.get("kernelSize")
    if kind.startswith(("depthwise", "separable")):
        multiplier = layer["depthMultiplier"] if "depthMultiplier" in layer else 1
        kernel = size + [channels, multiplier]
        if kind.startswith("depthwise"):
            return [("kernel", kernel), ("bias", [channels * multiplier])]
        return [("depthwiseKernel", kernel), ("pointwiseKernel", [channels * multiplier, layer["filters"]]),
                ("bias", [layer["filters"]])]
    if kind == "dense":
        return [("kernel", [channels, layer["units"]]), ("bias", [layer["units"]])]
    if kind.endswith("Transpose"):
        return [("kernel", size + [layer["filters"], channels]), ("bias", [layer["filters"]])]
    if kind.startswith("conv"):
        return [("kernel", size + [channels, layer["filters"]]), ("bias", [layer["filters"]])]
    return []


def shapes_of(case):
    result, used = [], {}
    shape = torch.zeros([1] + case["inputShape"], dtype=torch.float64)
    for layer in case["layers"]:
        kind = layer["type"]
        count = used.get(kind, 0)
        used[kind] = count + 1
        name = kind if count == 0 else f"{kind}_{count}"
        own = parameters(layer, shape.shape[-1])
        result += [(f"{name}/{part}", s) for part, s in own]
        shape = call(layer, shape, iter([torch.zeros(s, dtype=torch.float64) for _, s in own]))
    return result


base.call = call
base.shapes_of = shapes_of

if __name__ == "__main__":
    cases = [base.settled(case) for case in CASES]
    with open(os.path.join(base.HERE, "spatial.json"), "w") as file:
        json.dump({"cases": cases}, file)
        file.write("\n")
    for case in cases:
        print(f"{case['name']}: loss {case['losses'][0]:.4f} -> {case['losses'][-1]:.4f}")
