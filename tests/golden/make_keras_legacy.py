#!/usr/bin/env python3
"""Write files of Keras's legacy format, of Keras 2 and 3.

    pip install tensorflow-cpu==2.15.1 "numpy<2" h5py==3.16.0 safetensors==0.8.0       # Keras 2.15.0
    pip install keras==3.15.1 jax h5py==3.16.0 safetensors==0.8.0
    KERAS_BACKEND=jax python make_keras_legacy.py files/keras/legacy

writes with either one VERSION.h5, a model that was compiled and trained, and VERSION.io.safetensors, an input x and what the
model makes of it, y. With Keras 2 it writes 2.15.0.weights_only.h5 of another model as well, and with Keras 3

- single.h5, a model of one layer;
- frozen.h5, a model with a model inside of which the first of two equal layers is not trained;
- the model of 3.15.1.h5 as other versions of Keras and HDF5 write it: fixed.h5 has its lists as texts of a fixed length and
  cut into pieces, as Keras 2.2 wrote long ones, and latest.h5 the headers of HDF5's later versions.
"""
import pathlib
import sys

import h5py
import keras
import numpy as np
from safetensors.numpy import save_file

L = keras.layers
OUT = pathlib.Path(sys.argv[1])
random = np.random.default_rng(3)


def fill(model):
    model.set_weights([random.uniform(-0.9, 0.9, w.shape).astype("float32") for w in model.get_weights()])
    return model


def save_io(model, x, name):
    y = np.asarray(model(x, training=False))
    save_file({"x": x.astype("float32"), "y": np.ascontiguousarray(y)}, OUT / f"{name}.io.safetensors")


def tagger():
    return keras.Sequential([
        L.Input((4,)), L.Embedding(7, 3), L.Bidirectional(L.GRU(2, return_sequences=True)), L.Dropout(0.1),
        L.LSTM(3, return_sequences=True), L.LayerNormalization(), L.TimeDistributed(L.Dense(2)),
        keras.Sequential([L.Dense(3), L.Dense(2)])])


def cells():
    return keras.Sequential([
        L.Input((4, 3)), L.GRU(3, reset_after=False, return_sequences=True),
        L.RNN([L.LSTMCell(2), L.SimpleRNNCell(3)], return_sequences=True), L.Dense(2, use_bias=False)])


def rewrite(source, target, change, **kwargs):
    """Copy a file, with `change` of every list of names."""
    with h5py.File(OUT / source) as old, h5py.File(OUT / target, "w", **kwargs) as new:
        def copy(group, to):
            for name, value in group.attrs.items():
                change(to, name, value)
            for name, item in group.items():
                if isinstance(item, h5py.Group):
                    copy(item, to.create_group(name))
                else:
                    to.create_dataset(name, data=item[()])
        copy(old["model_weights"], new)


def as_it_is(group, name, value):
    group.attrs[name] = value


def in_pieces(group, name, value):
    if not name.endswith("_names") or len(value) == 0:
        group.attrs[name] = value
        return
    for i, piece in enumerate(np.array_split(np.array(value, dtype="S"), 2)):
        group.attrs[f"{name}{i}"] = piece


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    version = keras.__version__
    ids = np.array([[3, 1, 6, 2], [5, 4, 0, 0]])
    numbers = random.uniform(-2, 2, (2, 4, 3)).astype("float32")
    model = tagger()
    model.compile("adam", "mse")
    model.fit(ids, np.zeros((2, 4, 2)), verbose=0)
    fill(model)
    model.save(OUT / f"{version}.h5")
    save_io(model, ids, version)
    if version.startswith("2."):
        model = fill(cells())
        model.save_weights(OUT / f"{version}.weights_only.h5")
        save_io(model, numbers, f"{version}.weights_only")
        return
    rewrite(f"{version}.h5", "fixed.h5", in_pieces)
    rewrite(f"{version}.h5", "latest.h5", as_it_is, libver="latest")
    model = fill(keras.Sequential([L.Input((4, 3)), L.Bidirectional(L.LSTM(2))]))
    model.save(OUT / "single.h5")
    save_io(model, numbers, "single")
    inside = keras.Sequential([L.Dense(3, trainable=False), L.Dense(3)])
    model = fill(keras.Sequential([L.Input((4, 3)), inside, L.SimpleRNN(2)]))
    model.save(OUT / "frozen.h5")
    save_io(model, numbers, "frozen")


main()
