#!/usr/bin/env python3
"""Updates until a recurrent layer has learnt to remember: learning_problems beside Keras on TensorFlow.

    bench/learning_problems.py build/release/bench/learning_problems [copying --cell gru ...]

Needs Keras and TensorFlow (pip install keras tensorflow-cpu). Arguments are the program's, see its --help; without
any, every row of docs/learning_problems.md is measured. Keras gets the settings that the program used, the same
initial weights, and the same sequences in the same order: both have the same random numbers. One thread each;
times are processor times, Keras's without the updates before the first evaluation, in which it compiles.
"""
import json
import os
import statistics
import subprocess
import sys
import time

for pinned in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(pinned, None)
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402  after the environment
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)

# Options of the program for every row of the table: SimpleRNN gets fewer updates where it learns nothing.
ROWS = [
    "adding --cell lstm", "adding --cell gru", "adding --cell rnn",
    "adding --length 400 --cell lstm", "adding --length 400 --cell gru",
    "adding --length 400 --cell rnn --max-steps 1000",
    "copying --cell lstm", "copying --cell gru", "copying --cell rnn --max-steps 2000",
    "parity --cell lstm", "parity --cell gru", "parity --cell rnn",
]
CELLS = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
SYMBOLS = 8
LARGEST_SEED = 1_000_000


def uniform(shape, seeds):
    return np.asarray(keras.random.uniform(shape, seed=seeds))


def integers(shape, low, high, seeds):
    return np.asarray(keras.random.randint(shape, low, high, seed=seeds))


class Adding:
    every_step, outputs = False, 1

    def __init__(self, settings):
        self.steps = settings["length"]
        self.loss = keras.losses.MeanSquaredError()

    def make(self, n, seeds):
        x = np.zeros((n, self.steps, 2), "float32")
        x[..., 0] = uniform((n, self.steps), seeds)
        first = integers((n,), 0, self.steps // 2, seeds)
        second = integers((n,), self.steps // 2, self.steps, seeds)
        rows = np.arange(n)
        x[rows, first, 1] = x[rows, second, 1] = 1
        return x, (x[rows, first, 0] + x[rows, second, 0])[:, None]

    def measure(self, y, output):
        return float(np.mean((output.astype("float64") - y) ** 2))

    def solved(self, error):
        return error < 0.01


class Copying:
    every_step, outputs = True, SYMBOLS + 2

    def __init__(self, settings):
        self.delay, self.remember = settings["length"], settings["remember"]
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def make(self, n, seeds):
        symbols = integers((n, self.remember), 0, SYMBOLS, seeds)
        x = np.full((n, self.delay + 2 * self.remember), SYMBOLS)
        y = x.copy()
        x[:, :self.remember] = y[:, -self.remember:] = symbols
        x[:, self.remember + self.delay - 1] = SYMBOLS + 1
        return np.eye(self.outputs, dtype="float32")[x], y.astype("float32")

    def measure(self, y, output):
        return float(np.mean((output.argmax(-1) == y)[:, -self.remember:]))

    def solved(self, accuracy):
        return accuracy > 0.99


class Parity:
    every_step, outputs = True, 1

    def __init__(self, settings):
        self.steps = settings["length"]
        self.loss = keras.losses.BinaryCrossentropy(from_logits=True)

    def make(self, n, seeds):
        x = (uniform((n, self.steps, 1), seeds) < 0.5).astype("float32")
        return x, np.cumsum(x, axis=1) % 2

    def measure(self, y, output):
        return float(np.mean((output > 0) == (y > 0)))

    def solved(self, accuracy):
        return accuracy > 0.99


PROBLEMS = {"adding": Adding, "copying": Copying, "parity": Parity}


def learn(settings, seed):
    problem = PROBLEMS[settings["problem"]](settings)
    x, y = problem.make(settings["validation"], keras.random.SeedGenerator(LARGEST_SEED + seed))
    first = 10 * seed
    model = keras.Sequential([
        keras.Input(x.shape[1:]),
        CELLS[settings["cell"]](settings["units"], return_sequences=problem.every_step,
                                kernel_initializer=keras.initializers.GlorotUniform(seed=first),
                                recurrent_initializer=keras.initializers.Orthogonal(seed=first + 1)),
        keras.layers.Dense(problem.outputs, kernel_initializer=keras.initializers.GlorotUniform(seed=first + 2)),
    ])
    optimizer = keras.optimizers.Adam(settings["learning_rate"], global_clipnorm=settings["clipnorm"])
    model.compile(optimizer=optimizer, loss=problem.loss, jit_compile=True)  # twice as fast as without
    if settings["keep_bias"] is not None and settings["cell"] != "rnn":
        bias = model.layers[0].cell.bias
        value, units = bias.numpy(), settings["units"]
        if settings["cell"] == "lstm":
            value[units:2 * units] = settings["keep_bias"]
        else:
            value[0, :units] = settings["keep_bias"]
        bias.assign(value)
    seeds = keras.random.SeedGenerator(seed)
    run = {"seed": seed, "steps": 0, "solved": False, "measured": [], "milliseconds": 0.0}
    seconds, timed = 0.0, 0
    while run["steps"] < settings["max_steps"] and not run["solved"]:
        steps = min(settings["evaluate_every"], settings["max_steps"] - run["steps"])
        samples = problem.make(steps * settings["batch"], seeds)
        start = time.process_time()
        model.fit(*samples, batch_size=settings["batch"], shuffle=False, verbose=0)
        if run["steps"] > 0:
            seconds += time.process_time() - start
            timed += steps
        run["steps"] += steps
        run["measured"].append(problem.measure(y, model.predict(x, batch_size=250, verbose=0)))
        run["solved"] = problem.solved(run["measured"][-1])
    if timed:
        run["milliseconds"] = 1e3 * seconds / timed
    return run


def steps_of(runs):
    """The median number of updates, and those of every seed; of a run that has not solved it, what it reached."""
    each = [f"{run['steps']}" if run["solved"] else f"not in {run['steps']} ({run['measured'][-1]:.3f})"
            for run in runs]
    median = statistics.median(run["steps"] if run["solved"] else float("inf") for run in runs)
    return f"{median:g}: {', '.join(each)}" if median < float("inf") else ", ".join(each)


def milliseconds(runs):
    timed = [run["milliseconds"] for run in runs if run["milliseconds"] > 0]
    return f"{statistics.median(timed):.2f}" if timed else ""


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    program, options = sys.argv[1], sys.argv[2:]
    print("| problem | length | cell | seqgrad: updates | Keras: updates | seqgrad: ms | Keras: ms |")
    print("|---|---|---|---|---|---|---|")
    for arguments in [options] if options else [row.split() for row in ROWS]:
        result = subprocess.run([program, "--json", *arguments], check=True, capture_output=True, text=True)
        report = json.loads(result.stdout)
        ours = report["runs"]
        theirs = []
        for run in ours:
            keras.backend.clear_session()
            theirs.append(learn(report, run["seed"]))
        print(f"| {report['problem']} | {report['length']} | {report['cell']} | {steps_of(ours)} | {steps_of(theirs)} "
              f"| {milliseconds(ours)} | {milliseconds(theirs)} |", flush=True)


if __name__ == "__main__":
    main()
