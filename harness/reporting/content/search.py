"""The report of a search: the best config and its worth on fresh data, then how it was found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from harness.analysis.estimates import Interval
from harness.analysis.search import (
    JudgedConfig,
    advantage,
    best_so_far,
    found_search,
    judged_configs,
    params_text,
    searched,
    tested,
)
from harness.reporting.content.context import Context, capital, draw, outcome_words
from harness.reporting.document import Banner, Block, Callout, Column, Facts, Paragraph, Table
from harness.reporting.figures.search import Axis
from harness.reporting.numbers import MISSING, count, estimate, number, setting, share
from harness.words.paths import flatten
from harness.words.search import Parameter, Search, SearchTrial

SHOWN = 10  # configs of the table of the best
SLICES = 12  # parameters drawn, the most important first


def result_section(context: Context) -> tuple[Block, ...]:
    """The best config, its judged value, and what else was judged."""
    evidence, found = context.evidence, found_search(context.evidence)
    judged = judged_configs(evidence)
    best, score = judged[0], outcome_words(searched(evidence))
    over = advantage(evidence)
    facts = [
        (f"{capital(outcome_words(tested(evidence)))}, fresh seeds (95 % interval)", _estimate(best.test)),
        ("Better than the best default by", MISSING if over is None else _estimate(over)),
        (f"{capital(score)}, fresh seeds (95 % interval)", _estimate(best.objective)),
        (f"{capital(score)}, in the search", number(best.trial.value, 4)),
        ("Configs tried", _tried(found)),
        ("Judged on", f"{count(best.test.n)} fresh replicates a config"),
    ]
    banner = Banner(
        tone="note",
        mark="★",
        answer="Best config found",
        grade="",
        statement=params_text(best.trial.params),
        reason=context.verdict.headline,
        facts=tuple(facts),
    )
    said = context.verdict.says
    source = f" ({context.verdict.source})" if context.verdict.source else ""
    claim = (Paragraph(f"Beside it: “{said}”{source}. The importances below speak to that."),) if said else ()
    note = Callout("note", "A search gives no verdict", (
        "It asks no yes-or-no question: it says which config came out best, and what that is worth on data "
        "and seeds the search never saw. " + context.verdict.scope,
    ))  # fmt: skip
    return (banner, *claim, note)


def judged_section(context: Context) -> tuple[Block, ...]:
    """What each judged config seemed worth in the search, and what it is worth."""
    evidence = context.evidence
    judged, score = judged_configs(evidence), outcome_words(searched(evidence))
    frame = pd.DataFrame(
        {
            "config": [j.arm for j in judged],
            "searched": [math.nan if j.trial.value is None else j.trial.value for j in judged],
            "mean": [j.objective.value for j in judged],
            "low": [j.objective.low for j in judged],
            "high": [j.objective.high for j in judged],
        }
    )
    words = (
        f"For every judged config, its {score} in the search and its mean on fresh seeds.",
        "The best of many noisy scores is partly luck on the seeds that all configs shared (the winner's "
        "curse). The circle is what a config is worth on seeds the search never saw: where the diamond lies "
        "on the better side of it, that part of the score was probably luck.",
    )
    return (draw("judged", "searched_and_judged", words, frame, score), *_judged_table(context, judged))


def progress_section(context: Context) -> tuple[Block, ...]:
    """The best value against the number of configs tried."""
    found = found_search(context.evidence)
    best, score = best_so_far(found), outcome_words(found.objective)
    frame = _trials(found).assign(best=[math.nan if b is None else b for b in best])
    words = (
        f"The {score} of every config tried, in order, and the best so far.",
        f"Each dot is a config. Where the line is still rising at its end, more trials would "
        f"find better ones. {_batches(context)}",
    )
    return (draw("progress", "best_so_far", words, frame, score),)


def importance_section(context: Context) -> tuple[Block, ...]:
    """Which parameters explain the differences between configs."""
    found = found_search(context.evidence)
    if not found.importances:
        return (Paragraph("Too few parameters or trials to say which mattered."),)
    frame = pd.DataFrame(
        {
            "path": [i.path for i in found.importances],
            "mean": [i.mean for i in found.importances],
            "low": [min(i.values) for i in found.importances],
            "high": [max(i.values) for i in found.importances],
        }
    )
    seeds = len(found.importances[0].values)
    words = (
        "A bar a parameter: its share of the variance of the objective over the space.",
        "Functional ANOVA of a forest fitted to all configs: the share of the variance that each parameter "
        f"explains by itself. Lines span {count(seeds)} seeds of the forest, which says how far the method "
        "agrees with itself, not how sure the ranking is: the sampler looked more at good regions, and what "
        "only matters in company of another setting isn't counted.",
    )
    left_out = [p.path for p in found.parameters if not p.always]
    told = f"Not ranked, since only some configs have them: {', '.join(left_out)}."
    more = (Paragraph(told),) if left_out else ()
    return (draw("importance", "importance_bars", words, frame), *more)


def slices_section(context: Context) -> tuple[Block, ...]:
    """Every config's value against each of its settings."""
    found = found_search(context.evidence)
    shown = _most_important(found)[:SLICES]
    frame = _trials(found)
    for parameter in shown:
        frame[parameter.path] = pd.Series([t.params.get(parameter.path) for t in found.trials], dtype=object)
    axes = [Axis(p.path, p.values, p.log or p.own) for p in shown]
    score = outcome_words(found.objective)
    words = (
        f"The {score} of every config against each of its settings.",
        "Each dot is a config, darker the later it was tried; the ring is the best. All other settings "
        "differ from dot to dot, so the upper edge says more than the middle.",
    )
    return (draw("slices", "slices", words, frame, axes, score),)


