"""Learning curves, tuning curves and time to target, each explained in a sentence."""

from __future__ import annotations

from typing import Any

import pandas as pd

from harness.reporting.content.context import Context, draw, further, metric_label, outcome_words, pages
from harness.reporting.document import Block, Paragraph
from harness.reporting.figures.learning import Measure
from harness.reporting.figures.survival import MANY_CENSORED, many_censored
from harness.reporting.frames import (
    band_frame,
    budget_frame,
    curve_frame,
    drawn_replicates,
    metrics_with_curves,
    outcome_frame,
    tuning_frame,
)
from harness.reporting.numbers import count, number
from harness.words.hypothesis import Faster
from harness.words.verdict import HypothesisVerdict

METRICS_SHOWN = 2
MOST_PANELS = 20  # on a page: five rows fill it
LOG_RATIO = 20.0  # a positive measure that spans more than this is drawn on a logarithmic axis


def learning_section(context: Context) -> tuple[Block, ...]:
    """For each metric that matters: medians of all arms, then every seed arm by arm."""
    if len({step for _, r in context.evidence.judged for step in r.steps}) < 2:  # measured as networks start
        return ()
    return tuple(block for metric in _metrics(context) for block in _learning(context, metric))


def tuning_section(context: Context) -> tuple[Block, ...]:
    """A figure for each tuned path: what every arm scored at every value tried."""
    choices = context.evidence.choices
    paths = list(dict.fromkeys(d.path for a in context.evidence.design.arms for d in a.tuned))
    blocks: list[Block] = []
    for place, path in enumerate(paths):
        frame = tuning_frame(choices, path)
        if frame.empty:
            continue
        log = all(d.log for a in context.evidence.design.arms for d in a.tuned if d.path == path)
        measure = Measure(outcome_words(next(iter(choices.values())).outcome), spans_far(frame["value"]))
        better = next(iter(choices.values())).direction
        words = _tuning_words(path, measure.label, better, len(paths) > 1)
        tuned = set(frame["arm"])
        parts = pages([a for a in context.styles if a in tuned], MOST_PANELS)
        for page, part in enumerate(parts):
            args = (context.styles_of(part), (path, log), measure, len(paths) == 1)
            name = f"tuning-{place}{f'-{page + 1}' if page else ''}"
            said = words if page == 0 else (words[0], further(parts, page))
            blocks.append(draw(name, "nuisance_panels", said, frame[frame["arm"].isin(part)], *args))
    return tuple(blocks)


def budget_section(context: Context) -> tuple[Block, ...]:
    """Whether more tuning would have helped some arm more than another."""
    frame = budget_frame(context.evidence.choices)
    if frame.empty:
        return ()
    choice = next(iter(context.evidence.choices.values()))
    score = outcome_words(choice.outcome)
    measure = Measure(score, spans_far(frame["value"]))
    caption = (
        f"What the best of k tuning points would be expected to score ({score}; {choice.direction} is "
        "better) had only k of them been tried: a curve that has gone flat means that more tuning would "
        "hardly have helped that arm."
    )
    alt = f"Expected best {score} against the number of tuning points tried, for each arm."
    return (draw("tuning-budget", "budget_curves", (alt, caption), frame, context.styles, measure),)


def speed_section(context: Context) -> tuple[Block, ...]:
    """Time to the target, for studies that ask which arm is faster."""
    asked = [h for h in context.questions if isinstance(context.hypothesis(h), Faster)]
    if not asked:
        return ()
    distinct = {(str(context.hypothesis(h).outcome), *_comparable(context, h)): h for h in asked}
    survivals = [block for h in distinct.values() for block in _survival(context, h)]
    sensitivities = [block for h in asked for block in _sensitivity(context, h)]
    return (*survivals, *sensitivities) or (Paragraph("No target was set, so no time to it can be shown."),)


def _metrics(context: Context) -> list[str]:
    available = metrics_with_curves(context.evidence)
    asked = [
        getattr(getattr(context.hypothesis(h), "outcome", None), "metric", "")
        for h in context.verdict.hypotheses
    ]
    names = [m.partition("/")[2] for m in asked] + ["loss"]
    return [m for m in dict.fromkeys(names) if m in available][:METRICS_SHOWN] or available[:1]


def _learning(context: Context, metric: str) -> list[Block]:
    curves = curve_frame(context.evidence, metric)
    bands, drawn = band_frame(curves), drawn_replicates(curves)
    measure = _measure(context, metric, bands)
    target = (
        f" The dotted line is the target, {number(measure.target)}." if measure.target is not None else ""
    )
    medians = (
        f"Median {measure.label} on the validation split after each number of optimizer steps, for every "
        f"arm {_at(context)}; the band holds the middle 80 % of the replicates.{target}"
    )
    panels = (
        f"The same, arm by arm: {measure.label} in validation (solid) and training (dashed grey), "
        f"{_which(curves, drawn)} as a faint line. Runs that diverged end where they did."
    )
    alt = f"{measure.label} against optimizer steps"
    blocks: list[Block] = []
    if (bands["split"] == "val").any():
        words = (f"Validation {alt}, medians of all arms.", medians)
        blocks.append(draw(f"learning-{metric}", "learning_medians", words, bands, context.styles, measure))
    measured = set(bands["arm"])
    parts = pages([a for a in context.styles if a in measured], MOST_PANELS)
    for place, styles in enumerate(context.styles_of(part) for part in parts):
        words = (f"{alt}, a panel an arm.", panels if place == 0 else further(parts, place))
        name = f"learning-{metric}-arms{f'-{place + 1}' if place else ''}"
        of_page = (frame[frame["arm"].isin(styles.keys())] for frame in (drawn, bands))
        blocks.append(draw(name, "learning_panels", words, *of_page, styles, measure))
    return blocks


