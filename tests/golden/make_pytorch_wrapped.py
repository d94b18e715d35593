"""Writes files/pytorch/wrapped: state_dicts as PyTorch's wrappers leave them. pip install torch==2.15.0 safetensors==0.8.0"""
import pathlib

import torch
from safetensors.torch import save_file, save_model
from torch import nn
from torch.nn.utils import parametrizations

folder = pathlib.Path(__file__).parent / "files" / "pytorch" / "wrapped"
folder.mkdir(exist_ok=True)


def chain():
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def save(name, module, x, **named):
    """The state_dict, and with it an input and the output."""
    with torch.no_grad():
        y = module(x)
    y = y[0] if isinstance(y, tuple) else y
    save_file({k: v.contiguous() for k, v in module.state_dict().items()}, folder / f"{name}.safetensors")
    save_file({"x": x.float(), "y": y.contiguous()}, folder / f"{name}.io.safetensors")


torch.manual_seed(3)
x = torch.randn(2, 3)
averaged = torch.optim.swa_utils.AveragedModel(chain())
averaged.update_parameters(chain())
save("averaged", averaged, x)

compiled = torch.compile(nn.DataParallel(chain()), backend="eager")
save("compiled", compiled, x)

normed = chain()
normed[0] = parametrizations.weight_norm(normed[0])
normed[2] = parametrizations.weight_norm(normed[2], dim=1)
with torch.no_grad():
    normed[0].parametrizations.weight.original0.mul_(1.5)
save("weight_norm", normed, x)

normed = chain()
normed[0] = nn.utils.weight_norm(normed[0])
normed[2] = parametrizations.weight_norm(normed[2], dim=None)
save("weight_norm_old", normed, x)

torch.manual_seed(5)
rnn = nn.LSTM(3, 4, batch_first=True)
parametrizations.weight_norm(rnn, "weight_hh_l0")
save("weight_norm_lstm", rnn, torch.randn(2, 5, 3))

save("spectral_norm", nn.Sequential(parametrizations.spectral_norm(nn.Linear(3, 4))), x)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(9)
        self.words = nn.Embedding(6, 4)
        self.out = nn.Linear(4, 6, bias=False)
        self.out.weight = self.words.weight

    def forward(self, ids):
        return self.out(self.words(ids))


tied = Tied()
ids = torch.tensor([[0, 5, 2], [1, 1, 4]])
with torch.no_grad():
    y = tied(ids)
save_model(tied, str(folder / "tied.safetensors"))
save_file({"x": ids.float(), "y": y}, folder / "tied.io.safetensors")

save_file({"weight": torch.tensor([1.5, -2.0]), "flags": torch.tensor([True, False, True]),
           "bytes": torch.tensor([1, 2], dtype=torch.uint8), "small": torch.tensor([-1], dtype=torch.int8),
           "short": torch.tensor([-300], dtype=torch.int16), "int": torch.tensor([[1, -70000]], dtype=torch.int32),
           "long": torch.tensor(7), "float8": torch.tensor([1.5, 2.0]).to(torch.float8_e4m3fn),
           "complex": torch.tensor([1 + 2j])}, folder / "types.safetensors")
