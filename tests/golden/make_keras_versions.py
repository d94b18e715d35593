#!/usr/bin/env python3
"""Write files of one version of Keras, for tests that old and new ones are read.

    pip install keras==3.6.0 "numpy<2" jax safetensors
    KERAS_BACKEND=jax python make_keras_versions.py files/keras/versions

writes 3.6.0.keras (compressed, as HDF5 is mostly zeros), 3.6.0.weights.h5 and for each an input x and what the model makes of
it, y: 3.6.0.keras.io.safetensors, 3.6.0.weights.io.safetensors. The files there are of 3.0.5, 3.3.3, 3.6.0, 3.10.0 and 3.15.1.
"""
import pathlib
import sys
import zipfile

import keras
import numpy as np
from keras import constraints as C
from keras import initializers as I
from keras import layers as L
from keras import regularizers as R
from safetensors.numpy import save_file

OUT = pathlib.Path(sys.argv[1])
BATCH, TIME, FEATURES, VOCABULARY = 2, 4, 3, 7


def chain():
    """All that versions write in their own ways: initializers by every name, recurrent layers, cells and wrappers."""
    return keras.Sequential([
        keras.Input((TIME, FEATURES)),
        L.LSTM(3, return_sequences=True, kernel_initializer=I.HeNormal(seed=1), dropout=0.1,
               kernel_regularizer=R.L1L2(0.1, 0.2), bias_constraint=C.MaxNorm(2), recurrent_constraint=C.UnitNorm()),
        L.Bidirectional(L.GRU(2, return_sequences=True, reset_after=False)),
        L.RNN([L.SimpleRNNCell(3, recurrent_initializer=I.Orthogonal(0.5, seed=2)), L.LSTMCell(3)], return_sequences=True),
        L.LayerNormalization(gamma_initializer=I.Constant(2.0), beta_constraint=C.MinMaxNorm(0.1, 3.0)),
        L.TimeDistributed(L.Dense(3, activation="gelu", kernel_initializer=I.Identity(), kernel_regularizer=R.OrthogonalRegularizer())),
        L.SimpleRNN(2, kernel_initializer=I.VarianceScaling(2.0, seed=4), kernel_constraint=C.NonNeg(), activation="silu"),
        L.Dense(2, kernel_initializer="orthogonal", bias_initializer=I.RandomUniform(seed=5), kernel_regularizer="l2"),
    ])


def words():
    return keras.Sequential([keras.Input((TIME,)), L.Embedding(VOCABULARY, 2, mask_zero=True), L.GRU(2), L.Dense(1)])


def compressed(path):
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    for make, ending in (chain, "keras"), (words, "weights"):
        model = make()
        model.set_weights([random.uniform(-0.9, 0.9, w.shape).astype("float32") for w in model.get_weights()])
        if ending == "keras":
            x = random.uniform(-2, 2, (BATCH, TIME, FEATURES)).astype("float32")
            model.compile("adam", "mse")
            model.save(OUT / f"{keras.__version__}.keras")
            compressed(OUT / f"{keras.__version__}.keras")
        else:
            x = np.array([[3, 1, 6, 2], [5, 4, 0, 0]], "float32")
            model.save_weights(OUT / f"{keras.__version__}.weights.h5")
        y = keras.ops.convert_to_numpy(model(x, training=False))
        save_file({"x": x, "y": np.ascontiguousarray(y)}, OUT / f"{keras.__version__}.{ending}.io.safetensors")


if __name__ == "__main__":
    main()