def _at(context: Context) -> str:
    """The settings that arms were judged at."""
    tuned = {bool(arm.tuned) for arm in context.evidence.design.arms}
    if len(tuned) > 1:
        return "at its setting, tuned where anything was"
    return "at its tuned setting" if True in tuned else "at the settings given"


def _which(curves: pd.DataFrame, drawn: pd.DataFrame) -> str:
    all_of_them, shown = curves["replicate"].nunique(), drawn["replicate"].nunique()
    if shown == all_of_them:
        return "every replicate"
    return f"each of {count(shown)} replicates, evenly chosen from {count(all_of_them)},"


def _measure(context: Context, metric: str, bands: pd.DataFrame) -> Measure:
    target = context.verdict.targets.get(f"val/{metric}")
    return Measure(metric_label(metric), spans_far(bands["median"]), target)


def spans_far(values: pd.Series[Any]) -> bool:
    """Whether a linear axis would hide most of the values: positive ones, and far apart."""
    known = values.dropna().to_numpy(dtype=float)
    return bool(len(known) and known.min() > 0 and known.max() > LOG_RATIO * known.min())


def _tuning_words(path: str, score: str, better: str, several: bool) -> tuple[str, str]:
    caption = (
        f"Every value of {path} that was tried, arm by arm, and what it scored ({score}; {better} is "
        "better): the line joins the means of the tuning seeds (small dots), the ring is the value "
        "chosen, × at the foot marks values where a run diverged, hollow markers are points added when "
        "the best value lay on the edge of the range."
    )
    if several:
        caption += " Other tuned settings vary along with it, so the points do not make one curve."
    return f"{score} against {path}, a panel an arm, the chosen value ringed.", caption


def _survival(context: Context, verdict: HypothesisVerdict) -> list[Block]:
    hypothesis = context.hypothesis(verdict)
    assert isinstance(hypothesis, Faster)
    shown, design, outcome = _comparable(context, verdict), context.evidence.design, hypothesis.outcome
    frame = outcome_frame(context.evidence, outcome)
    frame = frame[frame["arm"].isin(shown)]
    if frame.empty:
        return []
    times = pd.DataFrame(
        {
            "arm": frame["arm"],
            "time": frame["value"].astype(float),
            "reached": ~frame["censored"].astype(bool),
        }
    )
    budget = float(max(design.budget(arm, outcome.unit) for arm in shown))
    metric, axis = outcome.metric, {"steps": "optimizer steps"}.get(outcome.unit, outcome.unit_label)
    target = number(_target(context, verdict))
    caption = (
        f"The share of an arm's runs whose {metric_label(metric)} had reached the target of {target} by "
        f"each number of {axis}: the further left and the higher, the faster. The budget was "
        f"{number(budget) if outcome.unit == 'seconds' else count(int(budget))} {outcome.unit_label}."
    )
    alt = f"Share of runs that reached {metric_label(metric)} {target} against {axis}, for each arm."
    name = f"time-to-target-{context.key(verdict)}"
    return [draw(name, "survival", (alt, caption), times, context.styles, budget, axis)]


def _target(context: Context, verdict: HypothesisVerdict) -> float | None:
    asked = context.question(verdict)
    return None if asked is None else asked.target


def _comparable(context: Context, verdict: HypothesisVerdict) -> tuple[str, ...]:
    """The arms with the target, and the budget in its unit, of what a `faster` hypothesis compares."""
    asked, design = context.question(verdict), context.evidence.design
    labels = tuple(arm.label for arm in design.arms)
    if asked is None:
        return labels
    metric, unit = asked.outcome.metric, asked.outcome.unit
    longest = max(asked.arms, key=lambda a: design.budget(a, unit))
    target = design.target_name(metric, longest)
    held = [a for a in labels if design.target_name(metric, a) == target]
    return tuple(a for a in held if design.same_budget(a, longest, unit))


def _sensitivity(context: Context, verdict: HypothesisVerdict) -> list[Block]:
    rows = pd.DataFrame(verdict.sensitivity)
    if rows.empty:
        return []
    rows = rows.sort_values("target")
    hypothesis = context.hypothesis(verdict)
    assert isinstance(hypothesis, Faster)
    metric = hypothesis.outcome.metric
    label = f"target, {metric_label(metric)}"
    unit = hypothesis.outcome.unit_label
    alt = f"Ratio of {unit} for a grid of targets: {verdict.statement}."
    caption = (
        f"The same comparison ({verdict.statement}) for other targets: how many times fewer {unit} "
        "were needed, with 95 % intervals. The solid line at 1 is no difference, the grey band differences "
        "too small to matter, the dotted line the target that decides."
    )
    if many_censored(rows).any():
        caption += (
            f" Hollow points: more than {100 * MANY_CENSORED:.0f} % of an arm's runs never reached that "
            "target. Cut at the budget, they pull the ratio towards 1, whichever arm is the faster one."
        )
    args = (verdict.shown_delta, _target(context, verdict), label, unit)
    return [draw(f"sensitivity-{context.key(verdict)}", "sensitivity", (alt, caption), rows, *args)]
