#!/usr/bin/env python3
"""Keras's side of the exchange of weights and models.

    keras_peer.py make FOLDER     for every case writes NAME.keras and NAME.weights.h5, a model with random weights, and
                                  NAME.io.safetensors, an input x and what the model makes of it, y
    keras_peer.py check FOLDER    loads NAME.ours.weights.h5 into the model, and writes keras.json: the largest difference
                                  between its output and y of NAME.ours.io.safetensors, by case
    keras_peer.py golden FOLDER   makes the files of tests/golden/files/keras: those of `make` that the tests there read,
                                  most archives compressed, as HDF5 is mostly zeros
"""
import json
import os
import pathlib
import sys
import zipfile

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras
import numpy as np
from keras import layers as L
from safetensors.numpy import load_file, save_file

BATCH, TIME, FEATURES, VOCABULARY = 2, 4, 3, 7
NUMBERS, IDS = (TIME, FEATURES), (TIME,)


def chain(*layers, shape=NUMBERS):
    return keras.Sequential([keras.Input(shape), *layers])


def attention():
    """A model of functions, with every layer of attention."""
    x = keras.Input(NUMBERS)
    h = L.GRU(3, return_sequences=True)(x)
    y = L.MultiHeadAttention(num_heads=2, key_dim=3, value_dim=2)(h, x)
    y = L.Attention(use_scale=True, score_mode="concat")([y, h])
    y = L.AdditiveAttention()([y, h])
    return keras.Model(x, L.Dense(2)(L.Dense(4, activation="relu")(y)))


class Tagger(keras.Model):
    """A model of the user's own class, with a list of layers."""

    def __init__(self):
        super().__init__()
        self.encoder = L.Bidirectional(L.LSTM(3, return_sequences=True))
        self.heads = [L.Dense(4, activation="tanh"), L.Dense(2)]

    def call(self, x):
        return self.heads[1](self.heads[0](self.encoder(x)))


CASES = {
    "simple_rnn": lambda: chain(L.SimpleRNN(3, return_sequences=True, activation="relu"), L.SimpleRNN(2)),
    "lstm": lambda: chain(L.LSTM(3, return_sequences=True, go_backwards=True), L.LSTM(2, use_bias=False)),
    "gru": lambda: chain(L.GRU(3, return_sequences=True, reset_after=False), L.GRU(2, dropout=0.1, recurrent_dropout=0.1)),
    "bidirectional": lambda: chain(
        L.Bidirectional(L.LSTM(3, return_sequences=True)),
        L.Bidirectional(L.GRU(3, return_sequences=True), merge_mode="ave"),
        L.Bidirectional(L.SimpleRNN(2), backward_layer=L.GRU(2, go_backwards=True), merge_mode="mul")),
    "cells": lambda: chain(
        L.RNN([L.LSTMCell(3), L.GRUCell(2)], return_sequences=True),
        L.Bidirectional(L.RNN(L.SimpleRNNCell(4), return_sequences=True)),
        L.RNN(L.StackedRNNCells([L.GRUCell(2), L.GRUCell(3), L.LSTMCell(2)]))),
    "words": lambda: chain(
        L.Embedding(VOCABULARY, 4, mask_zero=True), L.Dropout(0.2, seed=3),
        L.Bidirectional(L.LSTM(3, return_sequences=True)), L.GRU(3), L.RepeatVector(3), L.LSTM(2, return_sequences=True),
        L.TimeDistributed(L.Dense(3, activation="softmax")), shape=IDS),
    "nested": lambda: chain(
        L.Masking(mask_value=0.5), chain(L.Dense(4, activation="gelu"), L.LayerNormalization(), shape=(None, FEATURES)),
        L.Activation("silu"), keras.Sequential([L.Dense(4), L.Dense(3)]), L.LayerNormalization(center=False, epsilon=1e-4),
        L.LSTM(4, return_sequences=True), L.Flatten(), L.Dense(2, activation="leaky_relu")),
    "arguments": lambda: chain(
        L.LSTM(3, name="encoder", kernel_initializer=keras.initializers.VarianceScaling(2.0, seed=4),
               recurrent_regularizer=keras.regularizers.L1L2(0.1, 0.2), bias_constraint=keras.constraints.MaxNorm(2)),
        L.Dense(3, trainable=False, kernel_regularizer=keras.regularizers.OrthogonalRegularizer(0.1), name="frozen"),
        L.Dense(2, bias_initializer="ones", kernel_constraint=keras.constraints.MinMaxNorm(0.1, 3.0))),
    "attention": attention,
    "tagger": Tagger,
}


def build(name):
    keras.utils.set_random_seed(1)
    model = CASES[name]()
    if not model.built:
        model(np.zeros((BATCH, *NUMBERS), "float32"))
    return model


def make(folder):
    random = np.random.default_rng(1)
    for name in CASES:
        model = build(name)
        if name == "arguments":
            model.compile("adam", "mse", metrics=["mae"])
            model.fit(np.zeros((2, *NUMBERS)), np.zeros((2, 2)), verbose=0)
        for weights in model.weights:
            weights.assign(random.uniform(-0.9, 0.9, weights.shape))
        if name == "words":
            x = np.array([[3, 1, 6, 2], [5, 0, 4, 0]], "float32")
        else:
            x = random.uniform(-2, 2, (BATCH, *NUMBERS)).astype("float32")
        if name == "nested":
            x[1, 2:] = 0.5
        if not isinstance(model, Tagger):
            model.save(folder / f"{name}.keras")
        model.save_weights(folder / f"{name}.weights.h5")
        y = keras.ops.convert_to_numpy(model(x, training=False))
        save_file({"x": x, "y": np.ascontiguousarray(y)}, folder / f"{name}.io.safetensors")


def golden(folder):
    make(folder)
    for path in folder.glob("*.weights.h5"):
        if path.name != "tagger.weights.h5":
            path.unlink()
    for path in folder.glob("*.keras"):
        if path.name == "simple_rnn.keras":
            continue
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)


def check(folder):
    differences = {}
    for name in CASES:
        model = build(name)
        model.load_weights(folder / f"{name}.ours.weights.h5")
        io = load_file(folder / f"{name}.ours.io.safetensors")
        y = keras.ops.convert_to_numpy(model(io["x"], training=False))
        if y.shape != io["y"].shape:
            raise SystemExit(f"{name}: expected an output of shape {io['y'].shape}, got {y.shape}")
        differences[name] = float(np.abs(y - io["y"]).max())
    (folder / "keras.json").write_text(json.dumps(differences))


if __name__ == "__main__":
    {"make": make, "check": check, "golden": golden}[sys.argv[1]](pathlib.Path(sys.argv[2]))
