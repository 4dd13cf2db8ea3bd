"""Every validity gate, failing and passing."""

from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.gates import GATES, check_gates
from harness.analysis.judge import judge_study
from harness.analysis.kinds import ask
from harness.analysis.kinds.base import EVERY_GATE
from harness.words.hypothesis import InteriorOptimum
from harness.words.outcome import Outcome
from harness.words.study import Require
from harness.words.verdict import Answer
from tests.analysis.swept import swept
from tests.simulated import simulated_evidence

HYPOTHESES = [
    {"kind": "superiority", "a": "adam", "b": "momentum", "outcome": "test/accuracy", "delta": 0.01},
    {"kind": "faster", "a": "adam", "b": "momentum", "outcome": {"steps_to": "val/accuracy"}},
]


@pytest.fixture(scope="module")
def evidence():
    return simulated_evidence(replicates=8, arms=("sgd", "momentum", "adam"), hypotheses=HYPOTHESES)


def check(evidence, name, hypothesis=0, **changes):
    asked = ask(evidence, evidence.design.study.hypotheses[hypothesis])
    return GATES[name].check(replace(asked, **changes))


def with_values(evidence, **means):
    """The question's table with scores 0.001 above and below each arm's mean, in turn."""
    asked = ask(evidence, evidence.design.study.hypotheses[0])
    return asked.table.assign(
        value=asked.table["arm"].map(means) + 0.001 * (-1.0) ** asked.table["replicate"]
    )


def with_study(evidence, **changes):
    study = evidence.design.study.model_copy(update=changes)
    return replace(evidence, design=evidence.design.model_copy(update={"study": study}))


def with_choice(evidence, arm, **changes):
    choice = evidence.choices[arm].model_copy(update=changes)
    return replace(evidence, choices={**evidence.choices, arm: choice})


def test_an_orderly_study_passes_every_gate(evidence):
    for hypothesis in evidence.design.study.hypotheses:
        gates = [gate for gate, _ in check_gates(ask(evidence, hypothesis), EVERY_GATE)]
        assert [g.name for g in gates] == [f"G{i}" for i in range(1, 10)]
        assert not [g for g in gates if g.passed is False]
        assert {g.name for g in gates if g.passed is None} <= {"G3", "G5", "G6", "G9"}


@pytest.mark.parametrize(
    ("when", "edge", "passed"),
    [
        ("start", "optimizer.lr", True),
        ("start", "model.init_gain", False),
        ("end", "optimizer.lr", False),
    ],
)
def test_g1_asks_nothing_of_the_rate_where_no_step_was_taken(evidence, when, edge, passed):
    probed = Outcome.model_validate({"probe": "gradient_norm", "when": when})
    held = with_choice(evidence, "adam", on_edge=[edge])
    asked = ask(held, evidence.design.study.hypotheses[0])
    question = replace(asked, hypothesis=asked.hypothesis.model_copy(update={"outcome": probed}))
    assert GATES["G1"].check(question).passed is passed


def test_g1_counts_only_the_arms_named(evidence):
    assert check(with_choice(evidence, "sgd", on_edge=["optimizer.lr"]), "G1").passed
    found = check(with_choice(evidence, "adam", on_edge=["optimizer.lr"]), "G1")
    assert (found.passed, found.arms) == (False, ("adam",))
    assert "adam (optimizer.lr)" in found.detail


@pytest.mark.parametrize(
    ("adam", "momentum", "passed"),
    [
        (0.995, 0.992, False),  # both above 99 %
        (0.985, 0.985, False),  # both leave less than 2 delta of error
        (0.995, 0.95, True),  # the other leaves room
        (0.1, 0.1, False),  # both at chance, 1/10
        (0.1, 0.5, True),
        (0.6, 0.5, True),
    ],
)
def test_g2_ceiling_and_floor(evidence, adam, momentum, passed):
    table = with_values(evidence, adam=adam, momentum=momentum, sgd=0.5)
    assert check(evidence, "G2", table=table).passed is passed


