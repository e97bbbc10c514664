"""Golden trace of a residual network with a shared layer, by PyTorch in float64: writes graph.json.

x [8, 5] -> h = tanh(dense 6) -> r = h + tanh(shared(h)) -> s = tanh(shared(r)) -> concat(r, s) -> dense 3;
softmax cross-entropy, mean; SGD with momentum 0.9, learning rate 0.1; ten full-batch steps.
Kernels are [in, out]. Numbers that both programs start from are float32.
"""

import json
import os

import torch

torch.manual_seed(7)
STEPS = 10


def start(*shape):
    return (torch.rand(*shape) - 0.5).float().double()


x = start(8, 5) * 2
y = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
weights = {
    "first/kernel": start(5, 6),
    "first/bias": start(6),
    "shared/kernel": start(6, 6),
    "shared/bias": start(6),
    "last/kernel": start(12, 3),
    "last/bias": start(3),
}
tensor = lambda t: {"shape": list(t.shape), "data": [float(f"{v:.9g}") for v in t.flatten().tolist()]}
initial = {name: tensor(w) for name, w in weights.items()}
for w in weights.values():
    w.requires_grad_(True)


def dense(name, x):
    return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def forward(x):
    h = torch.tanh(dense("first", x))
    r = h + torch.tanh(dense("shared", h))
    s = torch.tanh(dense("shared", r))
    return dense("last", torch.cat([r, s], 1))


optimizer = torch.optim.SGD(weights.values(), lr=0.1, momentum=0.9)
losses = []
for _ in range(STEPS):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(forward(x), y)
    loss.backward()
    optimizer.step()
    losses.append(float(f"{loss.item():.9g}"))

trace = {
    "x": tensor(x),
    "y": y.tolist(),
    "initialWeights": initial,
    "losses": losses,
    "finalWeights": {name: tensor(w.detach()) for name, w in weights.items()},
    "finalOutput": tensor(forward(x).detach()),
}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "graph.json"), "w") as file:
    json.dump(trace, file, indent=1)
    file.write("\n")
