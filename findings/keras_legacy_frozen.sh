#!/bin/sh
# Keras 3.15.1, legacy .h5: weights of a model with a model inside, of which one layer is frozen, are loaded into the same model
# without the freezing, and no error says that two layers have got each other's weights. The format lists a layer's weights
# trained ones first, by the state of freezing when it was saved, and loading counts them off by the state now. The later
# .weights.h5 has them right. The guess was that weights go back to where they came from, or that the names, which the file has,
# are compared.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 numpy==2.2.6 jax==0.4.38 jaxlib==0.4.38
cd "$folder"
KERAS_BACKEND=jax venv/bin/python - <<'END'
import keras
import numpy as np
from keras import layers as L


def build(frozen):
    return keras.Sequential([keras.Input((3,)), keras.Sequential([L.Dense(3, trainable=not frozen), L.Dense(3)])])


def kernels(model):
    return [np.asarray(layer.kernel) for layer in model.layers[0].layers]


saved = build(frozen=True)
saved.save("m.h5")
saved.save_weights("m.weights.h5")
first, second = kernels(saved)
found = {}
for name in "m.h5", "m.weights.h5":
    model = build(frozen=False)
    model.load_weights(name)
    found[name] = [["first", "second"][int(np.array_equal(k, second))] for k in kernels(model)]
    print("keras", keras.__version__, "-", name, "loaded without an error, layers have the kernels:", found[name])
expected = {"m.h5": ["second", "first"], "m.weights.h5": ["first", "second"]}
raise SystemExit(0 if found == expected else "it is otherwise now")
END
