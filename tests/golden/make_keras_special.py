#!/usr/bin/env python3
"""Write files of Keras with what is rare: matrices as initializers, generators as seeds, low-rank adaptation, sharded weights,
bfloat16 and int8.

    pip install keras==3.15.1 jax safetensors
    KERAS_BACKEND=jax python make_keras_special.py files/keras

With keras==3.10.0, whose index names but one file for each layer, it makes sharded/3.10.0*.
"""
import pathlib
import sys

import keras
import numpy as np
from keras import initializers as I
from keras import layers as L
from safetensors.numpy import save_file

from make_keras_versions import compressed

OUT = pathlib.Path(sys.argv[1])
GIB = 1024 ** 3
random = np.random.default_rng(1)


def draw(model):
    model.set_weights([random.uniform(-0.9, 0.9, w.shape).astype("float32") for w in model.get_weights()])
    return model


def write_io(model, x, path):
    y = keras.ops.convert_to_numpy(model(x, training=False)).astype("float32")
    save_file({"x": x, "y": np.ascontiguousarray(y)}, path)


IDS = np.array([[3, 1, 6, 2], [5, 4, 0, 0]], "float32")
words = draw(keras.Sequential([keras.Input((4,)), L.Embedding(7, 2, mask_zero=True), L.GRU(2), L.Dense(1)]))
(OUT / "sharded").mkdir(parents=True, exist_ok=True)
words.save_weights(OUT / f"sharded/{keras.__version__}.weights.json", max_shard_size=130 / GIB)
write_io(words, IDS, OUT / f"sharded/{keras.__version__}.io.safetensors")
if keras.__version__ == "3.10.0":
    raise SystemExit

seed = keras.random.SeedGenerator(3)
special = draw(keras.Sequential([
    keras.Input((4,)),
    L.Embedding(7, 2, embeddings_initializer=I.Constant(np.arange(14.0).reshape(7, 2)), trainable=False),
    L.LSTM(3, kernel_initializer=I.GlorotUniform(seed=seed), bias_initializer=I.Constant(np.float32(0.5))),
    L.Dense(2, name="adapted")]))
special.layers[-1].enable_lora(2)
special.layers[-1].lora_kernel_b.assign(np.ones((2, 2)))
special.save(OUT / "special.keras")
compressed(OUT / "special.keras")
write_io(special, IDS, OUT / "special.io.safetensors")

keras.Sequential([keras.Input((4, 3)), L.Masking(float("nan")), L.Dense(1)]).save(OUT / "masking_nan.keras")
compressed(OUT / "masking_nan.keras")

dense = draw(keras.Sequential([keras.Input((3,)), L.Dense(2)]))
half = keras.Sequential([keras.Input((3,)), L.Dense(2, dtype="bfloat16")])
half.set_weights(dense.get_weights())
half.save_weights(OUT / "bfloat16.weights.h5")
save_file({f"w{i}": np.asarray(keras.ops.cast(w, "float32")) for i, w in enumerate(half.weights)}, OUT / "bfloat16.io.safetensors")
dense.quantize("int8")
dense.save_weights(OUT / "int8.weights.h5")
