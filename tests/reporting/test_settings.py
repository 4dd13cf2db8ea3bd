"""The map of a universal claim: its cells, that it reads without colour, and the report around it."""

import re
import warnings
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import rgb_to_hsv, to_rgb

from harness.analysis.judge import judge_study
from harness.reporting.build import verdict_json
from harness.reporting.content import build_document
from harness.reporting.content.context import Context
from harness.reporting.document import Figure, Table, blocks_of
from harness.reporting.figures.settings import settings_map
from harness.reporting.html import to_html
from harness.reporting.pdf import to_pdf
from harness.reporting.style import WIDTH, drawing, to_svg
from harness.words.verdict import StudyVerdict
from tests.analysis.swept import swept

CLAIM = {"kind": "superiority", "a": "adam", "b": "sgd", "outcome": "test/accuracy", "delta": 0.01}
ANSWERS = ("SUPPORTED", "REFUTED", "INCONCLUSIVE")


def evidence(factors, for_each, lost):
    """adam gains 5 points over sgd but for the setting `lost`, where it loses as many."""
    generator = np.random.default_rng(0)

    def outcomes(*levels):
        at = dict(zip(crossed, levels, strict=True))
        where = tuple(at[f] for f in factors)
        gain = (at["optimizer.name"] == "adam") * (-0.05 if where == lost else 0.05)
        return 0.6 + gain + 0.01 * generator.normal(size=12)

    crossed = {"optimizer.name": ["sgd", "adam"], **factors}
    return swept(crossed, outcomes, {**CLAIM, "for_each": for_each})


def cells(rows, columns):
    combined = [(r, c) for r in rows for c in columns]
    frame = pd.DataFrame(combined, columns=["row", "column"])
    answers = [ANSWERS[i % 3] for i in range(len(frame))]
    return frame.assign(answer=answers, text=[f"? {a}\n1.6\n(1.4 to 1.9)\nlikely" for a in answers])


@pytest.fixture(scope="module")
def crossed():
    found = evidence(
        {"activation": ["relu", "tanh"], "model.depth": [1, 3, 8]}, ["activation", "model.depth"], ("tanh", 8)
    )
    return found, judge_study(found)


@pytest.mark.parametrize(
    ("rows", "columns"), [([""], "abc"), ("ab", "abcd"), ("abcde", ["one", "$x_2$", "漢"])]
)
def test_every_cell_is_drawn_in_its_place(rows, columns):
    frame = cells(rows, columns)
    with warnings.catch_warnings(), drawing():
        warnings.simplefilter("error")
        figure = settings_map(frame, ("rows", "columns"))
        ElementTree.fromstring(to_svg(figure))
    axes = figure.axes[0]
    places = {(round(t.get_position()[0], 2), t.get_text()) for t in axes.texts}
    assert len(axes.texts) == 2 * len(frame)
    assert (0.5, f"? {frame['answer'][0]}") in places
    assert len(axes.get_yticks()) == (0 if rows == [""] else len(rows))
    colours = axes.collections[0].get_facecolors().reshape(len(rows), len(columns), 4)
    for i, cell in frame.iterrows():
        same = frame["answer"] == cell["answer"]
        drawn = colours.reshape(-1, 4)
        assert (drawn[same] == drawn[i]).all()
        assert not (drawn[~same] == drawn[i]).all(axis=1).any()


def test_text_stands_dark_on_light_and_inside_its_cell():
    """Black on a tint prints; a text wider than its cell would run into the next."""
    frame = cells(["relu", "tanh"], [str(d) for d in range(7)])
    with drawing():
        figure = settings_map(frame, ("activation", "depth"))
        to_svg(figure)
        axes = figure.axes[0]
        assert rgb_to_hsv(axes.collections[0].get_facecolors()[:, :3])[:, 2].min() > 0.8
        assert max(to_rgb(axes.texts[0].get_color())) < 0.3
        width = axes.get_window_extent().width / 7
        assert max(t.get_window_extent().width for t in axes.texts) <= width
        assert figure.get_size_inches()[0] == WIDTH


def test_a_report_of_a_claim_of_two_factors(crossed):
    found, verdict = crossed
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        document = build_document(found, verdict)
        pdf, page = to_pdf(document), to_html(document)
    assert pdf.startswith(b"%PDF")
    figures = {f.name: f for f in blocks_of(document, Figure)}
    assert len(figures) == len(blocks_of(document, Figure))
    drawn = figures["settings-0"].data
    assert list(zip(drawn["row"], drawn["column"], strict=True)) == [
        (a, d) for a in ("relu", "tanh") for d in ("1", "3", "8")
    ]
    assert drawn["answer"] == [s.answer.value for s in verdict.hypotheses[0].settings]
    assert drawn["answer"][-1] == "REFUTED"
    assert next(t for t in drawn["text"] if "REFUTED" in t).startswith("✘ REFUTED\n−")
    assert {f"replicates-0-{i}" for i in range(1, 7)} <= set(figures)
    assert verdict.hypotheses[0].holds_in in re.sub(r"\s+", " ", page)


def test_one_factor_is_one_row():
    found = evidence({"model.depth": [1, 3, 8]}, "model.depth", (3,))
    drawn = blocks_of(build_document(found, judge_study(found)), Figure)[0]
    assert (drawn.name, set(drawn.data["row"])) == ("settings-0", {""})
    assert drawn.data["answer"] == ["SUPPORTED", "REFUTED", "SUPPORTED"]


def test_the_table_has_a_row_a_setting_and_the_forest_too(crossed):
    found, verdict = crossed
    document = build_document(found, verdict)
    table = next(t for t in blocks_of(document, Table) if t.columns[0].title == "Setting")
    assert [row[0].replace("\N{NO-BREAK SPACE}", " ") for row in table.rows] == [
        f"{a} × depth {d}" for a in ("relu", "tanh") for d in (1, 3, 8)
    ]
    forest = next(f for f in blocks_of(document, Figure) if f.name == "effects-forest")
    assert len(forest.data["label"]) == 1 + 6
    again = StudyVerdict.model_validate_json(verdict_json(verdict, document))
    assert again.hypotheses == verdict.hypotheses
    assert again.report["figures"]["settings-0"]["data"]["answer"][-1] == "REFUTED"


def test_a_setting_is_a_question_of_its_own_and_the_whole_claim_is_none(crossed):
    context = Context(*crossed)
    (joint,) = crossed[1].hypotheses
    assert context.question(joint) is None
    asked = [context.question(v) for v in context.questions]
    assert [q.subject for q in asked] == [f"adam, {a}, {d}" for a in ("relu", "tanh") for d in (1, 3, 8)]
    assert [context.key(v) for v in context.questions] == [f"0-{i}" for i in range(1, 7)]
