"""Trial variance apart from tuning variance: the luck of the tuning seeds, by the selection rule itself."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.judge import judge_study
from harness.analysis.variation import DRAWS, tuning_sd
from harness.words.choosing import choose
from harness.words.design import Choice, Dimension, PointResult
from tests.simulated import simulated_evidence

LR = Dimension(path="optimizer.lr", low=1e-3, high=1.0, log=True)


def choice(table, rates=(1e-3, 10**-1.5, 1.0), direction="higher"):
    """Of (points, seeds) values; None for a point where a run diverged."""
    points = [
        PointResult(
            index=i,
            params={"optimizer.lr": rate},
            values=values or [0.5],
            score=None if values is None else float(np.mean(values)),
            diverged=int(values is None),
        )
        for i, (rate, values) in enumerate(zip(rates, table, strict=True))
    ]
    return Choice(arm="a", outcome="final val/accuracy", direction=direction, points=points, chosen=0)


def test_it_is_0_where_every_draw_of_seeds_chooses_the_same():
    assert tuning_sd(choice([[0.5, 0.6], [0.9, 0.8], [0.4, 0.5]]), [LR]) == 0


def test_it_is_the_bootstrap_of_the_choice_over_seeds():
    """Seed by seed the ends win in turns; over all 27 draws the choice, by hand, and its mean over seeds."""
    table = [[0.9, 0.5, 0.72], [0.1, 0.1, 0.1], [0.6, 0.8, 0.7]]
    found, means = tuning_sd(choice(table), [LR]), np.mean(table, axis=1)
    scores = []
    for seeds in itertools.product(range(3), repeat=3):
        drawn = [[row[s] for s in seeds] for row in table]
        winner, _ = choose([LR], choice(drawn).points, "higher")
        scores.append(means[winner])
    assert np.std(scores) > 0
    assert found == pytest.approx(np.std(scores), rel=4 / np.sqrt(DRAWS))
    assert found == tuning_sd(choice(table), [LR])  # the generator is fixed


def test_a_better_score_is_a_lower_one_for_a_loss():
    table = [[0.9, 0.5, 0.72], [0.1, 0.1, 0.1], [0.6, 0.8, 0.7]]
    assert tuning_sd(choice(table, direction="lower"), [LR]) == 0


@pytest.mark.parametrize("table", [[[0.5], [0.6], [0.7]], [None, None, None]])
def test_one_seed_or_no_whole_point_tells_nothing(table):
    assert tuning_sd(choice(table), [LR]) is None


def test_a_point_where_a_run_diverged_is_never_chosen():
    assert tuning_sd(choice([None, [0.9, 0.8], [0.4, 0.5]]), [LR]) == 0


def test_points_beyond_the_declared_range_widen_it():
    assert tuning_sd(choice([[0.5, 0.6], [0.9, 0.8], [0.4, 0.5]], rates=(1e-3, 1.0, 1e2)), [LR]) == 0


def test_every_tuned_arm_has_both_deviations():
    evidence = simulated_evidence(replicates=8)
    for summary in judge_study(evidence).arms:
        found = summary.variation
        steps = summary.outcomes["steps_to val/accuracy"]["sd"]
        assert (found.outcome, found.trial_sd) == ("steps_to val/accuracy", steps)
        assert found.tuning_sd is not None
    untuned = [arm.model_copy(update={"tuned": []}) for arm in evidence.design.arms]
    design = evidence.design.model_copy(update={"arms": untuned})
    assert {a.variation for a in judge_study(replace(evidence, design=design)).arms} == {None}
