#!/usr/bin/env python3
"""Write golden fixtures of recurrent dropout: what Keras (TensorFlow backend) computes in training mode from a seed.

    pip install keras==3.15.1 tensorflow-cpu==2.21.0
    python make_dropout.py --out DIR

The format is that of FORMAT.md, with {"training": true} among a call's arguments. A layer is called twice: each call
draws masks of its own.
"""
import argparse
import json
import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf

keras.config.set_floatx("float64")
ARGS = argparse.ArgumentParser()
ARGS.add_argument("--out", required=True)
ARGS.add_argument("--seed", type=int, default=1)
ARGS = ARGS.parse_args()
RNG = np.random.default_rng(ARGS.seed)


def tensor(a):
    a = np.asarray(a)
    return {"shape": list(a.shape), "dtype": str(a.dtype), "data": [float(v) for v in a.reshape(-1)]}


def run(name, kind, config):
    layer = getattr(keras.layers, kind)(**config)
    x0 = RNG.standard_normal((3, 5, 4))
    layer.build(x0.shape)
    for v in layer.trainable_variables:
        v.assign(RNG.standard_normal(v.shape) * 0.6)
    calls = []
    for _ in range(2):
        x = tf.constant(RNG.standard_normal((3, 5, 4)))
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = layer(x, training=True)
            cotangent = RNG.standard_normal(y.shape)
            loss = tf.reduce_sum(y * cotangent)
        gradients = {"x": tensor(tape.gradient(loss, x).numpy())}
        for v in layer.trainable_variables:
            gradients[v.name] = tensor(tape.gradient(loss, v.value).numpy())
        calls.append({"inputs": {"x": tensor(x.numpy())}, "arguments": {"training": True}, "outputs": [tensor(y.numpy())],
                      "cotangents": [tensor(cotangent)], "gradients": gradients})
    os.makedirs(ARGS.out, exist_ok=True)
    with open(os.path.join(ARGS.out, name + ".json"), "w") as f:
        json.dump({"format": 1, "name": "dropout/" + name,
                   "reference": f"keras {keras.__version__}, tensorflow {tf.__version__}, float64", "layer": kind,
                   "config": config, "weights": {v.name: tensor(v.numpy()) for v in layer.trainable_variables},
                   "calls": calls}, f, separators=(",", ":"))
        f.write("\n")


for kind in ("SimpleRNN", "LSTM", "GRU"):
    for name, rates in (("input", dict(dropout=0.4)), ("recurrent", dict(recurrent_dropout=0.3)),
                        ("both", dict(dropout=0.4, recurrent_dropout=0.3))):
        run(f"{kind}_{name}", kind, dict(units=3, return_sequences=True, seed=11, **rates))
run("GRU_reset_before", "GRU", dict(units=3, return_sequences=True, seed=11, reset_after=False, recurrent_dropout=0.3))
run("Dropout", "Dropout", dict(rate=0.3, seed=11))