@pytest.mark.parametrize("across", [None, "data"])
@pytest.mark.parametrize(("best", "passed"), [(0.995, False), (0.9, True)])
def test_g2_of_a_best_of_looks_at_the_two_that_decide(across, best, passed):
    """The third arm leaves room, but has no part in which is the best."""
    means, tasks = {"a": best, "b": best - 0.002, "c": 0.5}, [f"task {i}" for i in range(8)]
    noise = np.random.default_rng(0)
    hypothesis = {"kind": "best_of", "outcome": "test/accuracy", "delta": 0.003, "across": across}
    evidence = swept(
        {"data": tasks if across else ["one"], "arm": list(means)},
        lambda _, arm: means[arm] + 0.001 * noise.normal(size=8),
        hypothesis,
    )
    (g2,) = (g for g in judge_study(evidence).hypotheses[0].gates if g.name == "G2")
    assert g2.passed is passed
    assert "0.500" not in g2.detail


def test_g2_of_steps_to_a_target_out_of_reach(evidence):
    table = ask(evidence, evidence.design.study.hypotheses[1]).table
    assert check(evidence, "G2", 1).passed
    assert check(evidence, "G2", 1, table=table.assign(value=40.0)).passed is False
    assert check(evidence, "G2", 1, table=table.assign(censored=True)).passed is False
    one = table.assign(censored=table["arm"] == "momentum")
    assert check(evidence, "G2", 1, table=one).passed


def test_g2_the_first_evaluation_is_after_a_step(evidence):
    untrained = {i: r.model_copy(update={"steps": [0, *r.steps[1:]]}) for i, r in evidence.records.items()}
    found = replace(evidence, records=untrained)
    table = ask(evidence, evidence.design.study.hypotheses[1]).table
    assert check(found, "G2", 1, table=table.assign(value=80.0)).passed is False
    assert check(found, "G2", 1, table=table.assign(value=81.0)).passed


def test_g3_manipulation_check(evidence):
    assert check(evidence, "G3").passed is None
    gap = {"outcome": ["train/accuracy", "test/accuracy"], "arm": {"optimizer.name": "sgd"}}
    for bounds, passed in (
        ({"at_least": 0.05}, True),
        ({"at_least": 0.5}, False),
        ({"at_most": 0.05}, False),
    ):
        required = Require.model_validate(gap | bounds)
        found = check(with_study(evidence, require={"gap": required}), "G3")
        assert found.passed is passed
        assert "gap: sgd" in found.detail


@pytest.mark.parametrize(("share", "passed"), [(0.125, True), (0.25, False)])
def test_g4_diverged_runs(share, passed):
    found = simulated_evidence(
        replicates=8, arms=("momentum", "adam"), diverged={"momentum": share}, hypotheses=HYPOTHESES
    )
    assert check(found, "G4").passed is passed


def test_g4_advises_what_can_be_done():
    found = simulated_evidence(
        replicates=8, arms=("momentum", "adam"), diverged={"momentum": 0.5}, hypotheses=HYPOTHESES
    )
    assert check(found, "G4").remedy == "tune with more seeds a point, or lower the range"
    arms = [a.model_copy(update={"tuned": []}) for a in found.design.arms]
    untuned = replace(found, design=found.design.model_copy(update={"arms": arms}))
    assert check(untuned, "G4").remedy == "lower the learning rate, or tune it"


def test_g4_does_not_apply_where_divergence_is_the_outcome():
    outcome = {"kind": "superiority", "a": "adam", "b": "momentum", "outcome": "diverged", "delta": 0.1}
    lost = simulated_evidence(
        replicates=8, arms=("momentum", "adam"), diverged={"momentum": 0.5}, hypotheses=[outcome]
    )
    assert check(lost, "G4").passed is None
    verdict = judge_study(lost).hypotheses[0]
    assert verdict.estimate.value == 0.5
    assert verdict.estimate.method == "paired rates (Bonett-Price)"


