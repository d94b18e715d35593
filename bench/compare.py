#!/usr/bin/env python3
"""Times training steps of seqgrad beside PyTorch, Keras on JAX and Keras on TensorFlow, and writes a table.

    bench/compare.py                       everything; takes half an hour to an hour
    bench/compare.py --quick               the two smallest cases, briefly: does it work?
    bench/compare.py --cells LSTM --cases charlm large --threads 2

On the first run it makes a Python environment and installs bench/requirements.txt there (from PyPI, 6 GB), and it
builds seqgrad. Every framework runs in a process of its own for each number of threads, which stays, so that what
it compiles it compiles once. These processes take turns: in every round each of them works for a moment while the
others sleep, and a figure is the shortest step of all rounds. With fewer threads than processors they are all kept
on as many processors. OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE, which pin OpenBLAS to one processor's kernels, are
unset.

Before anything is timed all get the same operands, and outputs and every gradient are compared. A figure of a peer
whose results differ is not printed ("not the same work").

Written are speed.md and speed.json. Exit code: 0; 1 when a peer's work differed, a peer failed, or seqgrad's results
depend on the number of threads; 2 for wrong arguments.
"""
import argparse
import datetime
import json
import math
import os
import pathlib
import platform
import select
import shutil
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parent
ROOT = SOURCE.parent

# Batch, time, features, units.
CASES = {"seed": (32, 16, 12, 8), "one": (1, 100, 64, 128), "small": (32, 50, 32, 64), "charlm": (64, 64, 128, 256),
         "long": (16, 512, 64, 128), "large": (64, 128, 512, 512)}
CELLS = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}  # columns of the kernels in units
CHAR_LM = (64, 64, 65, 128, 256)  # batch, time, vocabulary, embedding, units
# Batch, memory steps, steps, features, units, memory features, attention units.
ATTENTION = {"small": (64, 30, 10, 32, 64, 128, 64), "large": (64, 40, 40, 256, 256, 512, 256)}
ATTENTION_KINDS = ("bahdanau", "luong_general", "luong_general_feeding")
PEERS = {"pytorch": "PyTorch", "keras-jax": "Keras-JAX", "keras-tensorflow": "Keras-TF"}
WORKS = {"recurrent": "one layer", "char_lm": "a whole step of a character model",
         "attention": "a decoder that attends", "memory": "peak memory of an LSTM"}

# DyNet (C++, Eigen) is in no package registry. These are its times over PyTorch's, one thread each, measured side by
# side once: DyNet built with -O3 -march=native, PyTorch 2.15, in milliseconds.
DYNET_OVER_PYTORCH = {
    ("seed", "SimpleRNN"): 0.023 / 0.42, ("seed", "LSTM"): 0.102 / 0.29, ("seed", "GRU"): 0.078 / 1.14,
    ("one", "SimpleRNN"): 0.23 / 2.45, ("one", "LSTM"): 1.08 / 0.93, ("one", "GRU"): 0.83 / 7.82,
    ("small", "SimpleRNN"): 0.43 / 1.94, ("small", "LSTM"): 2.00 / 1.66, ("small", "GRU"): 1.42 / 5.62,
    ("charlm", "SimpleRNN"): 15.6 / 28.8, ("charlm", "LSTM"): 67.7 / 68.7, ("charlm", "GRU"): 47.7 / 82.3,
    ("large", "SimpleRNN"): 149 / 252, ("large", "LSTM"): 755 / 639, ("large", "GRU"): 509 / 781,
}

# Largest difference of a result, relative to its largest element.
TOLERANCE = 1e-4
# Of weights after four steps of training, as norms and relative to how far they moved: Adam divides gradients by their
# size, so that rounding decides where those go that are nearly 0.
WEIGHTS_TOLERANCE = 1e-3


RESULTS = "\n## Results\n"

PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class Failure(Exception):
    """What ends the run, told in one line."""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    whole, positive = (lambda text: number(text, int)), (lambda text: number(text, float))

    def number(text, kind):
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < math.inf:
            what = "whole number" if kind is int else "number"
            raise argparse.ArgumentTypeError(f"expected a {what} above 0, got {text!r}")
        return value

    processors = len(os.sched_getaffinity(0))
    parser.add_argument("--work", nargs="+", choices=WORKS, default=list(WORKS), metavar="WORK",
                        help="what to do: " + ", ".join(f"{name} ({text})" for name, text in WORKS.items()))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=None, metavar="CASE",
                        help=f"sizes of the layer (all; with --quick seed and small): {', '.join(CASES)}")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS), metavar="CELL",
                        help=f"layers (all): {', '.join(CELLS)}")
    parser.add_argument("--threads", nargs="+", type=whole, default=[n for n in (1, 2) if n <= processors], metavar="N",
                        help="numbers of threads (1 2)")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER",
                        help=f"whom to run beside seqgrad (all): {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=whole, default=None, metavar="N", help="turns for each (7; 2 with --quick)")
    parser.add_argument("--seconds", type=positive, default=None, metavar="S",
                        help="length of a turn, of two steps at least (0.3; 0.1 with --quick)")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall",
                        help="processor: time of all of a process's threads, for one thread on a busy machine (wall)")
    parser.add_argument("--quick", action="store_true", help="small cases only, briefly")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build/bench-results", metavar="DIR",
                        help="where speed.md, speed.json and the processes' logs go (build/bench-results)")
    parser.add_argument("--environment", type=pathlib.Path, default=ROOT / "build/bench-python", metavar="DIR",
                        help="the Python environment to make or, with the same requirements, to use "
                             "(build/bench-python)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/bench", metavar="DIR",
                        help="where to build seqgrad (build/bench)")
    parser.add_argument("--worker", type=pathlib.Path, metavar="PROGRAM",
                        help="a compare_worker to take instead of building one")
    parser.add_argument("--page", type=pathlib.Path, metavar="FILE",
                        help='a Markdown page whose section "## Results", the last one, is to hold the tables')
    parser.add_argument("--perturb", action="store_true",
                        help="change one number of every one of seqgrad's first gradients by a thousandth of the "
                             "largest before comparing, to see that the comparison refuses it")
    options = parser.parse_args()
    if options.quick:
        options.cases = options.cases or ["seed", "small"]
    else:
        options.cases = options.cases or list(CASES)
    options.rounds = options.rounds or (2 if options.quick else 7)
    options.seconds = options.seconds or (0.1 if options.quick else 0.3)
    if max(options.threads) > processors:
        parser.error(f"argument --threads: {max(options.threads)} threads, but there are {processors} processors")
    if options.clock == "processor" and options.threads != [1]:
        parser.error("argument --clock: processor time says nothing about several threads; give --threads 1 too")
    if options.worker and not os.access(options.worker, os.X_OK):
        parser.error(f"argument --worker: {options.worker} is no program")
    if options.page and not (options.page.is_file() and RESULTS in options.page.read_text(encoding="utf-8")):
        parser.error(f"argument --page: {options.page} is no page with a section {RESULTS.strip()!r}")
    options.threads = sorted(set(options.threads))
    return options


