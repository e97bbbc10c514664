#!/usr/bin/env python3
"""Golden training traces: ten full-batch steps of small nets by PyTorch in float64, written to traces.json.

    /usr/bin/python3 test/golden/make_traces.py            write traces.json after checking every case
    /usr/bin/python3 test/golden/make_traces.py --check    the same checks, then compare with the file, write nothing
    /usr/bin/python3 test/golden/make_traces.py --search   print, per case, the first seed that meets the checks

Data and initial weights are float32 numbers; everything after them is float64, so the golden values are the exact ones
and a float32 implementation differs from them by its own rounding only. A seed is taken only if that rounding stays small:
see `faults`.
"""
import json
import math
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

from trace_cases import CASES

STEPS = 10
HERE = os.path.dirname(os.path.abspath(__file__))

# name -> (function, points where a derivative jumps). Options arrive as keyword arguments under their JSON names.
ACTIVATIONS = {
    "linear": (lambda x: x, []),
    "relu": (torch.relu, [0]),
    "leakyRelu": (lambda x, negativeSlope=0.2: F.leaky_relu(x, negativeSlope), [0]),
    "elu": (lambda x, alpha=1.0: F.elu(x, alpha), [0]),
    "selu": (F.selu, [0]),
    "sigmoid": (torch.sigmoid, []),
    # Not F.hardsigmoid: its 1/6 is a float32 constant even in float64 (2e-7 off in the final weights).
    "hardSigmoid": (lambda x: torch.clamp(x + 3, 0, 6) / 6, [-3, 3]),
    "tanh": (torch.tanh, []),
    "softplus": (F.softplus, [20]),  # PyTorch returns x itself above 20
    "softsign": (F.softsign, []),
    "silu": (F.silu, []),
    "gelu": (F.gelu, []),
    "geluTanh": (lambda x: F.gelu(x, approximate="tanh"), []),
    "mish": (F.mish, []),
    "exponential": (torch.exp, []),
    "softmax": (lambda x: torch.softmax(x, -1), []),
    "logSoftmax": (lambda x: torch.log_softmax(x, -1), []),
}


def parse_activation(spec):
    if isinstance(spec, str):
        spec = {"name": spec}
    function, kinks = ACTIVATIONS[spec["name"]]
    options = {key: value for key, value in spec.items() if key != "name"}
    return spec["name"], (lambda x: function(x, **options)), kinks


# ---- one run -------------------------------------------------------------------------------------------------------

class Jitter(torch.autograd.Function):
    """Adds up to `noise` float32 rounding errors (2^-24) of the tensor's largest element, forward and backward."""

    @staticmethod
    def forward(context, x, noise):
        context.noise = noise
        return jitter(x, noise)

    @staticmethod
    def backward(context, dx):
        return jitter(dx, context.noise), None


def jitter(x, noise):
    """x plus uniform noise; relative to the largest element, since a sum's rounding error does not shrink with the sum."""
    return x + (torch.rand_like(x) * 2 - 1) * x.abs().max() * (noise * 2.0 ** -24)


def normalized(layer, x, weights, training):
    """y of a normalization layer, channels last. The moving variance is that of Keras: of the biased variance."""
    kind, eps = layer["type"], layer["epsilon"]
    gamma = next(weights)["value"] if layer.get("scale", True) else None
    beta = next(weights)["value"] if layer.get("center", True) and kind != "rmsNormalization" else None
    if kind == "layerNormalization":
        return F.layer_norm(x, x.shape[-1:], gamma, beta, eps)
    if kind == "rmsNormalization":
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * gamma
    if kind == "batchNormalization":
        mean, variance = next(weights)["value"], next(weights)["value"]
        rows = x.flatten(0, -2)
        if not training or not layer.get("trainable", True):
            return F.batch_norm(rows, mean, variance, gamma, beta, False, 0, eps).view_as(x)
        with torch.no_grad():
            for moving, new in ((mean, rows.mean(0)), (variance, rows.var(0, unbiased=False))):
                moving.mul_(layer["momentum"]).add_(new * (1 - layer["momentum"]))
        return F.batch_norm(rows, None, None, gamma, beta, True, 0, eps).view_as(x)
    groups = layer["groups"] if kind == "groupNormalization" else x.shape[-1]
    return F.group_norm(x.movedim(-1, 1), groups, gamma, beta, eps).movedim(1, -1)


