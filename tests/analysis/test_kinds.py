"""Every kind of hypothesis: supported, refuted and inconclusive on outcomes whose truth is known."""

import json
import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from harness.analysis import outcomes
from harness.analysis.estimates import paired_t
from harness.analysis.judge import judge_study
from harness.analysis.kinds import KINDS
from harness.analysis.kinds.joint import Part, deciding
from harness.analysis.outcome_table import arm_values, outcome_table
from harness.analysis.scale import Scale, outcome_label
from harness.analysis.verdict_rule import effect_rule, needed_replicates
from harness.errors import BadInput, UnknownName
from harness.words.hypothesis import Hypothesis
from harness.words.outcome import Outcome
from harness.words.record import Status
from harness.words.verdict import Answer
from tests.analysis.swept import normal, swept

SUPPORTED, REFUTED, INCONCLUSIVE = Answer.SUPPORTED, Answer.REFUTED, Answer.INCONCLUSIVE
SIZES, RATES, LEARNING_RATES = [250, 1000, 4000, 16000], [0, 0.2, 0.5, 0.9], [0.01, 0.1, 1.0, 10.0]
DOSE = {"kind": "dose", "outcome": "test/accuracy"}
OPTIMUM = {"kind": "interior_optimum", "outcome": "test/accuracy"}
INTERACTION = {
    "kind": "interaction",
    "a": "relu",
    "b": "tanh",
    "over": "model.depth",
    "outcome": "test/accuracy",
}
THRESHOLD = {"kind": "threshold", "outcome": "diverged", "over": "optimizer.lr"}
IMPOSSIBLE = {
    "kind": "impossibility",
    "arm": {},
    "outcome": {"success": "train/accuracy", "at_least": 1.0},
    "certificate": "linear_separability",
}


def judged(evidence):
    """The verdict on the only hypothesis, as plain JSON would carry it."""
    verdict = judge_study(evidence)
    json.dumps(verdict.model_dump(mode="json"), allow_nan=False)
    assert verdict.headline.startswith(verdict.hypotheses[0].answer.value)
    return verdict.hypotheses[0]


def along(factor, levels, means, hypothesis, **options):
    return swept({factor: levels}, normal(dict(zip(levels, means, strict=True))), hypothesis, **options)


def pair(difference, hypothesis, **options):
    means = {"sgd": 0.6, "adam": 0.6 + difference}
    pair = {"a": "adam", "b": "sgd", "outcome": "test/accuracy", **hypothesis}
    return swept({"optimizer.name": list(means)}, normal(means, **options), pair)


def test_the_table_has_every_kind_a_study_may_name():
    kinds = get_args(get_args(Hypothesis)[0])
    named = [get_args(k.model_fields["kind"].annotation)[0] for k in kinds]
    assert sorted(KINDS) == sorted(named)


@pytest.mark.parametrize(
    ("means", "direction", "answer", "grade"),
    [
        ((0.5, 0.55, 0.6, 0.65), "increasing", SUPPORTED, "clear"),
        ((0.65, 0.6, 0.55, 0.5), "increasing", REFUTED, "reversed"),
        ((0.65, 0.6, 0.55, 0.5), "decreasing", SUPPORTED, "clear"),
        ((0.6, 0.6, 0.6, 0.6), "increasing", REFUTED, "negligible"),
        ((0.5, 0.504, 0.507, 0.51), "increasing", INCONCLUSIVE, ""),
    ],
)
def test_dose(means, direction, answer, grade):
    found = judged(along("data.n_train", SIZES, means, {**DOSE, "direction": direction}))
    assert (found.answer, found.grade, found.fragile) == (answer, grade, False)
    assert [row["level"] for row in found.levels] == ["250", "1000", "4000", "16000"]
    sign = 1 if direction == "increasing" else -1
    ends = sign * (found.levels[-1]["mean"] - found.levels[0]["mean"])
    assert found.estimate.extra["end_to_end"] == pytest.approx(ends)
    # levels four times apart are even in the logarithm: the fitted change is near the ends' difference
    assert found.estimate.value == pytest.approx(ends, abs=0.01)