def run(*command, what):
    try:
        subprocess.run([str(word) for word in command], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure(f"{what} failed: {error}") from None


def enter_environment(folder):
    """Goes on in the Python environment, made first where there is none with these requirements."""
    if sys.version_info < (3, 11):
        raise Failure(f"needs Python 3.11 or later, this is {platform.python_version()}")
    requirements, installed = SOURCE / "requirements.txt", folder / "installed-requirements.txt"
    python = folder / "bin/python"
    if not (python.exists() and installed.exists() and installed.read_text() == requirements.read_text()):
        if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
            raise Failure(f"--environment: {folder} is neither empty nor a Python environment")
        if not python.exists():
            run(sys.executable, "-m", "venv", folder, what="making a Python environment (package python3-venv)")
        run(python, "-m", "pip", "install", "--disable-pip-version-check", "-r", requirements,
            what="installing bench/requirements.txt")
        shutil.copyfile(requirements, installed)
    if pathlib.Path(sys.prefix).resolve() != folder.resolve():
        sys.stdout.flush()
        os.execv(python, [str(python), str(SOURCE / "compare.py"), *sys.argv[1:]])


def build(folder):
    run("cmake", "-S", ROOT, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DSEQGRAD_BUILD_BENCH=ON",
        "-DSEQGRAD_BUILD_TESTS=OFF", "-DSEQGRAD_BUILD_EXAMPLES=OFF", what="configuring seqgrad")
    # Make takes no number for "as many as there are files to compile", which no memory is enough for.
    processors = str(len(os.sched_getaffinity(0)))
    run("cmake", "--build", folder, "--parallel", processors, "--target", "compare_worker",
        what="building seqgrad")
    return folder / "bench/compare_worker"


class Worker:
    """A process that works when told to, see compare_worker.cpp and peers/worker.py."""

    def __init__(self, name, command, threads, folder, log, environment=None):
        processors = sorted(os.sched_getaffinity(0))
        self.name, self.threads, self.log = name, threads, log
        with open(log, "w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                [*map(str, command), "--threads", str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=errors, text=True, bufsize=1, cwd=folder, env={**os.environ, **(environment or {})},
                preexec_fn=lambda: os.sched_setaffinity(0, processors[-threads:]))

    def ask(self, *words, timeout=900):
        """The numbers of the answer. Raises RuntimeError when there is none."""
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise self.ended() from None
        # Answers are one line each, so that nothing is left in the buffer between reader and pipe.
        if not select.select([self.process.stdout], [], [], timeout)[0]:
            self.stop()
            raise RuntimeError(f"{self.name}: no answer to {words[0]} within {timeout} s")
        answer = self.process.stdout.readline().split()
        if not answer:
            raise self.ended()
        if answer[0] != "ok":
            raise RuntimeError(f"{self.name}: {' '.join(answer[1:])}")
        return [float(word) for word in answer[1:]]

    def ended(self):
        return RuntimeError(f"{self.name}: the process ended with code {self.process.wait()}, see {self.log}")

    def stop(self):
        self.process.kill()
        self.process.wait()


def peer_worker(name, threads, folder, log):
    if name == "pytorch":
        return Worker(name, [sys.executable, SOURCE / "peers/pytorch.py"], threads, folder, log)
    return Worker(name, [sys.executable, SOURCE / "peers/keras_layers.py"], threads, folder, log,
                  {"KERAS_BACKEND": name.removeprefix("keras-")})


def save(folder, arrays):
    folder.mkdir()
    for name, array in arrays.items():
        array.astype("<f4").tofile(folder / (name + ".f32"))


def load(folder):
    import numpy
    return {path.stem if path.suffix == ".f32" else path.name: numpy.fromfile(path, "<f4")
            for path in sorted(folder.glob("*.f32"))}


class Job:
    """One piece of work: its operands in a folder, and how results of it are compared."""

    def __init__(self, work, case, cell, sizes, peers):
        self.work, self.case, self.cell, self.sizes = work, case, cell, sizes
        self.peers = peers
        self.name = f"{work}-{case}-{cell}"

    def command(self, worker):
        return (self.work, self.cell, self.name, f"{self.name}.{worker.name}.{worker.threads}", *self.sizes)

    def flops(self):
        """Of the matrix products; x is data, so that nobody asks for its gradient."""
        if self.work != "recurrent":
            return None
        B, T, D, U = self.sizes
        g = CELLS[self.cell]
        return 3 * 2 * g * U * (D + U) * B * T - 2 * g * U * D * B * T

    def make_operands(self, folder):
        import numpy
        random = numpy.random.default_rng(1)

        def normal(*shape, scale=1.0):
            return random.normal(0, scale, shape)

        def layer(prefix, D, U, cell):
            g = CELLS[cell]
            return {prefix + "kernel": normal(D, g * U, scale=D**-0.5),
                    prefix + "recurrent_kernel": normal(U, g * U, scale=U**-0.5),
                    prefix + "bias": normal(*((2, g * U) if cell == "GRU" else (g * U,)), scale=0.1)}

        if self.work == "recurrent":
            B, T, D, U = self.sizes
            arrays = {"x": normal(B, T, D), "output_gradient": normal(B, T, U), **layer("", D, U, self.cell)}
        elif self.work == "char_lm":
            B, T, V, E, U = self.sizes
            arrays = {"ids": random.integers(0, V, (B, T)), "labels": random.integers(0, V, (B, T)),
                      "embedding.embeddings": normal(V, E, scale=0.3), **layer("rnn.", E, U, self.cell),
                      "dense.kernel": normal(U, V, scale=U**-0.5), "dense.bias": normal(V, scale=0.1)}
        else:
            B, S, T, D, U, M, A = self.sizes
            fed = {"bahdanau": M, "luong_general": 0, "luong_general_feeding": U}[self.cell]
            arrays = {"x": normal(B, T, D), "memory": normal(B, S, M), "output_gradient": normal(B, T, U),
                      **layer("cell.", D + fed, U, "GRU")}
            if self.cell == "bahdanau":
                arrays |= {"attention.query_kernel": normal(U, A, scale=U**-0.5),
                           "attention.memory_kernel": normal(M, A, scale=M**-0.5),
                           "attention.bias": normal(A, scale=0.1), "attention.v": normal(A, scale=A**-0.5)}
            else:
                arrays |= {"attention.kernel": normal(U, M, scale=(U * M)**-0.5),
                           "attention_kernel": normal(M + U, U, scale=(M + U)**-0.5)}
        save(folder / self.name, arrays)

    def differences(self, ours, theirs, start):
        """Name, difference and what it may be, for each result."""
        import numpy
        if ours.keys() != theirs.keys():
            yield "names of the results", math.inf, 0.0
            return
        for name, a in ours.items():
            b = theirs[name]
            if a.shape != b.shape or not (numpy.isfinite(a).all() and numpy.isfinite(b).all()):
                yield name, math.inf, 0.0
            elif self.work == "char_lm" and name != "losses":
                moved = numpy.linalg.norm(b - start[name])
                yield name, float(numpy.linalg.norm(a - b) / moved) if moved else math.inf, WEIGHTS_TOLERANCE
            else:
                yield name, float(abs(a - b).max() / max(abs(b).max(), 1e-30)), TOLERANCE


def jobs_of(options):
    for work in options.work:
        if work == "recurrent":
            for case in options.cases:
                for cell in options.cells:
                    yield Job(work, case, cell, CASES[case], options.peers)
        elif work == "char_lm":
            for cell in options.cells:
                yield Job(work, "charlm", cell, CHAR_LM, options.peers)
        elif work == "attention":
            for case in ("small",) if options.quick else ATTENTION:
                for kind in ATTENTION_KINDS:
                    yield Job(work, case, kind, ATTENTION[case], [p for p in options.peers if p == "pytorch"])


def perturb(folder):
    """One number of the first gradient (or, of a model, of the losses) is no longer right."""
    import numpy
    path = sorted([*folder.glob("d_*.f32"), *folder.glob("losses.f32")])[0]
    values = numpy.fromfile(path, "<f4")
    values[-1] += 1e-3 * abs(values).max()
    values.tofile(path)


def measure(job, seqgrad, others, options, folder):
    """A row of the results. A peer whose process fails is left out and gets None."""
    row = {"work": job.work, "case": job.case, "cell": job.cell, "sizes": job.sizes, "threads": seqgrad.threads,
           "seconds": {}, "problems": {}, "largest_difference": {}}
    seqgrad.ask(*job.command(seqgrad))
    results = folder / job.command(seqgrad)[3]
    if options.perturb:
        perturb(results)
    ours, start = load(results), load(folder / job.name)
    taking_part = [seqgrad]
    for worker in others:
        if worker.name not in job.peers:
            continue
        try:
            worker.ask(*job.command(worker))
        except RuntimeError as error:
            row["problems"][worker.name] = f"failed: {error}"
            continue
        differences = list(job.differences(ours, load(folder / job.command(worker)[3]), start))
        shutil.rmtree(folder / job.command(worker)[3])
        wrong = [f"{name} ({difference:.1e})" for name, difference, limit in differences if not difference <= limit]
        if wrong:
            row["problems"][worker.name] = "not the same work: " + ", ".join(wrong)
        else:
            row["largest_difference"][worker.name] = max(difference for _, difference, _ in differences)
            taking_part.append(worker)
    best = {worker.name: math.inf for worker in taking_part}
    for round_ in range(options.rounds):
        for i in range(len(taking_part)):
            worker = taking_part[(i + round_) % len(taking_part)]
            if worker.name in row["problems"]:
                continue
            time.sleep(0.02)  # threads of the one before may still spin
            try:
                best[worker.name] = min(best[worker.name], *worker.ask("time", options.seconds, options.clock))
            except RuntimeError as error:
                if worker is seqgrad:
                    raise
                row["problems"][worker.name] = f"failed: {error}"
                del best[worker.name]
    row["seconds"] = best
    return row


def measure_memory(options, program, folder):
    """Peak memory of preparing a layer and its first step, in processes of their own that did a small one before."""
    row = {"work": "memory", "case": "large", "cell": "LSTM", "sizes": CASES["large"], "threads": 1, "bytes": {},
           "problems": {}}
    small, large = (Job("recurrent", case, "LSTM", CASES[case], []) for case in ("seed", "large"))
    for job in (small, large):
        if not (folder / job.name).exists():
            job.make_operands(folder)
    makers = {"seqgrad": lambda log: Worker("seqgrad", [program], 1, folder, log)}
    if "pytorch" in options.peers:
        makers["pytorch"] = lambda log: peer_worker("pytorch", 1, folder, log)
    for name, make in makers.items():
        worker = make(options.output / f"{name}-memory.log")
        try:
            worker.ask(*small.command(worker))
            row["bytes"][name], = worker.ask("memory", *large.command(worker)[1:])
        except RuntimeError as error:
            row["problems"][name] = f"failed: {error}"
        finally:
            worker.stop()
    return row


def add_ratios(rows, peaks):
    """What follows from the times: DyNet's, ratios, shares of the peak."""
    one_thread = {(row["case"], row["cell"]): row["seconds"].get("pytorch") for row in rows
                  if row["work"] == "recurrent" and row["threads"] == 1}
    for row in rows:
        if row["work"] == "memory":
            continue
        key = (row["case"], row["cell"])
        if row["work"] == "recurrent" and key in DYNET_OVER_PYTORCH and one_thread.get(key):
            # It runs on one thread whatever there is.
            row["seconds"]["dynet"] = one_thread[key] * DYNET_OVER_PYTORCH[key]
        ours = row["seconds"]["seqgrad"]
        if row["work"] == "recurrent":
            flops = Job("recurrent", *key, row["sizes"], []).flops()
            row["share_of_fma_peak"] = {name: flops / s / peaks[row["threads"]] for name, s in row["seconds"].items()}
        row["ratio"] = {name: s / ours for name, s in row["seconds"].items() if name != "seqgrad"}
        measured = {name: ratio for name, ratio in row["ratio"].items() if name != "dynet"}
        row["fastest_peer"] = min(measured, key=measured.get) if measured else None
        row["ratio_to_fastest_peer"] = min(measured.values()) if measured else None


def markdown(results):
    rows, peaks = results["rows"], results["fma_peak"]
    title = {**PEERS, "dynet": "DyNet *"}
    lines = [f"{results['machine']['processor']}, {results['machine']['processors']} processors, "
             f"{results['date']}. FMA peak (float32): " +
             ", ".join(f"{peak / 1e9:.0f} GFLOP/s on {n} thread{'s' * (int(n) > 1)}" for n, peak in peaks.items()) +
             ". " + ", ".join(f"{name} {version}" for name, version in results["versions"].items()) +
             f". Best of {results['rounds']} rounds of {results['seconds']} s, {results['clock']} time."]

    def table(rows, label, with_peak):
        names = [n for n in title if any(n in row["seconds"] or n in row["problems"] for row in rows)]
        head = [*label, "seqgrad, ms", *(title[n] + ", ms" for n in names), "fastest peer / seqgrad"]
        if with_peak:
            head += ["seqgrad, % of FMA peak", "fastest peer, %"]
        lines.append("| " + " | ".join(head) + " |")
        lines.append("|" + "---|" * len(label) + "---:|" * (len(head) - len(label)))
        for row in rows:
            cells = [row["case"], row["cell"]]
            cells.append(figures(1e3 * row["seconds"]["seqgrad"]))
            for n in names:
                if n == "dynet" and n in row["ratio"] and row["share_of_fma_peak"][n] > 1:
                    cells.append(f"{figures(1e3 * row['seconds'][n])} (above the FMA peak: not so here)")
                elif n in row["ratio"]:
                    cells.append(f"{figures(1e3 * row['seconds'][n])} ({row['ratio'][n]:.2f} x)")
                else:
                    cells.append(row["problems"].get(n, "").split(":")[0])
            fastest = row["fastest_peer"]
            refused = any(p.startswith("not the same") for p in row["problems"].values())
            cells.append(f"**{row['ratio_to_fastest_peer']:.2f} x** ({title[fastest]})" if fastest and not refused else
                         "not the same work" if refused else "")
            if with_peak:
                share = row["share_of_fma_peak"]
                cells += [f"{100 * share['seqgrad']:.0f}", f"{100 * share[fastest]:.0f}" if fastest else ""]
            lines.append("| " + " | ".join(cells) + " |")

    def figures(ms):
        return f"{ms:.3f}" if ms < 1 else f"{ms:.2f}" if ms < 10 else f"{ms:.1f}"

    for threads in results["threads"]:
        plural = f"{threads} thread{'s' * (threads > 1)}"
        for work, heading, label in (
                ("recurrent", "Training step of one layer", ("case", "cell")),
                ("char_lm", "Whole step of a character model", ("case", "cell")),
                ("attention", "Training step of a GRU decoder that attends in every step", ("case", "attention"))):
            chosen = [row for row in rows if row["work"] == work and row["threads"] == threads]
            if chosen:
                lines += ["", f"### {heading}, {plural}", ""]
                table(chosen, label, work == "recurrent")
    if any("dynet" in row.get("seconds", {}) for row in rows):
        lines += ["", "\\* DyNet is in no package registry. Its figure is PyTorch's of this run on one thread times the "
                  "ratio of the two where they were measured side by side, one thread each (it uses no second one), on a "
                  "processor with an FMA peak of 240 GFLOP/s a core. It says little where this one's peak differs much: "
                  "the products take another part of the time. The fastest peer is the fastest that ran."]
    by = {(row["work"], row["case"], row["cell"], row["threads"]): row for row in rows if row["work"] != "memory"}
    least, most = min(results["threads"]), max(results["threads"])
    pairs = [(row, by[(*key[:3], least)]) for key, row in by.items() if key[3] == most and (*key[:3], least) in by]
    if least < most and pairs:
        lines += ["", f"### seqgrad on {most} threads and on {least}", "", "| work | case | cell | times as fast |",
                  "|---|---|---|---:|"]
        lines += [f"| {WORKS[many['work']]} | {many['case']} | {many['cell']} | "
                  f"{one['seconds']['seqgrad'] / many['seconds']['seqgrad']:.2f} |" for many, one in pairs]
    for row in rows:
        if row["work"] == "memory" and row["bytes"]:
            lines += ["", "### Peak memory of a training step, LSTM, case large, 1 thread", "",
                      "Operands, weights, gradients and all that the step needs.", "", "| | MB | |", "|---|---:|---:|"]
            ours = row["bytes"].get("seqgrad")
            for name, size in row["bytes"].items():
                ratio = f"seqgrad {ours / size:.2f} of it" if ours and name != "seqgrad" else ""
                lines.append(f"| {PEERS.get(name, name)} | {size / 1e6:.0f} | {ratio} |")
    problems = [f"- {row['work']} {row['case']} {row['cell']}, {row['threads']} thread(s), {name}: {text}"
                for row in rows for name, text in row["problems"].items()]
    if problems:
        lines += ["", "### Problems", "", *problems]
    return "\n".join(lines) + "\n"


def machine():
    name = platform.processor() or platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return {"processor": name, "processors": len(os.sched_getaffinity(0)), "system": platform.platform()}


def versions():
    from importlib import metadata
    return {name: metadata.version(name) for name in ("torch", "keras", "jax", "tensorflow-cpu")}


def revision():
    try:
        return subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], check=True, text=True,
                              capture_output=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def describe(row):
    times = ", ".join(f"{name} {1e3 * s:.3f} ms" for name, s in row["seconds"].items())
    problems = "; ".join(f"{name} {text}" for name, text in row["problems"].items())
    return (f"{row['work']:9} {row['case']:7} {row['cell']:21} threads {row['threads']}: {times}" +
            (f"; {problems}" if problems else ""))


