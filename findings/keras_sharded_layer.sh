#!/bin/sh
# Keras 3.10.0 cannot load sharded weights that it saved itself where a layer's variables are split over two files: its index
# names only the first file of each layer. Who trained for days with max_shard_size finds out when loading. The numbers are all
# there, in the files, and a reader that takes every file of the index together has them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.10.0 numpy==1.26.4 jax==0.4.30 jaxlib==0.4.30
cd "$folder"
KERAS_BACKEND=numpy venv/bin/python - <<'END'
import json

import keras
from keras import layers as L


def build():
    return keras.Sequential([keras.Input((4,)), L.Embedding(7, 2), L.GRU(2), L.Dense(1)])


build().save_weights("m.weights.json", max_shard_size=130 / 1024**3)
named = json.load(open("m.weights.json"))["weight_map"]["/layers/gru/cell/vars"]
print("keras", keras.__version__, "- the index names for the GRU, which is in two files:", named)
try:
    build().load_weights("m.weights.json")
except ValueError as error:
    print("load_weights:", str(error).splitlines()[2])
    raise SystemExit(0 if named == "m_00000.weights.h5" and "expected 3 variables" in str(error) else 1)
raise SystemExit("it loads now")
END
