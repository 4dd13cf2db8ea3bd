"""A search: the parameters of its space, every config that was tried, and what mattered among them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from harness.words.base import Word
from harness.words.ranges import Count

Sampler = Literal["tpe", "gp", "qmc", "random"]

ARM = "search"  # where the plan puts every config that is tried
DEFAULT = "default"  # the arm of the config that nobody tuned
BATCHES = 10  # a search has, unless the study says how large one is


class Budget(Word):
    """How much a search may spend, and how it goes about it.

    Configs are asked for in batches: what is learned from one decides the next, and trials of equal
    shape inside one train as a stack. A tenth of the trials, unless given.
    """

    trials: Annotated[int, Field(strict=True, gt=0, le=100_000)]
    sampler: Sampler = "tpe"
    batch: Count | None = None
    seeds: Count = 1  # runs a trial, whose mean counts
    best: Count = 3  # configs that are judged again on fresh seeds

    @property
    def batch_size(self) -> int:
        """Trials asked for at once."""
        return self.batch or max(1, -(-self.trials // BATCHES))


class Parameter(Word):
    """One parameter of a search's space: a range, or listed values (`ordered` where numbers that ascend).

    `own`: the range is the optimizer's own, so that it depends on which optimizer is tried. `always`:
    whether every config of the space has it.
    """

    path: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    values: list[Any] | None = None
    ordered: bool = False
    whole: bool = False
    own: bool = False
    always: bool = True


class SearchTrial(Word):
    """One config that was tried. `asked` is what the sampler chose, `params` what that stands for."""

    index: int
    asked: dict[str, Any]  # as Optuna knows it: a place in a list or in an own range
    params: dict[str, Any]  # dotted paths of the config
    value: float | None = None  # the objective; None while it runs, or where no worst value is known
    diverged: bool = False  # its value is then the worst there is


class Importance(Word):
    """A parameter's share of the objective's variance over the space, by fANOVA; one value a seed of it."""

    path: str
    values: list[float]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return sum(self.values) / len(self.values)


class Search(Word):
    """A search as far as it has come."""

    space_hash: str  # of all that decides which configs are tried, but for their number
    objective: str
    direction: Literal["higher", "lower"]
    parameters: list[Parameter]
    trials: list[SearchTrial] = []
    defaults: list[SearchTrial] = []  # the space's default configs; the best of them is judged too
    best: list[int] = []  # the indices of the judged trials, the best first
    default: int | None = None  # the index of the judged default
    importances: list[Importance] = []  # the largest first