def forward(case, weights, x, watch, noise, training=False):
    """The model's output. `watch(name, z, kinks)` sees every input of an activation function."""
    weights = iter(weights)
    for layer in case["layers"]:
        if layer["type"] == "flatten":
            x = x.flatten(1)
            continue
        if layer["type"] == "embedding":
            x = F.embedding(x, next(weights)["value"])
            continue
        if layer["type"].endswith("Normalization"):
            x = normalized(layer, x, weights, training)
            if noise:
                x = Jitter.apply(x, noise)
            continue
        if layer["type"] == "dense":
            x = x @ next(weights)["value"]  # [batch, in] x [in, out]
            if layer["useBias"]:
                x = x + next(weights)["value"]
        name, function, kinks = parse_activation(layer["activation"])
        if noise:
            x = Jitter.apply(x, noise)
        watch(name, x.detach(), kinks)
        x = function(x)
        if noise and name != "linear":
            x = Jitter.apply(x, noise)
    return x


def data_loss(case, output, y):
    loss = case["loss"]
    reduction = loss.get("reduction", "mean")
    if loss["name"] == "meanSquaredError":
        return F.mse_loss(output, y, reduction=reduction)
    if loss["name"] == "crossEntropy":
        return F.cross_entropy(output, y, reduction=reduction)
    if loss["fromLogits"]:
        return F.binary_cross_entropy_with_logits(output, y, reduction=reduction)
    return F.binary_cross_entropy(output, y, reduction=reduction)


def penalty(weights):
    """l1 * sum |w| + l2 * sum w^2, as Keras: the gradient of the second is 2 * l2 * w."""
    total = 0.0
    for weight in weights:
        terms = weight["regularizer"]
        if "l1" in terms:
            total = total + terms["l1"] * weight["value"].abs().sum()
        if "l2" in terms:
            total = total + terms["l2"] * weight["value"].square().sum()
    return total


def make_optimizer(spec, parameters):
    name, rate = spec["name"], spec["learningRate"]
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=spec.get("momentum", 0),
                               nesterov=spec.get("nesterov", False))
    if name == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate, alpha=spec["rho"], eps=spec["epsilon"],
                                   momentum=spec.get("momentum", 0), centered=spec.get("centered", False))
    betas = (spec["beta1"], spec["beta2"])
    if name == "adam":
        return torch.optim.Adam(parameters, lr=rate, betas=betas, eps=spec["epsilon"])
    return torch.optim.AdamW(parameters, lr=rate, betas=betas, eps=spec["epsilon"], weight_decay=spec["weightDecay"])


def clip(spec, parameters, seen):
    """Clips the gradients in place. The norm is over all parameters; the factor is exactly min(1, c / norm)."""
    if "clipValue" in spec:
        gradients = torch.cat([p.grad.flatten() for p in parameters])
        seen["clipped"].append((gradients.abs() > spec["clipValue"]).double().mean().item())
        torch.nn.utils.clip_grad_value_(parameters, spec["clipValue"])
    if "globalClipNorm" in spec:
        norm = math.sqrt(sum(p.grad.double().square().sum().item() for p in parameters))
        factor = min(1.0, spec["globalClipNorm"] / norm)
        seen["clipped"].append(float(factor < 1))
        for p in parameters:
            p.grad.mul_(factor)


def run(case, start, dtype, noise=0):
    """Ten steps from `start` = (x, y, weights), all NumPy. Returns losses, weights, output and what the run went through."""
    x, y, initial = start
    x = torch.tensor(x) if x.dtype == np.int64 else torch.tensor(x, dtype=dtype)
    y = torch.tensor(y) if y.dtype == np.int64 else torch.tensor(y, dtype=dtype)
    weights = [{**w, "value": torch.tensor(w["value"], dtype=dtype, requires_grad=w["trainable"])} for w in initial]
    parameters = [w["value"] for w in weights if w["trainable"]]
    optimizer = make_optimizer(case["optimizer"], parameters)
    seen = {"margin": math.inf, "signMargin": math.inf, "pieces": {}, "clipped": [], "range": None}

    def watch(name, z, kinks):
        for kink in kinks:
            seen["margin"] = min(seen["margin"], (z - kink).abs().min().item())
        if name in ("relu", "leakyRelu", "elu", "selu", "hardSigmoid"):
            found = np.histogram(z.numpy(), [-np.inf, *kinks, np.inf])[0] > 0
            seen["pieces"][name] = seen["pieces"].get(name, False) | found

    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        output = forward(case, weights, x, watch, noise, training=True)
        if "inside" in case:
            low, high = seen["range"] or (1.0, 0.0)
            seen["range"] = (min(low, output.min().item()), max(high, output.max().item()))
        for w in weights:
            if "l1" in w["regularizer"]:
                seen["signMargin"] = min(seen["signMargin"], w["value"].abs().min().item())
        loss = data_loss(case, output, y) + penalty(weights)
        losses.append(loss.item())
        loss.backward()
        with torch.no_grad():
            if noise:
                for p in parameters:
                    p.grad.copy_(jitter(p.grad, noise))
            clip(case["optimizer"], parameters, seen)
        optimizer.step()
        with torch.no_grad():
            if noise:
                for p in parameters:
                    p.copy_(jitter(p, noise))
    output = forward(case, weights, x, watch, noise).detach()
    return {"losses": np.array(losses), "weights": [w["value"].detach().numpy() for w in weights],
            "output": output.numpy(), "seen": seen}