def test_a_dose_says_where_a_step_goes_the_other_way():
    found = judged(along("data.n_train", SIZES, (0.5, 0.6, 0.55, 0.65), DOSE))
    assert found.estimate.extra["reversal_beyond_delta"] == "yes"
    assert found.estimate.extra["largest_reversal"] == pytest.approx(0.05, abs=0.01)
    assert "the other way" in found.reason


def test_levels_are_ordered_by_value_and_by_the_logarithm_only_above_0():
    shuffled = [4000, 250, 16000, 1000]
    found = judged(along("data.n_train", shuffled, (0.6, 0.5, 0.65, 0.55), DOSE))
    assert (found.answer, found.levels[0]["value"]) == (SUPPORTED, 250)
    linear = judged(along("model.dropout", RATES, (0.5, 0.52, 0.55, 0.59), DOSE))
    assert linear.estimate.value == pytest.approx(0.09, abs=0.01)


def test_a_dose_needs_levels_that_are_numbers():
    names = along(
        "optimizer.name", ["sgd", "adam", "nag"], (0.5, 0.6, 0.7), {**DOSE, "over": "optimizer.name"}
    )
    with pytest.raises(BadInput, match="at least 2 levels that are numbers"):
        judge_study(names)
    with pytest.raises(UnknownName, match=r"optimizer\.nam"):
        judge_study(along("optimizer.name", ["sgd", "adam"], (0.5, 0.6), {**DOSE, "over": "optimizer.nam"}))


@pytest.mark.parametrize("tuned", [True, False])
@pytest.mark.parametrize(
    ("means", "answer", "optimum", "against"),
    [
        ((0.5, 0.6, 0.55, 0.4), SUPPORTED, "0.2", "0"),
        ((0.5, 0.55, 0.6, 0.65), REFUTED, "0.5", "0.9"),
        ((0.65, 0.6, 0.55, 0.5), REFUTED, "0.2", "0"),
        ((0.6, 0.607, 0.55, 0.5), INCONCLUSIVE, "0.2", "0"),
    ],
)
def test_interior_optimum(means, answer, optimum, against, tuned):
    scores = dict(zip(RATES, means, strict=True)) if tuned else None
    found = judged(along("model.dropout", RATES, means, OPTIMUM, tuned=scores))
    assert found.answer is answer
    assert (found.estimate.extra["optimum"], found.estimate.extra["against"]) == (optimum, against)
    # nothing tuned: every other replicate chose the level, the others test it
    assert found.estimate.n == (20 if tuned else 10)


def test_the_optimum_is_chosen_by_tuning_and_not_by_what_is_judged():
    scores = {0: 0.1, 0.2: 0.2, 0.5: 0.9, 0.9: 0.3}
    found = judged(along("model.dropout", RATES, (0.5, 0.7, 0.6, 0.4), OPTIMUM, tuned=scores))
    assert found.estimate.extra["optimum"] == "0.5"


@pytest.mark.parametrize("tuned", [True, False])
def test_half_the_replicates_of_an_untuned_optimum_choose_so_that_twice_as_many_are_needed(tuned):
    """Differences of mean .012 with an error of .007 over the replicates that test, against delta .01."""
    n = 20 if tuned else 10
    noise = np.random.default_rng(8).normal(size=n)
    noise = (noise - noise.mean()) / noise.std(ddof=1) * 0.007 * np.sqrt(n)
    spread = noise if tuned else np.repeat(noise, 2)  # the odd replicates test
    runs = {1: 0.6 - 0.012 + spread, 10: np.full(20, 0.6), 100: np.full(20, 0.5)}
    hypothesis = {**OPTIMUM, "delta": 0.01}
    found = judged(
        swept({"size": [1, 10, 100]}, runs.get, hypothesis, tuned={1: 1, 10: 2, 100: 1} if tuned else None)
    )
    assert (found.answer, found.estimate.n) == (INCONCLUSIVE, n)
    own = needed_replicates(paired_t(0.012 + noise), 0.012)
    assert found.needed_n == (own if tuned else 2 * own)
    assert f"about {found.needed_n} replicates" in found.reason


