import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import harness.reporting
from harness.analysis.evidence import Evidence
from harness.analysis.judge import judge_study
from harness.errors import RunFailed
from harness.reporting import build_report
from harness.reporting.build import verdict_json
from harness.reporting.content import SECTIONS, build_document
from harness.reporting.content.arms import fairness_section
from harness.reporting.content.context import Context
from harness.reporting.document import (
    Block,
    Callout,
    Column,
    Document,
    Figure,
    Table,
    blocks_of,
    plain,
)
from harness.reporting.html import to_html
from harness.reporting.pdf import to_pdf
from harness.words.verdict import StudyVerdict
from tests.simulated import simulated_evidence

HOSTILE = '<script>alert("x")</script> #panic() $x$ *b* \\u{41} & 漢字 🙂 \x00 {{ 7*7 }}'
ONE = [
    {
        "kind": "superiority",
        "a": "adam",
        "b": "momentum",
        "outcome": {"final": "test/accuracy"},
        "delta": 0.01,
    }
]


class _Page(HTMLParser):
    """The page's text, tags and ids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attrs)
        self.ids += [i for i in [named.get("id")] if i]
        self.references += [v for k, v in attrs if k in ("href", "src", "xlink:href", "srcset") and v]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def document(evidence: Evidence, verdict: StudyVerdict) -> Document:
    return build_document(evidence, verdict)


def _renamed(evidence: Evidence, old: str, new: str) -> Evidence:
    """The same evidence with one arm under another name."""
    design = evidence.design
    names = {a.label: new if a.label == old else a.label for a in design.arms}
    return replace(
        evidence,
        design=design.model_copy(
            update={
                "arms": [a.model_copy(update={"label": names[a.label]}) for a in design.arms],
                "data": {names[a]: facts for a, facts in design.data.items()},
                "steps": {names[a]: steps for a, steps in design.steps.items()},
            }
        ),
        choices={names[a]: c.model_copy(update={"arm": names[a]}) for a, c in evidence.choices.items()},
        trials=evidence.trials.replace({"arm": names}),
        planned=tuple(p.model_copy(update={"arm": names[p.arm]}) for p in evidence.planned),
    )


def _strings(tree: Any) -> list[str]:
    """Every text the document prints, drawings and layout keys apart."""
    if isinstance(tree, str):
        return [tree]
    if isinstance(tree, list):
        return [s for v in tree for s in _strings(v)]
    if isinstance(tree, dict):
        return [
            s for k, v in tree.items() if k not in ("svg", "kind", "tone", "id", "name") for s in _strings(v)
        ]
    return []


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_every_section_is_there_and_says_something(document: Document) -> None:
    """In the table's order, but for those that have nothing to say of this study."""
    ids = [s.id for s in document.sections]
    assert ids == [id for id in SECTIONS if id in ids]
    assert SECTIONS.keys() - set(ids) == {"mechanism", "ensembles", "settings"}
    assert all(s.blocks for s in document.sections)
    names = {f.name for f in blocks_of(document, Figure)}
    assert {"effects-forest", "learning-accuracy", "tuning-0", "tuning-budget", "time-to-target-0"} <= names
    assert {"sensitivity-0", "replicates-0", "outcome-0", "outcome-1"} <= names
    assert all(f.alt and f.caption and f.data for f in blocks_of(document, Figure))


def test_report_writes_three_whole_files(evidence: Evidence, verdict: StudyVerdict, tmp_path: Path) -> None:
    paths = build_report(evidence, verdict, tmp_path / "new" / "folder")
    assert sorted(p.name for p in paths.html.parent.iterdir()) == [
        "report.html",
        "report.pdf",
        "verdict.json",
    ]
    assert paths.pdf.read_bytes().startswith(b"%PDF")
    back = StudyVerdict.model_validate_json(paths.json.read_text())
    assert back.model_copy(update={"report": {}}) == verdict
    assert {"tables", "figures"} == back.report.keys()
    assert paths.html.stat().st_size < 3_000_000


