"""What the Python workers of compare.py have in common: the commands of bench/compare_worker.cpp.

A worker gives `serve` a function for each kind of work it knows. The function takes the work's name, its
operands and its sizes, and returns (step, results): `step` does the work once and returns when it is done;
`results` gives outputs and gradients of the step before as a dictionary, in Keras's layout.
"""
import gc
import os
import sys
import time

import numpy as np

# Columns of the kernels in units.
GATES = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}


class Operands:
    """Arrays of a folder, files "<name>.f32"."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, name, *shape):
        return np.fromfile(os.path.join(self.folder, name + ".f32"), "<f4").reshape(shape)


def prepare(function, name, folder, out, *sizes):
    step, results = function(name, Operands(folder), *map(int, sizes))
    step()
    os.makedirs(out, exist_ok=True)
    for result, value in results().items():
        np.asarray(value, "<f4").tofile(os.path.join(out, result + ".f32"))
    return step


def shortest(step, seconds, clock):
    now = {"wall": time.perf_counter, "processor": time.process_time}[clock]
    best, count, end = float("inf"), 0, time.perf_counter() + seconds
    while count < 2 or time.perf_counter() < end:
        start = now()
        step()
        best = min(best, now() - start)
        count += 1
    return best


def resident(line):
    """A line of /proc/self/status in bytes: VmRSS or VmHWM, the resident memory now and at its peak."""
    with open("/proc/self/status") as status:
        return 1024 * next(int(words[1]) for words in map(str.split, status) if words[0] == line + ":")


def serve(works):
    # What a framework prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    step = None
    for line in sys.stdin:
        command, *words = line.split()
        try:
            if command in works:
                step = None
                gc.collect()
                step = prepare(works[command], *words)
                answers.write("ok\n")
            elif command == "time":
                answers.write(f"ok {shortest(step, float(words[0]), words[1]):.9g}\n")
            elif command == "memory":
                with open("/proc/self/clear_refs", "w") as file:
                    file.write("5")  # has the peak start anew
                before = resident("VmRSS")
                step = prepare(works["recurrent"], *words)
                answers.write(f"ok {resident('VmHWM') - before}\n")
            else:
                raise ValueError(f"unknown command: {line.strip()}")
        except Exception as error:  # whatever it is, compare.py says it and goes on without this worker
            text = " ".join(f"{type(error).__name__}: {error}".split())
            answers.write(f"error {text[:500]}\n")