def test_an_optimum_is_chosen_by_replicates_where_a_level_is_not_tuned():
    scores = {0: 0.1, 0.2: 0.2, 0.5: 0.9, 0.9: 0.3}
    evidence = along("model.dropout", RATES, (0.5, 0.7, 0.6, 0.4), OPTIMUM, tuned=scores)
    arms = [a.model_copy(update={"tuned": []}) if a.label == "0.5" else a for a in evidence.design.arms]
    found = judged(replace(evidence, design=evidence.design.model_copy(update={"arms": arms})))
    assert (found.estimate.extra["optimum"], found.estimate.n) == ("0.2", 10)


def test_an_intersection_union_is_decided_by_its_worst_part():
    generator = np.random.default_rng(0)
    parts = []
    for name, mean in (("high", 3.0), ("low", 1.5)):
        interval = paired_t(mean + generator.normal(size=20) / 3)
        parts.append(Part(name, interval, effect_rule(interval, 1.0), SUPPORTED))
    least = deciding(parts)
    assert (least.label, least.interval.p_value) == ("low", max(p.interval.p_value for p in parts))
    gone = parts[0]._replace(label="gone", ruling=effect_rule(paired_t(generator.normal(size=20)), 1.0))
    assert deciding([*parts, gone]).label == "gone"


@pytest.mark.parametrize(
    ("difference", "answer", "grade"),
    [
        (0.0, SUPPORTED, "clear"),
        (0.001, SUPPORTED, "likely"),
        (0.008, INCONCLUSIVE, ""),
        (0.03, REFUTED, "different"),
        (-0.03, REFUTED, "different"),
    ],
)
def test_equivalence(difference, answer, grade):
    found = judged(pair(difference, {"kind": "equivalence"}))
    assert (found.answer, found.grade) == (answer, grade)
    assert found.estimate.shown_low < found.estimate.extra["low_90"]
    assert (found.needed_n is None) == (answer is not INCONCLUSIVE)


@pytest.mark.parametrize(
    ("difference", "answer", "grade"),
    [
        (0.03, SUPPORTED, "clear"),
        (0.0, SUPPORTED, "clear"),
        (-0.012, INCONCLUSIVE, ""),
        (-0.04, REFUTED, "inferior"),
    ],
)
def test_non_inferiority(difference, answer, grade):
    found = judged(pair(difference, {"kind": "non_inferiority"}))
    assert (found.answer, found.grade) == (answer, grade)
    assert (found.estimate.low > -found.delta) == (answer is SUPPORTED)


@pytest.mark.parametrize(
    ("difference", "answer", "grade"),
    [
        (0.04, SUPPORTED, "clear"),
        (0.017, INCONCLUSIVE, ""),
        (0.007, REFUTED, "too small"),
        (-0.003, REFUTED, "negligible"),
        (-0.04, REFUTED, "reversed"),
    ],
)
def test_at_least(difference, answer, grade):
    found = judged(pair(difference, {"kind": "at_least", "x": 0.02}))
    assert (found.answer, found.grade) == (answer, grade)
    assert found.delta == 0.02  # x is what the forest plot and the gates go by
    assert found.estimate.extra["beyond_x"] == pytest.approx(found.estimate.shown_value - 2)


def interacting(gain, direction="increasing", depths=(1, 3, 8)):
    generator = np.random.default_rng(3)

    def outcomes(activation, depth):
        advantage = gain * np.log(depth) if activation == "relu" else 0.0
        return 0.6 + advantage + 0.005 * generator.normal(size=20)

    factors = {"model.activation": ["relu", "tanh"], "model.depth": list(depths)}
    return swept(factors, outcomes, {**INTERACTION, "direction": direction})


@pytest.mark.parametrize(
    ("gain", "direction", "answer"),
    [
        (0.05, "increasing", SUPPORTED),
        (-0.05, "increasing", REFUTED),
        (-0.05, "decreasing", SUPPORTED),
        (0.0, "decreasing", REFUTED),
        (0.004, "increasing", INCONCLUSIVE),
    ],
)
def test_interaction(gain, direction, answer):
    assert judged(interacting(gain, direction)).answer is answer


