#!/usr/bin/env python3
"""Write golden fixtures of MultiHeadAttention, and of dropout in all attention layers: what Keras (TensorFlow backend)
computes.

    pip install keras==3.15.1 tensorflow-cpu==2.21.0
    python make_multi_head_attention.py --out DIR

Writes DIR/attention/MultiHeadAttention_*.json and DIR/dropout/*Attention.json in the format of FORMAT.md. A call may have
an `attention_mask` [B, T, S] among its inputs. Those of MultiHeadAttention_blind_* have queries that see nothing: Keras
averages over the whole memory there, and gives zeros where the scores are returned or dropout is not 0.
"""
import argparse
import json
import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf
from keras.src import backend

keras.config.set_floatx("float64")
ARGS = argparse.ArgumentParser()
ARGS.add_argument("--out", required=True)
ARGS.add_argument("--seed", type=int, default=1)
ARGS = ARGS.parse_args()
RNG = np.random.default_rng(ARGS.seed)
B, T, S = 2, 3, 4


def tensor(a):
    a = np.asarray(a)
    data = [bool(v) if a.dtype == bool else float(v) for v in a.reshape(-1)]
    return {"shape": list(a.shape), "dtype": str(a.dtype), "data": data}


def normal(*shape):
    return RNG.standard_normal(shape)


def right(lengths, size):
    return np.arange(size)[None] < np.asarray(lengths)[:, None]


def run(path, kind, config, inputs, calls=1, **arguments):
    layer = getattr(keras.layers, kind)(**config)
    order = [k for k in ("query", "value", "key") if k in inputs]
    is_list = kind != "MultiHeadAttention"
    shapes = [inputs[k].shape for k in order]
    layer.build(shapes) if is_list else layer.build(*shapes)
    for v in layer.trainable_variables:
        v.assign(normal(*v.shape) * 0.6)
    name = lambda v: ".".join(v.path.split("/")[1:])
    written = []
    for _ in range(calls):
        x = {k: tf.constant(inputs[k]) for k in order}
        for k in order:
            if k + "_mask" in inputs:
                backend.set_keras_mask(x[k], tf.constant(inputs[k + "_mask"]))
        given = dict(arguments)
        if "attention_mask" in inputs:
            given["attention_mask"] = tf.constant(inputs["attention_mask"])
        with tf.GradientTape(persistent=True) as tape:
            for v in x.values():
                tape.watch(v)
            y = layer(list(x.values()), **given) if is_list else layer(*x.values(), **given)
            outputs = list(y) if isinstance(y, (list, tuple)) else [y]
            cotangents = [normal(*o.shape) for o in outputs]
            loss = sum(tf.reduce_sum(o * c) for o, c in zip(outputs, cotangents))
        gradients = {k: tensor(tape.gradient(loss, v).numpy()) for k, v in x.items()}
        for v in layer.trainable_variables:
            g = tape.gradient(loss, v.value)
            gradients[name(v)] = tensor(np.zeros(v.shape) if g is None else g.numpy())
        written.append({"inputs": {k: tensor(v) for k, v in inputs.items()}, "arguments": arguments,
                        "outputs": [tensor(o.numpy()) for o in outputs],
                        "cotangents": [tensor(c) for c in cotangents], "gradients": gradients})
    file = os.path.join(ARGS.out, path + ".json")
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "w") as f:
        json.dump({"format": 1, "name": path,
                   "reference": f"keras {keras.__version__}, tensorflow {tf.__version__}, float64", "layer": kind,
                   "config": config, "weights": {name(v): tensor(v.numpy()) for v in layer.trainable_variables},
                   "calls": written}, f, separators=(",", ":"))
        f.write("\n")


def heads(name, config, inputs=(), **arguments):
    given = {"query": normal(B, T, 5), "value": normal(B, S, 4), **dict(inputs)}
    run("attention/MultiHeadAttention_" + name, "MultiHeadAttention", config, given, **arguments)


small = dict(num_heads=2, key_dim=3)
scores = dict(return_attention_scores=True)
heads("default", small)
heads("one_head", dict(num_heads=1, key_dim=2), **scores)
heads("value_dim", dict(**small, value_dim=5), **scores)
heads("no_bias", dict(**small, use_bias=False))
heads("key", small, {"key": normal(B, S, 6)}, **scores)
heads("output_shape", dict(**small, output_shape=[7]))
heads("output_axes", dict(**small, value_dim=2, output_shape=[2, 3]), **scores)
heads("causal", small, use_causal_mask=True)
heads("causal_scores", dict(num_heads=3, key_dim=2), use_causal_mask=True, **scores)
heads("value_mask", small, {"value_mask": right([3, 2], S)})
heads("key_mask", small, {"key": normal(B, S, 4), "key_mask": right([2, 4], S)}, **scores)
heads("query_mask", small, {"query_mask": right([2, 3], T), "value_mask": right([4, 1], S)}, **scores)
seen = RNG.random((B, T, S)) < 0.6
seen[..., 0] = True
heads("attention_mask", small, {"attention_mask": seen})
heads("all_masks", small, {"attention_mask": seen, "query_mask": right([3, 1], T), "value_mask": right([3, 4], S),
                           "key": normal(B, S, 3), "key_mask": right([4, 2], S)}, use_causal_mask=True, **scores)
shared = normal(1, T, S) > 0
shared[..., 1] = True
heads("shared_mask", small, {"attention_mask": shared}, **scores)

dropped = dict(dropout=0.4, seed=11)
memory = {"query": normal(B, T, 4), "value": normal(B, S, 4)}
for kind, config in (("Attention", dict(use_scale=True)), ("AdditiveAttention", {}), ("MultiHeadAttention", small)):
    run("dropout/" + kind, kind, dict(**config, **dropped), memory, calls=2, training=True, **scores)

# Queries that see nothing. These come last, so that what is drawn for those above stays the same.
partly = RNG.random((B, T, S)) < 0.6
partly[0, 1] = partly[1, 0] = partly[1, 2] = False
partly[0, 0, 2] = partly[0, 2, 1] = partly[1, 1, 3] = True
blind = {
    "value_mask": ({"value_mask": right([3, 0], S)}, {}),
    "query_mask": ({"query_mask": right([2, 1], T), "value_mask": right([4, 2], S)}, {}),
    "attention_mask": ({"attention_mask": partly}, {}),
    "shared_mask": ({"attention_mask": partly[:1]}, {}),
    "causal": ({"attention_mask": partly, "key": normal(B, S, 3), "key_mask": np.arange(S)[None] >= [[1], [2]]},
               dict(use_causal_mask=True)),
}
for name, (inputs, arguments) in blind.items():
    heads("blind_" + name, small, inputs, **arguments)
    heads(f"blind_{name}_scores", small, inputs, **arguments, **scores)
    heads(f"blind_{name}_dropout", dict(**small, dropout=0.4, seed=11), inputs, **arguments)
heads("blind_no_bias", dict(num_heads=1, key_dim=2, value_dim=3, use_bias=False), blind["value_mask"][0])
heads("blind_training", small, blind["query_mask"][0], training=True)
run("dropout/MultiHeadAttention_blind", "MultiHeadAttention", dict(**small, **dropped),
    {**memory, "attention_mask": partly}, calls=2, training=True)
