"""Hypotheses: an estimand over outcomes. They know nothing of training (method.md, section 5)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, PositiveFloat, field_validator, model_validator

from harness.words.base import Word
from harness.words.certificates import not_certified
from harness.words.outcome import Delta, Outcome

Selector = dict[str, Any]  # factor -> level
Side = str | dict[str, Any]  # an arm's label, a selector, or an ensemble of an arm's members
Certificate = Literal["linear_separability"]
Closed = Literal[
    "closed_form_regression",
    "cross_entropy_indices",
    "depthwise_separable_cost",
    "linear_collapse",
    "quadratic_stability",
]
CLOSED_FORMS: tuple[str, ...] = get_args(Closed)  # what an outcome `{exact: NAME}` may name


ForEach = Annotated[
    tuple[str, ...],
    BeforeValidator(
        lambda value: (value,) if isinstance(value, str) else value, json_schema_input_type=str | list[str]
    ),
]


class _Hypothesis(Word):
    primary: bool = False
    part: bool = Field(
        default=False,
        exclude_if=lambda part: not part,  # it decides nothing: a study keeps the hash it had
        description="what the claim says too, beside the primary: the ledger tells where it does not hold",
    )
    name: str | None = None
    at: Selector = {}
    for_each: ForEach = Field(
        default=(),
        exclude_if=lambda factors: not factors,  # a study that asks for none keeps the hash it had
        description="factors: judged at every combination of their levels, supported only if in all",
    )

    @field_validator("for_each")
    @classmethod
    def _distinct(cls, factors: tuple[str, ...]) -> tuple[str, ...]:
        if not factors:
            raise ValueError("names no factor; name one or several, or leave it out")
        if len(set(factors)) < len(factors):
            raise ValueError(f"names a factor twice: {', '.join(factors)}; name each once")
        return factors


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
    """a reaches the target in fewer steps (or another unit of time) than b, by a factor of at least delta."""

    kind: Literal["faster"]


class Equivalence(_Pair):
    """a and b differ by less than delta."""

    kind: Literal["equivalence"]


class NonInferiority(_Pair):
    """a is worse than b by less than delta."""

    kind: Literal["non_inferiority"]


class AtLeast(_Pair):
    """a is better than b by at least x, in the outcome's units."""

    kind: Literal["at_least"]
    x: float


class BestOf(_Hypothesis):
    """Which arm is best; each against the best other. With `a`: whether a is.

    With `across` the levels of that factor are tasks: what the other factors make is compared over them.
    """

    kind: Literal["best_of"]
    outcome: Outcome
    a: Side | None = None
    across: str | None = Field(
        default=None,
        exclude_if=lambda factor: factor is None,  # a study without tasks keeps the hash it had
        description="factor whose levels are the tasks that arms are compared over",
    )
    direction: Literal["higher", "lower"] | None = None
    delta: Delta | None = None


class Dose(_Hypothesis):
    """The outcome rises or falls with the level of one factor; delta is the least change from end to end."""

    kind: Literal["dose"]
    outcome: Outcome
    over: str | None = Field(default=None, description="default: the only factor whose levels are numbers")
    direction: Literal["increasing", "decreasing"] = "increasing"
    delta: Delta | None = None


class InteriorOptimum(_Hypothesis):
    """The best level lies inside the range, better than both ends by at least delta."""

    kind: Literal["interior_optimum"]
    outcome: Outcome
    over: str | None = Field(default=None, description="default: the only factor whose levels are numbers")
    direction: Literal["higher", "lower"] | None = None
    delta: Delta | None = None


class Interaction(_Hypothesis):
    """a's advantage over b grows (or shrinks) over the levels of another factor, by delta from end to end."""

    kind: Literal["interaction"]
    a: Side
    b: Side
    over: str
    outcome: Outcome
    direction: Literal["increasing", "decreasing"] = "increasing"
    delta: Delta | None = None


class Mechanism(_Hypothesis):
    """An outcome lies above or below a threshold fixed beforehand, in every arm selected."""

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
    certificate: Certificate

    @field_validator("outcome")
    @classmethod
    def _certified(cls, outcome: Outcome) -> Outcome:
        message = not_certified(outcome) if outcome.function == "success" else None
        if message is not None:
            raise ValueError(message)
        return outcome


class Identity(_Hypothesis):
    """Two functions are equal to rounding."""

    kind: Literal["identity"]
    outcome: Outcome
    tolerance: PositiveFloat = 1e-12


class Threshold(_Hypothesis):
    """There is a critical level where half the runs diverge (or succeed); it lies above or below a bound."""

    kind: Literal["threshold"]
    outcome: Outcome
    over: str
    above: PositiveFloat | None = Field(default=None, description="claims a critical level above this one")
    below: PositiveFloat | None = Field(default=None, description="claims a critical level below this one")

    @model_validator(mode="after")
    def _not_both(self) -> Threshold:
        if self.above is not None and self.below is not None:
            raise ValueError("give above or below, or neither, not both")
        return self


def restarts_of(hypothesis: Hypothesis) -> int:
    """Nets a replicate that its outcome is the best of: 1 unless `{final: ..., restarts: n}`."""
    wanted = hypothesis.outcome.options.get("restarts", 1)
    return wanted if isinstance(wanted, int) else 1


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

# Kinds that compare steps by their logarithm, so that delta is a ratio; the others by steps.
BY_RATIO = (Faster, Dose, Interaction, InteriorOptimum)