# ---- data and initial weights --------------------------------------------------------------------------------------

def float32(a):
    return np.asarray(a, np.float64).astype(np.float32).astype(np.float64)


def draw(case, seed):
    """x, y and the initial weights, all exactly representable in float32. Kernels and biases keep away from zero."""
    random = np.random.RandomState(seed)

    def signed(shape, limit):
        return float32(random.choice([-1.0, 1.0], shape) * random.uniform(0.3, 1.0, shape) * limit)

    batch, shape = case["batch"], case["inputShape"]
    first = case["layers"][0]
    if first["type"] == "embedding":
        x = random.randint(0, first["inputDim"], [batch, *shape])
        shape = [*shape, first["outputDim"]]
    else:
        x = float32(random.normal(size=[batch, *shape]) * case.get("scale", 1.0))
    weights, width, counts = [], shape[-1], {}

    def add(layer, name, value, trainable=True):
        count = counts[layer["type"]]
        full = layer["type"] + (f"_{count}" if count else "") + "/" + name
        weights.append({"name": full, "regularizer": layer.get(f"{name}Regularizer", {}), "value": value,
                        "trainable": trainable and layer.get("trainable", True)})

    for layer in case["layers"]:
        kind = layer["type"]
        counts[kind] = counts.get(kind, -1) + 1
        if kind == "flatten":
            width = int(np.prod(shape))
        if kind == "dense":
            add(layer, "kernel", signed([width, layer["units"]], case.get("gain", 1.0) * math.sqrt(2.0 / width)))
            if layer["useBias"]:
                add(layer, "bias", signed([layer["units"]], 0.4))
            width = layer["units"]
        if kind == "embedding":
            add(layer, "embeddings", signed([layer["inputDim"], width], 1))
        if kind.endswith("Normalization"):
            if layer.get("scale", True):
                add(layer, "gamma", float32(1 + signed([width], 0.4)))
            if layer.get("center", True) and kind != "rmsNormalization":
                add(layer, "beta", signed([width], 0.4))
        if kind == "batchNormalization":
            add(layer, "movingMean", signed([width], 0.2), trainable=False)
            add(layer, "movingVariance", float32(1 + signed([width], 0.2)), trainable=False)
    outputs = [batch, *shape[:-1], width] if case.get("y") == "shape" else [batch, width]

    kind = case.get("y")
    if kind == "integer":
        y = random.permutation(np.arange(batch) % width)
    elif kind == "onehot":
        y = np.eye(width)[random.permutation(np.arange(batch) % width)]
    elif case["loss"]["name"] == "crossEntropy":  # soft: multiples of 1/64, so that each row sums to 1 exactly
        y = np.array([random.multinomial(64, random.dirichlet(np.full(width, 0.5))) for _ in range(batch)]) / 64
    elif kind == "soft":
        y = random.randint(1, 16, [batch, width]) / 16
    elif case["loss"]["name"] == "binaryCrossEntropy":
        y = random.randint(0, 2, [batch, width]).astype(np.float64)
    else:
        y = float32(random.normal(size=outputs))
    return x, y, weights


# ---- checks --------------------------------------------------------------------------------------------------------

def deviations(got, exact):
    """(largest |a - b| / max |tensor|, largest |a - b| / |b|) over the losses, every weight and the output."""
    scaled = elementwise = 0.0
    pairs = [(got["output"], exact["output"]), *zip(got["weights"], exact["weights"])]
    pairs += [(got["losses"][i:i + 1], exact["losses"][i:i + 1]) for i in range(STEPS)]
    for a, b in pairs:
        difference = np.abs(a.astype(np.float64) - b)
        scaled = max(scaled, (difference / np.abs(b).max()).max())
        elementwise = max(elementwise, (difference / np.abs(b)).max())
    return scaled, elementwise


LIMITS = {"float32": (1e-6, 2e-6), "noise": (3e-6, 2e-5)}