def test_an_interaction_of_two_levels_is_the_difference_of_two_differences():
    evidence = interacting(0.05, depths=(1, 8))
    found = judged(evidence)
    wide = evidence.trials.pivot(index="replicate", columns="arm", values="test/accuracy")
    gain = (wide["relu, 8"] - wide["tanh, 8"]) - (wide["relu, 1"] - wide["tanh, 1"])
    expected = paired_t(gain.to_numpy())
    assert (found.estimate.value, found.estimate.low) == pytest.approx((expected.value, expected.low))
    assert found.estimate.p_value == pytest.approx(expected.p_value)


def test_two_levels_that_are_no_numbers_can_interact():
    generator = np.random.default_rng(4)

    def outcomes(network, permuted):
        return (0.9 if (network, permuted) == ("cnn", False) else 0.6) + 0.01 * generator.normal(size=10)

    hypothesis = {**INTERACTION, "a": "cnn", "b": "mlp", "over": "data.permuted", "direction": "decreasing"}
    evidence = swept({"model.name": ["cnn", "mlp"], "data.permuted": [False, True]}, outcomes, hypothesis)
    assert judged(evidence).estimate.value == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(
    ("mean", "bound", "answer"),
    [
        (0.98, {"above": 0.97}, SUPPORTED),
        (0.95, {"above": 0.97}, REFUTED),
        (0.9702, {"above": 0.97}, INCONCLUSIVE),
        (0.95, {"below": 0.97}, SUPPORTED),
        (0.98, {"below": 0.97}, REFUTED),
    ],
)
def test_mechanism(mean, bound, answer):
    outcomes = normal({"a": mean, "b": 0.5}, spread=0.002)
    hypothesis = {"kind": "mechanism", "arm": {"model.name": "a"}, "outcome": "test/accuracy", **bound}
    found = judged(swept({"model.name": ["a", "b"]}, outcomes, hypothesis))
    assert found.answer is answer
    assert found.estimate.shown_low < found.estimate.shown_value < found.estimate.shown_high
    assert found.estimate.shown_value == pytest.approx(100 * mean, abs=0.1)  # the outcome, in per cent
    assert (found.delta, found.shown_delta) == (None, None)


def test_a_mechanism_of_several_arms_must_hold_in_all():
    hypothesis = {"kind": "mechanism", "arm": {}, "outcome": "test/accuracy", "above": 0.7}
    found = judged(swept({"model.name": ["a", "b"]}, normal({"a": 0.9, "b": 0.6}), hypothesis))
    assert (found.answer, found.estimate.extra["arm"]) == (REFUTED, "b")
    assert len(found.levels) == 2


@pytest.mark.parametrize(("bound", "least"), [({"above": 0.4}, 0.0), ({"below": 0.6}, 1.0)])
def test_a_share_that_a_diverged_run_did_not_leave_speaks_against_the_claim(bound, least, monkeypatch):
    """One of twenty runs diverged and left no share of dead units; the others left one half."""

    def probed(asked):
        lost = asked.record.status is Status.DIVERGED
        return outcomes.Value(math.nan if lost else 0.5, diverged=lost)

    monkeypatch.setitem(outcomes.FUNCTIONS, "probe", probed)
    hypothesis = {"kind": "mechanism", "arm": {"model.name": "a"}, "outcome": {"probe": "dead_fraction"}}
    runs = {"a": np.r_[np.full(19, 0.5), np.nan], "b": np.full(20, 0.5)}
    found = judged(swept({"model.name": ["a", "b"]}, lambda arm: runs[arm], {**hypothesis, **bound}))
    assert found.estimate.shown_value == pytest.approx(100 * (0.95 * 0.5 + 0.05 * least))


def diverging(*chances, n=20):
    generator = np.random.default_rng(5)
    chance = dict(zip(LEARNING_RATES, chances, strict=True))
    return lambda rate: np.where(generator.random(n) < chance[rate], np.nan, 0.5)


