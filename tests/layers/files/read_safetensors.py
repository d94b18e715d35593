"""Reads a file of seqgrad's with Python's safetensors. Usage: read_safetensors.py FILE. Ends with 77, which is a
skipped test, where Python has not the package."""
import sys

try:
    import numpy as np
    from safetensors import safe_open
except ImportError as error:
    print(f"skipped: {error}; tests/golden/make_safetensors.py says what to install")
    sys.exit(77)

expected = {
    "lstm.kernel": np.array([[0, 0.1, -2.5], [1e-40, 3e38, 7]], np.float32),
    "wide": np.array([0.1, -1e300], np.float64),
    "scalar": np.array(-1, np.float32),
}
with safe_open(sys.argv[1], framework="np") as file:
    assert file.metadata() == {"format": "pt"}, file.metadata()
    assert set(file.keys()) == set(expected), file.keys()
    for name, values in expected.items():
        tensor = file.get_tensor(name)
        assert tensor.dtype == values.dtype and tensor.shape == values.shape, name
        assert tensor.tobytes() == values.tobytes(), name
print("read:", ", ".join(expected))