def compare(options, program, folder):
    rows, peaks = [], {}
    jobs = list(jobs_of(options))
    for job in jobs:
        job.make_operands(folder)
    identical = {}  # results of seqgrad by the job's name, of the first number of threads
    for threads in options.threads if jobs else []:
        workers = [Worker("seqgrad", [program], threads, folder, options.output / f"seqgrad-{threads}.log")]
        workers += [peer_worker(name, threads, folder, options.output / f"{name}-{threads}.log")
                    for name in options.peers]
        try:
            for job in jobs:
                row = measure(job, workers[0], workers[1:], options, folder)
                peak, = workers[0].ask("peak", 0.1)
                peaks[threads] = max(peaks.get(threads, 0), peak)
                results = folder / job.command(workers[0])[3]
                mine = {name: array.tobytes() for name, array in load(results).items()}
                if identical.setdefault(job.name, mine) != mine:
                    row["problems"]["seqgrad"] = f"results differ between {options.threads[0]} and {threads} threads"
                shutil.rmtree(results)
                rows.append(row)
                print(describe(row), flush=True)
        finally:
            for worker in workers:
                worker.stop()
    if "memory" in options.work and not options.quick:
        rows.append(measure_memory(options, program, folder))
        print("memory   ", ", ".join(f"{name} {b / 1e6:.0f} MB" for name, b in rows[-1]["bytes"].items()))
    add_ratios(rows, peaks)
    return {"date": datetime.date.today().isoformat(), "revision": revision(), "machine": machine(),
            "versions": versions(), "threads": options.threads, "rounds": options.rounds, "seconds": options.seconds,
            "clock": options.clock, "fma_peak": peaks, "rows": rows}


