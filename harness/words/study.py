"""A study: a claim, the arms that test it, what is tuned, how often it is judged, what counts as an effect.

This is the form of a study file. Meaning (names, possible designs, rules that can fire) is checked
by planning, which knows the catalogue.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from harness.words.base import Word
from harness.words.hypothesis import Hypothesis, Selector
from harness.words.outcome import Outcome
from harness.words.ranges import Count, Factor, Range
from harness.words.search import Budget

Control = Literal["no_difference", "planted_effect"]  # method.md, section 7


class Claim(Word):
    """What somebody says, and who."""

    says: str
    source: str = ""


def _one_or_two(value: Any) -> str:
    return "<two>" if isinstance(value, (list, tuple)) else "<one>"


class Tune(Word):
    """What is tuned for each arm, separately and with the same budget.

    In a file the tuned paths stand beside the other keys: `tune: {optimizer.lr: own_range, points: 9}`.
    """

    parameters: dict[str, Range] = {}
    points: Count | None = Field(default=None, description="points an arm: 9 for one dimension, 16 for more")
    seeds: Count = 2
    select: Outcome | None = Field(default=None, description="default: the final validation metric")
    sampler: Literal["auto", "grid", "qmc", "random", "tpe", "gp"] = "auto"
    extend: int = Field(
        default=2, strict=True, ge=0, le=4, description="how often a winner on the edge extends its range"
    )

    @model_validator(mode="before")
    @classmethod
    def _gather_paths(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        tuned = {k: v for k, v in value.items() if isinstance(k, str) and "." in k}
        rest = {k: v for k, v in value.items() if k not in tuned}
        given = rest.get("parameters", {})
        return {**rest, "parameters": {**given, **tuned} if isinstance(given, dict) else given}


class Judge(Word):
    """How often each arm is judged, with fresh seeds paired across arms."""

    replicates: Count = 20
    members: Count = Field(default=1, description="nets a replicate, of the arms an ensemble is made of")


class Target(Word):
    """The target of `faster`: given, or the reference arm's median final value in tuning, less a margin."""

    value: float | None = None
    reference: str | None = Field(default=None, description="an arm; default: b of the primary hypothesis")
    margin: float | None = Field(
        default=None, ge=0, description="default: the metric's smallest effect that matters"
    )
    each: tuple[str, ...] | None = Field(
        default=None,
        exclude_if=lambda factors: factors is None,
        description="factors at whose levels arms have targets of their own; default: those the primary "
        "hypothesis is asked for each of",
    )


class Require(Word):
    """A manipulation check: the outcome (or the difference of two) of an arm lies within bounds."""

    outcome: Annotated[
        Annotated[Outcome, Tag("<one>")] | Annotated[tuple[Outcome, Outcome], Tag("<two>")],
        Discriminator(_one_or_two),
    ]
    arm: Selector = {}
    at_least: float | None = None
    at_most: float | None = None


class Study(Word):
    """A question and its design. One small YAML file."""

    kind: Literal["comparison", "search"] = "comparison"
    control: Control | None = Field(
        default=None, description="what is known beforehand: every hypothesis must be supported"
    )
    title: str = ""
    topic: str = ""
    claim: Claim = Claim(says="")
    base: dict[str, Any] = {}
    arms: dict[str, Factor] = {}
    tune: Tune = Tune()
    judge: Judge = Judge()
    target: Target = Target()
    hypotheses: list[Hypothesis] = []
    require: dict[str, Require] = {}
    tiers: dict[str, dict[str, Any]] = {}
    space: dict[str, Range] = {}
    budget: Budget | None = None
    objective: Outcome | None = Field(
        default=None, description="what a search looks for; default: {final: val/accuracy}"
    )

    @model_validator(mode="after")
    def _whole(self) -> Study:
        if self.kind == "search":
            if not self.space or self.budget is None:
                raise ValueError("a search needs a space and a budget")
            return self
        if self.space or self.budget or self.objective:
            raise ValueError("space, budget and objective belong to a study of kind: search")
        if not self.arms:
            raise ValueError("a comparison needs arms: the factors and the levels it compares")
        if sum(h.primary for h in self.hypotheses) > 1:
            raise ValueError("only one hypothesis is primary; the others are secondary")
        return self

    @property
    def primary(self) -> Hypothesis | None:
        """The primary hypothesis: the one marked so, else the first."""
        marked = [h for h in self.hypotheses if h.primary]
        return next(iter(marked or self.hypotheses), None)

    def deciding(self) -> dict[str, Any]:
        """What decides the verdict, as plain values.

        Titles, topics, sources, what a control stands for, which hypotheses are parts of the claim and tiers
        that were not asked for decide nothing.
        """
        aside = {"title": True, "topic": True, "tiers": True, "control": True}
        tree = self.model_dump(mode="json", exclude={**aside, "hypotheses": {"__all__": {"part"}}})
        return {**tree, "claim": self.claim.says}
