#!/usr/bin/env python3
"""compare.py's PyTorch worker: the layers of torch.nn as users run them."""
import argparse

import numpy as np
import torch

import worker
from worker import GATES


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array))


def swapped(columns):
    """Gates of a GRU in PyTorch's order (reset, update, new) from Keras's (update, reset, new), or back."""
    z, r, n = np.split(columns, 3, axis=-1)
    return np.concatenate([r, z, n], axis=-1)


def same(columns):
    return columns



def set_recurrent(module, cell, kernel, recurrent_kernel, bias, suffix="_l0"):
    order = swapped if cell == "GRU" else same
    # PyTorch adds two biases everywhere, Keras only in the GRU.
    both = bias if cell == "GRU" else np.stack([bias, np.zeros_like(bias)])
    with torch.no_grad():
        getattr(module, "weight_ih" + suffix).copy_(tensor(order(kernel).T))
        getattr(module, "weight_hh" + suffix).copy_(tensor(order(recurrent_kernel).T))
        getattr(module, "bias_ih" + suffix).copy_(tensor(order(both[0])))
        getattr(module, "bias_hh" + suffix).copy_(tensor(order(both[1])))


def recurrent_arrays(module, cell, take, suffix="_l0"):
    """kernel, recurrent_kernel and bias as Keras has them, or their gradients."""
    order = swapped if cell == "GRU" else same
    kernel = order(take(getattr(module, "weight_ih" + suffix)).T)
    recurrent_kernel = order(take(getattr(module, "weight_hh" + suffix)).T)
    biases = [order(take(getattr(module, name + suffix))) for name in ("bias_ih", "bias_hh")]
    return kernel, recurrent_kernel, np.stack(biases) if cell == "GRU" else biases[0]


def grad(parameter):
    return parameter.grad.numpy()


def recurrent(cell, operands, B, T, D, U):
    g = GATES[cell]
    layer = {"SimpleRNN": torch.nn.RNN, "LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}[cell](D, U, batch_first=True)
    set_recurrent(layer, cell, operands("kernel", D, g * U), operands("recurrent_kernel", U, g * U),
                  operands("bias", *((2, g * U) if cell == "GRU" else (g * U,))))
    x, gradient = tensor(operands("x", B, T, D)), tensor(operands("output_gradient", B, T, U))
    parameters, last = list(layer.parameters()), []

    def step():
        for p in parameters:
            p.grad = None
        y, _ = layer(x)
        y.backward(gradient)
        last[:] = [y]

    def results():
        names = ("d_kernel", "d_recurrent_kernel", "d_bias")
        return {"output": last[0].detach().numpy(), **dict(zip(names, recurrent_arrays(layer, cell, grad)))}

    return step, results


class Bahdanau(torch.nn.Module):
    def __init__(self, D, U, M, A):
        super().__init__()
        self.query = torch.nn.Linear(U, A)
        self.keys = torch.nn.Linear(M, A, bias=False)
        self.v = torch.nn.Linear(A, 1, bias=False)
        self.cell = torch.nn.GRUCell(D + M, U)
        self.units = U

    def weights(self):
        return {"attention.query_kernel": self.query.weight, "attention.memory_kernel": self.keys.weight,
                "attention.bias": self.query.bias, "attention.v": self.v.weight}

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

    def weights(self):
        return {"attention.kernel": self.score.weight, "attention_kernel": self.output.weight}

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


def attention(kind, operands, B, S, T, D, U, M, A):
    model = Bahdanau(D, U, M, A) if kind == "bahdanau" else Luong(D, U, M, kind == "luong_general_feeding")
    weights = model.weights()
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensor(operands(name, *weight.shape[::-1]).T if weight.dim() == 2 else
                                operands(name, *weight.shape)))
    set_recurrent(model.cell, "GRU", operands("cell.kernel", model.cell.input_size, 3 * U),
                  operands("cell.recurrent_kernel", U, 3 * U), operands("cell.bias", 2, 3 * U), suffix="")
    x, memory = tensor(operands("x", B, T, D)), tensor(operands("memory", B, S, M)).requires_grad_()
    gradient, last = tensor(operands("output_gradient", B, T, U)), []

    def step():
        model.zero_grad()
        memory.grad = None
        y = model(x, memory)
        y.backward(gradient)
        last[:] = [y]

    def results():
        names = ("d_cell.kernel", "d_cell.recurrent_kernel", "d_cell.bias")
        return {"output": last[0].detach().numpy(), "d_memory": grad(memory),
                **{"d_" + name: grad(weight).T for name, weight in weights.items()},
                **dict(zip(names, recurrent_arrays(model.cell, "GRU", grad, suffix="")))}

    return step, results


class CharLM(torch.nn.Module):
    def __init__(self, cell, V, E, U):
        super().__init__()
        self.embedding = torch.nn.Embedding(V, E)
        self.rnn = {"SimpleRNN": torch.nn.RNN, "LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}[cell](E, U, batch_first=True)
        self.dense = torch.nn.Linear(U, V)

    def forward(self, ids):
        return self.dense(self.rnn(self.embedding(ids))[0])


def char_lm(cell, operands, B, T, V, E, U):
    model, g = CharLM(cell, V, E, U), GATES[cell]
    with torch.no_grad():
        model.embedding.weight.copy_(tensor(operands("embedding.embeddings", V, E)))
        model.dense.weight.copy_(tensor(operands("dense.kernel", U, V).T))
        model.dense.bias.copy_(tensor(operands("dense.bias", V)))
    set_recurrent(model.rnn, cell, operands("rnn.kernel", E, g * U), operands("rnn.recurrent_kernel", U, g * U),
                  operands("rnn.bias", *((2, g * U) if cell == "GRU" else (g * U,))))
    if cell != "GRU":
        model.rnn.bias_hh_l0.requires_grad_(False)  # Keras has one bias: two would move by Adam's step each
    ids, labels = (tensor(operands(name, B, T)).long() for name in ("ids", "labels"))
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3, fused=True)
    losses, steps = [], 0

    def step():
        nonlocal steps
        steps += 1
        # Keras's Adam adds epsilon to what PyTorch's divides by this before.
        optimizer.param_groups[0]["eps"] = 1e-7 / (1 - 0.999**steps)**0.5
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(ids).flatten(0, 1), labels.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses[:] = [*losses[-3:], loss.item()]

    def results():
        for _ in range(3):
            step()
        take = lambda p: p.detach().numpy()  # noqa: E731
        names = ("rnn.kernel", "rnn.recurrent_kernel", "rnn.bias")
        return {"losses": losses, "embedding.embeddings": take(model.embedding.weight),
                "dense.kernel": take(model.dense.weight).T, "dense.bias": take(model.dense.bias),
                **dict(zip(names, recurrent_arrays(model.rnn, cell, take)))}

    return step, results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, required=True)
    torch.set_num_threads(parser.parse_args().threads)
    worker.serve({"recurrent": recurrent, "attention": attention, "char_lm": char_lm})