def test_a_failed_write_leaves_the_old_file(
    evidence: Evidence,
    verdict: StudyVerdict,
    document: Document,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "verdict.json").write_text("old")
    monkeypatch.setattr("harness.files.os.fsync", _full_disk)
    monkeypatch.setattr("harness.reporting.build.build_document", lambda *_: document)
    with pytest.raises(RunFailed, match="no space"):
        build_report(evidence, verdict, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["verdict.json"]
    assert (tmp_path / "verdict.json").read_text() == "old"


def _full_disk(_: int) -> None:
    raise OSError("no space left on device")


def test_the_same_input_gives_the_same_bytes(
    evidence: Evidence, verdict: StudyVerdict, document: Document
) -> None:
    again = build_document(evidence, verdict)
    assert again == document
    assert to_pdf(again) == to_pdf(document)
    assert to_html(again) == to_html(document)


def test_html_prints_every_text_of_the_document(document: Document) -> None:
    page = to_html(document)
    shown = _one_line(" ".join(_Page(page).texts))
    apart = plain(document)["headline"]  # in the page's description
    alts = {f["alt"] for s in plain(document)["sections"] for f in s["blocks"] if f["kind"] == "figure"}
    missing = [t for t in _strings(plain(document)) if t not in alts | {apart} and _one_line(t) not in shown]
    assert missing == []


def test_both_templates_handle_every_kind_of_block() -> None:
    kinds = {kind.__dataclass_fields__["kind"].default for kind in Block.__args__}
    folder = Path(harness.reporting.__file__).parent / "templates"
    for name in ("report.html.j2", "report.typ"):
        text = (folder / name).read_text()
        assert {k for k in kinds if f'kind == "{k}"' in text} == kinds


def test_html_stands_alone_and_has_no_repeated_id(document: Document) -> None:
    page = _Page(to_html(document))
    assert "script" not in page.tags
    assert all(r.startswith("#") for r in page.references)
    assert len(page.ids) == len(set(page.ids))
    assert {r[1:] for r in page.references} <= set(page.ids)


def test_hostile_texts_and_arm_names_stay_text() -> None:
    evidence = simulated_evidence(replicates=3, arms=("momentum", "adam"))
    verdict = judge_study(evidence)
    texts = dict.fromkeys(("title", "says", "source", "headline"), HOSTILE)
    document = build_document(_renamed(evidence, "adam", HOSTILE), verdict.model_copy(update=texts))
    assert any(f.name == "replicates-0" for f in blocks_of(document, Figure))
    page = to_html(document)
    parsed = _Page(page)
    assert "script" not in parsed.tags
    assert '<script>alert("x")</script> #panic() $x$' in "".join(parsed.texts)
    assert "{{ 7*7 }}" in "".join(parsed.texts)
    assert "\x00" not in page
    assert to_pdf(document).startswith(b"%PDF")


def test_two_arms_one_hypothesis() -> None:
    evidence = simulated_evidence(replicates=8, arms=("momentum", "adam"), hypotheses=ONE)
    document = build_document(evidence, judge_study(evidence))
    assert [f.name for f in blocks_of(document, Figure)].count("replicates-0") == 1
    assert not any(f.name.startswith("time-to-target") for f in blocks_of(document, Figure))
    to_pdf(document)


def test_a_time_in_examples_is_called_one_wherever_it_is_shown() -> None:
    """And a survival plot shows the arms of the budget that is compared, no others."""
    fast = {"kind": "faster", "a": "adam", "b": "momentum", "delta": 1.25}
    fast["outcome"] = {"steps_to": "val/accuracy", "unit": "examples"}
    evidence = simulated_evidence(replicates=8, hypotheses=[fast])
    longer = evidence.design.model_copy(update={"steps": evidence.design.steps | {"sgd": 2400}})
    evidence = replace(evidence, design=longer)
    verdict = judge_study(evidence)
    assert "fewer training examples than momentum" in verdict.hypotheses[0].statement
    document = build_document(evidence, verdict)
    figures = {f.name: f for f in blocks_of(document, Figure)}
    assert set(figures["time-to-target-0"].data["arm"]) == {"momentum", "rmsprop", "adam"}
    assert "The budget was 120,000 training examples." in figures["time-to-target-0"].caption
    assert "how many times fewer training examples were needed" in figures["sensitivity-0"].caption
    page = _one_line(" ".join(_Page(to_html(document)).texts))
    assert "fewer steps" not in page
    assert "ratio of steps" not in page


def test_modelled_seconds_are_explained_where_budgets_are_and_named_wherever_they_are_shown() -> None:
    fast = {"kind": "faster", "a": "adam", "b": "momentum", "delta": 1.25}
    fast["outcome"] = {"steps_to": "val/accuracy", "unit": "seconds"}
    evidence = simulated_evidence(replicates=8, hypotheses=[fast])
    cost = {"step_us": 98.0, "example_us": 0.63}

    def priced(item: Any) -> Any:
        train = {**item.config["train"], "cost": cost}
        return item.model_copy(update={"config": {**item.config, "train": train}})

    design = evidence.design.model_copy(update={"arms": [priced(a) for a in evidence.design.arms]})
    records = {trial: priced(r) for trial, r in evidence.records.items()}
    evidence = replace(evidence, design=design, records=records)
    verdict = judge_study(evidence)
    assert "fewer modelled seconds than momentum" in verdict.hypotheses[0].statement
    document = build_document(evidence, verdict)
    caption = next(f.caption for f in blocks_of(document, Figure) if f.name == "time-to-target-0")
    assert "The budget was 0.193 modelled seconds." in caption  # 1,200 steps of 161 us
    page = _one_line(" ".join(_Page(to_html(document)).texts))
    assert "declared to cost (98 µs a step and 0.63 µs an example)" in page
    assert "harness bench cost_batch" in page
    to_pdf(document)


def test_an_arm_of_which_every_run_diverged() -> None:
    evidence = simulated_evidence(replicates=8, arms=("momentum", "adam"), diverged={"adam": 1.0})
    verdict = judge_study(evidence)
    document = build_document(evidence, verdict)
    arms = next(t for t in blocks_of(document, Table) if "Diverged" in [c.title for c in t.columns])
    assert [row[5] for row in arms.rows if row[0] == "adam"] == ["8 of 8"]
    to_pdf(document)


def test_missing_curves(evidence: Evidence, verdict: StudyVerdict) -> None:
    bare = Evidence(
        design=evidence.design,
        choices={},
        frozen=None,
        trials=pd.DataFrame(),
        records={},
    )
    document = build_document(bare, verdict)
    absent = {"learning", "tuning", "budget", "mechanism", "ensembles", "settings", "replicates"}
    assert SECTIONS.keys() - {s.id for s in document.sections} == absent
    assert {f.name for f in blocks_of(document, Figure)} == {"effects-forest", "sensitivity-0"}
    to_html(document)
    to_pdf(document)


def test_unequal_budgets_are_said(evidence: Evidence, verdict: StudyVerdict) -> None:
    design = evidence.design.model_copy(update={"steps": evidence.design.steps | {"adam": 600}})
    equal, unequal = (
        fairness_section(Context(e, verdict))[0] for e in (evidence, replace(evidence, design=design))
    )
    assert isinstance(equal, Callout)
    assert isinstance(unequal, Callout)
    assert equal.title == "Budgets were equal"
    assert unequal.title == "Budgets were not equal"


def test_json_has_no_nan_and_reads_back(document: Document, verdict: StudyVerdict) -> None:
    found = verdict.hypotheses[0].estimate
    assert found is not None
    open_ended = found.model_copy(update={"high": float("inf"), "shown_high": float("inf")})
    changed = verdict.hypotheses[0].model_copy(update={"estimate": open_ended})
    text = verdict_json(verdict.model_copy(update={"hypotheses": [changed]}), document)
    json.loads(text, parse_constant=pytest.fail)
    back = StudyVerdict.model_validate_json(text).hypotheses[0].estimate
    assert back is not None
    assert back.high == float("inf")


def test_a_table_refuses_a_row_of_the_wrong_length() -> None:
    with pytest.raises(ValueError, match="a row of 1 cells in a table of 2 columns"):
        Table("caption", (Column("a"), Column("b")), (("only one",),))


def test_importing_reporting_leaves_the_heavy_programs_out() -> None:
    code = (
        "import sys, harness.reporting; print([m for m in ('torch', 'optuna', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