def rising(record, per_step):
    curve = [0.1 + per_step * s for s in record.steps]
    return record.model_copy(update={"curves": {**record.curves, "val/accuracy": curve}})


@pytest.mark.parametrize(("gain", "passed"), [(0.009, True), (0.011, False)])
def test_g5_still_improving(evidence, gain, passed):
    """A line that rises by `gain` over the last tenth of 1,200 steps, against delta = 0.01."""
    changed = {i: rising(r, gain / 120) for i, r in evidence.records.items()}
    assert check(replace(evidence, records=changed), "G5").passed is passed
    assert check(evidence, "G5", 1).passed is None


def test_what_refutes_a_best_of_stands_whatever_became_of_other_arms():
    """sgd could still learn: that may end adam's lead over all, but saves no arm that another beats."""
    for subject, answer, gated in (("adam", Answer.INCONCLUSIVE, True), ("rmsprop", Answer.REFUTED, False)):
        hypothesis = {"kind": "best_of", "a": subject, "outcome": {"final": "test/accuracy"}, "delta": 0.01}
        found = simulated_evidence(hypotheses=[{"primary": True, **hypothesis}])
        slow = {p.trial for p in found.planned if p.arm == "sgd"}
        records = {i: rising(r, 0.02 / 120) if i in slow else r for i, r in found.records.items()}
        verdict = judge_study(replace(found, records=records)).hypotheses[0]
        g5 = next(g for g in verdict.gates if g.name == "G5")
        assert verdict.answer is answer
        assert g5.passed is not gated
        assert ("sgd" in g5.detail) is gated


def test_g5_does_not_apply_where_the_length_of_training_is_compared(evidence):
    changed = {i: rising(r, 0.02 / 120) for i, r in evidence.records.items()}
    design = evidence.design.model_copy(update={"steps": {**evidence.design.steps, "adam": 2400}})
    found = check(replace(evidence, records=changed, design=design), "G5")
    assert found.passed is None
    assert "how long to train is part of the question" in found.detail


def test_g5_does_not_apply_to_untuned_levels(evidence):
    changed = {i: rising(r, 0.02 / 120) for i, r in evidence.records.items()}
    untuned = [arm.model_copy(update={"tuned": []}) for arm in evidence.design.arms]
    design = evidence.design.model_copy(update={"arms": untuned})
    found = replace(evidence, records=changed, design=design)
    levels = InteriorOptimum(kind="interior_optimum", outcome="test/accuracy", delta=0.01)
    assert check(found, "G5").passed is False  # of two arms
    asked = ask(found, found.design.study.hypotheses[0])
    assert GATES["G5"].check(replace(asked, hypothesis=levels)).passed is None


def test_g6_reruns(evidence):
    same = {"trial": "t", "arm": "adam", "same": True, "max_difference": 0.0}
    other = {**same, "same": False, "max_difference": 1e-6}
    assert check(evidence, "G6").passed is None
    assert check(replace(evidence, checks=(same,)), "G6").passed
    assert check(replace(evidence, checks=(same, other)), "G6").passed is False
    assert check(replace(evidence, checks=(same, {**other, "arm": "sgd"})), "G6").passed


def test_g7_equal_budgets(evidence):
    lost = next(p for p in evidence.planned if p.arm == "adam" and p.phase == "tune" and p.point == 0)
    short = replace(evidence, planned=tuple(p for p in evidence.planned if p is not lost))
    found = check(short, "G7")
    assert (found.passed, found.arms) == (False, ("adam",))
    assert "tuning trials 17" in found.detail
    longer = evidence.design.model_copy(update={"steps": {**evidence.design.steps, "adam": 2400}})
    assert check(replace(evidence, design=longer), "G7").passed is False
    judged = next(p for p in evidence.planned if p.arm == "adam" and p.phase == "judge")
    short = replace(evidence, planned=tuple(p for p in evidence.planned if p is not judged))
    assert "replicates 7, not 8" in check(short, "G7").detail


