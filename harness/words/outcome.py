"""Outcomes as a study names them, and the smallest effect on one that matters."""

from __future__ import annotations

from typing import Any

from pydantic import PositiveFloat, model_validator

from harness.errors import unknown
from harness.words.base import Word

OUTCOMES = ("final", "best", "steps_to", "area", "overshoot", "probe", "success", "diverged", "exact")
# Of a time to a target, and in words; modelled: by the cost of a step that the study declares.
UNITS = {"steps": "steps", "examples": "training examples", "seconds": "modelled seconds"}


class Outcome(Word):
    """One number for an arm and a replicate: a function of records, a metric, and the function's options.

    Written `{steps_to: val/accuracy}` (with `unit: examples`: counted in training examples, steps times
    batch size; with `unit: seconds`: steps times what one is declared to cost, by `train.cost`), or
    `test/accuracy` for `{final: test/accuracy}`, or `diverged`.
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

    @classmethod
    def of_text(cls, text: str) -> Outcome:
        """The outcome that `str` wrote: "steps_to val/accuracy in examples". Raises ValueError for others."""
        function, _, rest = text.partition(" ")
        metric, _, unit = rest.partition(" in ")
        return cls(function=function, metric=metric, options={"unit": unit} if unit else {})

    @model_validator(mode="after")
    def _known(self) -> Outcome:
        if self.function not in OUTCOMES:
            raise ValueError(unknown("outcome", self.function, OUTCOMES))
        return self

    @property
    def unit(self) -> str:
        """What a time to a target is counted in: one of `UNITS`, steps unless the study says otherwise."""
        return str(self.options.get("unit", "steps"))

    @property
    def unit_label(self) -> str:
        """The unit as readers see it."""
        return UNITS.get(self.unit, self.unit)

    def __str__(self) -> str:
        unit = "" if self.unit == "steps" else f" in {self.unit}"
        return f"{self.function} {self.metric}".strip() + unit


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
