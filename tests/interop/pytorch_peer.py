#!/usr/bin/env python3
"""PyTorch's side of the exchange of weights.

    pytorch_peer.py make FOLDER     for every case writes NAME.safetensors, a module's state_dict with random weights,
                                    and NAME.io.safetensors, an input x and what the module makes of it, y
    pytorch_peer.py check FOLDER    loads NAME.ours.safetensors into the module, and writes pytorch.json: the largest
                                    difference between its output and y of NAME.ours.io.safetensors, by case

tests/golden/files/pytorch holds what `make` wrote. The cases are those of tests/support/interop_cases.hpp.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from torch import nn

BATCH, TIME, FEATURES, VOCABULARY = 2, 4, 3, 7


class First(nn.Module):
    """A recurrent module alone: its outputs at every step."""

    def __init__(self, inside):
        super().__init__()
        self.rnn = inside

    def forward(self, x):
        return self.rnn(x)[0]


class Tagger(nn.Module):
    """The model that tutorials build."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, 4)
        self.rnn = nn.LSTM(4, 3, num_layers=2, bidirectional=True, batch_first=True)
        self.norm = nn.LayerNorm(6, eps=1e-3)
        self.out = nn.Linear(6, 2)

    def forward(self, x):
        return self.out(self.norm(self.rnn(self.words(x))[0]))


def rnn(kind, units=3, **arguments):
    return First(kind(FEATURES, units, batch_first=True, **arguments))


CASES = {
    "rnn": lambda: rnn(nn.RNN),
    "rnn_relu_without_bias": lambda: rnn(nn.RNN, nonlinearity="relu", bias=False),
    "rnn_bidirectional_2_layers": lambda: rnn(nn.RNN, num_layers=2, bidirectional=True),
    "lstm": lambda: rnn(nn.LSTM),
    "lstm_without_bias": lambda: rnn(nn.LSTM, bias=False),
    "lstm_3_layers": lambda: rnn(nn.LSTM, num_layers=3),
    "lstm_bidirectional": lambda: rnn(nn.LSTM, bidirectional=True),
    "gru": lambda: rnn(nn.GRU),
    "gru_without_bias": lambda: rnn(nn.GRU, bias=False),
    "gru_bidirectional_2_layers": lambda: rnn(nn.GRU, num_layers=2, bidirectional=True),
    "linear": lambda: nn.Linear(FEATURES, 5),
    "embedding": lambda: nn.Embedding(VOCABULARY, 4),
    "layer_norm": lambda: nn.LayerNorm(FEATURES, eps=1e-3),
    "chain": lambda: nn.Sequential(nn.Linear(FEATURES, 5), nn.Tanh(), nn.Linear(5, 2, bias=False)),
    "tagger": Tagger,
}
TAKES_IDS = {"embedding", "tagger"}


def output(module, x, name):
    with torch.no_grad():
        return module(x.long() if name in TAKES_IDS else x)


def make(folder):
    torch.manual_seed(1)
    for name, build in CASES.items():
        module = build()
        with torch.no_grad():
            for weights in module.parameters():
                weights.uniform_(-0.9, 0.9)
        if name in TAKES_IDS:
            x = torch.randint(0, VOCABULARY, (BATCH, TIME)).float()
        else:
            x = torch.rand(BATCH, TIME, FEATURES) * 4 - 2
        save_file(module.state_dict(), folder / f"{name}.safetensors")
        save_file({"x": x, "y": output(module, x, name).contiguous()}, folder / f"{name}.io.safetensors")


def check(folder):
    differences = {}
    for name, build in CASES.items():
        module = build()
        module.load_state_dict(load_file(folder / f"{name}.ours.safetensors"))
        io = load_file(folder / f"{name}.ours.io.safetensors")
        y = output(module, io["x"], name)
        if y.shape != io["y"].shape:
            raise SystemExit(f"{name}: expected an output of shape {tuple(io['y'].shape)}, got {tuple(y.shape)}")
        differences[name] = (y - io["y"]).abs().max().item()
    (folder / "pytorch.json").write_text(json.dumps(differences))


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
