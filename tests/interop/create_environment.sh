#!/bin/sh
# Makes the Python environment that the tests of tests/interop need: tests/interop/create_environment.sh FOLDER.
# From PyPI alone it takes 6 GB, most of it for graphics cards; PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
# has PyTorch without them. Then: cmake -B BUILD -D SEQGRAD_PYTHON=FOLDER/bin/python
set -eu
if [ $# -ne 1 ]; then
    printf 'usage: %s FOLDER\n' "$0" >&2
    exit 2
fi
requirements=$(dirname "$0")/requirements.txt
python3 -m venv "$1"
"$1/bin/python" -m pip install --disable-pip-version-check --quiet -r "$requirements"
KERAS_BACKEND=torch "$1/bin/python" -c 'import h5py, keras, onnx, onnxruntime, safetensors, torch'
printf '%s/bin/python\n' "$(cd "$1" && pwd)"
