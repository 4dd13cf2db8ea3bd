"""The peers' networks as a PyTorch user writes them: `nn.Linear`, `nn.Conv1d`, `nn.LSTM`.

The options are the harness's own `model` section, so that both sides train the same thing; what these
networks can't do is refused rather than left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

Options = Mapping[str, Any]
Shape = tuple[int, ...]

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
INITS: dict[str, Callable[[Tensor], Tensor]] = {
    "he_normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
    "xavier_normal": nn.init.xavier_normal_,
    "xavier_uniform": nn.init.xavier_uniform_,
}
# The values of options that a peer's network has no other way of.
PLAIN: dict[str, dict[str, Any]] = {
    "mlp": {"normalisation": "none", "dropout": 0.0, "skip": False, "bias": True},
    "cnn1d": {"normalisation": "none", "dropout": 0.0, "pool": "flatten", "padding": "half"},
    "rnn": {"cell": "lstm", "bidirectional": False, "readout": "last", "dropout": 0.0},
}


def network(options: Options, features: Shape, n_outputs: int) -> nn.Module:
    """The network of a `model` section for examples of shape `features`, its weights drawn by the init."""
    name = options["name"]
    if name not in NETWORKS:
        raise ValueError(f"the peers have no network {name!r}; they have {', '.join(NETWORKS)}")
    others = {k: options[k] for k, plain in PLAIN[name].items() if options[k] != plain}
    if others or (name == "mlp" and not options.get("widths")):
        raise ValueError(f"the peer's {name} is a plain one; it can't do {others or 'other than widths'}")
    module = NETWORKS[name](options, features, n_outputs)
    for parameter in module.parameters():
        nn.init.zeros_(parameter) if parameter.dim() < 2 else INITS[options["init"]](parameter)
    return module


def mlp(options: Options, features: Shape, n_outputs: int) -> nn.Module:
    """Linear layers of the config's widths; a Flatten in front takes images."""
    activation = ACTIVATIONS[options["activation"]]
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise([prod(features), *options["widths"]]):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    return nn.Sequential(*layers, nn.Linear(options["widths"][-1], n_outputs))


def cnn1d(options: Options, features: Shape, n_outputs: int) -> nn.Module:
    """Convolutions over a sequence (L,) of one channel, then a linear layer over all positions."""
    channels, kernels = options["channels"], options["kernels"]
    kernels = kernels * len(channels) if len(kernels) == 1 else kernels
    activation = ACTIVATIONS[options["activation"]]
    layers: list[nn.Module] = [nn.Unflatten(1, (1, -1))]
    for (before, after), kernel in zip(pairwise([1, *channels]), kernels, strict=True):
        layers += [nn.Conv1d(before, after, kernel, options["stride"], kernel // 2), activation()]
    convolutions = nn.Sequential(*layers, nn.Flatten())
    with torch.no_grad():
        n_features = convolutions(torch.zeros(1, *features)).shape[1]
    return nn.Sequential(convolutions, nn.Linear(n_features, n_outputs))


class Lstm(nn.Module):
    """An LSTM over a sequence (T,) of single numbers; a linear layer reads its last output."""

    def __init__(self, hidden: int, n_outputs: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.output = nn.Linear(hidden, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T) -> (B, n_outputs)."""
        outputs, _ = self.lstm(x.unsqueeze(-1))
        return self.output(outputs[:, -1])


def lstm(options: Options, features: Shape, n_outputs: int) -> nn.Module:
    """`Lstm` of the config's hidden units."""
    if len(features) != 1:
        raise ValueError(f"the peer's LSTM reads sequences (T,); these data have {features}")
    return Lstm(options["hidden"], n_outputs)


NETWORKS: dict[str, Callable[[Options, Shape, int], nn.Module]] = {"mlp": mlp, "cnn1d": cnn1d, "rnn": lstm}
