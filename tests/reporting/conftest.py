"""A simulated study in which a quarter of an arm's runs diverged, and its verdict."""

from __future__ import annotations

import pytest

from harness.analysis.evidence import Evidence
from harness.analysis.judge import judge_study
from harness.words.verdict import StudyVerdict
from tests.simulated import simulated_evidence


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return simulated_evidence(replicates=8, diverged={"sgd": 0.25})


@pytest.fixture(scope="module")
def verdict(evidence: Evidence) -> StudyVerdict:
    return judge_study(evidence)
