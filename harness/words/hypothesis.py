"""Hypotheses: an estimand over outcomes. They know nothing of training (method.md, section 5)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, model_validator

from harness.words.base import Word
from harness.words.outcome import Delta, Outcome

# What a run can already decide; the rest of the schema parses, and planning says that it isn't there yet.
AVAILABLE_KINDS = ("superiority", "faster", "best_of")


Selector = dict[str, Any]  # factor -> level
Side = str | dict[str, Any]  # an arm's label, a selector, or an ensemble of an arm's members


class _Hypothesis(Word):
    primary: bool = False
    name: str | None = None
    at: Selector = {}


class _Pair(_Hypothesis):
    a: Side
    b: Side
    outcome: Outcome
    direction: Literal["higher", "lower"] | None = Field(
        default=None, description="better; default: the metric's own"
    )
    delta: Delta | None = None


class Superiority(_Pair):
    """a is better than b by at least delta."""

    kind: Literal["superiority"]


class Faster(_Pair):
    """a reaches the target in fewer steps than b, by a factor of at least delta."""

    kind: Literal["faster"]


class Equivalence(_Pair):
    """a and b differ by less than delta."""

    kind: Literal["equivalence"]


class NonInferiority(_Pair):
    """a is worse than b by less than delta."""

    kind: Literal["non_inferiority"]


class AtLeast(_Pair):
    """a is better than b by at least x."""

    kind: Literal["at_least"]
    x: float


class BestOf(_Hypothesis):
    """Which arm is best; each against the best other. With `a`: whether a is."""

    kind: Literal["best_of"]
    outcome: Outcome
    a: Side | None = None
    direction: Literal["higher", "lower"] | None = None
    delta: Delta | None = None


class Dose(_Hypothesis):
    """The outcome rises or falls with the level of one factor."""

    kind: Literal["dose"]
    outcome: Outcome
    over: str | None = None
    direction: Literal["increasing", "decreasing"] = "increasing"
    delta: Delta | None = None


class InteriorOptimum(_Hypothesis):
    """The best level lies inside the range, better than both ends."""

    kind: Literal["interior_optimum"]
    outcome: Outcome
    over: str | None = None
    direction: Literal["higher", "lower"] | None = None
    delta: Delta | None = None


class Interaction(_Hypothesis):
    """The difference a - b changes over the levels of another factor."""

    kind: Literal["interaction"]
    a: Side
    b: Side
    over: str
    outcome: Outcome
    direction: Literal["increasing", "decreasing"] = "increasing"
    delta: Delta | None = None


class Mechanism(_Hypothesis):
    """A probe stays above or below a threshold fixed beforehand."""

    kind: Literal["mechanism"]
    arm: Selector
    outcome: Outcome
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Mechanism:
        if (self.above is None) == (self.below is None):
            raise ValueError("give above or below, one of the two")
        return self


class Impossibility(_Hypothesis):
    """No run can succeed: a certificate, and 0 of n."""

    kind: Literal["impossibility"]
    arm: Selector
    outcome: Outcome
    certificate: str


class Identity(_Hypothesis):
    """Two functions are equal to rounding."""

    kind: Literal["identity"]
    outcome: Outcome
    tolerance: PositiveFloat = 1e-12


class Threshold(_Hypothesis):
    """From which multiple of the tuned value on runs diverge."""

    kind: Literal["threshold"]
    outcome: Outcome
    over: str


Hypothesis = Annotated[
    Superiority
    | Faster
    | Equivalence
    | NonInferiority
    | AtLeast
    | BestOf
    | Dose
    | InteriorOptimum
    | Interaction
    | Mechanism
    | Impossibility
    | Identity
    | Threshold,
    Field(discriminator="kind"),
]