def faults(case, start, exact):
    """What is wrong with a case as a golden one (an empty list if nothing), and its deviations."""
    seen, losses, wrong = exact["seen"], exact["losses"], []

    def need(condition, message):
        if not condition:
            wrong.append(message)

    need(np.isfinite(losses).all() and losses.max() < 1.5 * losses[0], "the loss explodes")
    need(losses[-1] < 0.97 * losses[0], "the loss does not go down")
    need(seen["margin"] > 1e-4, f"an activation's kink is {seen['margin']:.1e} away")
    need(seen["signMargin"] > 1e-3, f"a weight under l1 is {seen['signMargin']:.1e} from zero")
    for name, pieces in seen["pieces"].items():
        need(pieces.all() or "inside" in case, f"{name} is not used on all its pieces")
    if "inside" in case:
        low, high = case["inside"]
        need(low < seen["range"][0] and seen["range"][1] < high, f"probabilities {seen['range']} leave {low}..{high}")
    if "clipValue" in case["optimizer"]:
        need(0.1 < np.mean(seen["clipped"]) < 0.9, f"clipValue clips {np.mean(seen['clipped']):.0%}")
    if "globalClipNorm" in case["optimizer"]:
        share = np.mean(seen["clipped"])
        need(0.2 < share < 0.8 if case.get("crossing") else share == 1, f"globalClipNorm clips {share:.0%} of steps")
    if wrong:
        return wrong, None

    single = run(case, start, torch.float32)
    torch.manual_seed(0)
    noisy = [run(case, start, torch.float64, noise=2) for _ in range(4)]
    found = {"float32": deviations(single, exact),
             "noise": tuple(np.max([deviations(n, exact) for n in noisy], axis=0))}
    for kind, limits in LIMITS.items():
        for what, value, limit in zip(("scaled", "elementwise"), found[kind], limits):
            need(value < limit, f"{kind} run deviates by {value:.1e} ({what})")
    return wrong, found


def search():
    for case in CASES:
        last = {}
        for seed in range(1, 3001):
            start = draw(case, seed)
            wrong, found = faults(case, start, run(case, start, torch.float64))
            if not wrong:
                print(f"{case['name']}: {seed}", flush=True)
                break
            for fault in wrong:
                kind = " ".join(word for word in fault.split() if not any(c.isdigit() for c in word))
                last[kind] = last.get(kind, 0) + 1
        else:
            print(f"{case['name']}: none; {last}", flush=True)


# ---- the file ------------------------------------------------------------------------------------------------------

def number(value):
    return str(int(value)) if isinstance(value, (int, np.integer)) else f"{value:.9g}"


def numbers(a):
    return "[" + ",".join(number(v) for v in a.flatten()) + "]"


def tensor(a, name=None):
    named = f'"name": "{name}", ' if name else ""
    return f'{{ {named}"shape": {json.dumps(list(a.shape))}, "data": {numbers(a)} }}'


def record(case, start, exact):
    """One case as JSON text, a tensor per line."""
    x, y, initial = start
    lines = [f'"{key}": {json.dumps(case[key])}' for key in ("name", "inputShape", "layers", "loss", "optimizer")]
    lines += [f'"x": {tensor(x)}', f'"y": {tensor(y)}']
    for key, values in (("initialWeights", [w["value"] for w in initial]), ("finalWeights", exact["weights"])):
        rows = ",\n".join("        " + tensor(v, w["name"]) for v, w in zip(values, initial))
        lines.append(f'"{key}": [\n{rows}\n      ]')
    lines.insert(-1, f'"losses": {numbers(exact["losses"])}')
    lines.append(f'"finalOutput": {tensor(exact["output"])}')
    return "    {\n" + ",\n".join("      " + line for line in lines) + "\n    }"


def main():
    torch.set_num_threads(1)
    if "--search" in sys.argv:
        return search()
    records, bad = [], False
    for case in CASES:
        start = draw(case, case["seed"])
        exact = run(case, start, torch.float64)
        wrong, found = faults(case, start, exact)
        records.append(record(case, start, exact))
        losses = exact["losses"]
        figures = "  ".join(f"{kind} {d[0]:.1e} {d[1]:.1e}" for kind, d in found.items()) if found else ""
        print(f"{case['name']:<50} loss {losses[0]:.4f} -> {losses[-1]:.4f}  {figures}", *wrong, sep="  ")
        bad = bad or bool(wrong)
    if bad:
        sys.exit("some cases are not fit to be golden: nothing written (--search finds other seeds)")
    made_by = f"PyTorch {torch.__version__}, NumPy {np.__version__}, float64, by test/golden/make_traces.py"
    text = f'{{\n  "made_by": "{made_by}",\n  "cases": [\n' + ",\n".join(records) + "\n  ]\n}\n"
    json.loads(text)
    path = os.path.join(HERE, "traces.json")
    if "--check" in sys.argv:
        with open(path) as file:
            sys.exit(None if file.read() == text else "traces.json differs from what this machine makes")
    with open(path, "w") as file:
        file.write(text)
    print(f"{len(records)} cases, {len(text)} bytes")


if __name__ == "__main__":
    main()
