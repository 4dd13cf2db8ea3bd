"""Levels of a factor and ranges of a tuned value, in every form a study may write them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, Discriminator, Field, PositiveFloat, Tag, model_validator

from harness.words.base import Word

# Strict: `true` and "9" are no counts.
Count = Annotated[int, Field(strict=True, gt=0, le=10_000)]


class OwnRange(NamedTuple):
    """An option's own search range, `own_range` in a study: in its entry's line or in its annotation."""

    low: float
    high: float
    log: bool = True


def annotated_ranges(options: type[BaseModel]) -> dict[str, OwnRange]:
    """The search ranges that stand in the annotations of options, by name."""
    fields = options.model_fields.items()
    return {name: m for name, field in fields for m in field.metadata if isinstance(m, OwnRange)}


_T = TypeVar("_T", list[Any], dict[str, Any])
Levels = dict[str, Any]


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


_SharedForms = (
    Annotated[LogRange, Tag("<log_range>")]
    | Annotated[LinearRange, Tag("<range>")]
    | Annotated[LevelList, Tag("<list>")]
)
Factor = Annotated[_SharedForms | Annotated[LevelMap, Tag("<levels>")], Discriminator(_form)]
Range = Annotated[_SharedForms | Annotated[Literal["own_range"], Tag("<name>")], Discriminator(_form)]
