"""Probes: what is measured of each hidden layer, and how an outcome makes one number of it.

A study names a probe in an outcome (`{probe: dead_fraction, layer: all, when: end}`) or, to have it
in the report alone, in its base (`probes: {activation_histogram: [start]}`). How each is computed
stands in `training.probes`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, PositiveInt, model_validator

from harness.errors import unknown
from harness.words.base import Word

When = Literal["start", "end", "all"]  # all: the start, then 1, 2, 4, ... steps, and the end
Place = Literal["first", "last"] | PositiveInt  # a hidden layer, counted from the input, from 1

# Fixed bins, the same for every activation, so that panels can be compared; the end ones are open.
HISTOGRAM_RANGE = (-1.0, 3.0)
HISTOGRAM_BINS = 80


class ProbeFacts(NamedTuple):
    """What is known of a probe by its name, and what it `reads` over the training set."""

    label: str
    reads: Literal["activity", "gradient", "weights"] = "activity"
    log: bool = False  # drawn on a logarithmic axis
    moves: bool = False  # says something only after a first step
    state: bool = False  # is of the optimizer's state too, which isn't kept where members stop early
    better: Literal["higher", "lower"] | None = None
    share: bool = False  # lies between 0 and 1
    bounded: bool = False  # says something of activations of a bounded range alone
    values: int = 1  # numbers a layer


PROBES: dict[str, ProbeFacts] = {
    "activation_mean": ProbeFacts("mean activation"),
    "total_spread": ProbeFacts("standard deviation of activations", log=True),
    "between_sample_spread": ProbeFacts(
        "between-sample standard deviation of activations", log=True, better="higher"
    ),
    "saturated_fraction": ProbeFacts(
        "share of saturated activations", better="lower", share=True, bounded=True
    ),
    "dead_fraction": ProbeFacts("share of dead units", better="lower", share=True),
    "gradient_norm": ProbeFacts("norm of the weights' gradient", "gradient", log=True, better="higher"),
    "sparsity": ProbeFacts("share of weights below 0.001", "weights", better="higher", share=True),
    "update_ratio": ProbeFacts("update-to-weight ratio", "gradient", log=True, state=True),
    "effective_rate": ProbeFacts(
        "median effective learning rate", "weights", log=True, moves=True, state=True
    ),
    "activation_histogram": ProbeFacts("activations", values=HISTOGRAM_BINS),
}


def _known(probes: dict[str, list[When]]) -> dict[str, list[When]]:
    """The request with every probe's moments once and in order. Raises ValueError as pydantic asks."""
    for name, whens in probes.items():
        if name not in PROBES:
            raise ValueError(unknown("probe", name, PROBES))
        if PROBES[name].moves and "start" in whens:
            raise ValueError(f"{name} says nothing before the first step; allowed: end, all")
    return {name: sorted(set(whens)) for name, whens in sorted(probes.items()) if whens}


# probe -> when. In one order, so that equal requests make equal trials.
Probes = Annotated[dict[str, list[When]], AfterValidator(_known)]


class ProbeOptions(Word):
    """How an outcome makes one number of a probe's values, one a hidden layer.

    `layer`: one layer's value, or the mean over all. `ratio: [last, first]`: one layer's over another's.
    `log10`: the logarithm of either, so that ratios of 10 and of 0.1 count alike in a mean.
    `slope: layer`: of log10 of the value on the layer's number, by least squares; `slope: log_step`:
    of log10 of the layer's value on log10 of the step, over `when: all`.
    """

    layer: Place | Literal["all"] = "all"
    when: When = "end"
    ratio: tuple[Place, Place] | None = None
    log10: bool = False
    slope: Literal["layer", "log_step"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _over_steps(cls, value: Any) -> Any:
        over_steps = isinstance(value, dict) and value.get("slope") == "log_step"
        return {"when": "all", **value} if over_steps else value

    @model_validator(mode="after")
    def _one_way(self) -> ProbeOptions:
        if self.ratio is not None and self.slope == "layer":
            raise ValueError("give ratio or slope: layer, one of the two")
        if "layer" in self.model_fields_set and (self.ratio is not None or self.slope == "layer"):
            raise ValueError("layer goes neither with ratio nor with slope: layer; both name their layers")
        if self.log10 and self.slope is not None:
            raise ValueError("a slope is of logarithms already; leave out log10")
        if (self.when == "all") != (self.slope == "log_step"):
            raise ValueError("when: all and slope: log_step go together; found one without the other")
        return self

    @property
    def furthest(self) -> int:
        """The fewest hidden layers that a network needs to have a value."""
        places = [self.layer, *(self.ratio or ())]
        ends = 2 if self.slope == "layer" else 1
        return max([ends, *(p for p in places if isinstance(p, int))])