@pytest.mark.parametrize(
    ("chances", "bound", "answer"),
    [
        ((0, 0, 1, 1), {}, SUPPORTED),
        ((0, 0.1, 0.9, 1), {}, SUPPORTED),
        ((0, 0, 0, 0), {}, REFUTED),
        ((1, 1, 1, 1), {}, REFUTED),
        ((0, 0, 0, 0.5), {}, INCONCLUSIVE),
        ((0, 0, 1, 1), {"above": 0.05}, SUPPORTED),
        ((0, 0, 1, 1), {"above": 2}, REFUTED),
        ((0, 0, 1, 1), {"below": 2}, SUPPORTED),
        ((0, 0, 1, 1), {"below": 0.3}, INCONCLUSIVE),
        ((0, 0, 0, 0), {"above": 0.05}, SUPPORTED),
        ((0, 0, 0, 0), {"below": 0.05}, REFUTED),
    ],
)
def test_threshold(chances, bound, answer):
    found = judged(swept({"optimizer.lr": LEARNING_RATES}, diverging(*chances), {**THRESHOLD, **bound}))
    assert found.answer is answer
    assert found.levels[0]["events"] == 20 * chances[0]
    if bound and found.estimate:
        below = "below" in bound
        side = (
            found.estimate.shown_high < bound["below"] if below else found.estimate.shown_low > bound["above"]
        )
        assert side == (answer is SUPPORTED)


def test_a_bound_outside_the_levels_could_not_be_tested():
    evidence = swept({"optimizer.lr": LEARNING_RATES}, diverging(0, 0, 1, 1), {**THRESHOLD, "above": 20})
    with pytest.raises(BadInput, match=r"between the outermost levels, 0\.01 and 10\.0; found 20"):
        judge_study(evidence)


def gate(name, accuracies, widths=()):
    config = {
        "data": {"name": "gates", "gate": name},
        "model": {"name": "mlp", "widths": list(widths)},
        "train": {"steps": 9},
    }
    return swept(
        {"data.gate": [name]}, lambda _: accuracies, IMPOSSIBLE, metric="train/accuracy", config=config
    )


def test_impossibility():
    assert judged(gate("xor", [0.75] * 50)).answer is SUPPORTED
    found = judged(gate("xor", [0.75] * 49 + [1.0]))
    assert (found.answer, found.grade, found.estimate.extra["successes"]) == (REFUTED, "done", 1)
    assert judged(gate("and", [0.75] * 50)).grade == "possible"  # nobody managed, though a line exists
    with pytest.raises(BadInput, match="without hidden layers"):
        judge_study(gate("xor", [0.75] * 50, widths=[4]))


@pytest.mark.parametrize(
    "bound",
    [{"at_least": 0.75}, {"at_least": 0.5}, {"at_most": 0.75}, {"at_least": 1.5}, {"at_least": True}, {}],
)
def test_a_success_that_the_certificate_does_not_rule_out_is_refused(bound):
    """Three of the four examples may be right: accuracy 0.75."""
    outcome = {"success": "train/accuracy", **bound}
    with pytest.raises(ValidationError, match=r"found \{success: train/accuracy.*above 0\.75 and up to 1"):
        swept({"data.gate": ["xor"]}, lambda _: [0.5] * 9, {**IMPOSSIBLE, "outcome": outcome})
    allowed = {"success": "val/accuracy", "at_least": 0.76}
    assert swept({"data.gate": ["xor"]}, lambda _: [0.5] * 9, {**IMPOSSIBLE, "outcome": allowed})


def test_the_chance_that_0_of_n_leaves():
    """Clopper-Pearson by hand: P(0 of n) = (1 - p)^n = 2.5 % at the upper end."""
    found = judged(gate("xor", [0.5] * 40)).estimate
    assert (found.low, found.high) == pytest.approx((0, 1 - 0.025 ** (1 / 40)))
    assert found.p_value is None


def test_identity():
    arms = {"model.name": ["a", "b"]}
    exact = {"kind": "identity", "outcome": {"exact": "linear_collapse"}}
    found = judged(swept(arms, normal({"a": 0.5, "b": 0.6}), exact))
    assert (found.answer, found.p_adjusted) == (SUPPORTED, None)
    assert {g.passed for g in found.gates} == {None}
    strict = judged(swept(arms, normal({"a": 0.5, "b": 0.6}), {**exact, "tolerance": 1e-18}))
    assert (strict.answer, strict.grade) == (REFUTED, "unequal")
    with pytest.raises(UnknownName, match="linear_collapse"):
        judge_study(
            swept(arms, normal({"a": 0.5, "b": 0.6}), {**exact, "outcome": {"exact": "linear_colapse"}})
        )


