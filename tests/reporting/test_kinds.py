"""Every kind of hypothesis in a report: its figure or table, readable numbers, drawable characters."""

import re
import warnings

import numpy as np
import pytest

from harness.analysis.judge import judge_study
from harness.analysis.kinds import KINDS as JUDGED
from harness.reporting.content import build_document
from harness.reporting.content.context import Context, pages
from harness.reporting.content.kinds import KINDS
from harness.reporting.content.learning import learning_section
from harness.reporting.document import Facts, Figure, Table, blocks_of, plain
from harness.reporting.figures import FIGURES
from harness.reporting.figures.bounds import against_bounds
from harness.reporting.glyphs import known_characters
from harness.reporting.html import to_html
from harness.reporting.numbers import number
from harness.reporting.pdf import to_pdf
from tests.analysis.swept import normal, swept
from tests.reporting.crossed import crossed_evidence

RATES = [0.0001, 0.001, 0.01, 0.1, 1.0]
NOISE = re.compile(r"\bnan\b|\bNone\b|\binf\b|\d[eE][+-]\d|(?<![\w.])-\d|\d\.\d{7,}|\w_the_\w")
GATE = {
    "data": {"name": "gates", "gate": "xor"},
    "model": {"name": "mlp", "widths": []},
    "train": {"steps": 9},
}


def _over(outcome="test/accuracy", **hypothesis):
    means = dict(zip(RATES, (0.5, 0.56, 0.6, 0.55, 0.4), strict=True))
    return swept(
        {"optimizer.lr": RATES}, normal(means), {"outcome": outcome, "over": "optimizer.lr", **hypothesis}
    )


def _pair(difference, **hypothesis):
    means = {"sgd": 0.6, "adam": 0.6 + difference}
    sides = {"a": "adam", "b": "sgd", "outcome": "test/accuracy", **hypothesis}
    return swept({"optimizer.name": list(means)}, normal(means), sides)


def _interaction():
    generator = np.random.default_rng(0)

    def outcomes(activation, depth):
        return 0.5 + (activation == "relu") * 0.05 * np.log(depth) + 0.01 * generator.normal(size=10)

    hypothesis = {
        "kind": "interaction",
        "a": "relu",
        "b": "tanh",
        "over": "model.depth",
        "outcome": "test/accuracy",
    }
    return swept({"activation": ["relu", "tanh"], "model.depth": [1, 3, 8]}, outcomes, hypothesis)


def _mechanism(spread=0.01, above=0.55):
    hypothesis = {"kind": "mechanism", "arm": {}, "outcome": "test/accuracy", "above": above}
    return swept({"model.name": ["a", "b"]}, normal({"a": 0.7, "b": 0.6}, spread=spread), hypothesis)


def _threshold(chances=(0, 0, 0.2, 0.9, 1)):
    generator = np.random.default_rng(0)
    chance = dict(zip(RATES, chances, strict=True))
    hypothesis = {"kind": "threshold", "outcome": "diverged", "over": "optimizer.lr"}
    outcomes = lambda rate: np.where(generator.random(10) < chance[rate], np.nan, 0.5)  # noqa: E731
    return swept({"optimizer.lr": RATES}, outcomes, hypothesis)


def _impossibility():
    outcome = {"success": "train/accuracy", "at_least": 1.0}
    hypothesis = {
        "kind": "impossibility",
        "arm": {},
        "outcome": outcome,
        "certificate": "linear_separability",
    }
    return swept({"data.gate": ["xor"]}, lambda _: [0.75] * 20, hypothesis, "train/accuracy", config=GATE)


def _identity():
    means = {"a": 0.5, "b": 0.6}
    return swept(
        {"model.name": ["a", "b"]},
        normal(means),
        {"kind": "identity", "outcome": {"exact": "linear_collapse"}},
    )


def _over_tasks():
    generator = np.random.default_rng(0)
    table = generator.uniform(0.5, 0.8, (9, 1)) + 0.02 * generator.normal(size=(9, 3)) + [0.0, 0.03, 0.06]

    def outcomes(task, optimizer):
        return table[task, ["sgd", "momentum", "adam"].index(optimizer)] + [-0.01, 0.0, 0.01]

    hypothesis = {"kind": "best_of", "across": "task", "outcome": "test/accuracy", "delta": 0.01}
    return swept({"task": list(range(9)), "optimizer": ["sgd", "momentum", "adam"]}, outcomes, hypothesis)


STUDIES = {
    "best_of": (_over_tasks, "ranks-0"),
    "dose": (lambda: _over(kind="dose"), "levels-0"),
    "interior_optimum": (lambda: _over(kind="interior_optimum"), "levels-0"),
    "threshold": (_threshold, "levels-0"),
    "interaction": (_interaction, "levels-0"),
    "mechanism": (_mechanism, "bounds-0"),
    "equivalence": (lambda: _pair(0.001, kind="equivalence"), "bounds-0"),
    "non_inferiority": (lambda: _pair(-0.004, kind="non_inferiority"), "bounds-0"),
    "at_least": (lambda: _pair(0.03, kind="at_least", x=0.02), "bounds-0"),
    "impossibility": (_impossibility, None),
    "identity": (_identity, None),
}