def configs_section(context: Context) -> tuple[Block, ...]:
    """The configs that scored best in the search."""
    found = found_search(context.evidence)
    sign = -1 if found.direction == "higher" else 1
    ranked = sorted((sign * t.value, t.index) for t in found.trials if t.value is not None)[:SHOWN]
    paths = [p.path for p in found.parameters]
    columns = (Column("Trial", True), Column("Value", True), *(Column(name) for name in _short_names(paths)))
    rows = tuple(
        (count(i + 1), number(found.trials[i].value, 4), *_settings(found.trials[i], paths))
        for _, i in ranked
    )
    caption = (
        f"The {count(len(rows))} configs with the best {outcome_words(found.objective)} in the search, "
        "before any was judged."
    )
    return (Table(caption, columns, rows),)


def shared_section(context: Context) -> tuple[Block, ...]:
    """Every setting that all configs shared: the result holds for these."""
    configs = [dict(flatten(dict(r.config))) for r in context.evidence.records.values()]
    varied = {p.path for p in found_search(context.evidence).parameters}
    shared = {k: v for k, v in configs[0].items() if all(c.get(k, math.nan) == v for c in configs)}
    rows = tuple((path, setting(value)) for path, value in shared.items() if path not in varied)
    caption = "Settings that every config shared. The result is conditional on them."
    facts = next(iter(context.evidence.design.data.values()))
    sizes = f"{count(facts.n_train)} for training, {count(facts.n_val)} for validation, {count(facts.n_test)}"
    space = tuple((p.path, _range(p)) for p in found_search(context.evidence).parameters)
    return (
        Facts(space),
        Paragraph(f"Examples: {sizes} for the test, which only judged configs see."),
        Table(caption, (Column("Setting"), Column("Value")), rows),
    )


def _judged_table(context: Context, judged: list[JudgedConfig]) -> tuple[Block, ...]:
    score, test = (outcome_words(o(context.evidence)) for o in (searched, tested))
    rows = tuple(
        (
            j.arm,
            number(j.trial.value, 4),
            _estimate(j.objective),
            _estimate(j.test),
            share(j.n_diverged, j.objective.n),
        )
        for j in judged
    )
    columns = tuple(
        Column(t, i > 0) for i, t in enumerate(("Config", "Searched", "Judged", "Test", "Diverged"))
    )
    caption = (
        f"Searched: the {score} in the search. Judged: the same on fresh seeds; test: their {test}; means "
        "with 95 % intervals. What is judged was fixed by the search alone."
    )
    settings = Facts(tuple((j.arm, params_text(j.trial.params)) for j in judged))
    return (Table(caption, columns, rows), settings)


def _short_names(paths: list[str]) -> list[str]:
    """Paths as column titles: the option, or the section of a name; whole where two would be alike."""
    short = [s if o == "name" else o.replace("_", " ") for s, _, o in (p.partition(".") for p in paths)]
    return short if len(set(short)) == len(short) else paths


def _trials(found: Search) -> pd.DataFrame:
    """One row a config: trial from 1, value, diverged, chosen."""
    return pd.DataFrame(
        {
            "trial": [t.index + 1 for t in found.trials],
            "value": [math.nan if t.value is None else t.value for t in found.trials],
            "diverged": [t.diverged for t in found.trials],
            "chosen": [t.index in found.best[:1] for t in found.trials],
        }
    )


def _most_important(found: Search) -> list[Parameter]:
    order = {importance.path: place for place, importance in enumerate(found.importances)}
    return sorted(found.parameters, key=lambda p: order.get(p.path, len(order)))


def _settings(trial: SearchTrial, paths: list[str]) -> list[str]:
    params: Mapping[str, Any] = trial.params
    return [setting(params[p]) if p in params else MISSING for p in paths]


def _range(parameter: Parameter) -> str:
    if parameter.own:
        return "the optimizer's own range"
    if parameter.values is not None:
        return setting(parameter.values)
    scale = ", on a logarithmic scale" if parameter.log else ""
    return f"{setting(parameter.low)} to {setting(parameter.high)}{scale}"


def _tried(found: Search) -> str:
    lost = sum(t.diverged for t in found.trials)
    return count(len(found.trials)) + (
        f", {count(lost)} diverged (kept, with the worst value)" if lost else ""
    )


def _batches(context: Context) -> str:
    budget = context.evidence.design.study.budget
    if budget is None:
        return ""
    return f"They were chosen {count(budget.batch_size)} at a time by the sampler {budget.sampler}."


def _estimate(found: Interval) -> str:
    return estimate(found.value, found.low, found.high)