def test_gates_bear_on_the_kinds_they_make_sense_for():
    lost = normal({"sgd": 0.6, "adam": 0.6})("sgd")
    diverged = np.where(np.arange(20) < 6, np.nan, lost)
    outcomes = {"sgd": lost, "adam": diverged}
    arms = {"optimizer.name": ["sgd", "adam"]}
    hypothesis = {"kind": "equivalence", "a": "adam", "b": "sgd", "outcome": "test/accuracy"}
    gated = judged(swept(arms, outcomes.__getitem__, hypothesis))
    assert (gated.answer, gated.estimate.method[:6]) == (INCONCLUSIVE, "Hodges")
    assert [g.name for g in gated.gates if g.passed is False] == ["G4"]
    ceiling = judged(pair(0.398, {"kind": "equivalence"}, spread=1e-4))
    assert ceiling.gates[1].passed  # one arm leaves room
    # an accuracy above 97 % is what the claim is about: no ceiling
    above = {"kind": "mechanism", "arm": {}, "outcome": "test/accuracy", "above": 0.97}
    assert judged(swept(arms, normal({"sgd": 0.995, "adam": 0.995}, spread=1e-3), above)).answer is SUPPORTED


def test_levels_may_diverge_where_nothing_is_tuned():
    def outcomes(rate):
        return np.full(20, np.nan) if rate == 10 else {0.01: 0.2, 0.1: 0.5, 1.0: 0.6}[rate] + noise[rate]

    noise = {rate: 0.01 * np.random.default_rng(6).normal(size=20) for rate in LEARNING_RATES}
    found = judged(swept({"optimizer.lr": LEARNING_RATES}, outcomes, OPTIMUM))
    assert (found.answer, found.estimate.extra["optimum"]) == (SUPPORTED, "1.0")
    assert found.levels[-1]["mean"] == pytest.approx(0.1)  # chance, which stands in for a run that diverged