def _document(evidence):
    return build_document(evidence, judge_study(evidence))


def _texts(tree):
    if isinstance(tree, str):
        return [tree]
    if isinstance(tree, list):
        return [text for part in tree for text in _texts(part)]
    parts = [part for key, part in tree.items() if key != "svg"] if isinstance(tree, dict) else []
    return [text for part in parts for text in _texts(part)]


def _section(document):
    return next(s for s in document.sections if s.id == "kinds")


def test_every_kind_has_a_study_here_or_is_shown_pair_by_pair():
    assert set(STUDIES) == set(KINDS) == set(JUDGED) - {"superiority", "faster"}


@pytest.mark.parametrize("kind", STUDIES)
def test_a_report_of_the_kind(kind):
    make, figure = STUDIES[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        document = _document(make())
        pdf, page = to_pdf(document), to_html(document)
    assert pdf.startswith(b"%PDF")
    names = [b.name for b in _section(document).blocks if isinstance(b, Figure)]
    assert names[:1] == ([figure] if figure else [])
    assert any(isinstance(b, Table) for b in _section(document).blocks) or kind in (
        "mechanism", "equivalence", "non_inferiority", "at_least",
    )  # fmt: skip
    texts = _texts(plain(document))
    assert [t for t in texts if NOISE.search(t)] == []
    assert {c for t in texts for c in t if ord(c) not in known_characters()} <= {"\n"}
    assert document.sections[0].blocks[0].statement
    assert page.count("<svg") == len(blocks_of(document, Figure))


def test_a_best_of_over_tasks_shows_ranks_profile_and_every_task():
    evidence = _over_tasks()
    verdict, document = judge_study(evidence), _document(evidence)
    blocks = {getattr(b, "name", b.kind): b for b in _section(document).blocks}
    rows = {row["arm"]: row for row in verdict.hypotheses[0].comparisons}
    drawn = dict(zip(blocks["ranks-0"].data["arm"], blocks["ranks-0"].data["rank"], strict=True))
    assert drawn == pytest.approx({arm: row["mean_rank"] for arm, row in rows.items()})
    profile = blocks["profile-0"].data
    assert {a for a, share in zip(profile["arm"], profile["share"], strict=True) if share == 1} == set(rows)
    by_task = [b for b in _section(document).blocks if isinstance(b, Table)][-1]
    assert [row[0] for row in by_task.rows] == [*map(str, range(9)), "mean rank"]
    assert not [f for f in blocks_of(document, Figure) if f.name.startswith("replicates-")]
    assert not [t for t in blocks_of(document, Table) if "max-T" in t.caption]


def test_a_best_of_over_tasks_counts_tasks_and_names_the_test_of_its_p():
    evidence = _over_tasks()
    test = dict(_document(evidence).sections[0].blocks[0].facts)["Test"]
    assert re.match(r"Hodges-Lehmann \(Wilcoxon signed-rank\), 9 tasks, p (= 0.\d+|< 0.001) \(", test)
    assert test.endswith(f" ({judge_study(evidence).hypotheses[0].estimate.p_method})")


def test_a_claim_against_a_threshold_of_0_is_drawn_in_one_unit(monkeypatch):
    drawn = {}

    def kept(*given):
        drawn["given"] = given
        return against_bounds(*given)

    monkeypatch.setitem(FIGURES, "against_bounds", kept)
    found = judge_study(_mechanism(above=0.0)).hypotheses[0].estimate
    _document(_mechanism(above=0.0))
    rows, runs, claimed, label = drawn["given"]
    assert label == "test accuracy, %"
    assert claimed == (0.0, None)
    assert rows["value"].min() == pytest.approx(found.shown_value)
    means = runs.groupby("label", sort=False)["value"].mean()
    assert means.to_list() == pytest.approx(rows["value"].to_list())


def test_numbers_beside_the_estimate_have_its_unit():
    beside = {}
    for hypothesis in ({"kind": "dose", "direction": "decreasing"}, {"kind": "interior_optimum"}):
        (facts,) = (b for b in _document(_over(**hypothesis)).sections[0].blocks if isinstance(b, Facts))
        beside |= dict(facts.items)
    assert beside["Change from the first level to the last, means alone"].startswith("9.98,")
    for label in ("Change a standard deviation of the level", "Gain over the lowest level",
                  "Largest step between neighbours against the claim",
                  "Change from the first level to the last, means alone"):  # fmt: skip
        assert beside[label].endswith(", percentage points")
    facts = next(
        b for b in _document(_pair(0.03, kind="at_least", x=0.02)).sections[0].blocks if isinstance(b, Facts)
    )
    assert re.fullmatch(r"6\d\.\d+ %", dict(facts.items)["Mean of the arm asked about"])


def _with_diverged(means, **hypothesis):
    """A tenth of the second level's runs diverged: then the estimate is by ranks."""
    first, second = means
    values = {level: list(normal(means)(level)) for level in means}
    values[second][:2] = [np.nan, np.nan]
    factor = "optimizer.lr" if isinstance(first, float) else "optimizer.name"
    return swept({factor: list(means)}, values.__getitem__, {"outcome": "test/accuracy"} | hypothesis)


def test_estimates_by_ranks_are_called_so_in_captions():
    pair = _with_diverged({"sgd": 0.5, "adam": 0.6}, kind="at_least", a="adam", b="sgd", x=0.02)
    dose = _with_diverged({0.1: 0.5, 0.2: 0.6}, kind="dose", over="optimizer.lr")
    captions = {f.name: f.caption for e in (pair, dose) for f in blocks_of(_document(e), Figure)}
    assert "a dot a pair, the Hodges–Lehmann estimate with its 95 % interval" in captions["bounds-0"]
    assert "the estimate is the Hodges–Lehmann one of the changes" in captions["levels-0"]


def test_a_best_of_on_one_task_has_no_section_of_ranks():
    means = {"sgd": 0.5, "adam": 0.6}
    hypothesis = {"kind": "best_of", "outcome": "test/accuracy"}
    section = _section(_document(swept({"optimizer.name": list(means)}, normal(means), hypothesis)))
    assert [b.kind for b in section.blocks] == ["paragraph"]


def test_a_threshold_without_any_event_has_no_curve_but_its_rates():
    document = _document(_threshold(chances=(0, 0, 0, 0, 0)))
    assert len([b for b in _section(document).blocks if isinstance(b, Table)]) == 1
    assert to_pdf(document)


def test_the_contrasts_of_an_optimum_are_those_of_the_verdict():
    evidence = _over(kind="interior_optimum")
    found = judge_study(evidence).hypotheses[0].estimate
    svg_data = next(f for f in blocks_of(_document(evidence), Figure) if f.name == "levels-0").data
    assert sorted(set(svg_data["x"])) == RATES
    smaller = min(found.extra["over_the_low_end"], found.extra["over_the_high_end"])
    assert found.shown_value == pytest.approx(smaller)


def test_how_far_the_levels_reach_beyond_the_optimum_is_told():
    evidence = _over(kind="interior_optimum")
    best = float(judge_study(evidence).hypotheses[0].estimate.extra["optimum"])
    caption = next(f for f in blocks_of(_document(evidence), Figure) if f.name == "levels-0").caption
    low, high = number(best / min(RATES)), number(max(RATES) / best)
    assert f"The levels reach from 1/{low} of it to {high} times it." in caption


def test_tuned_levels_have_an_isolation_plot():
    hypotheses = [{"primary": True, "kind": "dose", "outcome": "test/accuracy", "over": "model.depth"}]
    document = _document(crossed_evidence({"model.depth": [1, 2, 4]}, 4, hypotheses))
    figure = next(f for f in blocks_of(document, Figure) if f.name == "isolation-0")
    assert len(figure.data["x"]) == 27  # 9 points at each of 3 levels
    assert sum(figure.data["chosen"]) == 3


def test_many_arms_are_grouped_and_paged():
    factors = {"activation": [f"activation {i}" for i in range(12)], "model.depth": [1, 8]}
    hypotheses = [{"primary": True, "kind": "best_of", "outcome": {"final": "val/loss"}}]
    evidence = crossed_evidence(factors, 2, hypotheses)
    context = Context(evidence, judge_study(evidence))
    looks = {a: (s.name, s.group) for a, s in context.styles.items()}
    assert looks["activation 4, 8"] == ("activation 4", "model.depth 8")
    figures = [b for b in learning_section(context) if isinstance(b, Figure)]
    shown = [set(f.data["arm"]) for f in figures if f.name.startswith("learning-loss-arms")]
    assert [len(arms) for arms in shown] == [12, 12]
    captions = [f.caption for f in figures if f.name == "learning-loss-arms-2"]
    assert captions == ["The same for arms 13 to 24 of 24."]
    assert set.union(*shown) == {a.label for a in evidence.design.arms}
    heights = [float(re.search(r'height="([\d.]+)pt"', f.svg).group(1)) for f in figures]
    assert max(heights) < 10 * 72  # a page of A4 holds ten inches


def test_pages_are_few_and_nearly_equal():
    assert [len(p) for p in pages([str(i) for i in range(42)], 16)] == [14, 14, 14]
    assert pages(["a", "b"], 16) == [["a", "b"]]
    assert pages([], 16) == []
