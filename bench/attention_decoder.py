#!/usr/bin/env python3
"""Training steps of a decoder that attends in every step: attention_decoder_bench beside a PyTorch step loop.

    bench/attention_decoder.py build/release/bench/attention_decoder_bench

Needs PyTorch (pip install torch --index-url https://download.pytorch.org/whl/cpu). Both use one thread; the
figures are the best of several alternating runs in processor time, so that what else the machine does shows
as little as possible.
"""
import json
import os
import subprocess
import sys
import time

for pinned in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(pinned, None)

import torch  # noqa: E402  after the environment

torch.set_num_threads(1)
# batch, memory steps, steps, features, units, memory features, attention units
CASES = {"small": (64, 30, 10, 32, 64, 128, 64), "large": (64, 40, 40, 256, 256, 512, 256)}
KINDS = ("bahdanau", "luong_general", "luong_general_feeding")
ROUNDS = 5


class Bahdanau(torch.nn.Module):
    def __init__(self, D, U, M, A):
        super().__init__()
        self.query = torch.nn.Linear(U, A)
        self.keys = torch.nn.Linear(M, A, bias=False)
        self.v = torch.nn.Linear(A, 1, bias=False)
        self.cell = torch.nn.GRUCell(D + M, U)
        self.units = U

    def forward(self, x, memory):
        h = x.new_zeros(x.shape[0], self.units)
        keys = self.keys(memory)
        outputs = []
        for x_t in x.unbind(1):
            scores = self.v(torch.tanh(self.query(h)[:, None] + keys))[..., 0]
            context = torch.bmm(torch.softmax(scores, -1)[:, None], memory)[:, 0]
            h = self.cell(torch.cat([x_t, context], -1), h)
            outputs.append(h)
        return torch.stack(outputs, 1)


class Luong(torch.nn.Module):
    def __init__(self, D, U, M, feeding):
        super().__init__()
        self.score = torch.nn.Linear(U, M, bias=False)
        self.cell = torch.nn.GRUCell(D + (U if feeding else 0), U)
        self.output = torch.nn.Linear(M + U, U, bias=False)
        self.units, self.feeding = U, feeding

    def forward(self, x, memory):
        h = y = x.new_zeros(x.shape[0], self.units)
        outputs = []
        for x_t in x.unbind(1):
            h = self.cell(torch.cat([x_t, y], -1) if self.feeding else x_t, h)
            scores = torch.bmm(memory, self.score(h)[..., None])[..., 0]
            context = torch.bmm(torch.softmax(scores, -1)[:, None], memory)[:, 0]
            y = torch.tanh(self.output(torch.cat([context, h], -1)))
            outputs.append(y)
        return torch.stack(outputs, 1)


def torch_milliseconds(case, kind, seconds):
    B, S, T, D, U, M, A = CASES[case]
    model = Bahdanau(D, U, M, A) if kind == "bahdanau" else Luong(D, U, M, kind.endswith("feeding"))
    x, memory, gradient = torch.randn(B, T, D), torch.randn(B, S, M, requires_grad=True), torch.randn(B, T, U)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.thread_time()
        model(x, memory).backward(gradient)
        best = min(best, time.thread_time() - start)
        model.zero_grad()
        memory.grad = None
    return 1e3 * best


def seqgrad_milliseconds(program, case, kind):
    arguments = [program, f"--benchmark_filter=^{case}/{kind}$", "--benchmark_repetitions=6",
                 "--benchmark_min_time=0.2", "--benchmark_format=json"]
    report = json.loads(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)
    return min(run["cpu_time"] for run in report["benchmarks"] if run["run_type"] == "iteration")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for case in CASES:
        for kind in KINDS:
            ours = theirs = float("inf")
            for _ in range(ROUNDS):
                theirs = min(theirs, torch_milliseconds(case, kind, 1.5))
                ours = min(ours, seqgrad_milliseconds(sys.argv[1], case, kind))
            print(f"{case:6} {kind:22} seqgrad {ours:8.2f} ms  PyTorch {theirs:8.2f} ms  ratio "
                  f"{theirs / ours:5.2f}", flush=True)


if __name__ == "__main__":
    main()
