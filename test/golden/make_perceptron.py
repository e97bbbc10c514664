#!/usr/bin/env python3
"""The textbook two-layer perceptron in NumPy float64, written to perceptron.json.

    /usr/bin/python3 test/golden/make_perceptron.py            write perceptron.json after the checks below
    /usr/bin/python3 test/golden/make_perceptron.py --check    compare with the file instead, write nothing

2 inputs -> 4 tanh -> 1 sigmoid, full-batch gradient descent. The formulas are the textbook's, taken literally:
kernel gradients are summed over the batch while bias gradients are averaged, and dZ2 = p_clipped - y passes
straight through the clip, so that the weights keep growing after every p has left [0.01, 0.99] and the loss
stays at its floor, -ln 0.99 = 0.01005.
"""
import json
import os
import sys

import numpy as np

# Of the seeds 0 to 259, one of the few whose float32 run keeps within 5e-6 of this one in every loss, p and weight.
SEED = 158
EPOCHS = 10_000
EVERY = 1_000
RATE = 0.01
X = [[0, 0], [1, 1], [1, 0], [0, 1]]
Y = [0, 1, 1, 0]
NAMES = ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]
SHAPES = [(2, 4), (4,), (4, 1), (1,)]
COMMENT = ("Rows of X are samples, Y their targets in the same order. Y is the first input: f(x1, x2) = x1, so "
           "f(0,0) = 0, f(1,1) = 1, f(1,0) = 1, f(0,1) = 0. It is linearly separable; it is not XOR, whose targets in "
           "this order would be [0, 0, 1, 1]. losses[i] belongs to epochs[i] and is taken before that epoch's update; "
           "the last one after the last update. dW is summed over the batch, db is averaged, and dZ2 = p_clipped - y "
           "ignores the derivative of the clip; the floor of the loss is -ln 0.99 = 0.01005.")


def initial_weights():
    random = np.random.RandomState(SEED)
    return [random.normal(size=shape).astype(np.float32) for shape in SHAPES]


def train(weights, dtype):
    """Losses at epochs 0, 1000, ... 10000, the final weights and the final unclipped p [4, 1], all in `dtype`."""
    one, low, high, rate = dtype(1), dtype(0.01), dtype(0.99), dtype(RATE)
    x, y = np.array(X, dtype), np.array(Y, dtype)[:, None]  # x [4, 2], y [4, 1]
    w1, b1, w2, b2 = (w.astype(dtype) for w in weights)
    losses = []
    for epoch in range(EPOCHS + 1):
        a1 = np.tanh(x @ w1 + b1)
        p = one / (one + np.exp(-(a1 @ w2 + b2)))
        clipped = np.clip(p, low, high)
        if epoch % EVERY == 0:
            losses.append(-np.mean(y * np.log(clipped) + (one - y) * np.log(one - clipped)))
        if epoch == EPOCHS:
            break
        dz2 = clipped - y
        dz1 = (dz2 @ w2.T) * (one - a1 * a1)
        w2 = w2 - rate * (a1.T @ dz2)
        b2 = b2 - rate * dz2.mean(0)
        w1 = w1 - rate * (x.T @ dz1)
        b1 = b1 - rate * dz1.mean(0)
    assert w1.dtype == b2.dtype == p.dtype == dtype
    return np.array(losses), [w1, b1, w2, b2], p


def deviation(got, exact):
    return (np.abs(got.astype(np.float64) - exact) / np.abs(exact)).max()


def numbers(a, digits):
    return "[" + ",".join(f"{v:.{digits}g}" for v in a.flatten()) + "]"


def tensors(values, digits):
    return "[\n" + ",\n".join(f'    {{ "name": "{name}", "shape": {json.dumps(v.shape)}, "data": {numbers(v, digits)} }}'
                              for name, v in zip(NAMES, values)) + "\n  ]"


def main():
    start = initial_weights()
    losses, weights, p = train(start, np.float64)
    single_losses, single_weights, single_p = train(start, np.float32)
    off = [deviation(single_losses, losses), deviation(single_p, p),
           max(deviation(a, b) for a, b in zip(single_weights, weights))]
    for epoch, loss, single in zip(range(0, EPOCHS + 1, EVERY), losses, single_losses):
        print(f"epoch {epoch:5d}  loss {loss:.9f}  in float32 {single:.9f}  deviation {abs(single - loss) / loss:.1e}")
    print("p", p.flatten(), "\nfloat32 deviation: losses {:.1e}, p {:.1e}, weights {:.1e}".format(*off))
    assert max(off) < 1e-5, "float32 does not follow: choose another seed"
    assert (np.diff(losses) <= 1e-12).all() and (np.abs(p.flatten() - Y) < 0.01).all(), "not converged"

    made_by = f"NumPy {np.__version__}, float64, by test/golden/make_perceptron.py"
    fields = {
        "made_by": json.dumps(made_by), "comment": json.dumps(COMMENT), "seed": SEED,
        "X": json.dumps(X), "Y": json.dumps(Y), "learningRate": RATE, "clip": "[0.01, 0.99]",
        "initialWeights": tensors(start, 9),  # 9 digits restore a float32 exactly
        "epochs": json.dumps(list(range(0, EPOCHS + 1, EVERY))), "losses": numbers(losses, 12),
        "finalWeights": tensors(weights, 12), "predictions": numbers(p, 12),
    }
    text = "{\n" + ",\n".join(f'  "{key}": {value}' for key, value in fields.items()) + "\n}\n"
    json.loads(text)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "perceptron.json")
    if "--check" in sys.argv:
        with open(path) as file:
            sys.exit(None if file.read() == text else "perceptron.json differs from what this machine makes")
    with open(path, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
