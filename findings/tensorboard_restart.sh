#!/bin/sh
# TensorBoard's two readers of event files disagree on what a run that was started again replaces.
#
# A run that is killed at step 5 and goes on from a checkpoint of step 2 writes steps 3, 4 and 5 twice. The
# format has a mark for that, SessionLog START with the step at which the run goes on: a reader is to drop what
# it has from that step on. Guess before trying: the mark at the beginning of the second file is enough, since
# it is what says that something was started again.
#
# Seen with tensorboard 2.21.0: with the mark in the second file alone, event_accumulator (the reader that
# scripts use) gives every step once, but plugin_event_accumulator (the reader behind the web page) gives steps
# 3, 4 and 5 twice: it takes the first mark that it meets for the beginning of the run and passes over it. With
# the mark at the beginning of both files both readers give every step once. The mark is one for all tags of a
# folder, whatever their steps count: one that says "from epoch 2 on" also drops steps 2, 3, ... of a tag that
# counts batches.
#
# Who trains sequence models for days and goes on from checkpoints sees curves that run back on the web page,
# and right ones in a script; and whoever logs epochs and batches to one folder loses the batches.
#
# Prints what each reader gives, and exits with 1 if that is not what is said here.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorboard==2.21.0 'setuptools<81'
cat >"$folder/check.py" <<'PYTHON'
import os
import sys

import tensorboard
from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import RecordWriter

root = sys.argv[1]


def write(path, first_step, points):
    with open(path, "wb") as file:
        records = RecordWriter(file)

        def put(**fields):
            records.write(event_pb2.Event(wall_time=1.0, **fields).SerializeToString())

        put(file_version="brain.Event:2")
        if first_step is not None:
            put(step=first_step, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))
        for tag, step in points:
            value = summary_pb2.Summary.Value(tag=tag, simple_value=float(step))
            put(step=step, summary=summary_pb2.Summary(value=[value]))
        records.flush()


def read(folder):
    old = event_accumulator.EventAccumulator(folder)
    old.Reload()
    new = plugin_event_accumulator.EventAccumulator(folder)
    new.Reload()
    return (
        {tag: [e.step for e in old.Scalars(tag)] for tag in old.Tags()["scalars"]},
        {tag: [e.step for e in new.Tensors(tag)] for tag in new.Tags()["tensors"]},
    )


def case(name, first, second):
    folder = os.path.join(root, name)
    os.mkdir(folder)
    write(os.path.join(folder, "events.out.tfevents.1"), *first)
    write(os.path.join(folder, "events.out.tfevents.2"), *second)
    return read(folder)


def steps(*numbers):
    return [("loss", n) for n in numbers]


once, twice = {"loss": [1, 2, 3, 4, 5, 6]}, {"loss": [1, 2, 3, 4, 5, 3, 4, 5, 6]}
expected = {
    "no mark": (twice, twice),
    "mark in the second file": (once, twice),
    "mark in both files": (once, once),
    "one mark for two tags": ({"epoch": [1, 2], "batch": [1, 4]}, {"epoch": [1, 2], "batch": [1, 4]}),
}
seen = {
    "no mark": case("a", (None, steps(1, 2, 3, 4, 5)), (None, steps(3, 4, 5, 6))),
    "mark in the second file": case("b", (None, steps(1, 2, 3, 4, 5)), (3, steps(3, 4, 5, 6))),
    "mark in both files": case("c", (1, steps(1, 2, 3, 4, 5)), (3, steps(3, 4, 5, 6))),
    "one mark for two tags": case(
        "d",
        (1, [("batch", 1), ("batch", 2), ("epoch", 1), ("batch", 3)]),
        (2, [("batch", 4), ("epoch", 2)]),
    ),
}
print("tensorboard", tensorboard.__version__)
for name, (old, new) in seen.items():
    print(f"{name}: event_accumulator {old}, plugin_event_accumulator {new}")
if seen != expected:
    sys.exit(f"expected {expected}")
PYTHON
"$folder/venv/bin/python" "$folder/check.py" "$folder" 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }
