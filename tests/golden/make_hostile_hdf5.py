#!/usr/bin/env python3
"""Write HDF5 files that must be refused, one for each thing that a file of weights does not hold.

    pip install h5py==3.16.0
    python make_hostile_hdf5.py --out files/keras/hostile
"""
import argparse
import pathlib

import h5py
import numpy as np

ARGS = argparse.ArgumentParser()
ARGS.add_argument("--out", required=True, type=pathlib.Path)
OUT = ARGS.parse_args().out
OUT.mkdir(parents=True, exist_ok=True)
ROW = np.ones(3, "float32")


def write(name, fill):
    with h5py.File(OUT / f"{name}.weights.h5", "w") as file:
        fill(file)


def soft_link(file):
    file["a/vars/0"] = ROW
    file["b"] = h5py.SoftLink("/a")


def external_link(file):
    file["a"] = h5py.ExternalLink("other.h5", "/a")


def external_storage(file):
    file.create_dataset("a/vars/0", (3,), "float32", external=[("other.bin", 0, 12)])


def virtual(file):
    layout = h5py.VirtualLayout(shape=(3,), dtype="float32")
    layout[:] = h5py.VirtualSource("other.h5", "a", shape=(3,))
    file.create_virtual_dataset("a/vars/0", layout)


def cycle(file):
    file["a/b"] = file["/"]


def two_names(file):
    file["a/vars/0"] = ROW
    file["a/vars/1"] = file["a/vars/0"]


def integers(file):
    file["a/vars/0"] = np.ones(3, "int64")


def opaque(file):
    file["a/vars/0"] = np.zeros(3, "V2")


def strings(file):
    file["a/vars/0"] = "weights"


def huge(file):
    file.create_dataset("a/vars/0", (1 << 40, 1 << 20), "float32", chunks=(1 << 10, 1 << 4))


def never_written(file):
    file.create_dataset("a/vars/0", (1 << 20,), "float32", chunks=(1 << 10,), compression="gzip")


def other_filter(file):
    file.create_dataset("a/vars/0", data=ROW, chunks=(3,), compression="lzf")


def nothing(file):
    file["a/vars/0"] = h5py.Empty("float32")


for case in (soft_link, external_link, external_storage, virtual, cycle, two_names, integers, opaque, strings, huge, never_written,
             other_filter, nothing):
    write(case.__name__, case)

# Read without loss: what h5py can write that Keras does not.
with h5py.File(OUT / "compressed.weights.h5", "w") as file:
    file.create_dataset("vars/0", data=np.arange(6, dtype="float16").reshape(2, 3), chunks=(1, 3), compression="gzip",
                        shuffle=True, fletcher32=True)
    file["vars/1"] = np.arange(3, dtype=">f8")
