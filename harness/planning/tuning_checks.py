"""Checks of how a study tunes: every arm's grid has as many points as the budget, and no key is idle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.planning.points import grid, is_grid
from harness.words.design import Arm, Design
from harness.words.form_errors import Problem
from harness.words.study import Study
from harness.words.yaml_tree import Location

IDLE_UNTUNED = ("points", "seeds", "select", "sampler", "extend")  # keys of `tune` that say how to tune
MOST_POINTS = 400  # that an error looks through for numbers which fit


def tuning_problems(study: Study, design: Design) -> Iterator[Problem]:
    """Grids that don't come out at `points`, so that arms would be tuned unequally; keys without effect."""
    if study.kind == "search":
        return
    tuned = [arm for arm in design.arms if arm.tuned]
    if not tuned:
        for key in (k for k in IDLE_UNTUNED if k in study.tune.model_fields_set):
            yield Problem(
                ("tune", key),
                f"has no effect: nothing is tuned. Name what is, such as optimizer.lr: own_range, or leave "
                f"{key} out",
            )
        return
    yield from _range_points(study, tuned)
    grids = [arm for arm in tuned if is_grid(study.tune, arm.tuned)]
    wrong = next((arm for arm in grids if len(grid(arm.tuned, design.points)) != design.points), None)
    if wrong is not None:
        yield Problem(_place(study, wrong), _unfit(study, wrong, grids, design.points))


def _unfit(study: Study, arm: Arm, grids: list[Arm], points: int) -> str:
    """What is wrong with an arm whose grid doesn't come out at `points`, and what would fit all arms."""
    found = grid(arm.tuned, points)
    axes = " x ".join(str(len({str(point[d.path]) for point in found})) for d in arm.tuned)
    size = f"{len(found)} points" + (f" ({axes})" if len(arm.tuned) > 1 else "")
    budget = "tune.points is" if study.tune.points else "every arm's budget is"
    fitting = [n for n in range(1, MOST_POINTS) if all(len(grid(a.tuned, n)) == n for a in grids)]
    near = sorted(sorted(fitting, key=lambda n: abs(n - points))[:3])
    axis = max(2, round(points ** (1 / len(arm.tuned))))
    remedy = (
        f"allowed: {', '.join(map(str, near))}. Set tune.points to one of these, or change the list"
        if near
        else f"no number fits every arm: list {axis} values, or give a range in the list's place"
    )
    return f"in arm {arm.label!r} the grid has {size}, {budget} {points}; {remedy}"


def _range_points(study: Study, tuned: list[Arm]) -> Iterator[Problem]:
    """`points` inside a range, which counts where that range alone is tuned, beside other dimensions."""
    for path, wanted in study.tune.parameters.items():
        points = getattr(wanted, "points", None)
        if points is None:
            continue
        if study.tune.points not in (None, points):
            message = f"found points: {points}, and tune.points: {study.tune.points}; give one of the two"
            yield Problem(("tune", path, "points"), message)
        elif max(len(arm.tuned) for arm in tuned) > 1:
            message = (
                f"found {points}, which has no effect where several values are tuned together; allowed: "
                "tune.points, the points of the whole design"
            )
            yield Problem(("tune", path, "points"), message)


def _place(study: Study, arm: Arm) -> Location:
    """The list that doesn't fit, where the file has it; `tune.points` where there is none."""
    listed = [d.path for d in arm.tuned if d.values is not None]
    for path in listed:
        if path in study.tune.parameters:
            return ("tune", path)
        for factor, label in arm.levels.items():
            levels = study.arms[factor]
            level = levels.get(label) if isinstance(levels, Mapping) else None
            if isinstance(level, Mapping) and path in level:
                return ("arms", factor, label, path)
    return ("tune", "points")
