"""What the method asks of tuning (method.md, section 3), and where a design stays below it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.words.design import Arm, Design

LEAST_POINTS = {1: 9}  # nuisance dimensions -> points
LEAST_OF_MORE = 16  # points, of two dimensions or more
LEAST_SEEDS = 2
ADAPTIVE = ("tpe", "gp")  # samplers that choose points by the scores of those before


def tuning_caveats(design: Design) -> list[str]:
    """A sentence for each thing that tuning falls short of; none for a search, or where nothing is tuned.

    Values that are all listed have no others between them to try, so that no number of them is too few.
    """
    study, tuned = design.study, [arm for arm in design.arms if arm.tuned]
    if study.kind == "search" or not tuned:
        return []
    caveats = _points(design, tuned)
    if study.tune.seeds < LEAST_SEEDS:
        caveats.append(
            f"tuned on {study.tune.seeds} seed a point; the method asks for 2 or 3, as one may favour a "
            "point by luck"
        )
    if study.tune.sampler in ADAPTIVE:
        caveats.append(
            f"tuned at points that {study.tune.sampler} chose by the scores of others; the method compares "
            "arms at the points of a grid, or quasi-random ones"
        )
    return caveats


def _points(design: Design, tuned: Sequence[Arm]) -> list[str]:
    """Where there are too few points for as many dimensions; the arms are named where others have enough."""
    short: dict[int, list[str]] = {}
    for arm in tuned:
        ranges = any(d.values is None for d in arm.tuned)
        if ranges and design.points < _least(len(arm.tuned)):
            short.setdefault(len(arm.tuned), []).append(arm.label)
    return [_too_few(design.points, n, arms if len(arms) < len(tuned) else []) for n, arms in short.items()]


def _too_few(points: int, dimensions: int, arms: Sequence[str]) -> str:
    tried = (
        f"{points} point{'s' if points > 1 else ''}{f' of {dimensions} dimensions' if dimensions > 1 else ''}"
    )
    where = f" ({', '.join(arms)})" if arms else ""
    return f"tuned at {tried}{where}; the method asks for at least {_least(dimensions)}"


def _least(dimensions: int) -> int:
    return LEAST_POINTS.get(dimensions, LEAST_OF_MORE)
