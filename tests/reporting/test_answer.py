"""What a report says of an answer: its grade, its test, its reason, and what stands beside it."""

from dataclasses import replace

from harness.analysis.evidence import Evidence
from harness.analysis.judge import judge_study
from harness.reporting.content import build_document
from harness.reporting.content.answer import answer_section, others_section
from harness.reporting.content.arms import fairness_section
from harness.reporting.content.context import Context
from harness.reporting.content.extras import EXTRA_LABELS
from harness.reporting.content.learning import learning_section
from harness.reporting.document import Banner, Callout, Figure, Paragraph, Table, blocks_of
from harness.words.verdict import Gate, StudyVerdict
from tests.simulated import simulated_evidence

ONE = {
    "kind": "superiority",
    "a": "adam",
    "b": "momentum",
    "outcome": {"final": "test/accuracy"},
    "delta": 0.01,
}


def test_a_failed_gate_names_what_would_lift_it(evidence: Evidence, verdict: StudyVerdict) -> None:
    gate = Gate(name="G5", title="still improving", passed=False, detail="up by 0.02", remedy="train longer")
    failing = verdict.hypotheses[0].model_copy(update={"gates": [gate], "fragile": True})
    blocks = answer_section(Context(evidence, verdict.model_copy(update={"hypotheses": [failing]})))
    callouts = [b for b in blocks if isinstance(b, Callout)]
    assert [c.title for c in callouts] == ["Validity gates that failed"]
    assert callouts[0].items == ("G5, still improving: up by 0.02. What would lift it: train longer.",)


def test_a_fragile_answer_is_marked_so_and_told_what_that_means(
    evidence: Evidence, verdict: StudyVerdict
) -> None:
    shown = []
    for fragile in (False, True):
        told = verdict.hypotheses[0].model_copy(update={"grade": "likely", "fragile": fragile})
        banner = answer_section(Context(evidence, verdict.model_copy(update={"hypotheses": [told]})))[0]
        assert isinstance(banner, Banner)
        shown.append((banner.grade, "would have answered otherwise" in banner.reason))
    assert shown == [("likely", False), ("likely, fragile", True)]


def test_why_of_other_hypotheses_is_the_reason_alone() -> None:
    """Without the effect, and where gates failed their names: what they found is told under the table."""
    hypotheses = [ONE | {"primary": True}, ONE | {"a": "rmsprop"}, ONE | {"a": "sgd"}]
    evidence = simulated_evidence(replicates=8, hypotheses=hypotheses, diverged={"sgd": 0.5})
    verdict = judge_study(evidence)
    table = next(b for b in others_section(Context(evidence, verdict)) if isinstance(b, Table))
    passing, failing = (dict(zip((c.title for c in table.columns), row, strict=True)) for row in table.rows)
    assert verdict.hypotheses[1].reason.lower().endswith(f"; {passing['Why'].lower()}")
    assert "rmsprop" not in passing["Why"]
    assert failing["Why"] == "G4 failed"


def test_why_leaves_out_where_the_effect_was_found_too() -> None:
    """A finding that begins "at depth 8, " is left out whole."""
    evidence = simulated_evidence(replicates=8, hypotheses=[ONE | {"primary": True}, ONE | {"a": "sgd"}])
    verdict = judge_study(evidence)
    first, other = verdict.hypotheses
    placed = other.model_copy(update={"reason": f"at depth 8, {other.reason}"})
    context = Context(evidence, verdict.model_copy(update={"hypotheses": [first, placed]}))
    (row,) = next(b for b in others_section(context) if isinstance(b, Table)).rows
    assert row[-1].lower() == other.reason.rpartition("; ")[2]


def test_a_p_that_another_test_made_names_it(evidence: Evidence, verdict: StudyVerdict) -> None:
    found = verdict.hypotheses[0].estimate
    assert found is not None
    tests = []
    for method in ("", "sign test, wins against losses"):
        known = found.model_copy(update={"p_value": 0.26, "p_method": method})
        changed = verdict.hypotheses[0].model_copy(update={"estimate": known})
        banner = answer_section(Context(evidence, verdict.model_copy(update={"hypotheses": [changed]})))[0]
        assert isinstance(banner, Banner)
        tests.append(dict(banner.facts)["Test"].partition(", ")[2])
    assert tests == ["8 pairs, p = 0.26", "8 pairs, p = 0.26 (sign test, wins against losses)"]


def test_an_estimate_is_called_what_its_method_makes_of_the_pairs() -> None:
    fast = {"kind": "faster", "a": "adam", "b": "momentum", "delta": 1.25}
    fast["outcome"] = {"steps_to": "val/accuracy"}
    for lost, names in (
        (0.0, ("mean", "geometric mean")),
        (0.3, ("Hodges–Lehmann estimate", "ratio of restricted means")),
    ):
        evidence = simulated_evidence(replicates=10, hypotheses=[ONE, fast], diverged={"adam": lost})
        document = build_document(evidence, judge_study(evidence))
        figures = {f.name: f for f in blocks_of(document, Figure)}
        for place, name in enumerate(names):
            assert f"and their {name} with its 95 % interval" in figures[f"replicates-{place}"].caption
        assert ("Hollow points: more than 20 %" in figures["sensitivity-1"].caption) == bool(lost)


def test_where_nothing_is_tuned_it_is_said_once_and_nowhere_denied(
    evidence: Evidence, verdict: StudyVerdict
) -> None:
    design, trials = evidence.design, evidence.trials
    arms = [arm.model_copy(update={"tuned": []}) for arm in design.arms]
    untuned = replace(
        evidence,
        design=design.model_copy(update={"arms": arms}),
        trials=trials[trials["phase"] != "tune"],
    )
    context = Context(untuned, verdict)
    said = (
        "Nothing was tuned: every arm was judged at the settings given, each for 1,200 steps: no arm had a "
        "larger budget."
    )
    assert fairness_section(context) == (Paragraph(said),)
    captions = [f.caption for f in learning_section(context) if isinstance(f, Figure)]
    assert "for every arm at the settings given;" in captions[0]
    tuned = [f.caption for f in learning_section(Context(evidence, verdict)) if isinstance(f, Figure)]
    assert "for every arm at its tuned setting;" in tuned[0]


def test_every_number_beside_an_estimate_has_a_label(verdict: StudyVerdict) -> None:
    units = ("steps", "examples", "seconds")
    saved = {f"{unit}_saved{end}" for unit in units for end in ("", "_low", "_high")}
    known = {name for h in verdict.hypotheses if h.estimate is not None for name in h.estimate.extra}
    assert saved | known | {"win_loss_p"} <= set(EXTRA_LABELS)