def test_g7_reports_extensions_without_counting_them(evidence):
    points = evidence.choices["adam"].points
    extended = [p.model_copy(update={"round": 1}) if p.index in (0, 8) else p for p in points]
    fewer = with_choice(evidence, "adam", points=extended)
    assert check(fewer, "G7").passed is False  # seven declared points are fewer than nine
    more = [*points, points[8].model_copy(update={"index": 9, "round": 1})]
    found = check(with_choice(evidence, "adam", points=more), "G7")
    assert found.passed
    assert "adam +1 points" in found.detail


def test_g7_steps_may_differ_where_the_study_sweeps_them(evidence):
    arms = [
        a.model_copy(update={"values": {"train.batch_size": i}})
        for i, a in enumerate(evidence.design.arms, 1)
    ]
    steps = {**evidence.design.steps, "adam": 2400}
    swept = evidence.design.model_copy(update={"arms": arms, "steps": steps})
    assert check(replace(evidence, design=swept), "G7").passed


def of_batches(evidence, unit, sizes, steps):
    """The study's arms with batches and steps of their own, its `faster` hypothesis in a unit."""
    arms = [
        a.model_copy(
            update={
                "values": {"train.batch_size": sizes[a.label]},
                "config": {**a.config, "train": {**a.config["train"], "batch_size": sizes[a.label]}},
            }
        )
        for a in evidence.design.arms
    ]
    design = evidence.design.model_copy(update={"arms": arms, "steps": steps})
    first, fast = design.study.hypotheses
    outcome = fast.outcome.model_copy(update={"options": {"unit": unit}})
    found = replace(evidence, design=design)
    return with_study(found, hypotheses=[first, fast.model_copy(update={"outcome": outcome})])


BATCHES = {"sgd": 1, "momentum": "full", "adam": 100}  # of 4,000 training examples


@pytest.mark.parametrize(
    ("unit", "adam", "momentum", "passed"),
    [
        ("examples", 1200, 30, True),  # 120,000 examples both
        ("examples", 1200, 1200, False),
        ("examples", 1239, 30, True),  # no room for a full batch in what the other has more
        ("examples", 1240, 30, False),
        ("examples", 1199, 30, False),  # one batch of 100 would have fitted
        ("steps", 1200, 1200, True),
        ("steps", 1200, 30, False),
    ],
)
def test_g7_of_a_time_to_a_target_compares_budgets_in_its_unit(evidence, unit, adam, momentum, passed):
    steps = {"sgd": 1, "momentum": momentum, "adam": adam}
    found = check(of_batches(evidence, unit, BATCHES, steps), "G7", 1)
    assert found.passed is passed
    assert ("training examples" in found.detail) is (unit == "examples")


@pytest.mark.parametrize(
    ("momentum", "passed", "said"),  # beside adam's 333 steps of 300 us, at 8,100 us each
    [
        (12, True, "0.0999 modelled seconds"),
        (11, False, "momentum: modelled seconds 0.0891, not 0.0999"),
        (13, False, "adam: modelled seconds 0.0999, not 0.1053"),
    ],
)
def test_g7_of_modelled_seconds_compares_what_steps_cost(evidence, momentum, passed, said):
    steps = {"sgd": 1, "momentum": momentum, "adam": 333}
    found = of_batches(evidence, "seconds", BATCHES, steps)
    cost = {"step_us": 100, "example_us": 2}
    arms = [
        a.model_copy(update={"config": {**a.config, "train": {**a.config["train"], "cost": cost}}})
        for a in found.design.arms
    ]
    records = {
        trial: r.model_copy(update={"config": {"train": {"batch_size": 100, "cost": cost}}})
        for trial, r in evidence.records.items()
    }
    design = found.design.model_copy(update={"arms": arms})
    gate = check(replace(found, design=design, records=records), "G7", 1)
    assert gate.passed is passed
    assert said in gate.detail