def main():
    options = arguments()
    for pin in PINS:
        os.environ.pop(pin, None)
    # Frameworks are to use the processor, and the threads they are told to.
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "2"}
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "SEQGRAD_NUM_THREADS", "XLA_FLAGS"):
        os.environ.pop(variable, None)
    try:
        enter_environment(options.environment)
        program = (options.worker or build(options.build)).resolve()
        options.output.mkdir(parents=True, exist_ok=True)
        options.output = options.output.resolve()
        with tempfile.TemporaryDirectory(prefix="seqgrad-bench-") as folder:
            results = compare(options, program, pathlib.Path(folder))
    except (Failure, RuntimeError, OSError) as error:
        sys.exit(f"compare.py: {error}")
    except KeyboardInterrupt:
        sys.exit("compare.py: interrupted")
    (options.output / "speed.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (options.output / "speed.md").write_text(markdown(results), encoding="utf-8")
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        options.page.write_text(page[:page.index(RESULTS)] + RESULTS + "\n" + markdown(results), encoding="utf-8")
    print(f"written: {options.output / 'speed.md'}, {options.output / 'speed.json'}")
    problems = sum(len(row["problems"]) for row in results["rows"])
    if problems:
        sys.exit(f"compare.py: {problems} comparison{'s' * (problems > 1)} failed or refused, see Problems in speed.md")


if __name__ == "__main__":
    main()