def test_steps_over_levels_are_compared_by_their_ratio():
    """Steps to the target double from level to level: the change from end to end is 2 x 2 x 2."""
    steps = {size: 100 * 2**i for i, size in enumerate(SIZES)}
    evidence = along(
        "data.n_train", SIZES, (0.5, 0.5, 0.5, 0.5), {**DOSE, "outcome": {"steps_to": "val/accuracy"}}
    )
    records = {
        p.trial: evidence.records[p.trial].model_copy(
            update={
                "steps": [0, steps[int(p.arm)] // 2, 2 * steps[int(p.arm)], 4 * steps[int(p.arm)]],
                "curves": {"val/accuracy": [0.0, 0.2, 0.8, 0.8]},
            }
        )
        for p in evidence.planned
    }
    found = judged(with_target(replace(evidence, records=records), 0.4))
    assert (found.answer, found.delta) == (SUPPORTED, math.log(1.25))
    assert found.estimate.shown_value == pytest.approx(8)


def with_target(evidence, target):
    study = evidence.design.study
    given = study.model_copy(update={"target": study.target.model_copy(update={"value": target})})
    return replace(evidence, design=evidence.design.model_copy(update={"study": given}))


@pytest.mark.parametrize("hypothesis", [DOSE, {**OPTIMUM, "direction": "higher"}])
def test_repeated_splits_widen_every_interval(hypothesis):
    evidence = along(
        "model.dropout", RATES, (0.5, 0.6, 0.55, 0.4), hypothesis, tuned=dict.fromkeys(RATES, 1.0)
    )
    fresh = judged(evidence).estimate
    facts = {a: f.model_copy(update={"scope": "resplit"}) for a, f in evidence.design.data.items()}
    resplit = replace(evidence, design=evidence.design.model_copy(update={"data": facts}))
    wider = judged(resplit)
    assert wider.estimate.standard_error / fresh.standard_error == pytest.approx(math.sqrt(1 + 20))
    assert not wider.fragile


def test_a_missing_outcome_decides_nothing():
    """Every run diverged, of a metric without a worst value to stand in: no number, and no answer."""
    hypothesis = {"kind": "mechanism", "arm": {}, "outcome": "test/mse", "below": 0.5}
    evidence = swept({"model.name": ["a", "b"]}, lambda _: [np.nan] * 10, hypothesis, metric="test/mse")
    facts = {a: f.model_copy(update={"n_classes": None}) for a, f in evidence.design.data.items()}
    found = judged(replace(evidence, design=evidence.design.model_copy(update={"data": facts})))
    assert (found.answer, found.estimate) == (INCONCLUSIVE, None)


@pytest.mark.parametrize(
    ("options", "label"),
    [
        ({"layer": 1, "when": "start"}, "share of dead units, layer 1 at the start"),
        ({}, "share of dead units"),
        ({"ratio": ["last", "first"]}, "share of dead units, layer last over first"),
        ({"slope": "layer"}, "slope a layer of the log10 share of dead units"),
        ({"slope": "log_step", "when": "all"}, "log-log slope over steps of the share of dead units"),
    ],
)
def test_probes_are_named_with_their_layer_and_moment(options, label):
    assert outcome_label(Outcome(function="probe", metric="dead_fraction", options=options)) == label


def test_a_share_of_exactly_nothing_is_shown_as_such():
    """0 - 0.1 and then + 0.1 leaves 1e-17, which nobody should read."""
    shown = Scale("points", "%", offset=0.1, sign=-1.0)
    assert shown.show(0.1 - 1e-17 * 2) == 0.0
    assert shown.show(0.0999) == pytest.approx(0.01)


def test_a_diverged_run_is_no_better_than_the_worst_that_finished():
    """NLL of a constant guess, log 10 = 2.3, would flatter an arm whose runs end at 5 or diverge."""
    runs = {"a": [math.nan, *([5.0] * 9)], "b": [5.0] * 9 + [6.0]}
    asked = {"kind": "superiority", "a": "a", "b": "b", "outcome": "test/nll", "delta": 0.1}
    evidence = swept({"arm": ["a", "b"]}, runs.get, asked, metric="test/nll")
    table = outcome_table(evidence, Outcome(function="final", metric="test/nll"))
    assert arm_values(table, "a")[0] == 6.0
    good = swept({"arm": ["a", "b"]}, {"a": [math.nan] + [1.0] * 9, "b": [1.0] * 10}.get, asked, "test/nll")
    table = outcome_table(good, Outcome(function="final", metric="test/nll"))
    assert arm_values(table, "a")[0] == pytest.approx(math.log(10))


def test_a_share_of_a_mean_of_nothing_is_no_answer():
    asked = {"kind": "superiority", "a": "a", "b": "b", "outcome": "test/loss", "delta": "5%"}
    runs = {"a": np.linspace(0.1, 0.2, 8), "b": np.zeros(8)}
    verdict = judge_study(swept({"arm": ["a", "b"]}, runs.get, asked, metric="test/loss")).hypotheses[0]
    assert verdict.answer is INCONCLUSIVE
    assert "delta is a share of b's mean, which is 0: give it as a number" in verdict.reason


def test_a_dose_with_a_large_step_back_is_likely_at_most():
    """Rises by a fifth, but falls by five times delta on the way: monotone is too much said."""
    noise = np.random.default_rng(1).normal(scale=0.001, size=(4, 10))
    means = dict(zip(SIZES, [0.55, 0.5, 0.52, 0.75], strict=True))
    runs = {level: mean + noise[i] for i, (level, mean) in enumerate(means.items())}
    verdict = judge_study(swept({"data.n_train": SIZES}, runs.get, DOSE)).hypotheses[0]
    assert (verdict.answer, verdict.grade) == (SUPPORTED, "likely")
    falling = {level: 1 - runs[level] for level in SIZES}
    reversed_ = judge_study(swept({"data.n_train": SIZES}, falling.get, DOSE)).hypotheses[0]
    assert reversed_.answer is REFUTED
    assert "goes the other way" not in reversed_.reason


def test_where_nothing_happens_the_critical_level_lies_beyond():
    never = judge_study(
        swept({"optimizer.lr": LEARNING_RATES}, lambda _: [0.9] * 8, THRESHOLD | {"above": 1})
    )
    found = never.hypotheses[0]
    assert "half the runs diverge above optimizer.lr 10, 95 % interval" in found.reason
    assert "to above 10" in found.reason
