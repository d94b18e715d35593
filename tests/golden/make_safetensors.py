"""Writes files/python.safetensors with Python's own library: pip install safetensors numpy ml_dtypes."""
import pathlib

import ml_dtypes
import numpy as np
import safetensors.numpy

tensors = {
    "weight": np.array([[0, 0.1, -2.5], [1e-40, 3e38, 7]], np.float32),
    "wide": np.array([0.1, -1e300], np.float64),
    "half": np.array([1, -0.5, 65504, 2.0**-24], np.float16),
    "brain": np.array([1, -0.5, float.fromhex("0x1.FEp127"), 2.0**-133], ml_dtypes.bfloat16),
}
path = pathlib.Path(__file__).parent / "files" / "python.safetensors"
safetensors.numpy.save_file(tensors, path, metadata={"format": "np"})