def test_g2_counts_the_first_evaluation_of_each_arm_in_the_unit(evidence):
    """After 40 steps: 160,000 examples of full batches, 4,000 of batches of 100."""
    records = {
        p.trial: evidence.records[p.trial].model_copy(
            update={"config": {"train": {"batch_size": BATCHES[p.arm]}}}
        )
        for p in evidence.planned
    }
    found = of_batches(replace(evidence, records=records), "examples", BATCHES, evidence.design.steps)
    table = ask(found, found.design.study.hypotheses[1]).table
    first = {"momentum": 160_000.0, "adam": 4_000.0, "sgd": 40.0}
    early = table.assign(value=table["arm"].map(first))
    assert check(found, "G2", 1, table=early).passed is False
    assert check(found, "G2", 1, table=early.assign(value=table["arm"].map({**first, "adam": 4001.0}))).passed


@pytest.mark.parametrize("hypothesis", [0, 1])
def test_g8_gain_of_a_doubled_budget(evidence, hypothesis):
    assert check(evidence, "G8", hypothesis).passed
    tiny = check(evidence, "G8", hypothesis, delta=1e-9)
    assert tiny.passed is False
    assert "expected gain" in tiny.detail


def test_g8_uses_the_best_of_k_curve_for_other_samplers(evidence):
    tune = evidence.design.study.tune.model_copy(update={"sampler": "qmc"})
    random = with_study(evidence, tune=tune)
    assert check(random, "G8").detail != check(evidence, "G8").detail
    assert check(random, "G8", delta=1.0).passed


def test_g9_controls(evidence):
    fine = {"name": "A against A", "passed": True, "detail": "no difference"}
    broken = {"name": "planted", "passed": False, "detail": "not found"}
    assert check(evidence, "G9").passed is None
    assert check(replace(evidence, controls=(fine,)), "G9").passed
    assert check(replace(evidence, controls=(fine, broken)), "G9").passed is False


def test_a_failed_gate_reaches_the_verdict_and_the_arm(evidence):
    verdict = judge_study(with_choice(evidence, "adam", on_edge=["optimizer.lr"]))
    assert {h.answer for h in verdict.hypotheses} == {Answer.INCONCLUSIVE}
    assert verdict.headline.startswith("INCONCLUSIVE: ")
    assert "G1" in verdict.headline
    assert {a.arm: a.gates for a in verdict.arms} == {"sgd": [], "momentum": [], "adam": ["G1"]}


def test_g2_knows_each_arms_own_chance_level():
    """Two tasks, of 2 and of 10 classes, at chance each: nothing is left to compare."""
    asked = {"kind": "superiority", "a": "few", "b": "many", "outcome": "test/accuracy", "delta": 0.01}
    noise = np.random.default_rng(3).normal(scale=0.01, size=10)
    evidence = swept({"task": ["few", "many"]}, lambda t: {"few": 0.5, "many": 0.1}[t] + noise, asked)
    facts = evidence.design.data
    data = {"few": facts["few"].model_copy(update={"n_classes": 2}), "many": facts["many"]}
    two = replace(evidence, design=evidence.design.model_copy(update={"data": data}))
    assert check(two, "G2").passed is False
    assert check(evidence, "G2").passed is True


def test_an_arms_interval_allows_for_the_overlap_of_splits():
    evidence = swept(
        {"arm": ["a", "b"]},
        lambda arm: np.linspace(0.5, 0.6, 10),
        {"kind": "superiority", "a": "a", "b": "b", "outcome": "test/accuracy"},
    )
    data = {
        arm: f.model_copy(update={"scope": "resplit", "n_train": 900, "n_test": 300})
        for arm, f in evidence.design.data.items()
    }
    split = replace(evidence, design=evidence.design.model_copy(update={"data": data}))
    fresh, overlapping = (judge_study(e).arms[0].outcomes["final test/accuracy"] for e in (evidence, split))
    wider = (overlapping["high"] - overlapping["low"]) / (fresh["high"] - fresh["low"])
    assert wider == pytest.approx(np.sqrt(1 + 10 / 3))
