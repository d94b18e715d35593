#!/usr/bin/env python3
"""ONNX's side: onnx_peer.py check FOLDER

Checks every NAME.onnx in the folder by ONNX's own checker, runs it in onnxruntime on the tensors of NAME.io.safetensors
that are called as its inputs, and writes onnx.json: the largest difference between its outputs and the tensors that are
called as they are, by model.
"""
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file


def difference(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    io = load_file(path.with_suffix(".io.safetensors"))
    types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    inputs = {i.name: io[i.name].astype(types[i.type]) for i in session.get_inputs()}
    largest = 0.0
    for output, y in zip(session.get_outputs(), session.run(None, inputs)):
        expected = io[output.name]
        if y.shape != expected.shape:
            raise SystemExit(f"{path.name}: {output.name}: expected shape {expected.shape}, got {y.shape}")
        largest = max(largest, float(np.abs(y - expected).max()))
    return largest


def check(folder):
    differences = {path.stem: difference(path) for path in sorted(folder.glob("*.onnx"))}
    (folder / "onnx.json").write_text(json.dumps(differences))


if __name__ == "__main__":
    {"check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
