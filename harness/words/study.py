"""A study: a claim, the arms that test it, what is tuned, how often it is judged, what counts as an effect.

This is the form of a study file. Meaning (names, possible designs, rules that can fire) is checked
by planning, which knows the catalogue.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Discriminator, Field, PositiveFloat, Tag, model_validator

from harness.errors import unknown
from harness.words.base import Word

OUTCOMES = ("final", "best", "steps_to", "area", "probe", "ensemble", "success", "diverged", "cost", "exact")

# What a run can already decide; the rest of the schema parses, and planning says that it isn't there yet.
AVAILABLE_KINDS = ("superiority", "faster", "best_of")
AVAILABLE_OUTCOMES = ("final", "best", "steps_to", "area", "diverged", "success")

# Strict: `true` and "9" are no counts.
Count = Annotated[int, Field(strict=True, gt=0)]


class Claim(Word):
    """What somebody says, and who."""

    says: str
    source: str = ""


class Outcome(Word):
    """One number for an arm and a replicate: a function of records, a metric, and the function's options.

    Written `{steps_to: val/accuracy}`, or `test/accuracy` for `{final: test/accuracy}`, or `diverged`.
    """

    function: str
    metric: str = ""
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"function": "final", "metric": value} if "/" in value else {"function": value}
        if not isinstance(value, dict) or "function" in value:
            return value
        named = [k for k in value if k in OUTCOMES]
        if not named:
            raise ValueError(unknown("outcome", ", ".join(map(str, value)), OUTCOMES))
        if len(named) > 1:
            raise ValueError(f"an outcome names one of {', '.join(OUTCOMES)}; found {', '.join(named)}")
        options = {k: v for k, v in value.items() if k != named[0]}
        return {"function": named[0], "metric": value[named[0]], "options": options}

    @model_validator(mode="after")
    def _known(self) -> Outcome:
        if self.function not in OUTCOMES:
            raise ValueError(unknown("outcome", self.function, OUTCOMES))
        return self

    def __str__(self) -> str:
        return f"{self.function} {self.metric}".strip()


class Delta(Word):
    """The smallest effect that matters: absolute, or relative to the reference (written `5%`)."""

    value: PositiveFloat
    relative: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        if isinstance(value, str) and value.rstrip().endswith("%"):
            try:
                return {"value": float(value.rstrip(" %")) / 100, "relative": True}
            except ValueError:
                raise ValueError(f"{value!r} is no percentage; write it as 5%") from None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        return {"value": value}

    def __str__(self) -> str:
        return f"{self.value * 100:g} %" if self.relative else f"{self.value:g}"


_T = TypeVar("_T", list[Any], dict[str, Any])
Levels = dict[str, Any]
Selector = dict[str, Any]  # factor -> level
Side = str | dict[str, Any]  # an arm's label, a selector, or an ensemble of an arm's members


class LogRange(Word):
    """Values evenly spaced in the logarithm, ends included."""

    log_range: tuple[PositiveFloat, PositiveFloat]
    points: Count | None = None

    @model_validator(mode="after")
    def _ascending(self) -> LogRange:
        if not self.log_range[0] < self.log_range[1]:
            raise ValueError(f"log_range must ascend; found {list(self.log_range)}")
        return self


class LinearRange(Word):
    """Values evenly spaced, ends included."""

    range: tuple[float, float]
    points: Count | None = None

    @model_validator(mode="after")
    def _ascending(self) -> LinearRange:
        if not self.range[0] < self.range[1]:
            raise ValueError(f"range must ascend; found {list(self.range)}")
        return self


def _not_empty(value: _T) -> _T:
    if not value:
        raise ValueError("has no levels; give at least one")
    return value


LevelList = Annotated[list[Any], AfterValidator(_not_empty)]
LevelMap = Annotated[Levels, AfterValidator(_not_empty)]


def _form(value: Any) -> str | None:
    """Which form of a factor or a range this is, so that an error speaks of one form, not of all."""
    if isinstance(value, LogRange) or (isinstance(value, dict) and "log_range" in value):
        return "<log_range>"
    if isinstance(value, LinearRange) or (isinstance(value, dict) and "range" in value):
        return "<range>"
    forms = ((dict, "<levels>"), (list, "<list>"), (str, "<name>"))
    return next((tag for kind, tag in forms if isinstance(value, kind)), None)


def _one_or_two(value: Any) -> str:
    return "<two>" if isinstance(value, (list, tuple)) else "<one>"


_SharedForms = (
    Annotated[LogRange, Tag("<log_range>")]
    | Annotated[LinearRange, Tag("<range>")]
    | Annotated[LevelList, Tag("<list>")]
)
Factor = Annotated[_SharedForms | Annotated[LevelMap, Tag("<levels>")], Discriminator(_form)]
Range = Annotated[_SharedForms | Annotated[Literal["own_range"], Tag("<name>")], Discriminator(_form)]


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


class Target(Word):
    """The target of `faster`: given, or the reference arm's median final value in tuning, less a margin."""

    value: float | None = None
    reference: str | None = Field(default=None, description="an arm; default: b of the primary hypothesis")
    margin: float | None = Field(
        default=None, ge=0, description="default: the metric's smallest effect that matters"
    )


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


class Require(Word):
    """A manipulation check: the outcome (or the difference of two) of an arm lies within bounds."""

    outcome: Annotated[
        Annotated[Outcome, Tag("<one>")] | Annotated[tuple[Outcome, Outcome], Tag("<two>")],
        Discriminator(_one_or_two),
    ]
    arm: Selector = {}
    at_least: float | None = None
    at_most: float | None = None


class Budget(Word):
    """How much a search may spend."""

    trials: Count
    sampler: Literal["tpe", "gp", "qmc", "random"] = "tpe"


class Study(Word):
    """A question and its design. One small YAML file."""

    kind: Literal["comparison", "search"] = "comparison"
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

    @model_validator(mode="after")
    def _whole(self) -> Study:
        if self.kind == "search":
            if not self.space or self.budget is None:
                raise ValueError("a search needs a space and a budget")
            return self
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
